"""The layout of a project, and the lock that lets one process write at a time."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
from collections.abc import Iterator
from pathlib import Path

from gingham.config import CONFIG_NAME
from gingham.errors import UnavailableError, UsageError
from gingham.project.annotations import Annotations
from gingham.project.files import TEMPORARY_NAME, TEMPORARY_SUFFIX, disk_errors, user_path, write_whole
from gingham.project.index import Index
from gingham.project.moves import Moves

__all__ = ["ProjectFolder"]


class ProjectFolder:
    """Where everything of one project lies.

    Parameters
    ----------
    root : str or Path
        The project's folder; made when something is first written.

    Raises
    ------
    UsageError
        If ``root`` is not a folder, or begins with a ``~user`` that does not exist.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = user_path(root).absolute()
        if self.root.exists() and not self.root.is_dir():
            raise UsageError(f"{self.root} is not a folder. Give the project's folder with --project DIR.")
        self.state = self.root / ".gingham"
        self.config_file = self.root / CONFIG_NAME
        self.runs = self.root / "runs"
        self.features = self.state / "features"
        self.backbones = self.state / "backbones"
        self.heads = self.state / "heads"
        self.refined = self.state / "refined"
        self.activations = self.state / "activations"
        self.tuning = self.state / "tuning"
        self.staging = self.state / "staging"
        self.removed = self.state / "removed"
        self.ledger = self.state / "collection.sqlite"
        self.run_index = self.state / "runs.sqlite"

    def dataset(self, name: str | os.PathLike[str]) -> Path:
        """Return the dataset's folder: as it stands if absolute, else below the project."""
        return Path(os.path.normpath(self.root / user_path(name)))

    def name_of(self, dataset: Path) -> str:
        """Return how a dataset is called in the index: relative to the project where it lies inside."""
        return os.fsencode(dataset.relative_to(self.root) if dataset.is_relative_to(self.root) else dataset).decode(
            "utf-8", "backslashreplace"
        )

    def index(self) -> Index:
        """Open the index of images and splits, making it where there is none."""
        self.prepare()
        return Index(self.state / "index.sqlite")

    def annotations(self) -> Annotations:
        """Open what people have said of images, making it where there is nothing."""
        self.prepare()
        return Annotations(self.state / "annotations.sqlite")

    def moves(self) -> Moves:
        """Open the journal of moved files; only the holder of the lock may."""
        with disk_errors(self.removed):
            self.removed.mkdir(parents=True, exist_ok=True)
        return Moves(self.removed / "journal.sqlite", self.root)

    def prepare(self) -> None:
        """Make the state folder, and find out before any work whether it can be written.

        Raises
        ------
        UnavailableError
            On a read-only folder or a full disk.
        """
        with disk_errors(self.state):
            self.state.mkdir(parents=True, exist_ok=True)
        marker = self.state / ".gitignore"
        if not marker.exists():
            write_whole(marker, "*\n")
        elif not os.access(self.state, os.W_OK):
            raise UnavailableError(
                f"Cannot write {self.state}: the folder is read-only. Choose another with --project."
            )

    @contextlib.contextmanager
    def lock(self, command: str) -> Iterator[None]:
        """Be the only writer of this project; the kernel frees the lock however the process ends.

        Raises
        ------
        UnavailableError
            If another process is writing; names it where that is known.
        """
        from filelock import FileLock, Timeout

        self.prepare()
        owner = self.state / "lock.owner"
        lock = FileLock(self.state / "lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise UnavailableError(
                f"{self.root} is in use by {_owner_in_words(owner)}. "
                "Wait until that is done, or stop it; nothing has been changed here."
            ) from None
        try:
            now = datetime.datetime.now().astimezone().strftime("%H:%M:%S")
            write_whole(owner, json.dumps({"pid": os.getpid(), "command": command, "since": now}))
            self._sweep()
            yield
        finally:
            owner.unlink(missing_ok=True)
            lock.release()

    def _sweep(self) -> None:
        """Remove what killed processes left half-written; only the holder of the lock may."""
        leftovers = [*self.root.glob(TEMPORARY_NAME)]  # beside files of the user's: by our own name only
        for folder in (self.state, self.heads, self.backbones):
            leftovers += folder.glob(f".*{TEMPORARY_SUFFIX}")
        for leftover in leftovers:
            if leftover.is_file():
                leftover.unlink(missing_ok=True)


def _owner_in_words(file: Path) -> str:
    try:
        owner = json.loads(file.read_text())
        if _is_alive(owner["pid"]):  # a killed process leaves its name to whoever holds the lock after it
            return f"process {owner['pid']} (gingham {owner['command']}, since {owner['since']})"
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        pass
    return "another process"


def _is_alive(pid: int) -> bool:
    if os.name == "nt":  # there signal 0 is no question but an interrupt
        return True
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except ProcessLookupError:
        return False
    return pid > 0
