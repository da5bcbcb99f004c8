"""The difference hash: 256 bits that stay nearly the same when an image is re-encoded or resized."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["HASH_BYTES", "MIN_TURNS", "dhash"]

HASH_BYTES = 32
MIN_TURNS = 24
"""Fewest clear turns of an image with enough detail; docs/decisions/split-grouping.md says how it was found."""

_SIDE = 16
_CLEAR_STEP = 2


def dhash(
    rgb: NDArray[np.uint8],
    *,
    box: tuple[float, float, float, float] | None = None,
    min_turns: int = MIN_TURNS,
) -> bytes | None:
    """Return the difference hash of an image, or None where the image shows too little.

    The image is reduced to 17 x 16 grey cells; each bit says whether a cell is brighter than its left neighbour.
    On the same pixels the bits are those of ``imagehash.dhash(image, hash_size=16)``.

    A plain wall, a blank scan, a smooth gradient or a vignette has no turns: places where the brightness clearly
    rises (by two grey levels or more) in one cell and clearly falls in the next one, beside it or below it. All such
    images share a few hashes although they show nothing in common, so they get none.

    Parameters
    ----------
    rgb : uint8 array of shape (height, width, 3)
        Upright, both sides at least 1.
    box : tuple of four floats, optional
        Part of the array that the image covers, in pixels from its upper left corner: left, upper, right, lower.
        A JPEG decoded at k/8 of its size comes in an array of whole pixels, rounded up, of which the image covers
        ``(0, 0, width * k / 8, height * k / 8)`` (turned with the pixels if those are turned). Without it, copies of
        different size differ in three times as many bits. By default the whole array.
    min_turns : int
        Fewest clear turns of an image that gets a hash; 0 gives every image one.

    Returns
    -------
    bytes of length 32, or None
        Row by row, the first bit highest.

    References
    ----------
    N. Krawetz, *Kind of Like That*, The Hacker Factor Blog, 2013.
    """
    from PIL import Image

    grey = Image.fromarray(rgb).convert("L")
    cells = np.asarray(grey.resize((_SIDE + 1, _SIDE), Image.Resampling.LANCZOS, box=box), np.int16)
    steps = np.diff(cells, axis=1)
    if _clear_turns(steps) < min_turns:
        return None
    return np.packbits(steps > 0).tobytes()


def _clear_turns(steps: NDArray[np.int16]) -> int:
    """Count the neighbouring cells of which one clearly rises and the other clearly falls."""
    clear = np.sign(steps) * (np.abs(steps) >= _CLEAR_STEP)
    beside = clear[:, 1:] * clear[:, :-1] < 0
    below = clear[1:] * clear[:-1] < 0
    return int(beside.sum() + below.sum())
