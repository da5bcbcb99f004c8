"""A model's network, compiled for this machine's processors."""

from __future__ import annotations

import queue
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gingham.errors import ConfigError, DataError
from gingham.executors import usable_cpus, withheld_cpus
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
        ``auto``: bf16 where the processor has it, else f32.

    Raises
    ------
    DataError
        If the network cannot be compiled, or is not what its description says.
    ConfigError
        For bf16 on a processor without it.
    """

    def __init__(self, model: bytes, info: ModelInfo, precision: str = "auto") -> None:
        import openvino

        core = openvino.Core()
        has_bf16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision == "bf16" and not has_bf16:
            raise ConfigError("The precision is bf16, which this processor does not have. Allowed here: auto, f32.")
        self.precision = ("bf16" if has_bf16 else "f32") if precision == "auto" else precision
        hints: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": self.precision}
        if withheld_cpus():
            hints["INFERENCE_NUM_THREADS"] = usable_cpus()
        try:
            network = core.read_model(model)
            refuse_other_shapes(network, info)
            network.reshape({"images": [1, info.resolution, info.resolution, 3]})
            compiled = core.compile_model(network, "CPU", hints)
        except RuntimeError as error:
            raise DataError(f"It cannot be run: {str(error).strip().splitlines()[-1]}") from error
        self._widths = {
            name: tuple(output.shape[1:]) for output in compiled.outputs for name in NAMES if name in output.names
        }
        # Two requests at once keep the processors busy while Python fetches the one that is done.
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(2):
            self._idle.put(compiled.create_infer_request())

    def run(self, images: NDArray[np.uint8]) -> Outputs:
        """Compute what the network says.

        Parameters
        ----------
        images : uint8 array of shape (n, resolution, resolution, 3)
        """
        rows: list[dict[str, Floats]] = []
        running: list[Any] = []
        try:
            for image in images:
                if running and self._idle.empty():
                    rows.append(self._finish(running.pop(0)))
                request = self._idle.get()
                running.append(request)
                request.start_async([image[None]])
            while running:
                rows.append(self._finish(running.pop(0)))
        finally:
            for request in running:
                request.wait()
                self._idle.put(request)
        column = {
            name: np.concatenate([row[name] for row in rows]) if rows else np.empty((0, *width), np.float32)
            for name, width in self._widths.items()
        }
        return Outputs(column["probabilities"], column["scores"], column["features"], column.get("distances"))

    def _finish(self, request: Any) -> dict[str, Floats]:
        try:
            request.wait()
            return {name: np.array(request.get_tensor(name).data, np.float32) for name in self._widths}
        finally:
            self._idle.put(request)
