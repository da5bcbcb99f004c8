"""Tell a file's format by its content, and whether its name says the same."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from gingham.errors import ImageError
from gingham.records import SkipReason

__all__ = ["FORMATS", "SUFFIXES", "has_wrong_suffix", "sniff"]

FORMATS = ("JPEG", "PNG", "WebP", "BMP", "GIF", "TIFF", "AVIF")
"""The formats that are opened. No other decoder is ever tried. AVIF only where Pillow was built with it."""

SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "WebP": (".webp",),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif", ".avifs"),
}

_AVIF_BRANDS = (b"avif", b"avis")
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1", b"mif2")

_UNSUPPORTED = (
    (b"%!PS", "EPS"),
    (b"\xc5\xd0\xd3\xc6", "EPS"),
    (b"%PDF-", "PDF"),
    (b"8BPS", "PSD"),
    (b"\x00\x00\x01\x00", "ICO"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"v/1\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"qoif", "QOI"),
    (b"DDS ", "DDS"),
    (b"icns", "ICNS"),
    (b"gimp xcf", "XCF"),
    (b"FUJIFILMCCD-RAW", "camera raw"),
)
_SVG = re.compile(rb"<(?:svg|[A-Za-z_][\w.-]*:svg)[\s>]")
_PNM = re.compile(rb"P[1-7]\s")


def sniff(data: bytes) -> str:
    """Return which of ``FORMATS`` the content is.

    Parameters
    ----------
    data : bytes
        The whole file.

    Raises
    ------
    ImageError
        ``empty``; ``unsupported_format`` for an image format that is known and not opened;
        ``not_an_image`` for the rest.
    """
    if not data:
        raise ImageError(SkipReason.EMPTY, "the file has no content")
    if data.startswith(b"\xff\xd8"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")) and data[8:10] != b"CR":
        return "TIFF"
    if data[4:8] == b"ftyp" and _brands(data).intersection(_AVIF_BRANDS):
        return _avif_if_supported()
    if data[:2] == b"BM" and data[6:10] == b"\0\0\0\0":
        return "BMP"
    raise _refusal(data)


def has_wrong_suffix(name: str, format: str) -> bool:  # noqa: A002  the field's word
    """Tell whether a file name's suffix belongs to another format than the content.

    >>> has_wrong_suffix("a.jpg", "PNG"), has_wrong_suffix("a.PNG", "PNG"), has_wrong_suffix("a", "PNG")
    (True, False, False)
    """
    suffix = PurePosixPath(name).suffix.lower()
    return bool(suffix) and suffix not in SUFFIXES[format]


def _refusal(data: bytes) -> ImageError:
    other = next((name for magic, name in _UNSUPPORTED if data.startswith(magic)), None)
    head = data[:4096]
    if other is None and data[4:8] == b"ftyp" and _brands(data).intersection(_HEIF_BRANDS):
        other = "HEIC"
    elif other is None and data[8:10] == b"CR" and data[:2] in (b"II", b"MM"):
        other = "camera raw"
    elif other is None and _PNM.match(data):
        other = "PNM"
    elif other is None and head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") and _SVG.search(head):
        other = "SVG" if b"<html" not in head.lower() else None
    if other is None:
        return ImageError(SkipReason.NOT_AN_IMAGE, "the content is that of no known image format")
    return ImageError(SkipReason.UNSUPPORTED_FORMAT, f"{other} is not opened; convert it to JPEG or PNG")


def _brands(data: bytes) -> set[bytes]:
    """Return the major and compatible brands of an ISO base media file."""
    end = min(int.from_bytes(data[:4], "big"), len(data), 512)
    return {data[8:12], *(data[i : i + 4] for i in range(16, end - 3, 4))}


def _avif_if_supported() -> str:
    from PIL import AvifImagePlugin

    if not AvifImagePlugin.SUPPORTED:
        raise ImageError(SkipReason.UNSUPPORTED_FORMAT, "this build of Pillow does not open AVIF")
    return "AVIF"
