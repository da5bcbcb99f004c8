"""The parity gate: a model file answers as the training path did, whoever runs it, or it is not written."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gingham.errors import DataError
from gingham.executors import openvino_core
from gingham.export.model_file import ModelInfo
from gingham.export.predictor import Predictor
from gingham.export.probes import Probe, squares
from gingham.export.runtime import NAMES, Outputs
from gingham.images import decode

if TYPE_CHECKING:
    from gingham.classifiers import LinearHead

__all__ = [
    "TOLERANCES",
    "Agreement",
    "Expected",
    "Tolerance",
    "agree",
    "check_parity",
    "check_resizing",
    "head_outputs",
]

Images = NDArray[np.uint8]
Service = Callable[[Path, Sequence[Probe], str], Outputs]


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
    "f16": Tolerance(probabilities=0.02, features=0.02, distances=0.004),
    "resized": Tolerance(probabilities=0.04, features=0.06, distances=0.008),
    "bf16": Tolerance(probabilities=0.03, features=0.05, distances=0.02),
    "f16 in bf16": Tolerance(probabilities=0.1, features=0.25, distances=0.03),
    "mixed": Tolerance(probabilities=0.2, features=1.0, distances=0.06),
    "http": Tolerance(probabilities=1e-6, features=1e-6, distances=1e-6),
}
"""By what the two sides compute in: f32, with the weights kept as f16 or not, or pictures resized in the graph; bf16,
with the weights kept as f16 or not; two engines or precisions; the same process, but for HTTP.
``docs/decisions/parity.md`` says what was measured."""


@dataclass(frozen=True)
class Expected:
    """What a model file must answer.

    Parameters
    ----------
    name : str
        Who says so, such as "the training path".
    labels : tuple of str
    exact : Outputs
        For each probe, computed in float32.
    own : Outputs
        The same as training computed it, by ``engine``.
    engine : str
        Such as ``openvino-bf16``.
    recorded : float array of shape (m, n_classes), or None
        The probabilities on which the run was evaluated, for the first m probes.
    recorded_by : str
        The engine that computed them.
    """

    name: str
    labels: tuple[str, ...]
    exact: Outputs
    own: Outputs
    engine: str
    recorded: NDArray[np.float64] | None = None
    recorded_by: str = ""


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
    service: Service | None = None,
) -> tuple[Agreement, ...]:
    """Compare a model file with what it must answer, under ONNX Runtime, OpenVINO and, where given, over HTTP.

    Parameters
    ----------
    file : Path
    probes : sequence of Probe
    expected : Expected
        For the same probes.
    service : callable of (file, probes, precision), optional
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
    # Like with like: what is computed in bf16 says little of what is computed in f32.
    precision = expected.engine.removeprefix("openvino-")
    predictor = Predictor(file, precision if precision in ("f32", "bf16") else "auto")
    info = predictor.info
    _refuse_other_labels(info, expected)
    inputs = squares(probes, info.recipe)
    here, way = predictor.run(inputs), f"OpenVINO {predictor.precision}"

    def compare(way: str, found: Outputs, other: str, wanted: Outputs, tolerance: str) -> Agreement:
        return agree(way, found, other, wanted, [probe.name for probe in probes], info, TOLERANCES[tolerance])

    own = _tolerance(predictor.precision, info.precision, expected.engine)
    found = [
        compare("ONNX Runtime", by_onnxruntime(file, inputs), expected.name, expected.exact, info.precision),
        compare(way, here, f"{expected.name}, {expected.engine}", expected.own, own),
    ]
    if expected.recorded is not None:
        rows = slice(len(expected.recorded))
        first = Outputs(here.probabilities[rows], here.scores[rows], here.features[rows], None)
        wanted = dataclasses.replace(first, probabilities=expected.recorded.astype(np.float32))
        own = _tolerance(predictor.precision, info.precision, expected.recorded_by)
        found.append(compare(way, first, "predictions.csv of the run", wanted, own))
    if service is not None:
        found.append(compare("the service", service(file, probes, predictor.precision), way, here, "http"))
    return tuple(found)


def _tolerance(precision: str, weights: str, engine: str) -> str:
    """Return which of ``TOLERANCES`` holds between a file run by OpenVINO and an engine."""
    if engine != f"openvino-{precision}":
        return "mixed"
    if precision == "f32":
        return weights
    return "bf16" if weights == "f32" else "f16 in bf16"


def check_resizing(file: Path, probes: Sequence[Probe], expected: Expected) -> tuple[Agreement, ...]:
    """Compare a model file that resizes pictures itself with what it must answer, under ONNX Runtime and OpenVINO.

    Parameters
    ----------
    file : Path
    probes : sequence of Probe
    expected : Expected
        For the same probes, decoded whole.

    Returns
    -------
    tuple of Agreement
        One for each way, in float32.

    Raises
    ------
    DataError
        If a way disagrees, or the file cannot be used.
    """
    import onnx

    info = ModelInfo.of(onnx.load(file))
    _refuse_other_labels(info, expected)
    pictures = [decode(probe.data).rgb for probe in probes]
    names = [probe.name for probe in probes]
    ways = {"ONNX Runtime": by_onnxruntime, "OpenVINO f32": by_openvino}
    return tuple(
        agree(way, run(file, pictures), expected.name, expected.exact, names, info, TOLERANCES["resized"])
        for way, run in ways.items()
    )


def by_onnxruntime(file: Path, inputs: Sequence[Images] | Images) -> Outputs:
    """Return what ONNX Runtime computes from a model file, in float32."""
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    names = [output.name for output in session.get_outputs()]
    return _outputs(
        [dict(zip(names, session.run(None, {entry.name: _batch(image, entry.name)}), strict=True)) for image in inputs]
    )


def by_openvino(file: Path, inputs: Sequence[Images] | Images) -> Outputs:
    """Return what OpenVINO computes from a model file, in float32, for pictures of any size."""
    network = openvino_core().compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    (entry,) = network.inputs
    request = network.create_infer_request()
    names = [name for name in NAMES if any(name in port.names for port in network.outputs)]  # a port may bear several
    rows = []
    for image in inputs:
        request.infer({0: _batch(image, entry.any_name)})
        rows.append({name: request.get_tensor(name).data.copy() for name in names})
    return _outputs(rows)


def _batch(image: Images, entry: str) -> Images:
    return image if entry == "image" else image[None]


def _outputs(rows: Sequence[Mapping[str, NDArray[np.float32]]]) -> Outputs:
    column = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    return Outputs(column["probabilities"], column["scores"], column["features"], column.get("distances"))


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
        row, column = map(int, np.unravel_index(int(np.where(np.isnan(off), np.inf, off).argmax()), off.shape))
        worst[what] = float(off[row, column])
        allowed = getattr(tolerance, what)
        if not worst[what] <= allowed:
            raise DataError(
                f"{names[row]}: {KINDS[what].format(columns[column])} is {a[row, column]:.6g} by {way}, but"
                f" {b[row, column]:.6g} by {other}: a difference of {worst[what]:.2g}, where {allowed:g} is allowed."
                " The model file does not answer as it was trained to, so it was not written. `gingham doctor` says"
                " what is installed; if all is well there, this is a bug."
            )
    return Agreement(way, other, len(found.features), tolerance=tolerance, **({"distances": 0.0} | worst))


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
