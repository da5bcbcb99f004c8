"""The verb nearest: the training images that are most like an image, as the network of a run sees them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gingham.errors import ImageError, UnavailableError, UsageError
from gingham.project import ProjectFolder
from gingham.project.files import write_whole
from gingham.records import content_hash, display_path
from gingham.workflow.history import show
from gingham.workflow.page_path import page_path
from gingham.workflow.parity import engine_of
from gingham.workflow.steps import Progress

if TYPE_CHECKING:
    from gingham.evaluate import PredictionTable
    from gingham.export import Prediction
    from gingham.export.model_file import ModelInfo
    from gingham.workflow.results import RunResult

__all__ = ["NearestImage", "NearestResult", "Neighbours", "nearest"]

THUMBNAIL_SIDE = 192

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
        Cosine between the features, at most 1: of identical images.
    """

    path: str
    label: str
    similarity: float


@dataclass(frozen=True)
class Neighbours:
    """An image, the model's answer for it, and the training images most like it.

    Parameters
    ----------
    path : str
        As it was given.
    label : str or None
        The answer; None where the image could not be read.
    probability : float or None
        Of the answer.
    error : str or None
        Why the image could not be read.
    trained_on : NearestImage or None
        The image itself, where the run was trained on it.
    nearest : tuple of NearestImage
        Other images than itself, the most alike first.
    """

    path: str
    label: str | None
    probability: float | None
    error: str | None
    trained_on: NearestImage | None
    nearest: tuple[NearestImage, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as one JSON object."""
        itself = self.trained_on
        return {
            "path": display_path(self.path),
            "label": self.label,
            "probability": self.probability,
            "error": self.error,
            "trained_on": None if itself is None else {"path": display_path(itself.path), "label": itself.label},
            "nearest": [vars(each) | {"path": display_path(each.path)} for each in self.nearest],
        }


@dataclass(frozen=True)
class NearestResult:
    """For each image its answer and the training images most like it.

    Parameters
    ----------
    run_id, dataset : str
    folder : Path
        In which the training images lie.
    images : tuple of Neighbours
    output : Path or None
        The page that was written.
    """

    run_id: str
    dataset: str
    folder: Path
    images: tuple[Neighbours, ...]
    output: Path | None = None

    @property
    def unreadable(self) -> int:
        """How many images could not be read."""
        return sum(each.error is not None for each in self.images)

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object."""
        return {
            "run_id": self.run_id,
            "dataset": self.dataset,
            "folder": display_path(str(self.folder)),
            "images": [each.to_json() for each in self.images],
            "unreadable": self.unreadable,
            "output": None if self.output is None else display_path(str(self.output)),
        }


def nearest(
    folder: ProjectFolder,
    images: Paths,
    run: str,
    count: int,
    output: str | os.PathLike[str] | None,
    progress: Progress | None,
) -> NearestResult:
    """Find the training images of a run that are most like some images; an image itself is left out.

    Parameters
    ----------
    folder : ProjectFolder
    images : path, or iterable of paths
    run : str
        Id of a run, the beginning of one, or ``latest``.
    count : int
        How many for each image.
    output : path, optional
        A page to write that shows them, ``*.html``.
    progress : callable, optional

    Raises
    ------
    UsageError
        For a count below 1, or a page with another suffix.
    UnavailableError
        If there is no such run, the features of its images are no longer there, or the page cannot be written.
    """
    from gingham.export import Predictor

    if count < 1:
        raise UsageError(f"At least 1 image can be looked for, not {count}.")
    page = page_path(output, "near.html")
    found = show(folder, run)
    predictor = Predictor(found.model)
    trained = _Trained(folder, found, predictor.info)
    report = progress or (lambda _step, _done, _total: None)
    answers = predictor.predict(images, features=True, progress=lambda done, total: report("predict", done, total))
    dataset = found.record.dataset.name
    result = NearestResult(
        found.run_id, dataset, folder.dataset(dataset), tuple(trained.neighbours(each, count) for each in answers), page
    )
    if page is not None:
        write_whole(page, _page(result))
    return result


class _Trained:
    """The training images of a run whose features are still in the cache."""

    def __init__(self, folder: ProjectFolder, run: RunResult, info: ModelInfo) -> None:
        from gingham.evaluate import read_predictions
        from gingham.features import FeatureCache, feature_key

        with (folder.runs / run.run_id / "predictions.csv").open(encoding="utf-8", newline="") as stream:
            self._table: PredictionTable = read_predictions(stream).of_split("train")
        engine = engine_of(folder, run, info, None)
        width = engine.backbone.n_features
        with FeatureCache(folder.features, feature_key(engine, info.recipe), width) as cache:
            features = np.empty((len(self._table), width), np.float32)
            self._rows = np.flatnonzero(cache.read(self._table.contents, features).found)
        if not len(self._rows):
            raise UnavailableError(
                f"The features of the images of run {run.run_id} are no longer in {folder.features}. "
                "Type `gingham run` with the parameters of that run, which computes them again."
            )
        self._unit = _unit(features[self._rows])

    def neighbours(self, answer: Prediction, count: int) -> Neighbours:
        """Return an image's neighbours."""
        itself: tuple[NearestImage, ...] = ()
        alike: tuple[NearestImage, ...] = ()
        if answer.features is not None:
            content = _content(answer.path)
            cosines = self._unit @ _unit(np.array([answer.features], np.float32))[0]
            order = np.argsort(-cosines, kind="stable")
            same = [i for i in order if self._table.contents[self._rows[i]] == content]
            itself = self._images(same, cosines)
            alike = self._images([i for i in order[: count + len(same)] if i not in same][:count], cosines)
        first = itself[0] if itself else None
        return Neighbours(answer.path, answer.label, answer.probability, answer.error, first, alike)

    def _images(self, places: Sequence[int], cosines: NDArray[np.float32]) -> tuple[NearestImage, ...]:
        table, rows = self._table, self._rows
        return tuple(NearestImage(table.paths[rows[i]], table.labels[rows[i]], float(cosines[i])) for i in places)


def _content(path: str) -> str | None:
    from gingham.images import open_bytes

    try:
        return content_hash(open_bytes(path))
    except ImageError:  # gone since it was answered
        return None


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(length == 0, 1, length), np.float32)


def _page(result: NearestResult) -> str:
    from gingham.evaluate.nearest_page import SHOWN, Card, ImageRow, render_nearest

    rows = [
        ImageRow(
            path=each.path,
            thumbnail=_thumbnail(Path(each.path)),
            answer=each.label,
            probability=each.probability,
            error=each.error,
            trained_as=None if each.trained_on is None else each.trained_on.label,
            nearest=tuple(
                Card(found.path, _thumbnail(result.folder / found.path, result.folder), found.label, found.similarity)
                for found in each.nearest
            ),
        )
        for each in result.images[:SHOWN]
    ]
    return render_nearest(rows, total=len(result.images), dataset=Path(result.dataset).name, run_id=result.run_id)


def _thumbnail(path: Path, root: Path | None = None) -> bytes:
    """Return a small JPEG, or nothing where the image cannot be read."""
    from gingham.images import open_bytes, thumbnail_jpeg

    try:
        return thumbnail_jpeg(open_bytes(path, root=root), THUMBNAIL_SIDE)
    except ImageError:
        return b""
