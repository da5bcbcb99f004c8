"""The images that a command names, and what to say where that is none: alike in every command that takes images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gingham.errors import UsageError
from gingham.images.names import has_image_suffix
from gingham.records import display_path

__all__ = ["named_images"]


def named_images(images: Sequence[str], command: str, first: str, kind: str) -> tuple[tuple[str, ...], list[str]]:
    """Find the images that are meant.

    Parameters
    ----------
    images : sequence of str
        Files, folders and patterns.
    command : str
        Such as ``predict``.
    first, kind : str
        What stands before the images, and what that ought to be: ``model`` or ``run``.

    Returns
    -------
    paths : tuple of str
        Each once; also those that are not there.
    notes : list of str
        What was named and holds no image.

    Raises
    ------
    UsageError
        If no image is named or found.
    """
    from gingham.export.image_paths import find_images

    if not images and "://" not in first and (Path(first).is_dir() or has_image_suffix(first)):
        raise UsageError(f"The {kind} comes first, then the images: gingham {command} latest {display_path(first)}")
    found = find_images(images)
    notes = [f"There is no image in {display_path(name)}." for name in found.empty]
    notes += [f"The folder {display_path(name)} cannot be listed." for name in found.unlisted]
    if others := found.passed_over:
        files = "1 file that is" if len(others) == 1 else f"{len(others):,} files that are"
        notes.append(f"Passed over {files} called like no image, such as {display_path(others[0])}.")
    if not found.paths:
        example = f"gingham {command} {display_path(first)} photo.jpg 'photos/*.png' folder"
        raise UsageError(" ".join([*notes, f"Name images, such as: {example}"]))
    return found.paths, notes
