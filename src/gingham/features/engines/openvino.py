"""OpenVINO on the CPU: several requests at once, in throughput mode."""

from __future__ import annotations

import ctypes
import sys
from collections import deque
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np

from gingham.executors import openvino_core, usable_cpus, withheld_cpus
from gingham.features.backbones import Backbone
from gingham.features.engines.base import Engine, Images, Rows

__all__ = ["OpenVinoEngine"]

_BATCH = 4


class OpenVinoEngine(Engine):
    """Runs the ONNX form of a backbone with OpenVINO; see `Engine`."""

    def __init__(self, backbone: Backbone, resolution: int, name: str, precision: str) -> None:
        super().__init__(backbone, resolution, name, precision, _BATCH)
        self._network: Any = None

    def load(self) -> None:
        """Build and compile the network for the fixed batch size."""
        if self._network is not None:
            return
        core = openvino_core()
        network = core.read_model(self.backbone.onnx_model(self.resolution).SerializeToString())
        network.reshape([self.batch_size, self.resolution, self.resolution, 3])
        hints: dict[str, Any] = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": self.precision}
        if withheld_cpus():
            hints["INFERENCE_NUM_THREADS"] = usable_cpus()
        self._network = core.compile_model(network, "CPU", hints)
        del network
        _trim_heap()

    def _run(self, batches: Iterator[Images]) -> Generator[Rows, None, None]:
        # No callbacks, and so no AsyncInferQueue: one of its threads may still want the interpreter's lock, to drop
        # the callback's arguments, when the network is destroyed by a thread that holds it. That hangs, rarely.
        streams = self._network.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        # One request more than there are streams, so that none waits for Python to bring the next batch.
        idle = [self._network.create_infer_request() for _ in range(streams + 1)]
        running: deque[Any] = deque()
        try:
            for batch in batches:
                rows = None if idle else _finish(running[0])
                request = idle.pop() if idle else running.popleft()
                request.start_async([batch])
                running.append(request)
                if rows is not None:
                    yield rows
            while running:
                rows = _finish(running[0])
                running.popleft()
                yield rows
        finally:
            for request in running:
                request.wait()


def _trim_heap() -> None:
    """Give back to the system what compiling used; glibc would keep it, some 70 MiB, beside the features to come."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(ctypes.c_size_t(0))


def _finish(request: Any) -> Rows:
    request.wait()
    return np.array(request.get_output_tensor(0).data, np.float32)
