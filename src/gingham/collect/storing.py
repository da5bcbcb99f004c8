"""From what was received to a file: checked by decoding, reduced where it is large, written durably, put in place."""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from gingham.collect.placing import STAGING
from gingham.collect.records import Status
from gingham.config import Collection
from gingham.errors import ImageError
from gingham.images import SUFFIXES, decode, thumbnail_jpeg
from gingham.images.jpeg import read_header
from gingham.project.files import TEMPORARY_NAME, disk_errors
from gingham.records import SkipReason, content_hash

__all__ = ["Stored", "store"]

QUALITY = 90
"""Of a reduced JPEG. Its chroma has half the resolution, as in nearly all photographs before they are reduced."""

_NAME_DIGITS = 32
_FEWEST_ROWS = 16
_DAMAGES = {
    SkipReason.TRUNCATED: "the image ends too early",
    SkipReason.CORRUPT: "the image is damaged",
}
"""The decoders' own words can hold bytes of the body."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of the bytes received.

    Parameters
    ----------
    status : Status
        ``ok``: a file lies whole and durable in the staging folder, under a temporary name.
    detail : str
        The status in words, where it is not ``ok``.
    sha256 : str
        Of the bytes received.
    temporary : str
        Present name of the file, in the staging folder.
    path : str
        Its final one, relative to the dataset, ``/``-separated; made from the bytes received.
    content : str
        The file's identity, as :func:`gingham.records.content_hash` says.
    width, height : int
        In pixels, as displayed.
    """

    status: Status
    detail: str = ""
    sha256: str = ""
    temporary: str = ""
    path: str = ""
    content: str = ""
    width: int = 0
    height: int = 0


def store(data: bytes, label: str, root: Path, settings: Collection) -> Stored:
    """Check an image by decoding all of it, and write it into the staging folder.

    An image whose longer side has more than ``settings.max_side`` pixels is encoded anew, as an upright JPEG without
    metadata, reduced to that; all others are stored as the bytes that came. Thread-safe.

    Parameters
    ----------
    data : bytes
        As received.
    label : str
        One for which :func:`gingham.collect.labels.label_fault` finds no fault.
    root : Path
        The dataset.
    settings : Collection

    Returns
    -------
    Stored
        ``ok``, ``too_small``, ``too_large``, ``truncated``, ``corrupt``, ``empty``, ``not_an_image`` or
        ``unsupported_format``.

    Raises
    ------
    UnavailableError
        If the disk is full or cannot be written.
    """
    digest = hashlib.sha256(data).hexdigest()
    try:
        image = decode(data, min_side=_sufficient_side(data, settings.max_side), max_pixels=settings.max_pixels)
    except ImageError as error:
        return Stored(Status(error.reason), _DAMAGES.get(error.reason, error.detail), digest)
    width, height = image.width, image.height
    if min(width, height) < settings.min_side:
        detail = f"{width} x {height} pixels; its shorter side must have {settings.min_side}"
        return Stored(Status.TOO_SMALL, detail, digest)
    suffix = SUFFIXES[image.format][0]
    if 0 < settings.max_side < max(width, height):
        data, suffix = thumbnail_jpeg(image, settings.max_side, quality=QUALITY), ".jpg"
        header = read_header(data)
        width, height = header.width, header.height
    temporary = _write(root / STAGING, data)
    path = f"{label}/{digest[:_NAME_DIGITS]}{suffix}"
    return Stored(Status.OK, "", digest, temporary, path, content_hash(data), width, height)


def _sufficient_side(data: bytes, max_side: int) -> int:
    """Return the shorter side that decoding must give, in pixels: next to nothing for what is not to be reduced.

    The data of a JPEG are read to their end at any scale, and so found to be whole.
    """
    if not max_side or not data.startswith(b"\xff\xd8"):
        return 1
    header = read_header(data)
    shorter, longer = sorted((header.width, header.height))
    if longer <= max_side:
        return 1
    wanted = -(-shorter * max_side // longer)
    return wanted if wanted >= _FEWEST_ROWS else shorter


def _write(folder: Path, data: bytes) -> str:
    name = TEMPORARY_NAME.replace("?" * 8, secrets.token_hex(4))
    temporary = folder / name
    with disk_errors(folder):
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    return name
