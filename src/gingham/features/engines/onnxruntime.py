"""ONNX Runtime on the CPU: the second opinion."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

from gingham.executors import usable_cpus, withheld_cpus
from gingham.features.backbones import Backbone
from gingham.features.engines.base import Engine, Images, Rows

__all__ = ["OnnxRuntimeEngine"]

_BATCH = 8


class OnnxRuntimeEngine(Engine):
    """Runs the ONNX form of a backbone with ONNX Runtime; see `Engine`."""

    def __init__(self, backbone: Backbone, resolution: int, name: str, precision: str) -> None:
        super().__init__(backbone, resolution, name, precision, _BATCH)
        self._session: Any = None

    def load(self) -> None:
        """Build the network and open a session."""
        if self._session is not None:
            return
        import onnxruntime

        model = self.backbone.onnx_model(self.resolution).SerializeToString()
        options = onnxruntime.SessionOptions()
        if withheld_cpus():
            options.intra_op_num_threads = usable_cpus()
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def _run(self, batches: Iterator[Images]) -> Generator[Rows, None, None]:
        for batch in batches:
            (rows,) = self._session.run(["features"], {"images": batch})
            yield rows
