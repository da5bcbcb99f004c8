"""Accuracy at equal wall time on a CPU: our ``dnn`` at its defaults against timm's usual recipe for fine-tuning.

Both start from the same ImageNet weights and train on all rows but the test rows of the official split. Where a choice
had to be made for timm it was made in its favour: the faster of two precisions and of three numbers of workers, the
better of two learning rates (on the validation rows, in time that is not counted), as many updates as the minutes
hold at the rate that was measured (neither start nor test counted), and the better of its two sets of weights, as the
test images say. Ours is one whole run, from the folder of files to the report.
"""

from __future__ import annotations

import csv
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gingham import Project
from gingham.evaluate.intervals import wilson_interval
from gingham.features import load_backbone

DATASETS = ("clothing", "grocery")
MINUTES = (10, 30)
LEARNING_RATES = (3e-4, 1e-3)
CHOICE_SECONDS = 90.0
"""Training time of each learning rate when they are compared."""
RATE_SECONDS = 40.0
BATCH = 32
WARM_UP = 0.1
SEED = 0
TRAIN = ("train", "val", "validation")


class Setup(NamedTuple):
    """How timm trains on one set: what is fastest here, images trained a second by it, and the learning rate."""

    bf16: bool
    workers: int
    rate: float = 0.0
    learning_rate: float = LEARNING_RATES[0]


def main(photos: Path) -> list[dict[str, Any]]:
    """Train and test both on each set; returns a row for each cell."""
    rows = []
    for dataset in DATASETS:
        setup = prepare(photos / dataset)
        rows += [theirs(photos / dataset, minutes, setup) for minutes in MINUTES]
        rows.append(ours(photos / dataset))
    return rows


