"""PNG: every chunk checked before a decoder sees those that matter."""

from __future__ import annotations

import zlib
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from gingham.errors import ImageError
from gingham.images.decoded import Note, Raster, check_size
from gingham.images.exif import add_exif
from gingham.images.icc import is_broken_profile
from gingham.images.pixels import load_rgb
from gingham.records import SkipReason

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["MAX_TEXT", "decode_png"]

MAX_TEXT = 2**20
"""A compressed text that inflates to more than 1 MiB is taken for a bomb."""

_MAX_INFLATED = 16 * MAX_TEXT
"""The same for a colour profile, and for all texts of a file together."""

_SIGNATURE = 8
_PASSED_ON = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}


def decode_png(data: bytes, max_pixels: int, _min_side: int | None = None) -> Raster:
    """Decode a PNG; of an animated one, the default image.

    Parameters
    ----------
    data : bytes
        Starting with the PNG signature; what follows IEND is ignored.
    max_pixels : int

    Raises
    ------
    ImageError
        ``truncated`` where IEND or part of a chunk is missing, ``corrupt`` for a wrong checksum,
        ``too_large`` for more pixels than allowed or text that inflates beyond 1 MiB.
    """
    from PIL import PngImagePlugin

    if data[12:16] == b"IHDR" and len(data) >= 24:
        check_size(int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big"), max_pixels)
    notes: list[Note] = []
    exif: bytes | None = None
    kept = [data[:_SIGNATURE]]
    inflated = 0
    for name, start, end in _chunks(data):
        body = data[start:end]
        if name in _PASSED_ON:
            kept.append(data[start - 8 : end + 4])
        elif name == b"eXIf":
            exif = body
        elif name == b"acTL":
            notes.append(Note.ANIMATED)
        elif name in (b"zTXt", b"iTXt"):
            inflated += _inflated_text(name, body)
            if inflated > _MAX_INFLATED:
                raise _bomb(_MAX_INFLATED)
        elif name == b"iCCP" and _is_broken_iccp(body):
            notes.append(Note.BROKEN_ICC)
    image = PngImagePlugin.PngImageFile(BytesIO(b"".join(kept)))
    _narrow_transparency(image, bit_depth=data[24])
    image.load()
    if _ends_blank(image) and _inflated_size(kept) < _expected_size(data):  # Pillow leaves missing rows black
        raise ImageError(SkipReason.TRUNCATED, "the image data end early")
    rgb, more = load_rgb(image)
    return add_exif(Raster(rgb, rgb.shape[1], rgb.shape[0], notes=notes + more), exif)


def _chunks(data: bytes) -> list[tuple[bytes, int, int]]:
    """Return name, start and end of the body of each chunk up to IEND, all checksums right."""
    found: list[tuple[bytes, int, int]] = []
    at = _SIGNATURE
    while at + 12 <= len(data):
        name, end = data[at + 4 : at + 8], at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            if not name.isalpha():
                raise ImageError(SkipReason.CORRUPT, f"chunk name {name!r}")
            break
        if zlib.crc32(memoryview(data)[at + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            raise ImageError(SkipReason.CORRUPT, f"wrong checksum in chunk {name!r}")
        found.append((name, at + 8, end))
        if name == b"IEND":
            return found
        at = end + 4
    raise ImageError(SkipReason.TRUNCATED, "the end chunk is missing")


def _ends_blank(image: Image.Image) -> bool:
    """Tell whether the last two rows, which an interlaced image writes last, are all zeros."""
    width, height = image.size
    return not np.asarray(image.crop((0, max(0, height - 2), width, height))).any()


def _inflated_size(chunks: list[bytes]) -> int:
    """Return the bytes that the image data of these chunks inflate to."""
    inflater = zlib.decompressobj()
    size = 0
    for packed in (chunk[8:-4] for chunk in chunks if chunk[4:8] == b"IDAT"):
        while packed and not inflater.eof:
            size += len(inflater.decompress(packed, 1 << 20))
            packed = inflater.unconsumed_tail
    return size


def _expected_size(data: bytes) -> int:
    """Return the bytes of all rows, each with its filter byte, of an image with this header."""
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    bits = data[24] * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[data[25]]
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    size = 0
    for left, top, step, drop in passes if data[28] else [(0, 0, 1, 1)]:
        columns, rows = -(-(width - left) // step), -(-(height - top) // drop)
        if columns > 0 and rows > 0:
            size += rows * (1 + -(-columns * bits // 8))
    return size


def _inflate(data: bytes, limit: int) -> bytes:
    """Inflate at most ``limit`` bytes."""
    inflater = zlib.decompressobj()
    text = inflater.decompress(data, limit)
    if inflater.unconsumed_tail and not inflater.eof:
        raise _bomb(limit)
    return text


def _bomb(limit: int) -> ImageError:
    return ImageError(SkipReason.TOO_LARGE, f"text or a profile that inflates to more than {limit:,} bytes")


def _inflated_text(name: bytes, body: bytes) -> int:
    """Return the inflated size of a text; one that cannot be inflated is of no interest."""
    _, _, rest = body.partition(b"\0")
    if name == b"zTXt":
        packed = rest[1:]
    elif rest[:1] == b"\1":  # iTXt: compressed flag, method, language, translated keyword
        packed = rest[2:].split(b"\0", 2)[-1]
    else:
        return 0
    try:
        return len(_inflate(packed, MAX_TEXT))
    except zlib.error:
        return 0


def _is_broken_iccp(body: bytes) -> bool:
    try:
        profile = _inflate(body.partition(b"\0")[2][1:], _MAX_INFLATED)
    except zlib.error:
        return True
    return is_broken_profile(profile, len(profile))


def _narrow_transparency(image: Image.Image, bit_depth: int) -> None:
    """Bring the transparent colour of a 16-bit RGB image to the 8 bits that Pillow decodes it to."""
    colour = image.info.get("transparency")
    if bit_depth == 16 and isinstance(colour, tuple):
        image.info["transparency"] = tuple(level >> 8 for level in colour)
