"""The Gingham that is installed here, as a wheel: what a container must run to answer as this machine does."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import gingham
from gingham.errors import UnavailableError

__all__ = ["Wheel", "distribution", "installed_wheel", "package_files"]

PACKAGE = "gingham"
EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The date of every entry: the same files make the same wheel, byte for byte."""
READABLE = 0o100644 << 16
"""A regular file that everybody may read, where an entry of a ZIP holds it."""
NOT_CODE = {"__pycache__", ".DS_Store"}


@dataclass(frozen=True)
class Wheel:
    """A wheel.

    Parameters
    ----------
    name : str
        Of the file.
    content : bytes
    """

    name: str
    content: bytes


def installed_wheel() -> Wheel:
    """Return a wheel of the package as it is installed here, from an index, from a wheel, or in editable mode.

    It is written as the Binary Distribution Format (PEP 427) says, from the files of the package and the metadata of
    its installation.

    Raises
    ------
    UnavailableError
        If Gingham is not installed, only found on the path; or its files cannot be read.
    """
    installed = distribution()
    version = importlib.metadata.version(PACKAGE)
    info = f"{PACKAGE}-{version}.dist-info"
    files = package_files() | {
        f"{info}/{name}": content for name, content in _metadata(installed).items() if content is not None
    }
    files[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: {PACKAGE} ({version})\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    ).encode()
    record = f"{info}/RECORD"
    files[record] = _record(files, record)
    return Wheel(f"{PACKAGE}-{version}-py3-none-any.whl", _zip(files))


def distribution() -> importlib.metadata.Distribution:
    """Return what the installation says of Gingham.

    Raises
    ------
    UnavailableError
        If it is not installed, only found on the path.
    """
    try:
        return importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise UnavailableError(
            "Gingham is not installed here, only found on Python's path, so it cannot say what it needs. "
            "Install it: pip install -e FOLDER-OF-GINGHAM"
        ) from None


def package_files() -> dict[str, bytes]:
    """Return every file of the package by its path in a wheel, such as ``gingham/errors.py``.

    Raises
    ------
    UnavailableError
        If one of them cannot be read.
    """
    folder = Path(gingham.__file__).parent
    try:
        return {
            f"{PACKAGE}/{path.relative_to(folder).as_posix()}": path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not NOT_CODE & set(path.relative_to(folder).parts)
        }
    except OSError as error:
        raise UnavailableError(f"{error.filename} of this Gingham cannot be read: {error.strerror}.") from error


def _metadata(installed: importlib.metadata.Distribution) -> dict[str, bytes | None]:
    """Return what is kept of the installation's metadata; how it was installed here is not."""
    kept: dict[str, bytes | None] = {}
    for name in ("METADATA", "entry_points.txt"):
        text = installed.read_text(name)
        kept[name] = None if text is None else text.encode()
    for path in installed.files or ():
        inside = path.as_posix().partition(".dist-info/")[2]
        if inside.startswith("licenses/"):
            kept[inside] = path.read_binary()
    return kept


def _record(files: Mapping[str, bytes], record: str) -> bytes:
    lines = []
    for name, content in sorted(files.items()):
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(content)}")
    return "\n".join([*lines, f"{record},,", ""]).encode()


def _zip(files: Mapping[str, bytes]) -> bytes:
    """Pack files; those of the metadata come last, as the format recommends."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files, key=lambda name: (".dist-info/" in name, name)):
            entry = zipfile.ZipInfo(name, EARLIEST)
            entry.external_attr = READABLE
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name])
    return packed.getvalue()
