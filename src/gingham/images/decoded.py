"""What decoding gives: an upright RGB array and what was unusual about the file."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from gingham.errors import ImageError
from gingham.records import SkipReason

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    RGB = npt.NDArray[np.uint8]

__all__ = ["MAX_PIXELS", "Box", "Decoded", "Note", "Raster", "check_size"]

MAX_PIXELS = 89_478_485
"""Default pixel cap, also of ``preprocess.max_pixels``: 256 MiB of RGB, the size above which Pillow warns.

8,000 x 8,000 passes, 10,000 x 10,000 does not.
"""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom; in pixels, fractions allowed."""


class Note(StrEnum):
    """What is unusual about a file but does not stop it from being used."""

    ANIMATED = "animated"
    MULTI_PAGE = "multi_page"
    MULTI_PICTURE = "multi_picture"
    WRONG_EXTENSION = "wrong_extension"
    BROKEN_EXIF = "broken_exif"
    BROKEN_ICC = "broken_icc"
    DAMAGED_DATA = "damaged_data"
    RANGE_GUESSED = "range_guessed"


@dataclass(frozen=True, slots=True)
class Decoded:
    """An image as displayed.

    Parameters
    ----------
    rgb : uint8 array of shape (H, W, 3)
        C-contiguous, upright, alpha composited over white. Smaller than ``height`` x ``width`` where the
        decoder was allowed to reduce.
    width, height : int
        Full size as displayed, in pixels.
    format : str
        By content; one of ``FORMATS``.
    notes : tuple of str
        Values of :class:`Note`.
    box : tuple of float
        Part of ``rgb`` that the full image covers: left, top, right, bottom. A reduced image whose size is
        not a multiple of the factor has a last row or column that only partly belongs to it.
    """

    rgb: RGB
    width: int
    height: int
    format: str
    notes: tuple[str, ...]
    box: Box


@dataclass(slots=True)
class Raster:
    """Pixels as stored, before the EXIF rotation.

    Parameters
    ----------
    rgb : uint8 array of shape (h, w, 3)
    width, height : int
        Full size as stored.
    orientation : int
        EXIF orientation, 1 to 8.
    reduction : int
        Factor by which ``rgb`` is smaller than the full size: 1, 2, 4 or 8.
    notes : list of Note
    """

    rgb: RGB
    width: int
    height: int
    orientation: int = 1
    reduction: int = 1
    notes: list[Note] = field(default_factory=list)


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Refuse an image that has no pixels, or more than the cap, before anything is allocated for it.

    Raises
    ------
    ImageError
        ``corrupt`` or ``too_large``.
    """
    if width < 1 or height < 1:
        raise ImageError(SkipReason.CORRUPT, f"its header claims {width} x {height} pixels")
    if width * height > max_pixels:
        raise ImageError(SkipReason.TOO_LARGE, f"{width} x {height} pixels; at most {max_pixels:,} in all are decoded")
