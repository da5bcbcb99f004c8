"""What the verbs return: frozen values that the command line prints, as JSON or in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gingham.evaluate.comparison import Comparison as PredictionComparison
from gingham.evaluate.metrics import Metrics
from gingham.export.parity import Agreement
from gingham.records import Skipped, display_path
from gingham.tracking import RunRecord

__all__ = [
    "Comparison",
    "DatasetSummary",
    "Diagnosis",
    "EvaluateResult",
    "ExportResult",
    "FeaturesResult",
    "InitResult",
    "RefineResult",
    "RunList",
    "RunResult",
    "SampleResult",
    "SplitResult",
    "TrainResult",
]


@dataclass(frozen=True)
class DatasetSummary:
    """The images behind a result, in numbers.

    Parameters
    ----------
    name : str
    images : int
        Readable images that are used.
    classes : tuple of str
    train, test : int
    train_per_class, test_per_class : mapping of str to int
    split : str
        What assigned the sides: ``stratified``, or the name of the file.
    skipped : tuple of Skipped
    duplicates : tuple of tuple of str
        Paths of the same or nearly the same picture, a tuple a group.
    conflicts : tuple of tuple of str
        Paths of the same picture under different labels; used neither to train nor to test.
    fingerprint, test_fingerprint : str
        Of all images with their labels, and of the test images with theirs.
    warnings : tuple of str
    """

    name: str
    images: int
    classes: tuple[str, ...]
    train: int
    test: int
    train_per_class: Mapping[str, int]
    test_per_class: Mapping[str, int]
    split: str
    skipped: tuple[Skipped, ...]
    duplicates: tuple[tuple[str, ...], ...]
    conflicts: tuple[tuple[str, ...], ...]
    fingerprint: str
    test_fingerprint: str
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the ``dataset`` object of ``gingham run --json``; undecodable names are escaped."""
        block = dataclasses.asdict(self)
        block["classes"] = list(self.classes)
        block["skipped"] = [
            {"path": display_path(item.path), "reason": item.reason.value, "detail": item.detail}
            for item in self.skipped
        ]
        for name in ("duplicates", "conflicts"):
            block[name] = [[display_path(path) for path in group] for group in getattr(self, name)]
        block["warnings"] = list(self.warnings)
        return block


@dataclass(frozen=True)
class InitResult:
    """The configuration file that was written, and the dataset that it names."""

    path: Path
    dataset: str

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object."""
        return {"path": str(self.path), "dataset": self.dataset}


@dataclass(frozen=True)
class SampleResult:
    """The example dataset that was written, and the command that trains on it."""

    directory: Path
    command: str
    images: int
    per_class: Mapping[str, int]
    megabytes: float
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object."""
        return dataclasses.asdict(self) | {"directory": str(self.directory)}


@dataclass(frozen=True)
class SplitResult:
    """Which images train and which test."""

    dataset: DatasetSummary
    sides: Mapping[str, str]
    seconds: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object; ``sides`` maps each path to train, test or none."""
        sides = {display_path(path): side for path, side in self.sides.items()}
        return {"dataset": self.dataset.to_json(), "sides": sides, "seconds": dict(self.seconds)}


@dataclass(frozen=True)
class FeaturesResult:
    """The features of every image.

    Parameters
    ----------
    images, from_cache, recomputed : int
        Images in all; taken from the cache; computed again because their cache entry was damaged.
    """

    dataset: DatasetSummary
    images: int
    from_cache: int
    recomputed: int
    n_features: int
    images_per_second: float | None
    engine: str
    backbone: str
    resolution: int
    output: Path | None
    seconds: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object."""
        return {
            "dataset": self.dataset.to_json(),
            "featurize": self.block() | {"n_features": self.n_features},
            "backbone": self.backbone,
            "resolution": self.resolution,
            "output": str(self.output) if self.output else None,
            "seconds": dict(self.seconds),
        }

    def block(self) -> dict[str, Any]:
        """Return the ``featurize`` object of ``gingham run --json``."""
        names = ("images", "from_cache", "recomputed", "images_per_second", "engine")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class TrainResult:
    """The classifier that was trained.

    Parameters
    ----------
    c : float or None
        Chosen inside the training set, by cross-validation, or on the validation part; None of a network.
    cv_accuracy : mapping of float to float
        Mean accuracy, over the folds or on that part, for each C that was tried.
    refinement : mapping or None
        How the network was refined; as in `RefineResult`.
    threshold, coverage : float or None
        Below this probability the answer is "not sure", and the share of training images above it, out of fold.
    """

    dataset: DatasetSummary
    c: float | None
    cv_accuracy: Mapping[float, float]
    threshold: float | None
    coverage: float | None
    refinement: Mapping[str, Any] | None
    seconds: Mapping[str, float]

    def block(self) -> dict[str, Any] | None:
        """Return the ``svm`` object of ``gingham run --json``."""
        if self.c is None:
            return None
        accuracy = {str(float(c)): value for c, value in self.cv_accuracy.items()}
        return {"c": self.c, "cv_accuracy": accuracy, "threshold": self.threshold, "coverage": self.coverage}

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object."""
        blocks = {"svm": self.block(), "refinement": self.refinement}
        return {"dataset": self.dataset.to_json(), **blocks, "seconds": dict(self.seconds)}


@dataclass(frozen=True)
class RefineResult:
    """The network that was refined.

    Parameters
    ----------
    refinement : mapping
        The ``refinement`` object of ``gingham run --json``.
    weights : Path
        The network without its last layer, safetensors under timm's names: weights for ``features.backbone_weights``.
    """

    dataset: DatasetSummary
    backbone: str
    resolution: int
    refinement: Mapping[str, Any]
    weights: Path
    seconds: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object."""
        return {
            "dataset": self.dataset.to_json(),
            "backbone": self.backbone,
            "resolution": self.resolution,
            "refinement": dict(self.refinement),
            "weights": str(self.weights),
            "seconds": dict(self.seconds),
        }


