"""JPEG by libjpeg-turbo, at reduced scale where that suffices."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gingham.errors import ImageError
from gingham.images.decoded import Note, Raster, check_size
from gingham.images.exif import add_exif
from gingham.images.icc import is_broken_profile
from gingham.images.pixels import load_rgb
from gingham.records import SkipReason

if TYPE_CHECKING:
    from gingham.images.decoded import RGB

__all__ = ["JpegHeader", "decode_jpeg", "read_header"]

_REDUCTIONS = (8, 4, 2)
"""The factors whose inverse DCT is vectorised; those between cost more than the full size does."""

_MAX_SCANS = 500
"""The limit that libjpeg-turbo's authors give against files made to take for ever."""

_ALWAYS_SCANS = 32
"""What a file of any size may have. Encoders write 10 for colour and 18 for CMYK, optimisers up to about 25."""

_SCANNED_PIXELS = 2**31
"""Beyond that, the pixels of all scans together: they take 3 seconds a colour."""

_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")

_EXTRANEOUS = re.compile(r"Corrupt JPEG data: (\d+) extraneous bytes before marker")
_HARMLESS = re.compile(r"thumbnail|JFIF|color transform|Inconsistent progression|Invalid SOS parameters")
_DATA_LOST = re.compile(r"premature end|bad Huffman code|bad arithmetic code|instead of RST")


@dataclass(slots=True)
class JpegHeader:
    """What stands before the first scan.

    Parameters
    ----------
    width, height : int
    components : int
        1 grey, 3 colour, 4 CMYK or YCCK.
    precision : int
        Bits per sample.
    process : int
        Low byte of the start-of-frame marker: 0xC0 baseline, 0xC2 progressive …
    scan : int
        Offset of the first start-of-scan marker.
    adobe : bool
        An Adobe marker is there; by convention it says that CMYK is stored inverted.
    exif : bytes or None
    icc : tuple of (bytes, int) or None
        First part of the colour profile, and the size of all parts.
    multi_picture : bool
        A multi-picture index is there (MPO): the file holds more images, of which this is the first.
    essential : list of (int, int)
        Start and end of the segments that decoding needs.
    """

    width: int = 0
    height: int = 0
    components: int = 0
    precision: int = 0
    process: int = 0
    scan: int = 0
    adobe: bool = False
    exif: bytes | None = None
    icc: tuple[bytes, int] | None = None
    multi_picture: bool = False
    essential: list[tuple[int, int]] | None = None


def read_header(data: bytes) -> JpegHeader:
    """Walk the marker segments up to the first scan.

    Parameters
    ----------
    data : bytes
        Starting with the JPEG start-of-image marker.

    Raises
    ------
    ImageError
        ``truncated`` where the file ends before the first scan, ``corrupt`` where a scan has no frame.
    """
    header = JpegHeader(essential=[])
    at = 2
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 4 > len(data):
            raise ImageError(SkipReason.TRUNCATED, "the file ends before the image data")
        marker = data[at + 1]
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD8:  # no segment follows
            at += 1
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xDA:
            header.scan = at
            break
        if marker == 0xD9 or end > len(data):
            raise ImageError(SkipReason.TRUNCATED, "the file ends before the image data")
        _read_segment(header, marker, data[at + 4 : end])
        if marker == 0xEE or not (0xE0 <= marker <= 0xEF or marker == 0xFE):
            assert header.essential is not None
            header.essential.append((at, end))
        at = end
    if not header.process:
        raise ImageError(SkipReason.CORRUPT, "image data without a frame header")
    return header


def _read_segment(header: JpegHeader, marker: int, body: bytes) -> None:
    if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and len(body) >= 6:
        header.process, header.precision, header.components = marker, body[0], body[5]
        header.height, header.width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    elif marker == 0xE1 and header.exif is None and body.startswith(b"Exif\0"):
        header.exif = body
    elif marker == 0xE2 and body.startswith(b"ICC_PROFILE\0"):
        first, size = header.icc or (body[14:142], 0)
        header.icc = first, size + len(body) - 14
    elif marker == 0xE2 and body.startswith(b"MPF\0"):
        header.multi_picture = True
    elif marker == 0xEE and body.startswith(b"Adobe"):
        header.adobe = True


