"""GIF, BMP, WebP and AVIF: the size read before a decoder allocates, the first frame decoded."""

from __future__ import annotations

import re
from io import BytesIO

from gingham.errors import ImageError
from gingham.images.decoded import Note, Raster, check_size
from gingham.images.exif import add_exif
from gingham.images.icc import is_broken_profile
from gingham.images.pixels import load_rgb
from gingham.records import SkipReason

__all__ = ["decode_avif", "decode_bmp", "decode_gif", "decode_webp"]

_EXIF_ITEM = re.compile(rb"(infe\x02.{7})Exif", re.DOTALL)


def decode_bmp(data: bytes, max_pixels: int, _min_side: int | None = None) -> Raster:
    """Decode a BMP."""
    from PIL import BmpImagePlugin

    image = BmpImagePlugin.BmpImageFile(BytesIO(data))
    check_size(*image.size, max_pixels)
    rgb, notes = load_rgb(image)
    return Raster(rgb, *image.size, notes=notes)


def decode_gif(data: bytes, max_pixels: int, _min_side: int | None = None) -> Raster:
    """Decode the first frame of a GIF, however many follow.

    Raises
    ------
    ImageError
        ``truncated`` where the file ends before or in the first frame.
    """
    from PIL import GifImagePlugin

    width, height, animated = _gif_extent(data)
    check_size(width, height, max_pixels)
    image = GifImagePlugin.GifImageFile(BytesIO(data))
    rgb, notes = load_rgb(image)
    return Raster(rgb, rgb.shape[1], rgb.shape[0], notes=[*notes, *([Note.ANIMATED] if animated else [])])


def decode_webp(data: bytes, max_pixels: int, _min_side: int | None = None) -> Raster:
    """Decode a WebP, of an animated one the first frame."""
    from PIL import WebPImagePlugin

    if int.from_bytes(data[4:8], "little") + 8 > len(data):
        raise ImageError(SkipReason.TRUNCATED, "the file is shorter than its header says")
    chunks = _riff_chunks(data)
    check_size(*_webp_size(data), max_pixels)
    image = WebPImagePlugin.WebPImageFile(BytesIO(data))
    check_size(*image.size, max_pixels)
    rgb, notes = load_rgb(image)
    if image.is_animated:
        notes.append(Note.ANIMATED)
    profile = chunks.get(b"ICCP")
    if profile is not None and is_broken_profile(profile, len(profile)):
        notes.append(Note.BROKEN_ICC)
    return add_exif(Raster(rgb, *image.size, notes=notes), chunks.get(b"EXIF"))


def decode_avif(data: bytes, max_pixels: int, _min_side: int | None = None) -> Raster:
    """Decode an AVIF, of a sequence the first frame.

    The rotation comes from the file's own transformation properties, which take precedence over EXIF.
    """
    from PIL import AvifImagePlugin

    _require_whole_boxes(data)
    # Pillow would parse the EXIF item, and warn, when it opens the file: make it an item of unknown type.
    image = AvifImagePlugin.AvifImageFile(BytesIO(_EXIF_ITEM.sub(rb"\1skip", data)))
    width, height = image.size
    check_size(width, height, max_pixels)
    profile = image.info.get("icc_profile")
    rgb, notes = load_rgb(image)
    if image.is_animated:
        notes.append(Note.ANIMATED)
    if profile and is_broken_profile(profile, len(profile)):
        notes.append(Note.BROKEN_ICC)
    return add_exif(Raster(rgb, width, height, notes=notes), image.info.get("exif"))


def _gif_extent(data: bytes) -> tuple[int, int, bool]:
    """Return the size of canvas and first frame together, and whether a second frame follows."""
    width, height = int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")
    at = 13 + _colour_table(data, 10)
    frames = 0
    while at < len(data):
        kind = data[at]
        if kind == 0x2C:
            if frames:
                return width, height, True
            left, top, w, h = (int.from_bytes(data[at + i : at + i + 2], "little") for i in (1, 3, 5, 7))
            width, height, frames = max(width, left + w), max(height, top + h), 1
            at = _skip_blocks(data, at + 11 + _colour_table(data, at + 9))
        elif kind == 0x21:
            at = _skip_blocks(data, at + 2)
        elif kind == 0x3B:
            break
        else:
            at += 1
    if not frames:
        raise ImageError(SkipReason.TRUNCATED, "the file ends before the first frame")
    return width, height, False


def _colour_table(data: bytes, at: int) -> int:
    """Return the bytes that the colour table takes which the flags at this offset announce."""
    return 3 << ((data[at] & 7) + 1) if at < len(data) and data[at] & 0x80 else 0


def _skip_blocks(data: bytes, at: int) -> int:
    while at < len(data) and data[at]:
        at += data[at] + 1
    return at + 1


def _riff_chunks(data: bytes) -> dict[bytes, bytes]:
    """Return the metadata chunks of a RIFF file."""
    found: dict[bytes, bytes] = {}
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name in (b"EXIF", b"ICCP"):
            found.setdefault(name, data[at + 8 : at + 8 + size])
        at += 8 + size + size % 2
    return found


def _webp_size(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    raise ImageError(SkipReason.CORRUPT, f"a WebP that starts with chunk {kind!r}")


def _require_whole_boxes(data: bytes) -> None:
    """Require that the top-level boxes of an ISO base media file end within the file."""
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size == 0:  # to the end of the file
            return
        if size < 8:
            raise ImageError(SkipReason.CORRUPT, "a box of impossible size")
        at += size
    if at > len(data):
        raise ImageError(SkipReason.TRUNCATED, "a box extends beyond the end of the file")
