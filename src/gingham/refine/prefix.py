"""The part of a network that is not trained, as a backbone of its own: so the fast engine can run it."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from gingham.features import Backbone
from gingham.features.timm_backbone import converted_once
from gingham.refine.stages import Cut

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["PrefixBackbone"]


class PrefixBackbone(Backbone):
    """The first stages of a backbone: images → activations, a row of numbers for each image.

    Parameters
    ----------
    whole : Backbone
        Whose preprocessing and weights it has.
    cut : Cut
        Whose fixed part it is: float32 (N, 3, S, S), normalized → (N, C, H, W), or another shape.
    resolution : int
        S.
    directory : Path, optional
        Where the converted network is kept.

    Attributes
    ----------
    shape : tuple of int
        Of one image's activations: (H, W, C) of maps, the channels last; else as the network gives them.
    """

    def __init__(self, whole: Backbone, cut: Cut, resolution: int, directory: Path | None = None) -> None:
        fixed = cut.fixed
        assert fixed is not None
        self._whole, self._stage = whole, cut.stage
        self._network = _RowsOfNumbers(copy.deepcopy(fixed)).eval()
        with torch.inference_mode():
            example = fixed.eval()(torch.zeros(1, 3, resolution, resolution))
        self.shape = tuple(_channels_last(example).shape[1:])
        self._directory = directory
        super().__init__(f"{whole.name}-before-{cut.depth}", math.prod(self.shape), whole.weights)

    def onnx_model(self, resolution: int) -> ModelProto:
        """Cut it from the whole, convert it, or take it from the folder; see `Backbone.onnx_model`."""
        if self._stage and (ready := self._whole.onnx_before(self._stage, resolution)) is not None:
            return ready
        stem = f"{self.name}-{self.weights.sha256[:16]}-{resolution}"
        return converted_once(self._directory, stem, lambda: self._network, resolution, self.weights)

    def torch_module(self, resolution: int) -> nn.Module:  # noqa: ARG002  (it was made for one)
        """Return it; see `Backbone.torch_module`."""
        return self._network


class _RowsOfNumbers(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return _channels_last(self.network(images)).flatten(1)


def _channels_last(activations: Tensor) -> Tensor:
    return activations.permute(0, 2, 3, 1) if activations.ndim == 4 else activations
