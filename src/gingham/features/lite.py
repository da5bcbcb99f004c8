"""EfficientNet-Lite 0, 1 and 2 as ONNX graphs, built from their tensors: no torch, no network.

The architecture is EfficientNet-B0's (Tan and Le, 2019) with the changes of the Lite family (Liu, 2020): no
squeeze-and-excitation, ReLU6 for swish, and a stem, a head and first and last stages that do not grow with the model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gingham.errors import DataError

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["LiteArchitecture", "cut_lite", "lite_onnx", "name_tensors"]

Array = npt.NDArray[Any]

_STEM = 32
_HEAD = 1280
_EPSILON = 1e-3  # batch norm's, as in the TensorFlow original
_BATCH_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True, slots=True)
class _Stage:
    kernel: int
    stride: int
    expansion: int
    channels: int
    repeats: int


# EfficientNet-B0's stages: table 1 of Tan and Le, "EfficientNet: Rethinking Model Scaling", 2019.
_STAGES = (
    _Stage(3, 1, 1, 16, 1),
    _Stage(3, 2, 6, 24, 2),
    _Stage(5, 2, 6, 40, 2),
    _Stage(3, 2, 6, 80, 3),
    _Stage(5, 1, 6, 112, 3),
    _Stage(5, 2, 6, 192, 4),
    _Stage(3, 1, 6, 320, 1),
)


@dataclass(frozen=True, slots=True)
class _Layer:
    """One convolution with its batch norm, under timm's names."""

    conv: str
    norm: str
    in_channels: int
    out_channels: int
    kernel: int = 1
    stride: int = 1
    groups: int = 1
    relu: bool = True
    residual_from: int = 0
    """Add the output of so many layers before; 0 for none."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return self.out_channels, self.in_channels // self.groups, self.kernel, self.kernel


@dataclass(frozen=True, slots=True)
class LiteArchitecture:
    """One member of the family.

    Parameters
    ----------
    width, depth : float
        Multipliers of B0's channels and repeats.
    """

    width: float
    depth: float

    n_features = _HEAD

    def layers(self) -> Iterator[_Layer]:
        """Yield every convolution, in the order of the network."""
        yield _Layer("conv_stem", "bn1", 3, _STEM, kernel=3, stride=2)
        channels = _STEM
        for s, stage in enumerate(_STAGES):
            out = _round_channels(stage.channels * self.width)
            fixed = s in (0, len(_STAGES) - 1)
            repeats = stage.repeats if fixed else math.ceil(stage.repeats * self.depth)
            for r in range(repeats):
                yield from self._block(f"blocks.{s}.{r}", stage, channels, out, stage.stride if r == 0 else 1)
                channels = out
        yield _Layer("conv_head", "bn2", channels, _HEAD)

    @staticmethod
    def _block(prefix: str, stage: _Stage, channels: int, out: int, stride: int) -> Iterator[_Layer]:
        """Inverted residual: expand, filter each channel, project; the first stage does not expand."""
        inner = channels * stage.expansion
        expand = stage.expansion != 1
        if expand:
            yield _Layer(f"{prefix}.conv_pw", f"{prefix}.bn1", channels, inner)
        yield _Layer(f"{prefix}.conv_dw", f"{prefix}.bn{1 + expand}", inner, inner, stage.kernel, stride, groups=inner)
        skip = 2 + expand if stride == 1 and channels == out else 0
        project = "conv_pwl" if expand else "conv_pw"
        yield _Layer(f"{prefix}.{project}", f"{prefix}.bn{2 + expand}", inner, out, relu=False, residual_from=skip)

    def tensor_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return timm's name and the shape of every tensor but the classifier's, in the checkpoint's order."""
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in self.layers():
            shapes[f"{layer.conv}.weight"] = layer.shape
            for part in _BATCH_NORM:
                shapes[f"{layer.norm}.{part}"] = () if part == "num_batches_tracked" else (layer.out_channels,)
        return shapes


