"""Where in an image the evidence for an answer lies: class-activation maps, exact for pooled features.

Where the features are the mean of a map over its places, and scores are linear in the features, a score is the mean
over the places of what each adds to it (Zhou et al., *Learning deep features for discriminative localization*, 2016):
nothing is approximated. Networks of another kind are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gingham.errors import UsageError
from gingham.executors import openvino_core
from gingham.export.rebuild import read_head
from gingham.images import spotlight_jpeg

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

    from gingham.export.model_file import ModelInfo

__all__ = ["Explainer", "Explanation"]

Floats = NDArray[np.float32]
_SHAPES_ONLY = {"Flatten", "Reshape", "Squeeze", "Identity", "Cast"}
_AGREEMENT = 1e-3


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
    """

    path: str
    label: str
    evidence: Floats
    intercept: float
    square: NDArray[np.uint8]

    def picture(self, max_side: int = 448) -> bytes:
        """Return a JPEG in which what spoke for the class is lit, and the rest dark and grey."""
        return spotlight_jpeg(self.square, self.evidence, max_side)


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
        place = _pooled(model)
        refusal = UsageError(
            f"This model's network, {info.backbone}, does not average a map of the image, so where it looked cannot "
            "be told. Those of EfficientNet, MobileNetV2 and ResNet do: --features.backbone efficientnet_lite0"
        )
        if place is None:
            raise refusal
        with_map = onnx.ModelProto()
        with_map.CopyFrom(model)
        del with_map.graph.output[:]
        with_map.graph.output.extend(onnx.ValueInfoProto(name=name) for name in (place, "features"))
        network = openvino_core().read_model(with_map.SerializeToString())
        size = info.resolution
        network.reshape({"images": [1, size, size, 3]})
        self._request = openvino_core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        self._request = self._request.create_infer_request()
        grey = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
        places, features = self._places(grey)
        if np.abs(places.mean((1, 2)) - features).max() > _AGREEMENT * max(float(np.abs(features).max()), 1e-9):
            raise refusal

    def explain(self, path: str, square: NDArray[np.uint8], label: str) -> Explanation:
        """Return what speaks for a class.

        Parameters
        ----------
        path : str
        square : uint8 array of shape (resolution, resolution, 3)
        label : str

        Raises
        ------
        UsageError
            If the model has no such class.
        """
        if label not in self._labels:
            raise UsageError(f"There is no class {label}. There are: {', '.join(self._labels)}.")
        row = self._labels.index(label)
        places, features = self._places(square)
        length = float(np.linalg.norm(features)) if self._normalize else 1.0
        evidence = np.tensordot(self._coef[row], places, 1) / (length or 1.0)
        return Explanation(path, label, evidence.astype(np.float32), float(self._intercept[row]), square)

    def _places(self, square: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """Return the map (d, h, w) and its mean as the network computes it (d,)."""
        self._request.infer([square[None]])
        found: list[Any] = [np.array(self._request.get_output_tensor(i).data) for i in (0, 1)]
        return found[0][0], found[1][0]


def _pooled(model: ModelProto) -> str | None:
    """Return the name of the map whose mean the features are; None where the graph has none."""
    maker: dict[str, NodeProto] = {output: node for node in model.graph.node for output in node.output}
    name = "features"
    while name in maker and maker[name].op_type in _SHAPES_ONLY:
        name = maker[name].input[0]
    node = maker.get(name)
    if node is None or node.op_type not in ("GlobalAveragePool", "ReduceMean"):
        return None
    return str(node.input[0])
