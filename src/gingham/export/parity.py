"""The parity gate: a model file answers as the training path did, whoever runs it, or it is not written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gingham.errors import DataError
from gingham.export.model_file import ModelInfo
from gingham.export.predictor import Predictor
from gingham.export.probes import Probe, squares
from gingham.export.runtime import Outputs

if TYPE_CHECKING:
    from gingham.classifiers import LinearHead
    from gingham.records import InputRecipe

__all__ = ["TOLERANCES", "Agreement", "Expected", "Tolerance", "agree", "check_parity", "head_outputs"]

Images = NDArray[np.uint8]


@dataclass(frozen=True)
class Tolerance:
    """How far two answers to one image may lie apart.

    Parameters
    ----------
    probabilities, distances : float
        Absolute.
    features : float
        As a share of the image's largest feature.
    """

    probabilities: float
    features: float
    distances: float


TOLERANCES = {
    "f32": Tolerance(probabilities=2e-4, features=1e-4, distances=2e-5),
    "f16": Tolerance(probabilities=0.02, features=0.02, distances=0.002),
    "bf16": Tolerance(probabilities=0.03, features=0.05, distances=0.02),
    "mixed": Tolerance(probabilities=0.2, features=0.3, distances=0.04),
    "http": Tolerance(probabilities=1e-6, features=1e-6, distances=1e-6),
}
"""By what the two sides compute in: the same engine at f32, on weights kept as f16, at bf16; two engines or precisions;
the same process but for HTTP. ``docs/decisions/parity.md`` says what was measured."""


@dataclass(frozen=True)
class Expected:
    """What a model file must answer.

    Parameters
    ----------
    name : str
        Who says so, such as "the training path".
    labels : tuple of str
    recipe : InputRecipe
    exact : Outputs
        For each probe, computed in float32.
    own : Outputs
        The same as training computed it, by ``engine``.
    engine : str
        Such as ``openvino-bf16``.
    """

    name: str
    labels: tuple[str, ...]
    recipe: InputRecipe
    exact: Outputs
    own: Outputs
    engine: str


@dataclass(frozen=True)
class Agreement:
    """How far apart two ways lay on the same images.

    Parameters
    ----------
    way, other : str
    images : int
    probabilities, features, distances : float
        Largest differences, as in :class:`Tolerance`; 0 of distances that the file does not have.
    tolerance : Tolerance
    """

    way: str
    other: str
    images: int
    probabilities: float
    features: float
    distances: float
    tolerance: Tolerance


def head_outputs(head: LinearHead, features: NDArray[np.float32]) -> Outputs:
    """Return what the training path makes of features."""
    return Outputs(
        head.probabilities(features).astype(np.float32),
        head.scores(features).astype(np.float32),
        features,
        head.distances(features),
    )


def check_parity(
    file: Path,
    probes: Sequence[Probe],
    expected: Expected,
    service: Callable[[Path, Sequence[Probe]], Outputs] | None = None,
) -> tuple[Agreement, ...]:
    """Compare a model file with what it must answer, under ONNX Runtime, OpenVINO and, where given, over HTTP.

    Parameters
    ----------
    file : Path
    probes : sequence of Probe
    expected : Expected
        For the same probes.
    service : callable, optional
        Sends the probes to a service of the file and returns its answers.

    Returns
    -------
    tuple of Agreement
        One for each way.

    Raises
    ------
    DataError
        If a way disagrees: names the image, both numbers and the tolerance. Or if the file cannot be used.
    """
    predictor = Predictor(file)
    info = predictor.info
    _refuse_other_labels(info, expected)
    inputs = squares(probes, info.recipe)
    here, way = predictor.run(inputs), f"OpenVINO {predictor.precision}"

    def compare(way: str, found: Outputs, other: str, wanted: Outputs, tolerance: str) -> Agreement:
        return agree(way, found, other, wanted, [probe.name for probe in probes], info, TOLERANCES[tolerance])

    if expected.engine != f"openvino-{predictor.precision}":
        own = "mixed"
    else:
        own = "bf16" if predictor.precision == "bf16" else info.precision
    found = [
        compare("ONNX Runtime", by_onnxruntime(file, inputs), expected.name, expected.exact, info.precision),
        compare(way, here, f"{expected.name}, {expected.engine}", expected.own, own),
    ]
    if service is not None:
        found.append(compare("the service", service(file, probes), way, here, "http"))
    return tuple(found)


def by_onnxruntime(file: Path, inputs: Images) -> Outputs:
    """Return what ONNX Runtime computes from a model file, in float32."""
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    rows = [session.run(None, {"images": image[None]}) for image in inputs]
    found: dict[str, Any] = {
        name: np.concatenate(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)
    }
    return Outputs(found["probabilities"], found["scores"], found["features"], found.get("distances"))


def agree(
    way: str,
    found: Outputs,
    other: str,
    expected: Outputs,
    names: Sequence[str],
    info: ModelInfo,
    tolerance: Tolerance,
) -> Agreement:
    """Compare the answers of two ways to the same images.

    Raises
    ------
    DataError
        If an answer differs by more than the tolerance, or is no number; of the worst image.
    """
    largest = np.abs(expected.features).max(axis=1, keepdims=True)
    share = np.where(largest == 0, 1, largest)
    pairs: dict[str, tuple[NDArray[Any], NDArray[Any], Sequence[str]]] = {
        "probabilities": (found.probabilities, expected.probabilities, info.labels),
        "features": (
            found.features / share,
            expected.features / share,
            [str(column) for column in range(found.features.shape[1])],
        ),
    }
    if found.distances is not None and expected.distances is not None:
        pairs["distances"] = (found.distances[:, None], expected.distances[:, None], ("the nearest class",))
    worst = {}
    for what, (a, b, columns) in pairs.items():
        off = np.abs(a.astype(np.float64) - b)
        row, column = np.unravel_index(int(np.where(np.isnan(off), np.inf, off).argmax()), off.shape)
        worst[what] = float(off[row, column])
        allowed = getattr(tolerance, what)
        if not worst[what] <= allowed:
            raise DataError(
                f"{names[row]}: {KINDS[what].format(columns[column])} is {a[row, column]:.6g} by {way}, but"
                f" {b[row, column]:.6g} by {other}: a difference of {worst[what]:.2g}, where {allowed:g} is allowed."
                " The model file does not answer as it was trained to, so it was not written. `gingham doctor` says"
                " what is installed; if all is well there, this is a bug."
            )
    return Agreement(way, other, len(names), tolerance=tolerance, **({"distances": 0.0} | worst))


KINDS = {
    "probabilities": "the probability of {}",
    "features": "feature {} (as a share of the largest)",
    "distances": "the distance from {}",
}


def _refuse_other_labels(info: ModelInfo, expected: Expected) -> None:
    if info.labels != expected.labels:
        raise DataError(
            f"The model file has the labels {', '.join(info.labels)}, but {expected.name} has"
            f" {', '.join(expected.labels)}, in this order. It was not written."
        )
