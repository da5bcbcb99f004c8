"""Torch networks that take pixels: uint8 images in, normalized inside. Imports torch; nothing imports it at start."""

from __future__ import annotations

import logging

import torch
from torch import nn

__all__ = ["PixelInput", "convert_to_onnx"]

Triple = tuple[float, float, float]


class PixelInput(nn.Module):
    """A network behind its own normalization.

    Parameters
    ----------
    network : nn.Module
        Float32 (N, 3, S, S), normalized → (N, n_features).
    mean, std : tuple of float
        Per channel, of pixels in [0, 1].
    """

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, network: nn.Module, mean: Triple, std: Triple) -> None:
        super().__init__()
        self.network = network
        centre, spread = torch.tensor(mean).view(1, 3, 1, 1), torch.tensor(std).view(1, 3, 1, 1)
        self.register_buffer("scale", 1 / (255 * spread))
        self.register_buffer("shift", -centre / spread)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map uint8 (N, S, S, 3) to features (N, n_features)."""
        pixels = images.permute(0, 3, 1, 2).to(torch.float32)
        features: torch.Tensor = self.network(pixels * self.scale + self.shift)
        return features


def convert_to_onnx(network: nn.Module, resolution: int, mean: Triple, std: Triple) -> bytes:
    """Convert a network to ONNX.

    Returns
    -------
    bytes
        ``images`` uint8 (N, resolution, resolution, 3) → ``features`` float32 (N, n_features).
    """
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        program = torch.onnx.export(
            PixelInput(network, mean, std).eval(),
            (torch.zeros(2, resolution, resolution, 3, dtype=torch.uint8),),
            dynamo=True,
            input_names=["images"],
            output_names=["features"],
            dynamic_shapes={"images": {0: torch.export.Dim("N", min=1, max=4096)}},
            external_data=False,
            opset_version=18,
            verbose=False,
        )
    finally:
        logger.setLevel(level)
    assert program is not None
    model: bytes = program.model_proto.SerializeToString()
    return model
