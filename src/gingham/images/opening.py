"""Read one file's bytes: never blocking, never outside the root, never more than a cap."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from gingham.errors import ImageError
from gingham.records import SkipReason, display_path

__all__ = ["MAX_BYTES", "open_bytes"]

MAX_BYTES = 256 * 2**20
"""Default cap on a file's size: 256 MiB."""

_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)  # a FIFO that replaces the file after the check must not block
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)
_FOLDER_FLAGS = (
    getattr(os, "O_PATH", os.O_RDONLY)  # where there is O_PATH, a folder that may not be listed will do
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_CAN_DESCEND = bool(_NO_LINK) and os.open in os.supports_dir_fd
"""False on Windows only."""

_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ESTALE}
_IS_LINK = {errno.ELOOP, errno.ENOTDIR, errno.EMLINK}
"""What systems answer to O_NOFOLLOW."""


def open_bytes(
    path: str | os.PathLike[str], root: str | os.PathLike[str] | None = None, max_bytes: int = MAX_BYTES
) -> bytes:
    """Return the content of a regular file.

    Parameters
    ----------
    path : path
        Undecodable bytes in it as surrogate escapes.
    root : path, optional
        A folder that the file must lie in once all symbolic links are followed; also one that is put in the
        file's way while it is opened (but for Windows).
    max_bytes : int
        A larger file is refused before it is read.

    Raises
    ------
    ImageError
        ``vanished``, ``broken_link``, ``outside_root``, ``not_a_file``, ``unreadable``, ``too_large`` or
        ``empty``.
    """
    path = Path(path)
    try:
        is_link = stat.S_ISLNK(path.lstat().st_mode)
        real = path.resolve(strict=True) if is_link or root is not None else path
        top = real if root is None else Path(root).resolve()
        if not real.is_relative_to(top):
            raise ImageError(SkipReason.OUTSIDE_ROOT, f"it lies outside the folder {display_path(str(root))}")
        _require_regular(real.stat().st_mode)  # opening a device can have effects: look first
        descriptor = _descend(top, real) if real != top and _CAN_DESCEND else os.open(real, _FLAGS)
        try:
            return _read(descriptor, max_bytes)
        finally:
            os.close(descriptor)
    except ValueError as error:  # a NUL in the path
        raise ImageError(SkipReason.UNREADABLE, str(error)) from error
    except (OSError, RuntimeError) as error:  # RuntimeError: how pathlib reports a loop before Python 3.13
        raise _refusal(error, path) from error


def _descend(root: Path, real: Path) -> int:
    """Open a path without links folder by folder from the root on; a link that has come into it since is refused."""
    *folders, name = real.relative_to(root).parts
    at = os.open(root, _FOLDER_FLAGS)
    try:
        for folder in folders:
            below = os.open(folder, _FOLDER_FLAGS | _NO_LINK, dir_fd=at)
            os.close(at)
            at = below
        return os.open(name, _FLAGS | _NO_LINK, dir_fd=at)
    except OSError as error:
        if error.errno in _IS_LINK:
            raise ImageError(SkipReason.VANISHED, "a link has taken its place while it was opened") from error
        raise
    finally:
        os.close(at)


def _read(descriptor: int, max_bytes: int) -> bytes:
    """Return the content of an open file, whose size may change meanwhile."""
    status = os.fstat(descriptor)
    _require_regular(status.st_mode)
    if status.st_size > max_bytes:
        raise _too_large(max_bytes)
    parts: list[bytes] = []
    left = max_bytes + 1
    while left and (part := os.read(descriptor, min(left, max(status.st_size + 1, 1 << 16)))):
        parts.append(part)
        left -= len(part)
    if not left:
        raise _too_large(max_bytes)
    if not parts:
        raise ImageError(SkipReason.EMPTY, "the file has no content")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _require_regular(mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    raise ImageError(SkipReason.NOT_A_FILE, f"{kinds.get(stat.S_IFMT(mode), 'something else')}, not a file")


def _too_large(max_bytes: int) -> ImageError:
    return ImageError(SkipReason.TOO_LARGE, f"the file has more than {max_bytes:,} bytes")


def _refusal(error: OSError | RuntimeError, path: Path) -> ImageError:
    code = error.errno if isinstance(error, OSError) else errno.ELOOP
    if code == errno.ELOOP:
        return ImageError(SkipReason.BROKEN_LINK, "a loop of symbolic links")
    if code in _GONE:
        if path.is_symlink():
            return ImageError(SkipReason.BROKEN_LINK, "a symbolic link to nothing")
        return ImageError(SkipReason.VANISHED, "the file is not there any more")
    return ImageError(SkipReason.UNREADABLE, os.strerror(code) if code else str(error))
