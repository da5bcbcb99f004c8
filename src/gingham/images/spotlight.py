"""A picture of what mattered in a picture: there it is as it is, elsewhere dark and grey."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gingham.images.resampling import resample
from gingham.images.thumbnails import thumbnail_jpeg

if TYPE_CHECKING:
    from gingham.images.decoded import RGB

__all__ = ["spotlight_jpeg"]

_GREY = np.array([0.299, 0.587, 0.114], np.float32)
_DARK = 0.35


def spotlight_jpeg(rgb: RGB, evidence: NDArray[np.floating[Any]], max_side: int) -> bytes:
    """Return an image as a JPEG that is lit where the evidence is large.

    Parameters
    ----------
    rgb : uint8 array of shape (S, S, 3)
    evidence : float array of shape (h, w)
        A coarse map over the image. What is not above 0 stays dark; the largest is lit fully.
    max_side : int
        In pixels.
    """
    light = np.clip(evidence, 0, None)
    light = light / light.max() if light.max() > 0 else light
    coarse = np.repeat(np.round(255 * light).astype(np.uint8)[..., None], 3, axis=2)
    height, width = rgb.shape[:2]
    box = (0.0, 0.0, float(coarse.shape[1]), float(coarse.shape[0]))
    smooth = resample(np.ascontiguousarray(coarse), box, width, height, "bilinear")[..., :1] / np.float32(255)
    grey = (rgb @ _GREY)[..., None] * _DARK
    lit = smooth * rgb + (1 - smooth) * grey
    return thumbnail_jpeg(np.round(lit).astype(np.uint8), max_side, quality=88)