@dataclass(frozen=True)
class EvaluateResult:
    """How good the classifier is on the test images."""

    dataset: DatasetSummary
    metrics: Metrics
    seconds: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object."""
        metrics = self.metrics.model_dump(mode="json")
        return {"dataset": self.dataset.to_json(), "metrics": metrics, "seconds": dict(self.seconds)}


@dataclass(frozen=True)
class RunResult:
    """One recorded run.

    Parameters
    ----------
    record : RunRecord
        Parameters, fingerprints, metrics, versions.
    project : Path
        Paths in the record are relative to it.
    up_to_date : bool
        True where nothing had changed since this run, so that nothing was done.
    warnings : tuple of str
        What happened after the run was recorded, such as a tracking server that did not answer.
    """

    record: RunRecord
    project: Path
    up_to_date: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def run_id(self) -> str:
        """The run's id, which begins with its date and time."""
        return self.record.run_id

    @property
    def metrics(self) -> Metrics:
        """The metrics on the test images."""
        return Metrics.model_validate(self.record.metrics)

    @property
    def report(self) -> Path:
        """The report page."""
        return self.project / (self.record.report or "")

    @property
    def model(self) -> Path:
        """The exported ONNX file."""
        return self.project / (self.record.model or "")

    def to_json(self) -> dict[str, Any]:
        """Return the run as one JSON object; ``report`` and ``model`` are relative to ``project``."""
        own = {"project": str(self.project), "up_to_date": self.up_to_date}
        return self.record.model_dump(mode="json") | own | {"warnings": [*self.record.warnings, *self.warnings]}


@dataclass(frozen=True)
class ExportResult:
    """A model file that was written, and the proof that it answers as the run was trained to.

    Parameters
    ----------
    path : Path
    run_id : str
    bytes : int
        Size of the file.
    precision : {"f32", "f16"}
        In which the weights are stored.
    input : {"images", "image"}
        Squares of the right size, or one picture of any size.
    images : int
        Photos and their guises that were compared.
    parity : tuple of Agreement
        How far apart the ways to run it lay, each within its tolerance.
    seconds : mapping of str to float
    """

    path: Path
    run_id: str
    bytes: int
    precision: str
    input: str
    images: int
    parity: tuple[Agreement, ...]
    seconds: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object."""
        parity = [dataclasses.asdict(agreement) for agreement in self.parity]
        return dataclasses.asdict(self) | {"path": str(self.path), "parity": parity}


@dataclass(frozen=True)
class RunList:
    """The runs of a project, newest first, and what could not be read among them."""

    runs: tuple[RunResult, ...]
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the list as one JSON object."""
        return {"runs": [run.record.model_dump(mode="json") for run in self.runs], "warnings": list(self.warnings)}


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side on the same test images.

    Parameters
    ----------
    parameters : mapping of str to (Any, Any)
        The parameters in which they differ, by dotted name.
    predictions : PredictionComparison
        McNemar's test, the interval of the difference, the images that flipped.
    """

    a: RunResult
    b: RunResult
    parameters: Mapping[str, tuple[Any, Any]]
    predictions: PredictionComparison

    @property
    def data(self) -> dict[str, tuple[Any, Any]]:
        """Return what differs in the images that the runs learned from, by name; empty where nothing does."""
        a, b = self.a.record.dataset, self.b.record.dataset
        if a.fingerprint == b.fingerprint:
            return {}
        return {"training images": (a.train, b.train), "fingerprint": (a.fingerprint[:8], b.fingerprint[:8])}

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as one JSON object."""
        return {
            "a": self.a.run_id,
            "b": self.b.run_id,
            "parameters": {name: list(values) for name, values in self.parameters.items()},
            "data": {name: list(values) for name, values in self.data.items()},
        } | self.predictions.model_dump(mode="json")


@dataclass(frozen=True)
class Diagnosis:
    """What is installed and what will be used.

    Parameters
    ----------
    machine, packages, extras : mapping
        Extras map to the command that installs them, or to an empty string where they are installed.
    engine, weights : mapping
        What will run and on what, and why.
    problems : tuple of str
        What does not work, each with the command that mends it.
    """

    machine: Mapping[str, Any]
    packages: Mapping[str, str]
    extras: Mapping[str, str]
    engine: Mapping[str, Any]
    weights: Mapping[str, Any]
    problems: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the diagnosis as one JSON object."""
        return dataclasses.asdict(self) | {"problems": list(self.problems)}
