"""Refinement: fewer errors than the SVM at the same resolution, and images trained a second against plain torch."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gingham import Project

DATASETS = ("clothing", "grocery")
SEEDS = (0, 1, 2)
WAYS: dict[str, dict[str, str]] = {
    "svm": {"classifier": "svm"},
    "dnn": {"classifier": "dnn"},
    "dnn, views = flip": {"classifier": "dnn", "features.views": "flip"},
    "svm-refined": {"classifier": "svm-refined"},
}
BATCH = 16
ROUNDS = 5
SECONDS = 4.0


def accuracy(photos: Path) -> list[dict[str, Any]]:
    """Train and test in each way on each set with each seed; returns a row for each set and way.

    A network is trained once, by the first way that needs it.
    """
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        project = Project(folder, environment={})
        for dataset in DATASETS:
            for way, parameters in WAYS.items():
                runs = []
                for seed in SEEDS:
                    began = time.perf_counter()
                    run = project.run(photos / dataset, parameters | {"seed": seed})
                    runs.append((run.metrics.accuracy, run.metrics.accuracy_ci, time.perf_counter() - began))
                    print(
                        f"{dataset:9} {way:17} seed {seed} test {runs[-1][0]:.1%}, {runs[-1][2]:.0f} s",
                        flush=True,
                    )
                accuracies = [run[0] for run in runs]
                rows.append(
                    {
                        "dataset": dataset,
                        "classifier": way,
                        "accuracies": accuracies,
                        "mean": statistics.mean(accuracies),
                        "low": statistics.mean(run[1][0] for run in runs),
                        "high": statistics.mean(run[1][1] for run in runs),
                        "seconds": statistics.median(run[2] for run in runs),
                    }
                )
    return rows


def speed() -> dict[str, Any]:
    """Train by our default on a CPU, and the whole network by plain torch, in turn; returns images a second."""
    import torch

    from gingham.config import Refinement
    from gingham.executors import has_bf16
    from gingham.features import load_backbone
    from gingham.refine.acceleration import accelerate
    from gingham.refine.classifier import Classifier, make_optimizer
    from gingham.refine.stages import cut_network

    settings = Refinement()
    ways = {}
    for name in ("torch eager, whole network, f32", "ours in f32", "ours in bf16"):
        whole = name.startswith("torch")
        if name.endswith("bf16") and not has_bf16():
            continue
        network = load_backbone("efficientnet_lite0").torch_module(224)
        cut = cut_network(network, "all" if whole else "auto", 224, on_gpu=False)
        shape = (BATCH, 3, 224, 224) if cut.fixed is None else (BATCH, *_shape_behind(cut.fixed))
        inputs = torch.randn(shape).contiguous(memory_format=torch.channels_last)
        if not whole:
            accelerate(cut.trained, inputs[:2], fold=True)
        model = Classifier(
            cut.trained, np.zeros((10, 1280)), np.zeros(10), dropout=0, mean=(0.5,) * 3, std=(0.5,) * 3,
            freeze_norm=not whole,
        ).to(memory_format=torch.channels_last)  # fmt: skip
        optimizer = make_optimizer(model, settings, "cpu")
        ways[name] = _step(model, optimizer, inputs, bf16=name.endswith("bf16"))
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, step in ways.items():
            step()
            began, steps = time.perf_counter(), 0
            while time.perf_counter() - began < SECONDS:
                step()
                steps += 1
            rates[name].append(BATCH * steps / (time.perf_counter() - began))
    medians = {name: statistics.median(found) for name, found in rates.items()}
    print(", ".join(f"{name}: {rate:.1f} images/s" for name, rate in medians.items()), flush=True)
    return {"batch": BATCH, "rates": medians}


def _shape_behind(fixed: Any) -> tuple[int, ...]:
    import torch

    with torch.inference_mode():
        return tuple(fixed(torch.zeros(1, 3, 224, 224)).shape[1:])


def _step(model: Any, optimizer: Any, inputs: Any, *, bf16: bool) -> Callable[[], None]:
    import torch

    labels = torch.arange(len(inputs)) % 10

    def step() -> None:
        model.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            scores = model(inputs)
        torch.nn.functional.cross_entropy(scores, labels).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step
