"""One way to classify a project's images, among several that are compared; and how it is measured."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gingham.config import Config
from gingham.evaluate.selection import Measured
from gingham.project import write_whole
from gingham.project.digests import digest
from gingham.records import Views
from gingham.workflow.backbones import pretrained_backbone, refined_backbone
from gingham.workflow.call import flags
from gingham.workflow.refinement import refined_network
from gingham.workflow.steps import Steps

__all__ = ["Bench", "Candidate"]

TIMED_IMAGES = 32
ROUNDS = 3


@dataclass(frozen=True)
class Candidate:
    """What is varied.

    Parameters
    ----------
    classifier : {"svm", "dnn"}
    backbone : str
    resolution : int
    views : {"one", "flip", "crops", "crops-and-flips"}
    epochs : int or None
    learning_rate : float or None
        As `epochs`, of a network that is refined.
    """

    classifier: Literal["svm", "dnn"]
    backbone: str
    resolution: int
    views: Views = "one"
    epochs: int | None = None
    learning_rate: float | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters that say the same, by their dotted names."""
        found: dict[str, Any] = {
            "classifier": self.classifier,
            "features.backbone": self.backbone,
            "features.resolution": self.resolution,
            "features.views": self.views,
        }
        if self.epochs is not None:
            found["refinement.epochs"] = self.epochs
        if self.learning_rate is not None:
            found["refinement.learning_rate"] = self.learning_rate
        return found

    @property
    def flags(self) -> str:
        """The same, as one types them."""
        return shlex.join(flags(self.parameters))

    def __str__(self) -> str:
        parts = [f"{self.classifier}, {self.backbone} at {self.resolution}"]
        parts += [self.views] if self.views != "one" else []
        parts += [f"{self.epochs} epochs"] if self.epochs is not None else []
        parts += [f"rate {self.learning_rate:.2g}"] if self.learning_rate is not None else []
        return ", ".join(parts)

    def applied(self, config: Config) -> Config:
        """Return the parameters of a project with these in their place."""
        features = config.features.model_copy(
            update={"backbone": self.backbone, "resolution": self.resolution, "views": self.views}
        )
        given = {"epochs": self.epochs, "learning_rate": self.learning_rate}
        refinement = config.refinement.model_copy(update={k: v for k, v in given.items() if v is not None})
        return config.model_copy(
            update={"classifier": self.classifier, "features": features, "refinement": refinement, "preset": "none"}
        )


class Bench:
    """Measures candidates on the training images of a project, and remembers what it found.

    Parameters
    ----------
    steps : Steps
        Of the project's own parameters.
    folder : Path
        For what was found.
    """

    def __init__(self, steps: Steps, folder: Path) -> None:
        self.steps = steps
        self.folder = folder
        self._costs: dict[tuple[str, int, Views], tuple[float, float]] = {}

    def known(self, candidate: Candidate, whole: bool = True) -> Measured | None:
        """Return what was found before; None if nothing was, or not all that was to be, or it cannot be read back."""
        kept = self._read(self._file(candidate))
        if kept is None or (whole and not kept.whole):
            return None
        return kept.measured

    def kept(self) -> dict[Candidate, Measured]:
        """Return all that was found, by this call and by earlier ones, in part or whole."""
        read = map(self._read, sorted(self.folder.glob("*.safetensors")))
        return {one.candidate: one.measured for one in read if one is not None}

    def _read(self, file: Path) -> _Kept | None:
        kept = _read(file)
        if kept is not None:
            self._costs[_costs_alike(kept.candidate)] = kept.measured.milliseconds, kept.measured.megabytes
        return kept

    def measure(self, candidate: Candidate, folds: int, go_on: Callable[[Measured], bool]) -> Measured:
        """Find out which held-out training images a candidate gets right, and what it costs.

        An SVM is cross-validated. A network is refined on all but one part of the images and tested on that; and, as
        long as ``go_on`` says so, on all but another.

        Parameters
        ----------
        candidate : Candidate
        folds : int
            At most so many networks are refined.
        go_on : callable of Measured
        """
        steps = self.steps.varied(candidate.applied(self.steps.config))
        right = np.full(len(steps.rows("train")), -1, np.int8)
        for part in self._parts(steps, folds):
            right = np.where(part >= 0, part, right)
            found = Measured(right, *self._cost(candidate, steps))
            self._keep(candidate, found, whole=False)
            if not go_on(found):
                break
        self._keep(candidate, found, whole=True)
        return found

    def _parts(self, steps: Steps, folds: int) -> Iterator[NDArray[np.int8]]:
        """Yield 1, 0 or -1 for each training image: right, wrong, not held out."""
        if steps.config.classifier == "svm":
            yield _svm_right(steps)
            return
        for fold in range(folds):
            yield _network_right(steps, fold)

    def _cost(self, candidate: Candidate, steps: Steps) -> tuple[float, float]:
        """Return the milliseconds an image and the megabytes of the file."""
        key = _costs_alike(candidate)
        if key not in self._costs:
            self._costs[key] = _cost(steps)
        return self._costs[key]

    def _keep(self, candidate: Candidate, found: Measured, *, whole: bool) -> None:
        from safetensors.numpy import save

        cost = {"milliseconds": found.milliseconds, "megabytes": found.megabytes}
        about = {"candidate": asdict(candidate), "whole": whole, **cost}
        write_whole(self._file(candidate), save({"right": found.right}, {"measured": json.dumps(about)}))

    def _file(self, candidate: Candidate) -> Path:
        return self.folder / f"{digest(sorted(asdict(candidate).items()))}.safetensors"


