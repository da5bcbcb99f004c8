"""Presets: recipes of fixed features that were measured, by name. ``docs/decisions/presets.md`` says how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["PRESETS", "expand"]

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "fast": {
        "features.backbone": "efficientnet_lite0",
        "features.resolution": 224,
        "features.views": "one",
    },
    "balanced": {
        "features.backbone": "efficientnet_lite0+efficientnet_lite1",
        "features.resolution": 224,
        "features.views": "one",
    },
    "accurate": {
        "features.backbone": "efficientnet_lite0+efficientnet_lite1+efficientnet_lite2",
        "features.resolution": 288,
        "features.views": "one",
    },
}


def expand(layer: Mapping[str, Any]) -> dict[str, Any]:
    """Put in front of the values of a layer those that its preset stands for, if it names one.

    Parameters
    ----------
    layer : mapping
        From dotted names.

    Examples
    --------
    >>> expand({"preset": "fast", "features.resolution": 320})["features.resolution"]
    320
    """
    named = layer.get("preset")
    return {**(PRESETS.get(named, {}) if isinstance(named, str) else {}), **layer}