def _round_channels(channels: float, multiple: int = 8) -> int:
    """Round to a multiple of 8, never down by more than a tenth (as in the EfficientNet reference code)."""
    rounded = max(multiple, int(channels + multiple / 2) // multiple * multiple)
    return rounded + multiple if rounded < 0.9 * channels else rounded


def name_tensors(architecture: LiteArchitecture, tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Give a checkpoint's tensors timm's names, checking every shape; the classifier's are left out.

    Parameters
    ----------
    architecture : LiteArchitecture
    tensors : mapping of str to ndarray
        Under timm's names in any order, or under other names in the order of the network.

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    DataError
        If they do not fit; names the first that does not.
    """
    wanted = architecture.tensor_shapes()
    if wanted.keys() <= tensors.keys():
        named = {name: tensors[name] for name in wanted}
    elif len(tensors) >= len(wanted) and not wanted.keys() & tensors.keys():
        named = dict(zip(wanted, tensors.values(), strict=False))
    else:
        missing = [name for name in wanted if name not in tensors]
        raise DataError(f"The weights lack {len(missing)} of {len(wanted)} tensors: {', '.join(missing[:3])} …")
    for name, shape in wanted.items():
        if named[name].shape != shape:
            raise DataError(f"The weights do not fit: {name} is {named[name].shape}, {shape} is needed.")
    return named


def lite_onnx(
    architecture: LiteArchitecture,
    tensors: Mapping[str, Array],
    resolution: int,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
) -> ModelProto:
    """Build the network up to its pooled features, batch norms folded into the convolutions.

    Parameters
    ----------
    architecture : LiteArchitecture
    tensors : mapping of str to ndarray
        As `name_tensors` returns them.
    resolution : int
        Side of the input in pixels, divisible by 32.
    mean, std : tuple of float
        Per channel, of pixels in [0, 1].

    Returns
    -------
    onnx.ModelProto
        ``images`` uint8 (N, resolution, resolution, 3) → ``features`` float32 (N, 1280).
    """
    from onnx import TensorProto, checker, helper, numpy_helper

    nodes: list[Any] = []
    constants: list[Any] = []

    def constant(name: str, value: Array) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    column = (1, 3, 1, 1)
    scale = (1 / (255 * np.asarray(std))).astype(np.float32).reshape(column)
    shift = (-np.asarray(mean) / np.asarray(std)).astype(np.float32).reshape(column)
    x = node("Transpose", ["images"], "planes", perm=[0, 3, 1, 2])
    x = node("Cast", [x], "pixels", to=TensorProto.FLOAT)
    x = node("Mul", [x, constant("scale", scale)], "scaled")
    x = node("Add", [x, constant("shift", shift)], "normalized")
    low, high = (
        constant("zero", np.array(0, np.float32)),
        constant("six", np.array(6, np.float32)),
    )

    size, outputs = resolution, [x]
    for layer in architecture.layers():
        weight, bias = _fold(tensors, layer)
        before, after = _same_padding(size, layer.kernel, layer.stride)
        size = math.ceil(size / layer.stride)
        x = node(
            "Conv",
            [x, constant(f"{layer.conv}.weight", weight), constant(f"{layer.conv}.bias", bias)],
            layer.conv,
            kernel_shape=[layer.kernel] * 2,
            strides=[layer.stride] * 2,
            pads=[before, before, after, after],
            group=layer.groups,
        )
        if layer.relu:
            x = node("Clip", [x, low, high], f"{layer.conv}.relu6")
        if layer.residual_from:
            x = node("Add", [x, outputs[-layer.residual_from]], f"{layer.conv}.sum")
        outputs.append(x)
    x = node("GlobalAveragePool", [x], "pooled")
    node("Flatten", [x], "features")

    graph = helper.make_graph(
        nodes,
        "efficientnet_lite",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", resolution, resolution, 3])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", _HEAD])],
        constants,
    )
    model = helper.make_model(
        graph, producer_name="gingham", ir_version=10, opset_imports=[helper.make_opsetid("", 18)]
    )
    checker.check_model(model)
    return model


def cut_lite(model: ModelProto, stage: int) -> ModelProto:
    """Cut what `lite_onnx` built in front of a stage.

    Parameters
    ----------
    model : onnx.ModelProto
    stage : int
        From 1 to 6.

    Returns
    -------
    onnx.ModelProto
        ``images`` as before → ``features`` float32 (N, H * W * C), channels last.
    """
    from onnx import ModelProto, TensorProto, helper, numpy_helper

    cut = ModelProto()
    cut.CopyFrom(model)
    graph = cut.graph
    first = next(place for place, node in enumerate(graph.node) if node.name.startswith(f"blocks.{stage}."))
    del graph.node[first:]
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend([*kept, numpy_helper.from_array(np.array([0, -1], np.int64), "rows")])
    graph.node.append(helper.make_node("Transpose", [graph.node[-1].output[0]], ["places"], perm=[0, 2, 3, 1]))
    graph.node.append(helper.make_node("Reshape", ["places", "rows"], ["features"]))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", None]))
    return cut


def _fold(tensors: Mapping[str, Array], layer: _Layer) -> tuple[Array, Array]:
    """Fold the batch norm into the convolution: weights (out, in, k, k) and bias (out,), float32."""
    weight, gamma, beta, mean, variance = (
        np.asarray(tensors[name], np.float64)
        for name in (f"{layer.conv}.weight", *(f"{layer.norm}.{part}" for part in _BATCH_NORM[:4]))
    )
    factor = gamma / np.sqrt(variance + _EPSILON)
    folded = weight * factor[:, None, None, None]
    return folded.astype(np.float32), (beta - mean * factor).astype(np.float32)


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME: as much padding as gives ``ceil(size / stride)`` outputs, the odd pixel after."""
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2