def _costs_alike(candidate: Candidate) -> tuple[str, int, Views]:
    return candidate.backbone, candidate.resolution, candidate.views


@dataclass(frozen=True)
class _Kept:
    """What a file says; ``whole`` if all that was to be measured was."""

    candidate: Candidate
    measured: Measured
    whole: bool


def _read(file: Path) -> _Kept | None:
    """Return what a file says; None if it is not there or says nothing that can be used."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as stored:
            about = json.loads(stored.metadata()["measured"])
            measured = Measured(stored.get_tensor("right"), about["milliseconds"], about["megabytes"])
            return _Kept(Candidate(**about["candidate"]), measured, about["whole"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None


def _svm_right(steps: Steps) -> NDArray[np.int8]:
    from gingham.classifiers.svm_search import LinearSVMSearch

    settings = steps.config.svm
    features = steps.featurized.features
    rows = steps.rows("train")
    with steps.timed("train"):
        search = LinearSVMSearch(
            c_grid=settings.c_grid,
            folds=settings.folds,
            class_weight=None if settings.class_weight == "none" else settings.class_weight,
            normalize=settings.normalize,
            random_state=steps.config.seed,
        ).fit(features[rows], steps.labels[rows], steps.groups[rows])
    scores = search.oof_scores_
    predicted = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)
    return np.asarray(search.classes_[predicted] == steps.labels[rows], np.int8)


def _network_right(steps: Steps, fold: int) -> NDArray[np.int8]:
    """Refine a network without a part of the training images, and classify that part."""
    refined = refined_network(steps, fold=fold, look_at_test=False)
    if refined.about["stopped"] == "interrupted":
        raise KeyboardInterrupt
    rows = steps.rows("train")
    held_out = np.array([steps.files[row].content in refined.validation for row in rows], bool)
    right = np.full(len(rows), -1, np.int8)
    backbone = refined_backbone(steps.folder, steps.config.features, refined.key)
    features = steps.featurize(backbone, rows[held_out]).features
    scores = features @ refined.coef.T + refined.intercept
    there = ~np.isnan(features).any(axis=1)
    right[np.flatnonzero(held_out)[there]] = scores[there].argmax(axis=1) == steps.labels[rows[held_out][there]]
    return right


def _cost(steps: Steps) -> tuple[float, float]:
    """Return the milliseconds from file to features, the best of some rounds, an image; and the megabytes of the file.

    A refined network costs what it cost before.
    """
    from gingham.features import featurize, open_engine

    settings = steps.config.features
    backbone = pretrained_backbone(steps.folder, settings)
    recipe = steps.recipe_of(backbone)
    engine = open_engine(backbone, recipe.resolution, settings.engine, settings.precision)
    rows = steps.rows("train")
    items = [steps.items[row] for row in rows[:: max(1, len(rows) // TIMED_IMAGES)][:TIMED_IMAGES]]
    rates = [featurize(items, recipe, engine, root=steps.root).images_per_second for _ in range(ROUNDS)]
    size = len(backbone.onnx_model(recipe.resolution).SerializeToString())
    return 1000 / max(rate or 1e-9 for rate in rates), size / 1e6
