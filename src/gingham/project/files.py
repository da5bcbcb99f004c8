"""Paths as users write them, and files that appear whole, by one rename, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from gingham.errors import UnavailableError, UsageError

__all__ = [
    "TEMPORARY_NAME",
    "TEMPORARY_SUFFIX",
    "disk_errors",
    "refuse_foreign",
    "refuse_unwritable",
    "sync_folder",
    "user_path",
    "whole_file",
    "write_whole",
]

TEMPORARY_SUFFIX = ".partial"
TEMPORARY_NAME = ".gingham-????????" + TEMPORARY_SUFFIX
"""What `whole_file` calls a file until it is whole, as a pattern of `pathlib.Path.glob`."""


def user_path(path: str | os.PathLike[str]) -> Path:
    """Return a path with ``~`` and ``~user`` at its beginning replaced by the home folder.

    Raises
    ------
    UsageError
        If there is no such user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        name = Path(path).parts[0]
        whose = f"there is no user {name[1:]}" if name != "~" else "your home folder is not known"
        raise UsageError(
            f"Cannot find {path}: {whose}. For a folder that is itself called {name}, give its whole path, from /."
        ) from None


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an operating-system error into a sentence that names the path.

    Raises
    ------
    UnavailableError
        Disk full, read-only file system, no permission, …
    """
    try:
        yield
    except OSError as error:
        where = path if str(error.filename).endswith(TEMPORARY_SUFFIX) else error.filename or path
        raise UnavailableError(
            f"Cannot write {where}: {error.strerror or error}. What was finished before stays usable; "
            "make room or choose another place, and run the same command again."
        ) from error


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file to be written under a temporary name; at the end it is made durable and renamed into place.

    Raises
    ------
    UnavailableError
        Where the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(TEMPORARY_NAME.replace("?" * 8, secrets.token_hex(4)))  # short, whatever path is
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def write_whole(path: Path, data: bytes | str) -> None:
    """Write a file as `whole_file` does."""
    with whole_file(path) as file:
        file.write(data.encode() if isinstance(data, str) else data)


def refuse_unwritable(path: Path) -> None:
    """Find out before long work whether a file can be written there.

    Raises
    ------
    UnavailableError
        On a folder of that name, a read-only folder, or one that cannot be made.
    """
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "there is a folder of that name", str(path))
        if not os.access(path.parent, os.W_OK):
            raise PermissionError(errno.EACCES, "the folder is read-only", str(path.parent))


def refuse_foreign(path: Path, beginning: str) -> None:
    """Refuse to write over a file that begins in another way than what would be written there.

    Raises
    ------
    UsageError
    """
    if not path.exists():
        return
    with disk_errors(path), path.open("rb") as file:
        found = file.read(len(beginning.encode()))
    if found and found != beginning.encode():
        raise UsageError(
            f"{path} is there, and no earlier result of this command: it is left as it is. Name another file with -o, "
            "or move it away."
        )


def sync_folder(folder: Path) -> None:
    """Make the renames inside a folder durable, where the platform allows a folder to be opened."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
