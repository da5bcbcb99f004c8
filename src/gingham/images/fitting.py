"""From an image to the square that a network sees: one path for training, evaluation and serving."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gingham.images.decoded import MAX_PIXELS
from gingham.images.decoding import decode
from gingham.images.resampling import resample

if TYPE_CHECKING:
    from gingham.images.decoded import RGB, Box
    from gingham.records import InputRecipe

__all__ = ["fit", "network_input"]


def fit(rgb: RGB, recipe: InputRecipe, box: Box | None = None) -> RGB:
    """Resample an image to the square of a recipe.

    Only the part that is kept is computed: the centre crop is the box of one resampling step.

    Parameters
    ----------
    rgb : uint8 array of shape (H, W, 3)
        Of any size and aspect ratio, 1 x 1 included.
    recipe : InputRecipe
    box : tuple of float, optional
        Part of ``rgb`` that the image covers, as in :class:`Decoded`; all of it by default.

    Returns
    -------
    uint8 array of shape (recipe.resolution, recipe.resolution, 3)
        C-contiguous and writable.
    """
    left, top, right, bottom = box or (0.0, 0.0, float(rgb.shape[1]), float(rgb.shape[0]))
    if recipe.fit == "crop":
        side = min(right - left, bottom - top) * recipe.crop_fraction
        x, y = (left + right - side) / 2, (top + bottom - side) / 2
        left, top, right, bottom = x, y, x + side, y + side
    return resample(rgb, (left, top, right, bottom), recipe.resolution, recipe.resolution, recipe.interpolation)


def network_input(data: bytes, recipe: InputRecipe, *, max_pixels: int = MAX_PIXELS) -> RGB:
    """Turn the bytes of an image file into the array that a network sees.

    JPEGs are decoded at the smallest scale that needs no enlarging afterwards.

    Parameters
    ----------
    data : bytes
        The whole file.
    recipe : InputRecipe
    max_pixels : int
        As for :func:`decode`.

    Returns
    -------
    uint8 array of shape (recipe.resolution, recipe.resolution, 3)
        C-contiguous and writable; RGB.

    Raises
    ------
    ImageError
        As for :func:`decode`.
    """
    shorter = recipe.resolution
    if recipe.fit == "crop":
        shorter = math.ceil(recipe.resolution / recipe.crop_fraction)
    image = decode(data, min_side=shorter, max_pixels=max_pixels)
    return fit(image.rgb, recipe, image.box)
