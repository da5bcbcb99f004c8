"""PNG: every chunk checked before a decoder sees those that matter."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
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
"""The same for the colour profile and all texts of a file together."""

_STEP = 2**16
"""Bytes taken in, and given out, at a time while inflating."""

_SIGNATURE = 8
_HEADER = b"\0\0\0\rIHDR"
_HEADER_END = 33
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
        ``truncated`` where IEND or part of a chunk is missing, ``corrupt`` for a wrong checksum or where the
        header is not the first chunk and the only one of its name, ``too_large`` for more pixels than allowed
        or text that inflates beyond 1 MiB.
    """
    from PIL import PngImagePlugin

    if not data.startswith(_HEADER[: len(data) - _SIGNATURE], _SIGNATURE):
        raise ImageError(SkipReason.CORRUPT, "the first chunk is not the header")
    if len(data) < _HEADER_END:
        raise ImageError(SkipReason.TRUNCATED, "the file ends in its header")
    check_size(int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big"), max_pixels)
    notes: list[Note] = []
    exif: bytes | None = None
    kept = [data[:_SIGNATURE]]
    inflated, profiles = 0, 0
    for name, start, end in _chunks(data):
        body = data[start:end]
        if name == b"IHDR" and end > _HEADER_END:  # Pillow would believe the last one
            raise ImageError(SkipReason.CORRUPT, "a second header")
        if name in _PASSED_ON:
            kept.append(data[start - 8 : end + 4])
        elif name == b"eXIf":
            exif = body
        elif name == b"acTL":
            notes.append(Note.ANIMATED)
        elif name in (b"zTXt", b"iTXt"):
            inflated += _inflated_text(name, body)
        elif name == b"iCCP":
            profiles += 1
            if profiles == 1:  # the format allows one
                size, broken = _inflated_profile(body)
                inflated += size
                notes += [Note.BROKEN_ICC] if broken else []
        if inflated > _MAX_INFLATED:
            raise _bomb(_MAX_INFLATED)
    image = PngImagePlugin.PngImageFile(BytesIO(b"".join(kept)))
    check_size(*image.size, max_pixels)
    _narrow_transparency(image, bit_depth=data[24])
    image.load()
    if _ends_blank(image) and _is_short(kept, _expected_size(data)):  # Pillow leaves missing rows black
        raise ImageError(SkipReason.TRUNCATED, "the image data end early")
    rgb, more = load_rgb(image)
    return add_exif(Raster(rgb, rgb.shape[1], rgb.shape[0], notes=notes + more), exif)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Give name, start and end of the body of each chunk up to IEND, its checksum right."""
    at = _SIGNATURE
    while at + 12 <= len(data):
        name, end = data[at + 4 : at + 8], at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            if not name.isalpha():
                raise ImageError(SkipReason.CORRUPT, f"chunk name {name!r}")
            break
        if zlib.crc32(memoryview(data)[at + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            raise ImageError(SkipReason.CORRUPT, f"wrong checksum in chunk {name!r}")
        yield name, at + 8, end
        if name == b"IEND":
            return
        at = end + 4
    raise ImageError(SkipReason.TRUNCATED, "the end chunk is missing")


def _ends_blank(image: Image.Image) -> bool:
    """Tell whether the last two rows, which an interlaced image writes last, are all zeros."""
    width, height = image.size
    return not np.asarray(image.crop((0, max(0, height - 2), width, height))).any()


def _is_short(chunks: list[bytes], expected: int) -> bool:
    """Tell whether the image data of these chunks inflate to fewer bytes than expected, inflating no more."""
    size = 0
    for step in _inflate(b"".join(chunk[8:-4] for chunk in chunks if chunk[4:8] == b"IDAT")):
        size += len(step)
        if size >= expected:
            return False
    return True


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


def _inflate(packed: bytes) -> Iterator[bytes]:
    """Inflate in small steps, so that whoever has enough can stop; ``zlib.error`` where the data break off."""
    inflater = zlib.decompressobj()
    for at in range(0, len(packed), _STEP):
        piece, more = packed[at : at + _STEP], True
        while more:
            step = inflater.decompress(piece, _STEP)
            yield step
            if inflater.eof:
                return
            piece, more = inflater.unconsumed_tail, len(step) == _STEP


def _bomb(limit: int) -> ImageError:
    return ImageError(SkipReason.TOO_LARGE, f"text or a profile that inflates to more than {limit:,} bytes")


def _measure(packed: bytes, limit: int) -> tuple[bytes, int, bool]:
    """Return the first bytes of what this inflates to, how many there are, and whether it is broken.

    A step that fails counts as a whole one: its work was done.
    """
    head, size = b"", 0
    try:
        for step in _inflate(packed):
            head = head or step
            size += len(step)
            if size > limit:
                raise _bomb(limit)
    except zlib.error:
        return head, size + _STEP, True
    return head, size, False


def _inflated_text(name: bytes, body: bytes) -> int:
    """Return the inflated size of a text, broken or not."""
    _, _, rest = body.partition(b"\0")
    if name == b"zTXt":
        packed = rest[1:]
    elif rest[:1] == b"\1":  # iTXt: compressed flag, method, language, translated keyword
        packed = rest[2:].split(b"\0", 2)[-1]
    else:
        return 0
    return _measure(packed, MAX_TEXT)[1]


def _inflated_profile(body: bytes) -> tuple[int, bool]:
    """Return the inflated size of a colour profile, and whether it is broken."""
    head, size, broken = _measure(body.partition(b"\0")[2][1:], _MAX_INFLATED)
    return size, broken or is_broken_profile(head, size)


def _narrow_transparency(image: Image.Image, bit_depth: int) -> None:
    """Bring the transparent colour of a 16-bit RGB image to the 8 bits that Pillow decodes it to."""
    colour = image.info.get("transparency")
    if bit_depth == 16 and isinstance(colour, tuple):
        image.info["transparency"] = tuple(level >> 8 for level in colour)
