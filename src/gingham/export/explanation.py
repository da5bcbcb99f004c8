"""Where in an image the evidence for an answer lies: class-activation maps, exact for pooled features.

Where the features are the mean of a map over its places, and scores are linear in the features, a score is the mean
over the places of what each adds to it (Zhou et al., *Learning deep features for discriminative localization*, 2016):
nothing is approximated. Of several networks each has its map; of several views each lies where its part of the picture
is, and counts as its share of the mean. Networks of another kind are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gingham.errors import UsageError
from gingham.executors import openvino_core
from gingham.export.model_file import SMALLEST_NORM
from gingham.export.rebuild import read_head
from gingham.images import overlay, thumbnail_jpeg
from gingham.records import views_of

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

    from gingham.export.model_file import ModelInfo

__all__ = ["Explainer", "Explanation"]

Floats = NDArray[np.float32]
_SHAPES_ONLY = {"Flatten", "Reshape", "Squeeze", "Identity", "Cast"}
_AGREEMENT = 1e-3
_STEP = 16  # pixels: views begin at multiples of it


@dataclass(frozen=True)
class Explanation:
    """What spoke for a class, place by place.

    Parameters
    ----------
    path : str
        As it was given.
    label : str
        The class.
    evidence : float32 array of shape (h, w)
        What each place adds to the score of the class: their mean, and ``intercept``, are the score.
    intercept : float
    square : uint8 array of shape (S, S, 3)
        What the network saw: the map lies over all of it.
    probabilities : dict of str to float
        Of every class.
    """

    path: str
    label: str
    evidence: Floats
    intercept: float
    square: NDArray[np.uint8]
    probabilities: dict[str, float]

    def picture(self) -> bytes:
        """Return a JPEG of the square and, beside it, the same with what spoke for the class in colour, captioned."""
        from gingham.export.explanation_picture import captioned_jpeg

        return captioned_jpeg(self)

    def overlay(self, side: int) -> bytes:
        """Return a JPEG of the square alone, grey but for what spoke for the class."""
        return thumbnail_jpeg(overlay(self.square, self.evidence, side), side, quality=88)


class Explainer:
    """Finds the evidence in a model file's network.

    Parameters
    ----------
    model : onnx.ModelProto
        For squares.
    info : ModelInfo

    Raises
    ------
    UsageError
        If its features are not the mean of a map, as of vision transformers.
    """

    def __init__(self, model: ModelProto, info: ModelInfo) -> None:
        import onnx

        head = read_head(model, info)
        self._labels, self._coef = info.labels, head.coef.astype(np.float32)
        self._intercept, self._normalize = head.intercept, head.normalize
        self._outer, self._inner = info.resolution, info.view_resolution or info.resolution
        self._views = views_of(info.views, self._outer, self._inner)
        pooled = _pooled(model.graph)
        refusal = UsageError(
            f"This model's network, {info.backbone}, does not average a map of the image, so where it looked cannot "
            "be told. Those of EfficientNet, MobileNetV2 and ResNet do: --features.backbone efficientnet_lite0"
        )
        if pooled is None:
            raise refusal
        self._scaled = len(pooled) > 1
        with_map = onnx.ModelProto()
        with_map.CopyFrom(model)
        del with_map.graph.output[:]
        with_map.graph.output.extend(onnx.ValueInfoProto(name=name) for name in (*pooled, "features"))
        network = openvino_core().read_model(with_map.SerializeToString())
        size = info.resolution
        network.reshape({"images": [1, size, size, 3]})
        self._request = openvino_core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        self._request = self._request.create_infer_request()
        grey = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
        maps, features = self._maps(grey)
        pooled_here = np.concatenate([places.mean((0, 2, 3)) for places in maps])
        if np.abs(pooled_here - features).max() > _AGREEMENT * max(float(np.abs(features).max()), 1e-9):
            raise refusal
        finest = self._inner // max(places.shape[-1] for places in maps)
        self._cell = finest if self._inner == self._outer else min(_STEP, finest)  # of the evidence, in pixels
        if any(self._inner // self._cell % side for places in maps for side in places.shape[2:]):
            raise refusal

    def explain(self, path: str, square: NDArray[np.uint8], label: str, probabilities: Floats) -> Explanation:
        """Return what speaks for a class.

        Parameters
        ----------
        path : str
        square : uint8 array of shape (resolution, resolution, 3)
        label : str
        probabilities : float array of shape (n_classes,)
            What the model answers.

        Raises
        ------
        UsageError
            If the model has no such class.
        """
        if label not in self._labels:
            raise UsageError(f"There is no class {label}. There are: {', '.join(self._labels)}.")
        row = self._labels.index(label)
        maps, features = self._maps(square)
        length = float(np.linalg.norm(features)) if self._normalize else 1.0
        starts = np.cumsum([0, *(places.shape[1] for places in maps)])
        parts = [
            self._laid(np.tensordot(places, self._coef[row, start : start + places.shape[1]], (1, 0)))
            for start, places in zip(starts, maps, strict=False)
        ]
        evidence = np.asarray(np.sum(parts, 0) / (length or 1.0), np.float32)
        chances = dict(zip(self._labels, probabilities.tolist(), strict=True))
        return Explanation(path, label, evidence, float(self._intercept[row]), square, chances)

    def _maps(self, square: NDArray[np.uint8]) -> tuple[list[Floats], Floats]:
        """Return each network's map (n_views, d, h, w), scaled as its features are, and the features (d in all,)."""
        self._request.infer([square[None]])
        count = len(self._request.model_outputs)
        *maps, features = (np.array(self._request.get_output_tensor(i).data) for i in range(count))
        if self._scaled:
            maps = [places / max(float(np.linalg.norm(places.mean((0, 2, 3)))), SMALLEST_NORM) for places in maps]
        return maps, features[0]

    def _laid(self, evidence: Floats) -> Floats:
        """Lay the evidence (n_views, h, w) over the square, so that its mean stays what it was."""
        upright = [part[:, ::-1] if view.mirrored else part for part, view in zip(evidence, self._views, strict=True)]
        side, covered = self._outer // self._cell, self._inner // self._cell
        laid = np.zeros((side, side), np.float32)
        for part, view in zip(upright, self._views, strict=True):
            rows, columns = (slice(edge // self._cell, edge // self._cell + covered) for edge in (view.top, view.left))
            laid[rows, columns] += np.kron(part, np.ones((covered // part.shape[0], covered // part.shape[1])))
        return laid * np.float32((side / covered) ** 2 / len(upright))


def _pooled(graph: GraphProto) -> list[str] | None:
    """Return the names of the maps whose means the features are; None where a network has none."""
    makers: dict[str, NodeProto] = {output: node for node in graph.node for output in node.output}
    parts = [f"part{place}.features" for place in range(len(makers)) if f"part{place}.features" in makers]
    found = [_map_behind(name, makers) for name in parts or ["features"]]
    return None if None in found else [name for name in found if name is not None]


def _map_behind(name: str, makers: dict[str, NodeProto]) -> str | None:
    """Return the name of the map whose mean these features are."""
    while name in makers and makers[name].op_type in _SHAPES_ONLY:
        name = makers[name].input[0]
    node = makers.get(name)
    if node is None or node.op_type not in ("GlobalAveragePool", "ReduceMean"):
        return None
    return str(node.input[0])
