"""Which names in a folder are those of images, and which are nobody's."""

from __future__ import annotations

from pathlib import PurePath

from gingham.images.sniffing import SUFFIXES

__all__ = ["has_image_suffix", "is_strewn"]

_IMAGE_SUFFIXES = frozenset(suffix for kind in SUFFIXES.values() for suffix in kind)
_STREWN = frozenset({"thumbs.db", "desktop.ini", "icon\r", "__macosx"})


def has_image_suffix(name: str) -> bool:
    """Tell whether a file name ends as those of the formats that are opened do.

    >>> has_image_suffix("a.JPG"), has_image_suffix("a.txt"), has_image_suffix("jpg")
    (True, False, False)
    """
    return PurePath(name).suffix.lower() in _IMAGE_SUFFIXES


def is_strewn(name: str) -> bool:
    """Tell whether a file or folder is hidden, or one of those that operating systems strew.

    >>> is_strewn(".DS_Store"), is_strewn("Thumbs.db"), is_strewn("__MACOSX"), is_strewn("a.jpg")
    (True, True, True, False)
    """
    return name.startswith(".") or name.lower() in _STREWN
