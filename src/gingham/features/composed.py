"""Several views of an image, or several networks, as one backbone: more accurate, and as much dearer.

Of the views, flips and crops, the features are averaged (Krizhevsky et al., *ImageNet classification with deep
convolutional neural networks*, 2012). Of several networks, each one's features are scaled to unit length and laid side
by side. All of it is in one graph, so that the model file, the parity gate and the service need not know of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gingham.errors import ConfigError
from gingham.features.backbones import Backbone, Weights, check_resolution, load_backbone
from gingham.records import Fit, InputRecipe, Views, views_of

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import nn

__all__ = ["JOINT", "ComposedBackbone", "compose", "load_composed"]

JOINT = "+"
"""Between the names of backbones whose features are used together."""

_CROP_SHARE = 0.875  # the side of each crop, as a share of the square's: 224 of 256
_STEP = 32
_LARGEST = 1024


def load_composed(
    names: str, weights: Path | None, resolution: int, views: Views, *, directory: Path | None = None
) -> Backbone:
    """Find the backbones of a name such as ``efficientnet_lite0+efficientnet_lite1``, and compose them.

    Parameters
    ----------
    names : str
    weights, directory
        As for `load_backbone`.
    resolution, views
        As for `compose`.

    Raises
    ------
    ConfigError
        If a name comes twice, or one file is given for several; and as `load_backbone` and `compose`.
    DataError, UnavailableError
        As `load_backbone`.
    """
    each = [name.strip() for name in names.split(JOINT)]
    if len(set(each)) < len(each):
        raise ConfigError(f"features.backbone is {names}, which names one twice. Type: --features.backbone {each[0]}")
    if len(each) > 1 and weights is not None:
        raise ConfigError(
            f"features.backbone_weights is one file, and features.backbone, {names}, names {len(each)} networks. "
            f"Type: --features.backbone {each[0]}"
        )
    return compose([load_backbone(name, weights, directory=directory) for name in each], resolution, views)


def compose(parts: Sequence[Backbone], resolution: int, views: Views) -> Backbone:
    """Return one backbone that is all of them, on each view; a single one with one view as it is.

    Parameters
    ----------
    parts : sequence of Backbone
    resolution : int
        Side of what each network sees at once.
    views : {"one", "flip", "crops", "crops-and-flips"}

    Raises
    ------
    ConfigError
        If the square around the crops would be too large.
    """
    if len(parts) == 1 and views == "one":
        return parts[0]
    return ComposedBackbone(parts, resolution, views)


class ComposedBackbone(Backbone):
    """Backbones side by side, each on several views of an image.

    Parameters
    ----------
    parts : sequence of Backbone
        The first one's preprocessing holds for all.
    inner : int
        Side of what each network sees at once.
    views : {"one", "flip", "crops", "crops-and-flips"}

    Attributes
    ----------
    outer : int
        Side of the square of which the views are parts: the resolution of its recipe and of its graphs.
    """

    def __init__(self, parts: Sequence[Backbone], inner: int, views: Views) -> None:
        check_resolution(inner)
        self.parts, self.inner, self.views = tuple(parts), inner, views
        around = max(inner + _STEP, round(inner / _CROP_SHARE / _STEP) * _STEP)
        self.outer = around if views.startswith("crops") else inner
        if self.outer > _LARGEST:
            largest = int(_LARGEST * _CROP_SHARE) // _STEP * _STEP
            raise ConfigError(
                f"features.views is {views}, for which features.resolution can be at most {largest}, not {inner}. "
                f"Type: --features.views flip, or --features.resolution {largest}"
            )
        first = self.parts[0].weights
        weights = Weights(
            sha256=JOINT.join(part.weights.sha256 for part in self.parts),
            licence=" AND ".join(dict.fromkeys(part.weights.licence for part in self.parts)),
            source=JOINT.join(part.weights.source for part in self.parts),
            mean=first.mean,
            std=first.std,
            interpolation=first.interpolation,
            crop_fraction=first.crop_fraction,
        )
        super().__init__(
            JOINT.join(part.name for part in self.parts), sum(part.n_features for part in self.parts), weights
        )

    def recipe(self, resolution: int, fit: Fit = "crop") -> InputRecipe:
        """Return how an image becomes the square of the views; see `Backbone.recipe`.

        A crop shows things as large as the network would see them without crops.
        """
        self._require(resolution, self.inner)
        share = min(1.0, self.crop_fraction * self.outer / self.inner)
        return InputRecipe(self.outer, fit, share, self.interpolation)

    def view_resolution(self, resolution: int) -> int:  # noqa: ARG002
        """Return the side of a view; see `Backbone.view_resolution`."""
        return self.inner

    def onnx_model(self, resolution: int) -> ModelProto:
        """Put the views in front of the networks and the mean behind; see `Backbone.onnx_model`."""
        self._require(resolution, self.outer)
        import onnx
        from onnx import TensorProto, compose, helper, numpy_helper

        graphs = [
            compose.add_prefix(part.onnx_model(self.inner), f"part{place}.") for place, part in enumerate(self.parts)
        ]
        nodes: list[onnx.NodeProto] = []
        constants: dict[str, onnx.TensorProto] = {}

        def numbers(*values: int) -> str:
            name = f"composed.{'_'.join(map(str, values))}"
            constants[name] = numpy_helper.from_array(np.array(values, np.int64), name)
            return name

        def node(operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
            nodes.append(helper.make_node(operator, inputs, [output], name=f"composed/{output}", **attributes))
            return output

        views = views_of(self.views, self.outer, self.inner)
        seen = []
        for number, view in enumerate(views):
            rows, columns = (view.top, view.top + self.inner), (view.left, view.left + self.inner)
            box = [numbers(rows[0], columns[0]), numbers(rows[1], columns[1]), numbers(1, 2)]
            name = node("Slice", ["images", *box], f"view{number}")
            if view.mirrored:
                back = [numbers(-1), numbers(-(2**31)), numbers(2), numbers(-1)]
                name = node("Slice", [name, *back], f"{name}.mirrored")
            seen.append(name)
        images = node("Concat", seen, "views", axis=0)
        sides = []
        for place, (graph, part) in enumerate(zip(graphs, self.parts, strict=True)):
            prefix = f"part{place}."
            for inner in graph.graph.node:
                inner.input[:] = [images if name == f"{prefix}images" else name for name in inner.input]
            nodes.extend(graph.graph.node)
            shape = numbers(len(views), -1, part.n_features)
            stacked = node("Reshape", [f"{prefix}features", shape], f"{prefix}stacked")
            name = node("ReduceMean", [stacked, numbers(0)], f"{prefix}mean", keepdims=0)
            if len(self.parts) > 1:
                constants["composed.smallest"] = numpy_helper.from_array(
                    np.array(1e-12, np.float32), "composed.smallest"
                )
                length = node("ReduceL2", [name, numbers(1)], f"{prefix}length", keepdims=1)
                name = node("Div", [name, node("Max", [length, "composed.smallest"], f"{prefix}norm")], f"{prefix}unit")
            sides.append(name)
        node("Concat", sides, "features", axis=1)
        made = onnx.ModelProto()
        made.CopyFrom(graphs[0])
        made.ir_version = max(graph.ir_version for graph in graphs)
        new = helper.make_graph(
            nodes,
            "composed",
            [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", self.outer, self.outer, 3])],
            [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", self.n_features])],
            [*constants.values(), *(tensor for graph in graphs for tensor in graph.graph.initializer)],
        )
        made.graph.CopyFrom(new)
        return made

    def torch_module(self, resolution: int) -> nn.Module:
        """Put the same into a torch module; see `Backbone.torch_module`."""
        self._require(resolution, self.outer)
        from gingham.features.composed_torch import ComposedNetwork

        networks = [(part.torch_module(self.inner), part.mean, part.std) for part in self.parts]
        return ComposedNetwork(networks, views_of(self.views, self.outer, self.inner), self.inner).eval()

    def _require(self, resolution: int, own: int) -> None:
        if resolution != own:
            raise ValueError(f"this backbone was composed for {own} pixels, not {resolution}")
