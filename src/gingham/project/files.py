"""Files that appear whole, by one rename, or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from gingham.errors import UnavailableError

__all__ = ["TEMPORARY_SUFFIX", "disk_errors", "sync_folder", "write_whole"]

TEMPORARY_SUFFIX = ".partial"


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
        where = error.filename or path
        raise UnavailableError(
            f"Cannot write {where}: {error.strerror or error}. What was finished before stays usable; "
            "make room or choose another folder with --project, and run the same command again."
        ) from error


def write_whole(path: Path, data: bytes | str) -> None:
    """Write a file durably under a temporary name, then rename it into place.

    Raises
    ------
    UnavailableError
        Where the disk is full or the folder cannot be written.
    """
    content = data.encode() if isinstance(data, str) else data
    temporary = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the renames inside a folder durable, where the platform allows a folder to be opened."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
