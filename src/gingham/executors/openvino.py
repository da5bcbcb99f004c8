"""OpenVINO, without its telemetry."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["import_openvino"]

_TELEMETRY = "openvino_telemetry"


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
