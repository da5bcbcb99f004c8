"""The verbs that stop part of the way: split, refine, featurize, train, evaluate."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from gingham.config import Config
from gingham.errors import UsageError
from gingham.project import ProjectFolder
from gingham.project.files import refuse_unwritable, user_path, whole_file
from gingham.records import display_path
from gingham.workflow.refinement import refinement_block
from gingham.workflow.results import EvaluateResult, FeaturesResult, RefineResult, SplitResult, TrainResult
from gingham.workflow.steps import Progress, Steps

__all__ = ["evaluate", "features_result", "featurize", "refine", "split", "train", "train_result"]

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
    Images that were lost while it worked are not in it; ``dataset.skipped`` of the result lists them.

    Raises
    ------
    DataError
        If the images cannot be used.
    UsageError
        If ``output`` does not end in ``.npz``.
    UnavailableError
        If the backbone's weights or its engine are not here, or ``output`` cannot be written.
    """
    file = user_path(output).absolute() if output else None
    if file is not None:
        if file.suffix != ".npz":
            raise UsageError(f"The features are written as an .npz file, not {file.name}. Type: --output features.npz")
        refuse_unwritable(file)
    with folder.lock("featurize"):
        steps = Steps(folder, config, images, progress)
        if file is not None:
            _write_features(file, steps)
        return features_result(steps, file)


def _write_features(file: Path, steps: Steps) -> None:
    made = steps.featurized
    rows = np.flatnonzero(made.ok)
    with whole_file(file) as stream:
        np.savez(
            stream,
            features=made.features if made.ok.all() else made.features[rows],
            paths=np.array([display_path(steps.files[row].path) for row in rows]),
            labels=np.array([display_path(steps.files[row].label) for row in rows]),
            splits=steps.sides[rows],
        )


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


def refine(folder: ProjectFolder, config: Config, images: StrPath | None, progress: Progress | None) -> RefineResult:
    """Train the network itself on the training images, for ``classifier`` dnn and svm-refined.

    Raises
    ------
    ConfigError
        If a setting does not fit the backbone or the machine, or the training diverges.
    DataError
        If the images cannot be used.
    UnavailableError
        If torch, weights, memory or room on the disk are missing.
    """
    if config.classifier == "svm":
        config = config.model_copy(update={"classifier": "dnn"})
    with folder.lock("refine"):
        steps = Steps(folder, config, images, progress)
        made = steps.refined
        return RefineResult(
            dataset=steps.summary(),
            backbone=config.features.backbone,
            resolution=config.features.resolution,
            refinement=refinement_block(steps),
            weights=made.weights,
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
        refinement=None if steps.config.classifier == "svm" else refinement_block(steps, head),
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
