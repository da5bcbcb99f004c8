"""Small JPEGs for reports and pages: always encoded anew, so that nothing of the file but its pixels stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gingham.images.decoded import MAX_PIXELS, Decoded
from gingham.images.decoding import decode
from gingham.images.resampling import resample

if TYPE_CHECKING:
    from gingham.images.decoded import RGB

__all__ = ["thumbnail_jpeg"]


def thumbnail_jpeg(
    image: bytes | Decoded | RGB, max_side: int, *, quality: int = 80, max_pixels: int = MAX_PIXELS
) -> bytes:
    """Return an image as a JPEG whose longer side is at most ``max_side``; nothing is enlarged.

    Parameters
    ----------
    image : bytes, Decoded, or uint8 array of shape (H, W, 3)
        The whole file, what was decoded of it, or its pixels.
    max_side : int
        In pixels.
    quality : int
        Of the JPEG, 1 to 100.
    max_pixels : int
        A file whose image has more is refused.

    Returns
    -------
    bytes
        Without metadata: no position, no camera, no comment.

    Raises
    ------
    ImageError
        As for :func:`decode`.
    """
    import simplejpeg

    if isinstance(image, np.ndarray):
        rgb, box = image, (0.0, 0.0, float(image.shape[1]), float(image.shape[0]))
    else:
        decoded = image if isinstance(image, Decoded) else decode(image, min_side=max_side, max_pixels=max_pixels)
        rgb, box = decoded.rgb, decoded.box
    width, height = box[2] - box[0], box[3] - box[1]
    factor = min(1.0, max_side / max(width, height))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = resample(rgb, box, *size, "bicubic") if factor < 1 else np.ascontiguousarray(rgb)
    jpeg: bytes = simplejpeg.encode_jpeg(small, quality=quality, colorsubsampling="420")
    return jpeg
