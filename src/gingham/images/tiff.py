"""TIFF: the first directory checked and reduced to what decoding needs before a decoder sees it.

Pillow reads every tag, warns about odd ones through the process-wide warning filters, and libtiff follows
whatever offsets the file states. A directory rebuilt from checked entries avoids all of that.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from io import BytesIO

import numpy as np

from gingham.errors import ImageError
from gingham.images.decoded import Note, Raster, check_size
from gingham.images.exif import TYPE_SIZES
from gingham.images.icc import is_broken_profile
from gingham.images.pixels import load_rgb
from gingham.records import SkipReason

__all__ = ["decode_tiff"]

_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _ORIENTATION, _SAMPLES = 256, 257, 258, 262, 274, 277
_ROWS_PER_STRIP, _TILE_WIDTH, _TILE_HEIGHT, _PROFILE = 278, 322, 323, 34675
_DATA = ((273, 279), (324, 325))
"""Tags of offset and size: of the strips, of the tiles."""

_POINTERS = {tag for tags in _DATA for tag in tags}
_SINGLE = {256, 257, 259, 262, 266, 277, 278, 284, 292, 293, 317, 322, 323, 332, 512, 513, 514, 515, 531}
_ESSENTIAL = _SINGLE | {258, 273, 279, 320, 324, 325, 338, 339, 347, 519, 520, 521, 529, 530, 532}
_KEPT = _ESSENTIAL | {_ORIENTATION, _PROFILE}
_MAX_SAMPLES = 6
_MAX_VALUES = 2**20
"""Bytes in one entry, those that point at the image data aside: the largest colour map takes 384 KiB."""

_LONG8 = {16, 18}
"""The types of integer that only BigTIFF has, which Pillow reads in one byte order only."""


@dataclass(frozen=True, slots=True)
class _Entry:
    tag: int
    kind: int
    count: int
    values: bytes


@dataclass(frozen=True, slots=True)
class _Layout:
    """The structures of classic TIFF and of BigTIFF, in either byte order."""

    order: str
    big: bool

    @property
    def offset(self) -> str:
        return self.order + ("Q" if self.big else "I")

    @property
    def count(self) -> str:
        return self.order + ("Q" if self.big else "H")

    @property
    def entry(self) -> str:
        return self.order + ("HHQ8s" if self.big else "HHI4s")


def decode_tiff(data: bytes, max_pixels: int, _min_side: int | None = None) -> Raster:
    """Decode the first page of a TIFF.

    Parameters
    ----------
    data : bytes
        Starting with a TIFF or BigTIFF header.
    max_pixels : int

    Raises
    ------
    ImageError
        ``truncated`` where the directory or image data lie beyond the end of the file; ``corrupt`` for
        entries that contradict each other or hold more than the file; ``unsupported_format`` for colour
        modes that Pillow lacks.
    """
    from PIL import TiffImagePlugin

    layout = _Layout("<" if data[:2] == b"II" else ">", data[2:4] in (b"+\0", b"\0+"))
    entries, following = _directory(data, layout)
    numbers = {tag: _integer(entries[tag], layout) for tag in _SINGLE if tag in entries}
    width, height = numbers.get(_WIDTH, 0), numbers.get(_HEIGHT, 0)
    check_size(width, height, max_pixels)
    _check_data(data, layout, entries, numbers, max_pixels)
    bits = int(_integers(entries[_BITS], layout)[0]) if _BITS in entries else 1
    inverted = bits > 8 and numbers.get(_PHOTOMETRIC, 0) == 0
    if inverted:  # Pillow would leave it as it is, or refuse it
        entries[_PHOTOMETRIC] = _Entry(_PHOTOMETRIC, 3, 1, struct.pack(layout.order + "H", 1))
    clean = _rebuild(data, layout, [entry for tag, entry in sorted(entries.items()) if tag in _ESSENTIAL])
    try:
        image = TiffImagePlugin.TiffImageFile(BytesIO(clean))
    except (SyntaxError, KeyError) as error:  # Pillow's words for a layout that it does not know
        raise ImageError(SkipReason.UNSUPPORTED_FORMAT, f"TIFF of a kind that is not opened ({error})") from error
    rgb, notes = load_rgb(image, white=2 ** min(bits, 16) - 1, inverted=inverted)
    raster = Raster(rgb, width, height, notes=notes)
    raster.orientation, broken = _orientation(entries, layout)
    if broken:
        raster.notes.append(Note.BROKEN_EXIF)
    if following:
        raster.notes.append(Note.MULTI_PAGE)
    if _PROFILE in entries and is_broken_profile(entries[_PROFILE].values, len(entries[_PROFILE].values)):
        raster.notes.append(Note.BROKEN_ICC)
    return raster


def _directory(data: bytes, layout: _Layout) -> tuple[dict[int, _Entry], int]:
    """Return the entries of the first directory that are of use here, and where the next one is."""
    header = 8 if layout.big else 4
    try:
        (start,) = struct.unpack_from(layout.offset, data, header)
        (count,) = struct.unpack_from(layout.count, data, start)
        at = start + struct.calcsize(layout.count)
        size = struct.calcsize(layout.entry)
        (following,) = struct.unpack_from(layout.offset, data, at + count * size)
    except struct.error as error:
        raise ImageError(SkipReason.TRUNCATED, "the directory lies beyond the end of the file") from error
    entries: dict[int, _Entry] = {}
    kept = 0
    for i in range(count):
        tag, kind, n, raw = struct.unpack_from(layout.entry, data, at + i * size)
        if tag not in _KEPT or tag in entries:
            continue
        length = TYPE_SIZES.get(kind, 0) * n
        values = raw[:length]
        if length > len(raw):
            (where,) = struct.unpack(layout.offset, raw)
            values = data[where : where + length]
        if tag in _ESSENTIAL and not 0 < length == len(values):
            raise ImageError(SkipReason.TRUNCATED, f"entry {tag} lies beyond the end of the file")
        if tag in _ESSENTIAL - _POINTERS and length > _MAX_VALUES:
            raise ImageError(SkipReason.CORRUPT, f"entry {tag} has {n:,} values")
        kept += len(values)
        if kept > len(data):  # many entries may point at the same bytes
            raise ImageError(SkipReason.CORRUPT, "its entries hold more bytes than the file")
        entries[tag] = _Entry(tag, kind, n, values)
    return entries, following


def _integers(entry: _Entry, layout: _Layout) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    kind = {1: "u1", 3: "u2", 4: "u4", 13: "u4", 16: "u8", 18: "u8"}.get(entry.kind)
    if kind is None:
        raise ImageError(SkipReason.CORRUPT, f"entry {entry.tag} has values of type {entry.kind}")
    return np.frombuffer(entry.values, layout.order + kind).astype(np.uint64)


def _integer(entry: _Entry, layout: _Layout) -> int:
    if entry.count != 1:
        raise ImageError(SkipReason.CORRUPT, f"entry {entry.tag} has {entry.count} values instead of one")
    return int(_integers(entry, layout)[0])


def _orientation(entries: dict[int, _Entry], layout: _Layout) -> tuple[int, bool]:
    """Return the orientation, 1 (upright) where none can be read, and whether its entry is broken."""
    if _ORIENTATION not in entries:
        return 1, False
    try:
        stated = _integer(entries[_ORIENTATION], layout)
    except ImageError:
        return 1, True
    return (stated, False) if 1 <= stated <= 8 else (1, stated != 0)


def _check_data(
    data: bytes, layout: _Layout, entries: dict[int, _Entry], numbers: dict[int, int], max_pixels: int
) -> None:
    """Require that the image data lie within the file and are as many pieces as the size asks for."""
    if numbers.get(_SAMPLES, 1) > _MAX_SAMPLES:
        raise ImageError(SkipReason.UNSUPPORTED_FORMAT, f"TIFF of {numbers[_SAMPLES]} samples a pixel")
    width, height = numbers[_WIDTH], numbers[_HEIGHT]
    rows = min(numbers.get(_ROWS_PER_STRIP) or height, height)
    pieces = -(-height // rows)
    if _TILE_WIDTH in numbers and _TILE_HEIGHT in numbers:
        across, down = numbers[_TILE_WIDTH], numbers[_TILE_HEIGHT]
        check_size(across, down, max_pixels)
        pieces = -(-width // across) * -(-height // down)
    for offset_tag, size_tag in _DATA:
        if offset_tag not in entries:
            continue
        count = entries[offset_tag].count
        if not pieces <= count <= pieces * _MAX_SAMPLES:  # each sample may lie in pieces of its own
            raise ImageError(SkipReason.CORRUPT, f"{count} pieces of image data instead of {pieces}")
        starts = _integers(entries[offset_tag], layout)
        ends = starts
        if size_tag in entries:
            if entries[size_tag].count != count:
                raise ImageError(SkipReason.CORRUPT, "pieces of image data without a size")
            sizes = _integers(entries[size_tag], layout)
            ends = starts + np.minimum(sizes, np.uint64(2**48))
        if np.minimum(starts, np.uint64(2**48)).max() >= len(data) or ends.max() > len(data):
            raise ImageError(SkipReason.TRUNCATED, "image data lie beyond the end of the file")
        return
    if 513 not in numbers:  # old-style JPEG may keep its data there
        raise ImageError(SkipReason.CORRUPT, "no image data")


def _rebuild(data: bytes, layout: _Layout, entries: list[_Entry]) -> bytes:
    """Return the file as a classic TIFF with a new, only directory at its end, its values after it."""
    pad = b"\0" * (len(data) % 2)
    start = len(data) + len(pad)
    values_start = start + 2 + 12 * len(entries) + 4
    fields, outside = [struct.pack(layout.order + "H", len(entries))], b""
    for entry in entries:
        kind, values = entry.kind, entry.values
        if kind in _LONG8:
            kind, values = 4, _integers(entry, layout).astype(layout.order + "u4").tobytes()
        if len(values) > 4:
            where = values_start + len(outside)
            outside += values + b"\0" * (len(values) % 2)
            values = struct.pack(layout.order + "I", where)
        fields.append(struct.pack(layout.order + "HHI4s", entry.tag, kind, entry.count, values))
    head = data[:2] + struct.pack(layout.order + "HI", 42, start)
    return b"".join((head, data[8:], pad, *fields, bytes(4), outside))
