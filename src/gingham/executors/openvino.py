"""OpenVINO, without its telemetry, and with one core for the whole process."""

from __future__ import annotations

import functools
import sys
import threading
from typing import Any

__all__ = ["has_bf16", "import_openvino", "openvino_core"]

_TELEMETRY = "openvino_telemetry"
_one_at_a_time = threading.Lock()


def import_openvino() -> Any:
    """Import OpenVINO and return it.

    By itself it sends word of every import to its makers, and writes into the home folder, without asking. Where its
    package for that is not to be had, as we say here for the moment of the import, it does not.
    """
    hidden = _TELEMETRY not in sys.modules
    if hidden:
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment]
    try:
        import openvino
    finally:
        if hidden:
            del sys.modules[_TELEMETRY]
    return openvino


def openvino_core() -> Any:
    """Return the ``openvino.Core`` that all networks of this process are compiled by; it lives as long as the process.

    Threads of its pool outlive a core, and still look into it: a service whose first core went with its first model
    crashed when a second model had been replaced (OpenVINO 2026.4).
    """
    with _one_at_a_time:
        return _core()


def has_bf16() -> bool:
    """Tell whether the processor computes in bf16."""
    return "BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@functools.cache
def _core() -> Any:
    openvino = import_openvino()
    # The first look at the numbers of a tensor sets something up; of two threads whose first it is, each waits for the
    # other for ever, the one for a lock of C++ and the other for Python's.
    _ = openvino.Tensor(openvino.Type.u8, openvino.Shape([1])).data
    return openvino.Core()