def decode_jpeg(data: bytes, max_pixels: int, min_side: int | None = None) -> Raster:
    """Decode a JPEG, to a half, a quarter or an eighth where the shorter side stays long enough.

    Parameters
    ----------
    data : bytes
    max_pixels : int
    min_side : int, optional
        What the shorter side of the result must have at least, in pixels; by default it comes at full size.

    Raises
    ------
    ImageError
        ``truncated`` also where only the end marker is missing; ``corrupt`` also for more scans than 500, or
        than 32 where they would take long.
    """
    header = read_header(data)
    check_size(header.width, header.height, max_pixels)
    _require_decodable(header, data)
    shorter = min(header.width, header.height)
    reduction = next((r for r in _REDUCTIONS if min_side and -(-shorter // r) >= min_side), 1)
    raster = _decode_pixels(data, header, reduction)
    if header.icc and is_broken_profile(*header.icc):
        raster.notes.append(Note.BROKEN_ICC)
    if header.multi_picture:
        raster.notes.append(Note.MULTI_PICTURE)
    return add_exif(raster, header.exif)


def _require_decodable(header: JpegHeader, data: bytes) -> None:
    if header.precision != 8 or header.process not in (0xC0, 0xC1, 0xC2, 0xC9, 0xCA):
        raise ImageError(
            SkipReason.UNSUPPORTED_FORMAT,
            f"JPEG of {header.precision} bits and process {header.process - 0xC0}; save it as an ordinary JPEG",
        )
    if header.components not in (1, 3, 4):
        raise ImageError(SkipReason.UNSUPPORTED_FORMAT, f"JPEG with {header.components} components")
    pixels = header.width * header.height
    allowed = max(_ALWAYS_SCANS, min(_MAX_SCANS, _SCANNED_PIXELS // pixels))
    if _has_more_scans(data, header, allowed):
        raise ImageError(
            SkipReason.CORRUPT, f"more than {allowed} scans over {pixels:,} pixels; real files have about 10"
        )


def _has_more_scans(data: bytes, header: JpegHeader, allowed: int) -> bool:
    """Tell whether more scans than allowed lie before the end marker."""
    if data.count(b"\xff\xda", header.scan) <= allowed:  # quick; counts what follows the image as well
        return False
    at, scans = header.scan, 0
    while (marker := _MARKER.search(data, at)) and marker[0] != b"\xff\xd9":
        scans += marker[0] == b"\xff\xda"
        if scans > allowed:
            return True
        at = marker.end() + max(2, int.from_bytes(data[marker.end() : marker.end() + 2], "big"))
    return False


def _decode_pixels(data: bytes, header: JpegHeader, reduction: int) -> Raster:
    """Decode strictly; or leniently and with a note, where what the decoder warns of costs no image data."""
    width, height = header.width, header.height
    try:
        return Raster(_turbo(data, header, reduction, strict=True), width, height, reduction=reduction)
    except ValueError as error:
        message = str(error)
        extraneous = _EXTRANEOUS.match(message)
        if "Premature end of JPEG" in message or (extraneous and not _has_end(data, header)):
            raise ImageError(SkipReason.TRUNCATED, message) from error
        if _DATA_LOST.search(message) or (extraneous and int(extraneous[1]) > (len(data) - header.scan) // 10):
            raise ImageError(SkipReason.CORRUPT, message) from error
        if extraneous or _HARMLESS.search(message):
            rgb = _turbo(data, header, reduction, strict=False)
            return Raster(rgb, width, height, reduction=reduction, notes=[Note.DAMAGED_DATA])
    # what the TurboJPEG interface refuses, such as odd chroma sampling, libjpeg may still decode
    return Raster(_by_pillow(data, header), width, height)


def _turbo(data: bytes, header: JpegHeader, reduction: int, *, strict: bool) -> RGB:
    import simplejpeg

    size = {}
    if reduction > 1:
        size = {"min_height": -(-header.height // reduction), "min_width": -(-header.width // reduction)}
    inks = header.components == 4
    pixels: RGB = simplejpeg.decode_jpeg(data, "CMYK" if inks else "RGB", fastupsample=True, strict=strict, **size)
    return _cmyk_to_rgb(pixels, inverted=header.adobe) if inks else pixels


def _cmyk_to_rgb(cmyk: RGB, *, inverted: bool) -> RGB:
    """Return (255 - ink) x (255 - black) / 255 for each of cyan, magenta and yellow, rounded."""
    light = cmyk if inverted else ~cmyk
    product = light[..., :3].astype(np.uint16) * light[..., 3:]
    return ((product + 127) // 255).astype(np.uint8)


def _has_end(data: bytes, header: JpegHeader) -> bool:
    """Tell whether an end marker follows the first scan (entropy-coded bytes cannot look like one)."""
    return data.find(b"\xff\xd9", header.scan) >= 0


def _by_pillow(data: bytes, header: JpegHeader) -> RGB:
    """Decode by Pillow what is left when the segments that it might warn about are taken out."""
    from io import BytesIO

    from PIL import JpegImagePlugin

    if not _has_end(data, header):
        raise ImageError(SkipReason.TRUNCATED, "the end marker is missing")
    assert header.essential is not None
    parts = [b"\xff\xd8", *(data[start:end] for start, end in header.essential), data[header.scan :]]
    rgb, _ = load_rgb(JpegImagePlugin.JpegImageFile(BytesIO(b"".join(parts))))
    return rgb
