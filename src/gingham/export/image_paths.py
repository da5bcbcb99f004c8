"""Files, folders and patterns, as a user names them, become paths of image files."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from gingham.errors import ImageError, UsageError
from gingham.images import has_image_suffix, is_strewn, open_bytes
from gingham.records import SkipReason

__all__ = ["GivenImages", "ImagePaths", "content_of", "find_images", "given_images", "name_of"]

GivenImage = str | os.PathLike[str] | bytes
"""A path, or what is in a file."""
GivenImages = GivenImage | Iterable[GivenImage]


@dataclass(frozen=True)
class ImagePaths:
    """What was found.

    Parameters
    ----------
    paths : tuple of str
        Each once, in the order in which they were named.
    empty : tuple of str
        The folders and patterns in which there is no image.
    unlisted : tuple of str
        The folders that cannot be listed.
    passed_over : tuple of str
        Files in the folders that are called like no image.
    """

    paths: tuple[str, ...]
    empty: tuple[str, ...]
    unlisted: tuple[str, ...]
    passed_over: tuple[str, ...]


def find_images(named: Iterable[str]) -> ImagePaths:
    """Find the image files that are meant.

    A file is taken whatever it is called, there or not: whoever reads it finds out. Of a folder, at any depth, those
    with the suffix of an image are taken, in natural order, its own before those of its sub-folders; hidden ones and
    what operating systems strew are passed over; links to folders are followed, to each folder once. A pattern
    (``*``, ``?``, ``[…]``; ``**`` for any depth) stands for the files and folders that it matches; unless it ends
    in a suffix of its own, only files with that of an image. A name with brackets that exists is no pattern.

    Parameters
    ----------
    named : iterable of str
    """
    paths: dict[str, None] = {}
    empty: list[str] = []
    unlisted: list[str] = []
    passed_over: list[str] = []
    for name in named:
        found = _found(name, unlisted, passed_over)
        paths.update(dict.fromkeys(found))
        if not found:
            empty.append(name)
    return ImagePaths(tuple(paths), tuple(empty), tuple(unlisted), tuple(passed_over))


def given_images(images: Any, otherwise: str) -> list[str | bytes]:
    """Return one image or many as a list of paths and of what is in files.

    Parameters
    ----------
    images : path or bytes, or iterable of such
    otherwise : str
        What to do with anything else, as the end of the error's last sentence.

    Raises
    ------
    UsageError
        For anything else, such as pictures that are open already.
    """
    if isinstance(images, str | os.PathLike | bytes):
        images = [images]
    try:
        images = list(images)
    except TypeError:
        images = [images]
    for image in images:
        if not isinstance(image, str | os.PathLike | bytes):
            raise UsageError(
                f"predict takes image files, one or many, as paths or as bytes, not {type(image).__name__}: for example"
                ' predict(["a.jpg", "b.png"]). Save a picture that is open already, to a file or to an io.BytesIO'
                f"{otherwise}."
            )
    return [image if isinstance(image, bytes) else os.fsdecode(image) for image in images]


def name_of(image: str | bytes) -> str:
    """Return what the answer for an image bears as its path."""
    return "" if isinstance(image, bytes) else image


def content_of(image: str | bytes) -> bytes:
    """Return what is in an image file.

    Raises
    ------
    ImageError
        If it cannot be read, or there is nothing in it.
    """
    if not isinstance(image, bytes):
        return open_bytes(image)
    if not image:
        raise ImageError(SkipReason.EMPTY, "the file has no content")
    return image


def _found(name: str, unlisted: list[str], passed_over: list[str]) -> list[str]:
    if Path(name).is_dir():
        return list(_below(name, unlisted, passed_over))
    if os.path.lexists(name) or not glob.has_magic(name):
        return [name]
    suffix = PurePath(name).suffix
    any_suffix = bool(suffix) and not glob.has_magic(suffix)
    found: list[str] = []
    matches = glob.iglob(name, recursive=True)  # noqa: PTH207  pathlib's takes no absolute pattern
    for match in sorted(matches, key=_natural):
        if Path(match).is_dir():
            found += _below(match, unlisted, passed_over)
        elif (any_suffix or has_image_suffix(match)) and not is_strewn(PurePath(match).name):
            found.append(match)
    return found


def _below(top: str, unlisted: list[str], passed_over: list[str]) -> Iterator[str]:
    """Yield the image files of a folder and its sub-folders; note the other files."""
    seen: set[str] = set()
    for folder, inner, names in os.walk(top, onerror=lambda error: unlisted.append(error.filename), followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # a link has led here, perhaps in a circle
            inner.clear()
            continue
        seen.add(real)
        inner[:] = sorted((name for name in inner if not is_strewn(name)), key=_natural)
        for name in sorted((name for name in names if not is_strewn(name)), key=_natural):
            path = str(Path(folder) / name)
            if has_image_suffix(name):
                yield path
            else:
                passed_over.append(path)


def _natural(path: str) -> tuple[list[list[str | int]], str]:
    """Return a key that sorts ``2.jpg`` before ``10.jpg``, folder by folder."""
    return [_with_numbers(part) for part in PurePath(path).parts], path


def _with_numbers(name: str) -> list[str | int]:
    parts: list[str | int] = [*re.split(r"([0-9]+)", name.casefold())]
    parts[1::2] = [int(digits) for digits in parts[1::2]]
    return parts
