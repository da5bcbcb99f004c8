"""Which engine, precision and device will run a backbone here, and why."""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gingham.errors import ConfigError, UnavailableError, did_you_mean
from gingham.executors import has_bf16
from gingham.features.backbones import Backbone
from gingham.features.engines.base import Engine

__all__ = ["EnginePlan", "describe_engine", "open_engine"]

EngineName = Literal["auto", "openvino", "torch", "onnxruntime"]
Precision = Literal["auto", "bf16", "f32"]

_PACKAGES = {
    "openvino": "openvino",
    "torch": '"gingham[train]"',
    "onnxruntime": "onnxruntime",
}
_GPU_DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd", r"C:\Windows\System32\nvcuda.dll")


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """What will run the network, and why.

    Parameters
    ----------
    engine : {"openvino", "torch", "onnxruntime"}
    precision : {"bf16", "f32"}
    device : {"cpu", "cuda", "mps"}
    reason : str
        One sentence.
    """

    engine: Literal["openvino", "torch", "onnxruntime"]
    precision: Literal["bf16", "f32"]
    device: Literal["cpu", "cuda", "mps"]
    reason: str

    @property
    def name(self) -> str:
        """The name that runs and cache keys carry.

        >>> EnginePlan("torch", "bf16", "cuda", "a GPU").name
        'torch-cuda-bf16'
        """
        place = () if self.device == "cpu" else (self.device,)
        return "-".join((self.engine, *place, self.precision))


def describe_engine(engine: str = "auto", precision: str = "auto") -> EnginePlan:
    """Decide what will run a network on this machine, without loading one.

    Parameters
    ----------
    engine : {"auto", "openvino", "torch", "onnxruntime"}
        ``auto``: torch where there is a GPU for it, else OpenVINO.
    precision : {"auto", "bf16", "f32"}
        ``auto``: bf16 where the processor has it, else f32.

    Raises
    ------
    ConfigError
        On an unknown name, or a precision that the engine does not have on this processor.
    UnavailableError
        If the engine is not installed.
    """
    if engine not in ("auto", *_PACKAGES):
        allowed = ["auto", *_PACKAGES]
        raise ConfigError(
            f"There is no engine {engine!r}.{did_you_mean(engine, allowed)} Allowed: {', '.join(allowed)}."
        )
    if precision not in ("auto", "bf16", "f32"):
        raise ConfigError(f"There is no precision {precision!r}. Allowed: auto, bf16, f32.")
    if engine == "auto":
        device = _gpu()
        if device is not None:
            return _plan_torch(precision, device, "a GPU that torch can use")
        if _installed("openvino"):
            return _plan_openvino(precision, "no GPU that torch can use; OpenVINO is the fastest on a CPU")
        return _plan_onnxruntime(precision, "neither a GPU nor OpenVINO is here")
    if not _installed(engine):
        raise UnavailableError(f"The engine {engine} is not installed. Type: pip install {_PACKAGES[engine]}")
    if engine == "torch":
        return _plan_torch(precision, _gpu() or "cpu", "as configured")
    if engine == "openvino":
        return _plan_openvino(precision, "as configured")
    return _plan_onnxruntime(precision, "as configured")


def open_engine(backbone: Backbone, resolution: int, engine: str = "auto", precision: str = "auto") -> Engine:
    """Open what `describe_engine` decides; the network is loaded with the first batch.

    Raises
    ------
    ConfigError, UnavailableError
        As `describe_engine`; and ConfigError for a resolution that is not allowed.
    """
    plan = describe_engine(engine, precision)
    if plan.engine == "openvino":
        from gingham.features.engines.openvino import OpenVinoEngine

        return OpenVinoEngine(backbone, resolution, plan.name, plan.precision)
    if plan.engine == "torch":
        from gingham.features.engines.torch import TorchEngine

        return TorchEngine(backbone, resolution, plan.name, plan.precision, plan.device)
    from gingham.features.engines.onnxruntime import OnnxRuntimeEngine

    return OnnxRuntimeEngine(backbone, resolution, plan.name, plan.precision)


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _gpu() -> Literal["cuda", "mps"] | None:
    """Return the GPU that torch can use. Torch, slow to import, is asked only where there is a driver."""
    apple = sys.platform == "darwin" and os.uname().machine == "arm64"
    if not (apple or any(Path(driver).exists() for driver in _GPU_DRIVERS)) or not _installed("torch"):
        return None
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else None


def _plan_openvino(precision: str, reason: str) -> EnginePlan:
    has = has_bf16()
    if precision == "bf16" and not has:
        raise ConfigError(_no_bf16("this processor"))
    if precision == "f32":
        return EnginePlan("openvino", "f32", "cpu", reason)
    note = "the processor has bf16" if has else "the processor has no bf16"
    return EnginePlan("openvino", "bf16" if has else "f32", "cpu", f"{reason}; {note}")


def _plan_torch(precision: str, device: Literal["cpu", "cuda", "mps"], reason: str) -> EnginePlan:
    if device == "cuda":
        import torch

        has = torch.cuda.is_bf16_supported(including_emulation=False)
        if precision == "bf16" and not has:
            raise ConfigError(_no_bf16("this GPU"))
        chosen: Literal["bf16", "f32"] = "bf16" if has and precision != "f32" else "f32"
        return EnginePlan("torch", chosen, device, reason)
    return EnginePlan("torch", "bf16" if precision == "bf16" else "f32", device, reason)


def _plan_onnxruntime(precision: str, reason: str) -> EnginePlan:
    if precision == "bf16":
        raise ConfigError(_no_bf16("the engine onnxruntime"))
    return EnginePlan("onnxruntime", "f32", "cpu", reason)


def _no_bf16(what: str) -> str:
    return f"features.precision is bf16, which {what} does not have. Type: --features.precision auto (or f32)"
