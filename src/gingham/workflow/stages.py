"""The verbs that stop part of the way: split, featurize, train, evaluate."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np

from gingham.config import Config
from gingham.project import ProjectFolder, write_whole
from gingham.records import display_path
from gingham.workflow.results import EvaluateResult, FeaturesResult, SplitResult, TrainResult
from gingham.workflow.steps import Progress, Steps

__all__ = ["evaluate", "features_result", "featurize", "split", "train", "train_result"]

StrPath = str | os.PathLike[str]


def split(folder: ProjectFolder, config: Config, images: StrPath | None, progress: Progress | None) -> SplitResult:
    """Divide the images into train and test: stratified, seeded, groups kept whole, stable when images are added.

    Raises
    ------
    DataError
        If no classifier could come of the images, or the split file does not fit them.
    """
    with folder.lock("split"):
        steps = Steps(folder, config, images, progress)
        sides = {file.path: str(side) for file, side in zip(steps.files, steps.sides, strict=True)}
        return SplitResult(steps.summary(), sides, steps.total_seconds())


def featurize(
    folder: ProjectFolder,
    config: Config,
    images: StrPath | None,
    output: StrPath | None,
    progress: Progress | None,
) -> FeaturesResult:
    """Compute the features of every image, and hand them over where ``output`` names an ``.npz`` file.

    The file holds ``features`` float32 [n_images, n_features], ``paths``, ``labels`` and ``splits`` (text, [n_images]).

    Raises
    ------
    DataError
        If the images cannot be used.
    UnavailableError
        If the backbone's weights or its engine are not here.
    """
    with folder.lock("featurize"):
        steps = Steps(folder, config, images, progress)
        file = Path(output).expanduser().absolute() if output else None
        if file is not None:
            buffer = io.BytesIO()
            np.savez(
                buffer,
                features=steps.featurized.features,
                paths=np.array([display_path(item.path) for item in steps.files]),
                labels=np.array([display_path(item.label) for item in steps.files]),
                splits=np.array(steps.sides.tolist()),
            )
            write_whole(file, buffer.getvalue())
        return features_result(steps, file)


def features_result(steps: Steps, output: Path | None = None) -> FeaturesResult:
    """Return the features' figures."""
    made = steps.featurized
    return FeaturesResult(
        dataset=steps.summary(),
        images=len(steps.files),
        from_cache=made.from_cache,
        recomputed=made.recomputed,
        n_features=made.features.shape[1],
        images_per_second=made.images_per_second,
        engine=made.engine,
        backbone=steps.config.features.backbone,
        resolution=steps.config.features.resolution,
        output=output,
        seconds=steps.total_seconds(),
    )


def train(folder: ProjectFolder, config: Config, images: StrPath | None, progress: Progress | None) -> TrainResult:
    """Train the classifier on the training images; their cross-validation chooses C.

    Raises
    ------
    DataError
        If the images cannot be used.
    UnavailableError
        If the backbone's weights or its engine are not here.
    """
    with folder.lock("train"):
        return train_result(Steps(folder, config, images, progress))


def train_result(steps: Steps) -> TrainResult:
    """Return the classifier's figures."""
    head = steps.head
    return TrainResult(
        dataset=steps.summary(),
        c=head.c,
        cv_accuracy=dict(head.cv_accuracy),
        threshold=head.threshold,
        coverage=head.coverage,
        seconds=steps.total_seconds(),
    )


def evaluate(
    folder: ProjectFolder, config: Config, images: StrPath | None, progress: Progress | None
) -> EvaluateResult:
    """Measure the classifier on the test images; the test images choose nothing.

    Raises
    ------
    DataError
        If the images cannot be used.
    UnavailableError
        If the backbone's weights or its engine are not here.
    """
    with folder.lock("evaluate"):
        steps = Steps(folder, config, images, progress)
        metrics = steps.metrics
        return EvaluateResult(steps.summary(), metrics, steps.total_seconds())
