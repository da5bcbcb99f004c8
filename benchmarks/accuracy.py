"""Accuracy on the official test images of two public sets of photos, with the defaults and around them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from gingham import Project

SETTINGS = [(224, "crop"), (224, "squash"), (320, "crop"), (320, "squash")]


def main(photos: Path, datasets: tuple[str, ...] = ("clothing", "grocery")) -> list[dict[str, Any]]:
    """Train and test on each set in each setting; returns one row for each.

    Parameters
    ----------
    photos : Path
        Holds a folder per data set, each with its splits.csv.
    """
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        project = Project(folder, environment={})
        for dataset in datasets:
            for resolution, fit in SETTINGS:
                parameters = {"features.resolution": resolution, "preprocess.fit": fit}
                run = project.run(photos / dataset, parameters)
                metrics = run.metrics
                low, high = metrics.accuracy_ci
                row = {
                    "dataset": dataset,
                    "resolution": resolution,
                    "fit": fit,
                    "accuracy": metrics.accuracy,
                    "low": low,
                    "high": high,
                    "class_averaged_accuracy": metrics.class_averaged_accuracy,
                    "test_images": metrics.n_test,
                    "cross_validation": max(run.to_json()["svm"]["cv_accuracy"].values()),
                }
                rows.append(row)
                print(
                    f"{dataset:9} {resolution} {fit:6} test {metrics.accuracy:.1%} ({low:.1%} to {high:.1%}), "
                    f"cross-validation {row['cross_validation']:.1%}",
                    flush=True,
                )
    return rows