def ours(root: Path) -> dict[str, Any]:
    """Do one whole run at the defaults, with nothing in its caches."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        run = Project(folder, environment={}).run(root, {"classifier": "dnn", "seed": SEED})
        seconds = time.perf_counter() - began
    return _row(root, "gingham", run.metrics.n_correct, run.metrics.n_test, seconds)


def theirs(root: Path, minutes: float, setup: Setup) -> dict[str, Any]:
    """Train with timm for as many updates as the minutes hold at the measured rate, then test."""
    updates = int(60 * minutes * setup.rate / BATCH)
    training = _Training(root, TRAIN, setup, updates)
    seconds = training.run()
    right, total = training.test(("test",))
    row = _row(root, "timm", max(right.values()), total, seconds) | {"minutes": minutes, **setup._asdict()}
    epochs = updates * BATCH / training.images
    return row | {"updates": updates, "epochs": epochs} | {name: found / total for name, found in right.items()}


def prepare(root: Path) -> Setup:
    """Find what is fastest, its rate, and the better learning rate."""
    setup = measure(root, fastest(root))
    return setup._replace(learning_rate=better(root, setup))


def fastest(root: Path) -> Setup:
    """Compare f32 and bf16, then numbers of workers."""
    precise = max((Setup(bf16, 1) for bf16 in (False, True)), key=lambda setup: measure(root, setup, 10).rate)
    return max((precise._replace(workers=workers) for workers in (0, 1, 2)), key=lambda s: measure(root, s, 10).rate)


def measure(root: Path, setup: Setup, seconds: float = RATE_SECONDS) -> Setup:
    """Set the rate of images trained, loading included, by the median step: other work disturbs it less."""
    training = _Training(root, TRAIN, setup, 10_000)
    for _ in range(2 + 2 * setup.workers):  # what the workers fetch ahead
        training.step()
    times: list[float] = []
    while sum(times) < seconds:
        began = time.perf_counter()
        training.step()
        times.append(time.perf_counter() - began)
    setup = setup._replace(rate=BATCH / statistics.median(times))
    print(f"{root.name:9} timm    {setup}", flush=True)
    return setup


def better(root: Path, setup: Setup) -> float:
    """Compare the learning rates on the validation rows."""
    accuracies = {}
    for learning_rate in LEARNING_RATES:
        updates = int(CHOICE_SECONDS * setup.rate / BATCH)
        training = _Training(root, ("train",), setup._replace(learning_rate=learning_rate), updates)
        training.run()
        right, total = training.test(("val", "validation"))
        accuracies[learning_rate] = max(right.values()) / total
        print(f"{root.name:9} timm    {learning_rate:g}: validation {right} of {total}", flush=True)
    return max(accuracies, key=lambda rate: accuracies[rate])


def _row(root: Path, by: str, right: int, total: int, seconds: float) -> dict[str, Any]:
    low, high = (float(bound) for bound in wilson_interval(right, total))
    print(f"{root.name:9} {by:7} test {right / total:.1%} ({low:.1%} to {high:.1%}), {seconds:.0f} s", flush=True)
    row = {"dataset": root.name, "by": by, "accuracy": right / total, "low": low, "high": high}
    return row | {"test_images": total, "seconds": seconds}


class _Training:
    """timm's fine-tuning of the whole network, put together of its own parts with the defaults of its script."""

    def __init__(self, root: Path, splits: tuple[str, ...], setup: Setup, updates: int) -> None:
        import timm
        import torch
        from timm import loss, optim, scheduler, utils

        utils.random_seed(SEED)
        self._root, self._bf16, self._updates = root, setup.bf16, updates
        classes = sum(entry.is_dir() for entry in root.iterdir())
        self._model = timm.create_model("tf_efficientnet_lite0", num_classes=classes, drop_rate=0.2)
        weights = load_backbone("efficientnet_lite0").torch_module(224).state_dict()
        missing = self._model.load_state_dict(weights, strict=False).missing_keys
        assert missing == ["classifier.weight", "classifier.bias"]
        self._model.to(memory_format=torch.channels_last)
        self._average = utils.ModelEmaV3(self._model, decay=0.9998, use_warmup=True)
        self._loss = loss.LabelSmoothingCrossEntropy(0.1)
        self._optimizer = optim.create_optimizer_v2(
            self._model, "adamw", lr=setup.learning_rate, weight_decay=0.05, fused=True
        )
        self._schedule = scheduler.CosineLRScheduler(
            self._optimizer, updates, warmup_t=int(WARM_UP * updates), warmup_lr_init=1e-5, t_in_epochs=False
        )
        loader = _loader(  # mmax9: beyond it timm's posterizing asks Pillow for 0 bits, which Pillow now refuses
            root, splits, self._model, setup.workers, is_training=True, interpolation="random",
            auto_augment="rand-m9-mstd0.5-mmax9-inc1", re_prob=0.25, re_mode="pixel", use_multi_epochs_loader=True,
        )  # fmt: skip
        self.images = len(loader.dataset)
        self._batches: Iterator[Any] = (batch for _ in iter(int, 1) for batch in loader)
        self._done = 0

    def run(self) -> float:
        """Train to the end; returns the seconds."""
        began = time.perf_counter()
        while self._done < self._updates:
            self.step()
        return time.perf_counter() - began

    def step(self) -> None:
        import torch

        images, labels = next(self._batches)
        self._model.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=self._bf16):
            scores = self._model(images.contiguous(memory_format=torch.channels_last))
        self._loss(scores.float(), labels).backward()
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._done += 1
        self._average.update(self._model, step=self._done)
        self._schedule.step_update(self._done)

    def test(self, splits: tuple[str, ...]) -> tuple[dict[str, int], int]:
        """Return how many are right by the trained weights and by their moving average, and of how many."""
        import torch

        loader = _loader(self._root, splits, self._model, 2)
        right = {"plain": 0, "average": 0}
        with torch.inference_mode():
            for images, labels in loader:
                for name, model in (("plain", self._model.eval()), ("average", self._average.module)):
                    right[name] += int((model(images).argmax(1) == labels).sum())
        return right, len(loader.dataset)


def _loader(root: Path, splits: tuple[str, ...], model: Any, workers: int, **options: Any) -> Any:
    from timm import data

    with (root / "splits.csv").open(newline="") as file:
        wanted = {str(root / row["path"]) for row in csv.DictReader(file) if row["split"] in splits}
    dataset = data.create_dataset("", str(root))
    dataset.reader.samples = [sample for sample in dataset.reader.samples if sample[0] in wanted]
    assert len(dataset) == len(wanted)
    config = data.resolve_data_config(model=model) | options
    return data.create_loader(dataset, batch_size=BATCH, num_workers=workers, use_prefetcher=False, **config)
