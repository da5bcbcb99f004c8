"""A model's network, compiled for this machine's processors."""

from __future__ import annotations

import queue
import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gingham.errors import ConfigError, DataError
from gingham.executors import has_bf16, openvino_core, usable_cpus, withheld_cpus
from gingham.export.checks import refuse_other_shapes
from gingham.export.model_file import ModelInfo

__all__ = ["Outputs", "Runtime"]

Floats = NDArray[np.float32]
NAMES = ("probabilities", "scores", "features", "distances")


@dataclass(frozen=True)
class Outputs:
    """What the network says of n images.

    Parameters
    ----------
    probabilities, scores : float32 array of shape (n, n_classes)
    features : float32 array of shape (n, n_features)
    distances : float32 array of shape (n,), or None
        From what it was trained on; None where the model file does not say.
    """

    probabilities: Floats
    scores: Floats
    features: Floats
    distances: Floats | None


class Runtime:
    """Runs a model on OpenVINO. Threads may share it; each image is computed alone, whatever its company.

    Parameters
    ----------
    model : bytes
        An ONNX file.
    info : ModelInfo
        What the file says of itself, which must fit it.
    precision : {"auto", "bf16", "f32"}
        ``auto``: bf16 where the processor has it and the model was not trained in f32; else f32.

    Raises
    ------
    DataError
        If the network cannot be compiled, or is not what its description says.
    ConfigError
        For bf16 on a processor without it.
    """

    def __init__(self, model: bytes, info: ModelInfo, precision: str = "auto") -> None:
        core = openvino_core()
        bf16 = has_bf16()
        if precision == "bf16" and not bf16:
            raise ConfigError("The precision is bf16, which this processor does not have. Allowed here: auto, f32.")
        as_trained = "bf16" if bf16 and info.trained_in != "f32" else "f32"
        self.precision = as_trained if precision == "auto" else precision
        hints: dict[str, Any] = {"INFERENCE_PRECISION_HINT": self.precision}
        if withheld_cpus():
            hints["INFERENCE_NUM_THREADS"] = usable_cpus()
        try:
            network = core.read_model(model)
            refuse_other_shapes(network, info)
            network.reshape({"images": [1, info.resolution, info.resolution, 3]})
            # All processors on one image answer soonest; an image on each processor gets most done.
            soonest = core.compile_model(network, "CPU", {**hints, "PERFORMANCE_HINT": "LATENCY"})
            most = core.compile_model(network, "CPU", {**hints, "PERFORMANCE_HINT": "THROUGHPUT"})
        except RuntimeError as error:
            raise DataError(f"It cannot be run: {str(error).strip().splitlines()[-1]}") from error
        self._widths = {
            name: tuple(output.shape[1:]) for output in most.outputs for name in NAMES if name in output.names
        }
        self._alone = soonest.create_infer_request()
        self._lock = threading.Lock()
        self._running = 0
        # One more than there are streams, so that none waits while Python fetches what is done.
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(most.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS") + 1):
            self._idle.put(most.create_infer_request())

    def run(self, images: NDArray[np.uint8]) -> Outputs:
        """Compute what the network says.

        Parameters
        ----------
        images : uint8 array of shape (n, resolution, resolution, 3)
        """
        with self._lock:
            alone = self._running == 0 and len(images) == 1
            self._running += 1
        try:
            rows = [self._read(self._start(self._alone, images[0]))] if alone else self._in_streams(images)
        finally:
            with self._lock:
                self._running -= 1
        column = {
            name: np.concatenate([row[name] for row in rows]) if rows else np.empty((0, *width), np.float32)
            for name, width in self._widths.items()
        }
        return Outputs(column["probabilities"], column["scores"], column["features"], column.get("distances"))

    def _in_streams(self, images: NDArray[np.uint8]) -> list[dict[str, Floats]]:
        rows: list[dict[str, Floats]] = []
        running: deque[Any] = deque()
        try:
            for image in images:
                if running and self._idle.empty():
                    rows.append(self._finish(running))
                running.append(self._start(self._idle.get(), image))
            while running:
                rows.append(self._finish(running))
        finally:
            for request in running:
                request.wait()
                self._idle.put(request)
        return rows

    def _finish(self, running: deque[Any]) -> dict[str, Floats]:
        row = self._read(running[0])
        self._idle.put(running.popleft())
        return row

    @staticmethod
    def _start(request: Any, image: NDArray[np.uint8]) -> Any:
        request.start_async([image[None]])
        return request

    def _read(self, request: Any) -> dict[str, Floats]:
        request.wait()
        return {name: np.array(request.get_tensor(name).data, np.float32) for name in self._widths}
