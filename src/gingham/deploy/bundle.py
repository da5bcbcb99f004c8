"""The folder that a deployment is written to: what it wrote there itself it may replace, and nothing else."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gingham.errors import UnavailableError, UsageError
from gingham.project.files import TEMPORARY_NAME, disk_errors, whole_file, write_whole
from gingham.records import display_path

__all__ = ["MANIFEST", "Bundle", "Written"]

MANIFEST = "gingham-deploy.json"
"""Lists the files that were written, each with its SHA-256."""
FOR_ITS_OWNER = 0o600


@dataclass(frozen=True)
class Written:
    """What became of a folder.

    Parameters
    ----------
    files : tuple of str
        The files of the deployment, the kept ones too; paths inside the folder.
    kept : tuple of str
        Secrets that were there already, and stay as they were.
    removed : tuple of str
        Files of an earlier deployment that this one does not have.
    """

    files: tuple[str, ...]
    kept: tuple[str, ...]
    removed: tuple[str, ...]


class Bundle:
    """A folder that holds one deployment.

    Parameters
    ----------
    folder : Path
        Need not exist.

    Raises
    ------
    UnavailableError
        If it cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._about = self._read()
        self._written = self._listed()

    def said(self, name: str) -> str | None:
        """Return what the list of an earlier deployment says of it; None where there is none."""
        value = self._about.get(name) if self._written else None
        return value if isinstance(value, str) else None

    def refuse_foreign(self, force: bool) -> None:
        """Refuse a folder that holds anything but an earlier deployment, unless ``force`` says otherwise.

        Raises
        ------
        UsageError
            If there are other files and no deployment, or a file of the deployment has been changed since.
        UnavailableError
            If it is no folder, or cannot be listed.
        """
        if force:
            return
        if not self._written:
            with disk_errors(self.folder):
                there = self.folder.iterdir() if os.path.lexists(self.folder) else ()
                found = sorted(path.name for path in there if not path.match(TEMPORARY_NAME))
            if found:
                raise UsageError(
                    f"The folder {display_path(str(self.folder))} holds files that no deployment wrote, such as "
                    f"{display_path(found[0])}. Name a new folder with -o, or add --force: what bears the name of a "
                    "file of the deployment is then replaced, and nothing else is touched."
                )
        changed = [name for name in self._written if not self._is_ours(name)]
        if changed:
            raise UsageError(
                f"{display_path(str(self.folder / changed[0]))} has been changed since it was written"
                + (f", and {len(changed) - 1} more" if len(changed) > 1 else "")
                + ". Name a new folder with -o and compare, or add --force to lose the changes."
            )

    def write(self, about: Mapping[str, object], files: Mapping[str, bytes], secrets: Mapping[str, bytes]) -> Written:
        """Write a deployment; one that is interrupted is completed by the next call.

        Parameters
        ----------
        about : mapping
            What else the list of files says; JSON.
        files : mapping of str to bytes
            By path inside the folder.
        secrets : mapping of str to bytes
            Files that only their owner may read, and that are never replaced.

        Raises
        ------
        UnavailableError
            If the disk is full or a file cannot be written.
        """
        new = {name: [_sha256(content)] for name, content in files.items()}
        both = {name: [*self._written.get(name, ()), *new.get(name, ())] for name in {**self._written, **new}}
        self._note(about, both)
        for name, content in files.items():
            write_whole(self.folder / name, content)
        kept = tuple(name for name, content in secrets.items() if not self._write_secret(name, content))
        removed = tuple(name for name in self._written if name not in files and self._remove(name))
        self._note(about, new)
        self._written = {name: tuple(digests) for name, digests in new.items()}
        return Written(tuple(sorted([MANIFEST, *files, *secrets])), kept, removed)

    def _note(self, about: Mapping[str, object], files: Mapping[str, list[str]]) -> None:
        text = json.dumps({**about, "files": dict(sorted(files.items()))}, indent=2)
        write_whole(self.folder / MANIFEST, text + "\n")

    def _write_secret(self, name: str, content: bytes) -> bool:
        """Write a secret where there is none yet; return whether there was none."""
        path = self.folder / name
        if os.path.lexists(path):
            return False
        with whole_file(path) as file:
            Path(file.name).chmod(FOR_ITS_OWNER)  # before the secret is in it
            file.write(content)
        return True

    def _remove(self, name: str) -> bool:
        path = self.folder / name
        if not path.is_file() or not self._is_ours(name):
            return False
        with disk_errors(path):
            path.unlink()
        return True

    def _is_ours(self, name: str) -> bool:
        """Whether a file is as it was written, or gone."""
        try:
            return _sha256((self.folder / name).read_bytes()) in self._written[name]
        except FileNotFoundError:
            return True
        except OSError:
            return False

    def _read(self) -> dict[str, Any]:
        """Return the list of an earlier deployment."""
        path = self.folder / MANIFEST
        try:
            about = json.loads(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return {}
        except OSError as error:
            raise UnavailableError(f"{display_path(str(path))} cannot be read: {error.strerror}.") from error
        return about if isinstance(about, dict) else {}

    def _listed(self) -> dict[str, tuple[str, ...]]:
        """Return the files of an earlier deployment, each with the digests that it may have."""
        try:
            listed = {name: tuple(map(str, digests)) for name, digests in self._about["files"].items()}
        except (KeyError, TypeError, AttributeError):
            return {}
        inside = self.folder.resolve()
        return {name: digests for name, digests in listed.items() if (inside / name).resolve().is_relative_to(inside)}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
