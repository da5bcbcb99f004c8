"""From a Pillow image of any mode to uint8 RGB over white."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gingham.errors import ImageError
from gingham.images.decoded import Note
from gingham.records import SkipReason

if TYPE_CHECKING:
    from PIL import Image

    from gingham.images.decoded import RGB

__all__ = ["load_rgb"]

_OPAQUE = {"1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr"}
_ALPHA = {"LA", "La", "PA", "RGBA", "RGBa"}
_WIDE = {"I;16", "I;16L", "I;16B", "I;16N", "I", "F"}


def load_rgb(image: Image.Image, *, white: int = 65_535, inverted: bool = False) -> tuple[RGB, list[Note]]:
    """Decode an opened image fully and bring it to RGB.

    Parameters
    ----------
    image : PIL.Image.Image
        Of any mode; 16-bit grey keeps its range, transparent pixels show white.
    white : int
        The level of white, where 16-bit grey holds samples of fewer bits.
    inverted : bool
        Grey of more than 8 bits has its zero for white.

    Returns
    -------
    rgb : uint8 array of shape (H, W, 3)
        C-contiguous.
    notes : list of Note

    Raises
    ------
    ImageError
        ``unsupported_format`` for a mode without a defined way to RGB, ``corrupt`` for numbers that are not
        finite. What Pillow itself raises passes through.
    """
    image.load()
    if image.mode in _WIDE:
        grey, notes = _wide_to_uint8(image, white)
        return np.repeat((~grey if inverted else grey)[..., None], 3, axis=2), notes
    if image.mode in _ALPHA or (image.mode in _OPAQUE and "transparency" in image.info):
        return _over_white(image.convert("RGBA")), []
    if image.mode not in _OPAQUE:
        raise ImageError(SkipReason.UNSUPPORTED_FORMAT, f"colour mode {image.mode}; save it as RGB")
    return np.array(image if image.mode == "RGB" else image.convert("RGB")), []


def _over_white(rgba: Image.Image) -> RGB:
    from PIL import Image

    white = Image.new("RGB", rgba.size, "white")
    white.paste(rgba, mask=rgba.getchannel("A"))
    return np.array(white)


def _wide_to_uint8(image: Image.Image, white_of_16: int) -> tuple[RGB, list[Note]]:
    """Scale grey of more than 8 bits so that white becomes 255.

    The white level of 16 bits is known. 32-bit integers and floating point state none:
    the smallest usual one (1 for floating point, 255, 65,535) that holds all values is taken, or else the
    largest value; negative values shift the black level.
    """
    values = np.asarray(image)
    if image.mode.startswith("I;16"):
        grey = ((values.astype(np.uint32) * 255 + white_of_16 // 2) // white_of_16).astype(np.uint8)
        clear = image.info.get("transparency")
        if isinstance(clear, int):
            grey[values == clear] = 255
        return grey, []
    if not np.isfinite(values).all():
        raise ImageError(SkipReason.CORRUPT, "floating-point pixels that are not finite")
    black = min(float(values.min()), 0.0)
    top = float(values.max()) - black
    usual = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
    white = next((level for level in usual if top <= level), top)
    scaled = (values.astype(np.float64) - black) * (255 / white)
    return np.rint(scaled).astype(np.uint8), [Note.RANGE_GUESSED]
