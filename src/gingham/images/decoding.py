"""From the bytes of an image file to an upright RGB array, or to the reason why not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gingham.errors import ImageError
from gingham.images.containers import decode_avif, decode_bmp, decode_gif, decode_webp
from gingham.images.decoded import MAX_PIXELS, Decoded, Note
from gingham.images.exif import upright
from gingham.images.jpeg import decode_jpeg
from gingham.images.png import decode_png
from gingham.images.sniffing import has_wrong_suffix, sniff
from gingham.images.tiff import decode_tiff
from gingham.records import SkipReason

if TYPE_CHECKING:
    from gingham.images.decoded import Raster

__all__ = ["decode"]

_DECODERS: dict[str, Callable[[bytes, int, int | None], Raster]] = {
    "JPEG": decode_jpeg,
    "PNG": decode_png,
    "WebP": decode_webp,
    "BMP": decode_bmp,
    "GIF": decode_gif,
    "TIFF": decode_tiff,
    "AVIF": decode_avif,
}


def decode(data: bytes, *, min_side: int | None = None, max_pixels: int = MAX_PIXELS, name: str = "") -> Decoded:
    """Decode an image file fully.

    Thread-safe; the decoders and the conversions release the interpreter lock. No warning is issued and no
    global setting of a library changed.

    Parameters
    ----------
    data : bytes
        The whole file.
    min_side : int, optional
        The shorter side that suffices, in pixels. A JPEG may come reduced to a half, a quarter or an eighth
        as long as its shorter side is not shorter than that. By default everything comes at full size.
    max_pixels : int
        An image with more is refused by its header, before memory is allocated for it.
    name : str
        The file's name, to note a suffix that belongs to another format.

    Returns
    -------
    Decoded
        Of an animation or a file of several pages: the first.

    Raises
    ------
    ImageError
        ``empty``, ``not_an_image``, ``unsupported_format``, ``too_large``, ``truncated`` or ``corrupt``.
    """
    kind = sniff(data)
    try:
        raster = _DECODERS[kind](data, max_pixels, min_side)
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(SkipReason.TOO_LARGE, "not enough memory to decode it") from error
    except Exception as error:  # hostile bytes make decoders raise anything
        raise _refusal(error) from error
    return _as_displayed(raster, kind, name)


def _as_displayed(raster: Raster, kind: str, name: str) -> Decoded:
    stored = (0.0, 0.0, raster.width / raster.reduction, raster.height / raster.reduction)
    rgb, box = upright(raster.rgb, stored, raster.orientation)
    width, height = raster.width, raster.height
    if raster.orientation >= 5:
        width, height = height, width
    notes = raster.notes
    if has_wrong_suffix(name, kind):
        notes.append(Note.WRONG_EXTENSION)
    return Decoded(rgb, width, height, kind, tuple(str(note) for note in dict.fromkeys(notes)), box)


def _refusal(error: Exception) -> ImageError:
    message = str(error) or type(error).__name__
    cut = isinstance(error, EOFError) or "truncated" in message.lower()
    return ImageError(SkipReason.TRUNCATED if cut else SkipReason.CORRUPT, message)
