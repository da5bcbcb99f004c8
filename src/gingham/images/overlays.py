"""A picture of what mattered in a picture: in colour where it did, however dark or bright that place is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gingham.images.resampling import resample

if TYPE_CHECKING:
    from gingham.images.decoded import RGB

__all__ = ["GROUND", "colours_of", "overlay", "resized"]

PLASMA = np.array(
    [(13, 8, 135), (76, 2, 161), (126, 3, 168), (170, 35, 149), (204, 71, 120), (230, 108, 92), (248, 149, 64),
     (253, 197, 39), (240, 249, 33)], np.float32,
)  # fmt: skip
"""Matplotlib's map of this name: evenly lighter from one step to the next, also to those who cannot tell red from
green."""

GROUND = 44, 124
"""Between these greys lies the image below: dark enough for every colour that means much."""

_GREY = np.array([0.299, 0.587, 0.114], np.float32)
_COVER = 0.75
_COVERS_FROM = 0.5  # of the largest evidence


def overlay(rgb: RGB, evidence: NDArray[np.floating[Any]], side: int) -> RGB:
    """Return an image in grey that is coloured where the evidence is large.

    Parameters
    ----------
    rgb : uint8 array of shape (S, S, 3)
    evidence : float array of shape (h, w)
        A coarse map over the image. What is not above 0 stays grey; the largest is yellow.
    side : int
        Of the result, in pixels.

    Returns
    -------
    uint8 array of shape (side, side, 3)
    """
    heat = np.clip(evidence, 0, None)
    heat = heat / heat.max() if heat.max() > 0 else heat
    coarse = np.repeat(np.round(255 * heat).astype(np.uint8)[..., None], 3, axis=2)
    smooth = resized(np.ascontiguousarray(coarse), side)[..., 0] / np.float32(255)
    dark, light = GROUND
    grey = dark + (light - dark) / 255 * (resized(rgb, side) @ _GREY)
    return colours_of(smooth, grey)


def colours_of(heat: NDArray[np.floating[Any]], grey: NDArray[np.floating[Any]] | float) -> RGB:
    """Lay the colour of each value over a grey: none over 0, and the most cover from the middle of the scale on.

    Parameters
    ----------
    heat : float array of shape (...)
        In [0, 1].
    grey : float array of shape (...), or float
        0 to 255.

    Returns
    -------
    uint8 array of shape (..., 3)
    """
    steps = np.linspace(0, 1, len(PLASMA))
    colour = np.stack([np.interp(heat, steps, PLASMA[:, channel]) for channel in range(3)], axis=-1)
    opacity = _COVER * np.minimum(1, heat / _COVERS_FROM)[..., None]
    ground = np.broadcast_to(np.asarray(grey, np.float32), np.shape(heat))[..., None]
    return np.asarray(np.round(opacity * colour + (1 - opacity) * ground), np.uint8)


def resized(rgb: RGB, side: int) -> RGB:
    """Return an image as a smooth square of another size.

    Parameters
    ----------
    rgb : uint8 array of shape (H, W, 3)
    side : int
        In pixels.
    """
    return resample(rgb, (0.0, 0.0, float(rgb.shape[1]), float(rgb.shape[0])), side, side, "bicubic")
