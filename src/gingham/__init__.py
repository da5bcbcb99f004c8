"""From a folder of images to a served classifier, with the truth about how good it is.

Importing this package does nothing but define names; each is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gingham.api import Project
    from gingham.client import Client
    from gingham.config import Config
    from gingham.errors import ConfigError, DataError, GinghamError, ImageError, UnavailableError, UsageError
    from gingham.export import Prediction, Predictor, load

__version__ = "0.1.0"

__all__ = [
    "Client",
    "Config",
    "ConfigError",
    "DataError",
    "GinghamError",
    "ImageError",
    "Prediction",
    "Predictor",
    "Project",
    "UnavailableError",
    "UsageError",
    "load",
]

_HOMES = {
    "Client": "gingham.client",
    "Config": "gingham.config",
    "Prediction": "gingham.export",
    "Predictor": "gingham.export",
    "Project": "gingham.api",
    "load": "gingham.export",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'gingham' has no attribute {name!r}; it has {', '.join(__all__)}")
    from importlib import import_module

    return getattr(import_module(_HOMES.get(name, "gingham.errors")), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
