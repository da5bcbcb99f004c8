"""Torch on a GPU, or on the CPU for comparison."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

from gingham.features.backbones import Backbone
from gingham.features.engines.base import Engine, Images, Rows

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["TorchEngine"]

_BATCH_CPU = 8
_BATCH_GPU = 64


class TorchEngine(Engine):
    """Runs the torch form of a backbone; see `Engine`.

    Parameters
    ----------
    device : {"cpu", "cuda", "mps"}
    """

    def __init__(self, backbone: Backbone, resolution: int, name: str, precision: str, device: str) -> None:
        batch_size = _BATCH_CPU if device == "cpu" else _BATCH_GPU
        super().__init__(backbone, resolution, name, precision, batch_size)
        self.device = device
        self._network: Any = None

    def load(self) -> None:
        """Make the network and move it to the device."""
        if self._network is not None:
            return
        import torch

        from gingham.features.pixel_input import PixelInput

        weights = self.backbone.weights
        network = PixelInput(self.backbone.torch_module(self.resolution), weights.mean, weights.std)
        self._network = network.eval().to(self.device).to(memory_format=torch.channels_last)

    def _run(self, batches: Iterator[Images]) -> Generator[Rows, None, None]:
        # A GPU computes while the next batch is decoded: results are fetched one batch late.
        running: deque[Tensor] = deque()
        depth = 0 if self.device == "cpu" else 1
        for batch in batches:
            running.append(self._start(batch))
            if len(running) > depth:
                yield running.popleft().cpu().numpy()
        while running:
            yield running.popleft().cpu().numpy()

    def _start(self, batch: Images) -> Tensor:
        import torch

        with (
            torch.inference_mode(),
            torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bf16"),
        ):
            images = torch.tensor(batch).to(self.device, non_blocking=True)
            features: Tensor = self._network(images).float()
            return features
