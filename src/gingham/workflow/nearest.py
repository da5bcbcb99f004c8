"""The verb nearest: the training images that are most like an image, as the network of a run sees them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gingham.errors import UnavailableError, UsageError
from gingham.project import ProjectFolder
from gingham.records import display_path
from gingham.workflow.history import show
from gingham.workflow.parity import engine_of
from gingham.workflow.steps import Progress

if TYPE_CHECKING:
    from gingham.export.model_file import ModelInfo
    from gingham.workflow.results import RunResult

__all__ = ["NearestImage", "NearestResult", "nearest"]

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


@dataclass(frozen=True)
class NearestImage:
    """A training image that is like another.

    Parameters
    ----------
    path : str
        Relative to the dataset.
    label : str
    similarity : float
        Cosine between the features, at most 1.
    """

    path: str
    label: str
    similarity: float


@dataclass(frozen=True)
class NearestResult:
    """For each image its answer and the training images most like it, the most alike first.

    Parameters
    ----------
    run_id, dataset : str
    images : tuple of (path, label or None, tuple of NearestImage)
        No label, and nothing alike, of an image that could not be read.
    """

    run_id: str
    dataset: str
    images: tuple[tuple[str, str | None, tuple[NearestImage, ...]], ...]

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object."""
        return {
            "run_id": self.run_id,
            "dataset": self.dataset,
            "images": [
                {"path": display_path(path), "label": label, "nearest": [vars(each) for each in alike]}
                for path, label, alike in self.images
            ],
        }


def nearest(folder: ProjectFolder, images: Paths, run: str, count: int, progress: Progress | None) -> NearestResult:
    """Find the training images of a run that are most like some images.

    Parameters
    ----------
    folder : ProjectFolder
    images : path, or iterable of paths
    run : str
        Id of a run, the beginning of one, or ``latest``.
    count : int
        How many for each image.
    progress : callable, optional

    Raises
    ------
    UsageError
        For a count below 1.
    UnavailableError
        If there is no such run, or the features of its images are no longer there.
    """
    from gingham.export import Predictor

    if count < 1:
        raise UsageError(f"At least 1 image can be looked for, not {count}.")
    found = show(folder, run)
    predictor = Predictor(found.model)
    paths, labels, features = _training_features(folder, found, predictor.info)
    unit = _unit(features)
    report = progress or (lambda _step, _done, _total: None)
    answers = predictor.predict(images, features=True, progress=lambda done, total: report("predict", done, total))
    rows = []
    for answer in answers:
        alike: tuple[NearestImage, ...] = ()
        if answer.features is not None:
            cosines = unit @ _unit(np.array([answer.features], np.float32))[0]
            best = np.argsort(-cosines, kind="stable")[:count]
            alike = tuple(NearestImage(paths[row], labels[row], float(cosines[row])) for row in best)
        rows.append((answer.path, answer.label, alike))
    return NearestResult(found.run_id, found.record.dataset.name, tuple(rows))


def _training_features(
    folder: ProjectFolder, run: RunResult, info: ModelInfo
) -> tuple[list[str], list[str], NDArray[np.float32]]:
    """Return path, label and cached features of the training images of a run."""
    from gingham.evaluate import read_predictions
    from gingham.features import FeatureCache, feature_key

    with (folder.runs / run.run_id / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        table = read_predictions(stream).of_split("train")
    engine = engine_of(folder, run, info, None)
    with FeatureCache(folder.features, feature_key(engine, info.recipe), engine.backbone.n_features) as cache:
        features = np.empty((len(table), engine.backbone.n_features), np.float32)
        rows = np.flatnonzero(cache.read(table.contents, features).found)
    if not len(rows):
        raise UnavailableError(
            f"The features of the images of run {run.run_id} are no longer in {folder.features}. "
            "Type `gingham run` with the parameters of that run, which computes them again."
        )
    return [table.paths[row] for row in rows], [table.labels[row] for row in rows], features[rows]


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(length == 0, 1, length), np.float32)
