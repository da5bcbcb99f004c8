"""The EXIF orientation: read it without a library that warns, and turn the pixels upright."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from gingham.images.decoded import Note

if TYPE_CHECKING:
    from gingham.images.decoded import RGB, Box, Raster

__all__ = ["TYPE_SIZES", "add_exif", "read_orientation", "upright"]

TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes that one value of each TIFF field type takes."""

_ORIENTATION = 0x0112


def read_orientation(block: bytes) -> tuple[int, bool]:
    r"""Return the orientation that an EXIF block states, and whether the block is broken.

    Parameters
    ----------
    block : bytes
        From the TIFF header on; a leading ``Exif\0\0`` is skipped.

    Returns
    -------
    orientation : int
        1 to 8; 1 (upright) where the block says nothing.
    broken : bool
        True where the first directory cannot be read, points outside the block or states the orientation
        other than as one whole number from 0 (unknown) to 8.
    """
    if block.startswith(b"Exif\0"):
        block = block[6:]
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None or len(block) < 8:
        return 1, True
    (start,) = struct.unpack_from(order + "I", block, 4)
    if start + 2 > len(block):
        return 1, True
    (count,) = struct.unpack_from(order + "H", block, start)
    entry = struct.Struct(order + "HHI4s")
    present = min(count, (len(block) - start - 2) // entry.size)
    orientation, broken = 1, present < count
    for i in range(present):
        tag, kind, n, value = entry.unpack_from(block, start + 2 + i * entry.size)
        size = TYPE_SIZES.get(kind, 0) * n
        if size > 4 and struct.unpack(order + "I", value)[0] + size > len(block):
            broken = True
        elif tag == _ORIENTATION:
            stated = -1
            if n == 1 and kind in (3, 4):
                (stated,) = struct.unpack(order + ("H2x" if kind == 3 else "I"), value)
            orientation, broken = (stated, broken) if 1 <= stated <= 8 else (1, broken or stated != 0)
    return orientation, broken


def add_exif(raster: Raster, block: bytes | None) -> Raster:
    """Set a raster's orientation and notes from its EXIF block, where it has one."""
    if block is not None:
        raster.orientation, broken = read_orientation(block)
        if broken:
            raster.notes.append(Note.BROKEN_EXIF)
    return raster


def upright(rgb: RGB, box: Box, orientation: int) -> tuple[RGB, Box]:
    """Turn stored pixels, and a box in them, the way they are to be displayed.

    Parameters
    ----------
    rgb : uint8 array of shape (h, w, 3)
    box : tuple of float
        Left, top, right, bottom.
    orientation : int
        EXIF orientation, 1 to 8.

    Returns
    -------
    rgb : uint8 array of shape (h, w, 3), or (w, h, 3) for orientations 5 to 8
        C-contiguous.
    box : tuple of float
    """
    if orientation == 1:
        return rgb, box
    left, top, right, bottom = box
    if orientation >= 5:  # the stored rows are the displayed columns
        rgb = rgb.transpose(1, 0, 2)
        left, top, right, bottom = top, left, bottom, right
    height, width = rgb.shape[:2]
    if orientation in (2, 3, 6, 7):
        rgb = rgb[:, ::-1]
        left, right = width - right, width - left
    if orientation in (3, 4, 7, 8):
        rgb = rgb[::-1]
        top, bottom = height - bottom, height - top
    return np.ascontiguousarray(rgb), (left, top, right, bottom)
