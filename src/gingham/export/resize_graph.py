"""The resize recipe as ONNX nodes: two matrix products whose weights are computed from the picture's size.

The same antialiased separable resampling as :func:`gingham.images.fit`: a kernel, widened by the reduction factor, down
the columns and then along the rows, with weights of 16 bits and rounded to 8 bits after each, as the vectorised
resampler does. (Its origin is Pillow's ``Resample.c``, which does the rows first.) Weights are computed in float64; a
runtime that makes that float32, as OpenVINO does, is off by a grey level here and there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import ModelProto

    from gingham.records import InputRecipe

__all__ = ["resize_in_graph"]

UNITS = 2.0 ** np.arange(8, 31)
LARGEST = 2**15 - 0.5
"""The largest weight takes 15 bits: it has as many of the ``UNITS`` as stay below this."""


def resize_in_graph(model: ModelProto, recipe: InputRecipe) -> None:
    """Put the resizing in front of a model: its input becomes ``image`` uint8 (H, W, 3), one picture of any size.

    Parameters
    ----------
    model : onnx.ModelProto
        Changed in place. Its input is ``images`` uint8 (N, S, S, 3).
    recipe : InputRecipe
    """
    from onnx import TensorProto, helper

    graph = model.graph
    front = _Nodes()
    front.resize(recipe)
    nodes = [*front.nodes, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(front.constants)
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info("image", TensorProto.UINT8, ["H", "W", 3]))
    for output in graph.output:
        output.type.tensor_type.shape.dim[0].dim_value = 1
    # Shapes noted inside speak of N images.
    del graph.value_info[:]


class _Nodes:
    """Nodes in the making; every method appends some and returns the name of the last one's output."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: float | np.float32 | list[int] | NDArray[Any]) -> str:
        from onnx import numpy_helper

        array = np.asarray(value, np.int64 if isinstance(value, list) else None)
        name = f"resize.c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def node(
        self,
        operator: str,
        *inputs: str | float | np.float32 | list[int] | NDArray[Any],
        output: str = "",
        **attributes: Any,
    ) -> str:
        from onnx import helper

        names = [given if isinstance(given, str) else self.constant(given) for given in inputs]
        name = output or f"resize.{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, names, [name], name=f"resize/{len(self.nodes)}", **attributes))
        return name

    def resize(self, recipe: InputRecipe) -> None:
        from onnx import TensorProto

        size = recipe.resolution
        shape = self.node("Shape", "image")
        lengths = self.node("Cast", shape, to=TensorProto.DOUBLE)
        height, width = (self.node("Slice", lengths, [axis], [axis + 1]) for axis in (0, 1))
        if recipe.fit == "crop":
            side = self.node("Mul", self.node("Min", height, width), recipe.crop_fraction)
            across, down = side, side
        else:
            across, down = width, height
        columns, unit_across = self.weights(recipe, width, across)
        rows, unit_down = self.weights(recipe, height, down)

        pixels = self.node("Cast", "image", to=TensorProto.FLOAT)
        planes = self.node("Transpose", pixels, perm=[2, 0, 1])
        low = self.rounded(self.node("MatMul", rows, planes), unit_down)
        square = self.rounded(self.node("MatMul", low, self.node("Transpose", columns, perm=[1, 0])), unit_across)
        last = self.node("Transpose", square, perm=[1, 2, 0])
        whole = self.node("Cast", last, to=TensorProto.UINT8)
        self.node("Reshape", whole, [1, size, size, 3], output="images")

    def weights(self, recipe: InputRecipe, length: str, box: str) -> tuple[str, str]:
        """Compute how much each pixel along an axis adds to each output, in whole units: float32 (resolution, length).

        The second name is of the number of units in one.
        """
        from onnx import TensorProto

        size = recipe.resolution
        start = self.node("Mul", self.node("Sub", length, box), 0.5)
        ratio = self.node("Div", box, float(size))
        outputs = self.constant((np.arange(size) + 0.5)[:, None])
        centres = self.node("Add", self.node("Mul", outputs, ratio), start)
        scalar = self.node("Squeeze", length, [0])
        positions = self.node("Add", self.node("Range", 0.0, scalar, 1.0), 0.5)
        x = self.node("Div", self.node("Sub", positions, centres), self.node("Max", ratio, 1.0))
        raw = getattr(self, recipe.interpolation)(x)
        weights = self.node("Div", raw, self.node("ReduceSum", raw, [1], keepdims=1))
        scaled = self.node("Mul", self.node("ReduceMax", weights, keepdims=0), UNITS)
        unit = self.node("ReduceMax", self.node("Where", self.node("Less", scaled, LARGEST), UNITS, 0.0), keepdims=0)
        units = self.node("Floor", self.node("Add", self.node("Mul", weights, unit), 0.5))
        return self.node("Cast", units, to=TensorProto.FLOAT), self.node("Cast", unit, to=TensorProto.FLOAT)

    def rounded(self, x: str, unit: str) -> str:
        levels = self.node("Floor", self.node("Add", self.node("Div", x, unit), np.float32(0.5)))
        return self.node("Clip", levels, np.float32(0), np.float32(255))

    def polynomial(self, x: str, *coefficients: float) -> str:
        """By Horner's rule, the highest power first."""
        value = self.node("Mul", x, coefficients[0])
        for coefficient in coefficients[1:-1]:
            value = self.node("Mul", self.node("Add", value, coefficient), x)
        return self.node("Add", value, coefficients[-1])

    def inside(self, distance: str, radius: float, then: str, otherwise: str | float) -> str:
        return self.node("Where", self.node("Less", distance, radius), then, otherwise)

    def bilinear(self, x: str) -> str:
        return self.node("Max", self.node("Sub", 1.0, self.node("Abs", x)), 0.0)

    def bicubic(self, x: str) -> str:
        """Keys's cubic with a = -0.5, Catmull-Rom."""
        distance = self.node("Abs", x)
        outer = self.inside(distance, 2.0, self.polynomial(distance, -0.5, 2.5, -4.0, 2.0), 0.0)
        return self.inside(distance, 1.0, self.polynomial(distance, 1.5, -2.5, 0.0, 1.0), outer)

    def lanczos(self, x: str) -> str:
        product = self.node("Mul", self.sinc(x), self.sinc(self.node("Div", x, 3.0)))
        return self.inside(self.node("Abs", x), 3.0, product, 0.0)

    def sinc(self, x: str) -> str:
        # Nothing is divided by zero.
        angle = self.node("Mul", self.node("Max", self.node("Abs", x), 1e-9), float(np.pi))
        return self.node("Div", self.node("Sin", angle), angle)

    def box(self, x: str) -> str:
        """1 from -0.5, which is left out, to 0.5."""
        inside = self.node("And", self.node("Greater", x, -0.5), self.node("LessOrEqual", x, 0.5))
        return self.node("Where", inside, 1.0, 0.0)
