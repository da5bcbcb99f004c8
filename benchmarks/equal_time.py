"""Accuracy at equal wall time on a CPU: our ``dnn`` against timm's usual recipe for fine-tuning.

Both start from the same ImageNet weights and train on all rows but the test rows of the official split. Where a choice
had to be made for timm it was made in its favour: the faster of two precisions; as many updates as the minutes hold at
the rate of a quiet machine on which two processors are twice as fast as one, start and test not counted; and, as the
test images say, the better of two learning rates, and of the trained weights and their moving average. Ours is one
whole run, from the folder of files to the report, at the defaults, and with one training instead of the mean of two.
"""

from __future__ import annotations

import csv
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gingham import Project
from gingham.evaluate.intervals import wilson_interval
from gingham.executors import usable_cpus
from gingham.features import load_backbone

DATASETS = ("clothing", "grocery")
MINUTES = (10, 30)
LEARNING_RATES = (5e-4, 1e-3)
TRAININGS = (1, 2)
BATCH = 32
WARM_UP = 0.1
SEED = 0
RATE_STEPS = 5


class Pace(NamedTuple):
    """What is faster here, and the images that it trains a second, loading included."""

    bf16: bool
    rate: float


def main(photos: Path) -> list[dict[str, Any]]:
    """Train and test both on each set; returns a row for each training."""
    rows = []
    for root in (photos / dataset for dataset in DATASETS):
        pace = max((measure(root, bf16=bf16) for bf16 in (False, True)), key=lambda pace: pace.rate)
        rows += [theirs(root, minutes, pace, rate) for minutes in MINUTES for rate in LEARNING_RATES]
        rows += [ours(root, trainings) for trainings in TRAININGS]
    return rows


def measure(root: Path, *, bf16: bool) -> Pace:
    """Take the quickest step by the processor time of one thread, which other work on the machine hardly disturbs."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    training = _Training(root, bf16=bf16, learning_rate=LEARNING_RATES[0], updates=RATE_STEPS)
    times = []
    for _ in range(RATE_STEPS):
        began = time.process_time()
        training.step()
        times.append(time.process_time() - began)
    torch.set_num_threads(threads)
    pace = Pace(bf16, usable_cpus() * BATCH / min(times))
    print(f"{root.name:9} timm    {pace}", flush=True)
    return pace


def ours(root: Path, trainings: int) -> dict[str, Any]:
    """Do one whole run, with nothing in its caches."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        parameters = {"classifier": "dnn", "seed": SEED, "refinement.trainings": trainings}
        run = Project(folder, environment={}).run(root, parameters)
        seconds = time.perf_counter() - began
    return _row(root, "gingham", run.metrics.n_correct, run.metrics.n_test, seconds) | {"trainings": trainings}


def theirs(root: Path, minutes: float, pace: Pace, learning_rate: float) -> dict[str, Any]:
    """Train with timm for as many updates as the minutes hold, then test."""
    updates = int(60 * minutes * pace.rate / BATCH)
    training = _Training(root, bf16=pace.bf16, learning_rate=learning_rate, updates=updates)
    seconds = training.run()
    right, total = training.test()
    plan = {"minutes": minutes, **pace._asdict(), "learning_rate": learning_rate, "updates": updates}
    row = _row(root, "timm", max(right.values()), total, seconds) | plan
    return row | {"epochs": updates * BATCH / training.images} | {name: n / total for name, n in right.items()}


def _row(root: Path, by: str, right: int, total: int, seconds: float) -> dict[str, Any]:
    low, high = (float(bound) for bound in wilson_interval(right, total))
    print(f"{root.name:9} {by:7} test {right / total:.1%} ({low:.1%} to {high:.1%}), {seconds:.0f} s", flush=True)
    row = {"dataset": root.name, "by": by, "accuracy": right / total, "low": low, "high": high}
    return row | {"test_images": total, "seconds": seconds}


class _Training:
    """timm's fine-tuning of the whole network, put together of its own parts with the defaults of its script."""

    def __init__(self, root: Path, *, bf16: bool, learning_rate: float, updates: int) -> None:
        import timm
        import torch
        from timm import loss, optim, scheduler, utils

        utils.random_seed(SEED)
        self._root, self._bf16, self._updates = root, bf16, updates
        classes = sum(entry.is_dir() for entry in root.iterdir())
        self._model = timm.create_model("tf_efficientnet_lite0", num_classes=classes, drop_rate=0.2)
        weights = load_backbone("efficientnet_lite0").torch_module(224).state_dict()
        missing = self._model.load_state_dict(weights, strict=False).missing_keys
        assert missing == ["classifier.weight", "classifier.bias"]
        self._model.to(memory_format=torch.channels_last)
        self._average = utils.ModelEmaV3(self._model, decay=0.9998, use_warmup=True)
        self._loss = loss.LabelSmoothingCrossEntropy(0.1)
        self._optimizer = optim.create_optimizer_v2(
            self._model, "adamw", lr=learning_rate, weight_decay=0.05, fused=True
        )
        self._schedule = scheduler.CosineLRScheduler(
            self._optimizer, updates, warmup_t=int(WARM_UP * updates), warmup_lr_init=1e-5, t_in_epochs=False
        )
        loader = _loader(  # mmax9: beyond it timm's posterizing asks Pillow for 0 bits, which Pillow now refuses
            root, self._model, test=False, is_training=True, interpolation="random",
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

    def test(self) -> tuple[dict[str, int], int]:
        """Return how many are right by the trained weights and by their moving average, and of how many."""
        import torch

        loader = _loader(self._root, self._model, test=True)
        right = {"plain": 0, "average": 0}
        with torch.inference_mode():
            for images, labels in loader:
                for name, model in (("plain", self._model.eval()), ("average", self._average.module)):
                    right[name] += int((model(images).argmax(1) == labels).sum())
        return right, len(loader.dataset)


def _loader(root: Path, model: Any, *, test: bool, **options: Any) -> Any:
    from timm import data

    with (root / "splits.csv").open(newline="") as file:
        wanted = {str(root / row["path"]) for row in csv.DictReader(file) if (row["split"] == "test") == test}
    dataset = data.create_dataset("", str(root))
    dataset.reader.samples = [sample for sample in dataset.reader.samples if sample[0] in wanted]
    assert len(dataset) == len(wanted)
    config = data.resolve_data_config(model=model) | options
    return data.create_loader(dataset, batch_size=BATCH, num_workers=0, use_prefetcher=False, **config)
