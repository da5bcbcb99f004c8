"""OpenVINO on the CPU: asynchronous requests, in throughput mode."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import numpy as np

from gingham.features.backbones import Backbone
from gingham.features.engines.base import Engine, Images, Rows

__all__ = ["OpenVinoEngine"]

_BATCH = 8


class OpenVinoEngine(Engine):
    """Runs the ONNX form of a backbone with OpenVINO; see `Engine`."""

    def __init__(self, backbone: Backbone, resolution: int, name: str, precision: str) -> None:
        super().__init__(backbone, resolution, name, precision, _BATCH)
        self._network: Any = None

    def load(self) -> None:
        """Build and compile the network for the fixed batch size."""
        if self._network is not None:
            return
        import openvino

        core = openvino.Core()
        network = core.read_model(self.backbone.onnx_model(self.resolution).SerializeToString())
        network.reshape([self.batch_size, self.resolution, self.resolution, 3])
        hints = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": self.precision}
        self._network = core.compile_model(network, "CPU", hints)

    def _run(self, batches: Iterator[Images]) -> Generator[Rows, None, None]:
        import openvino

        streams = self._network.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        # One request more than there are streams, so that none waits for Python to bring the next batch.
        requests = openvino.AsyncInferQueue(self._network, streams + 1)
        done: dict[int, Rows] = {}

        def keep(request: Any, number: int) -> None:
            done[number] = np.array(request.get_output_tensor(0).data, np.float32)

        requests.set_callback(keep)
        handed = 0
        try:
            for number, batch in enumerate(batches):
                requests.start_async([batch], number)
                while handed in done:
                    yield done.pop(handed)
                    handed += 1
        finally:
            requests.wait_all()
        for number in range(handed, handed + len(done)):
            yield done.pop(number)
