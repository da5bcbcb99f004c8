"""From the staging folder to the class folders: by one rename each, and known to the ledger before it happens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gingham.collect.ledger import Done, Ledger
from gingham.collect.records import Outcome
from gingham.project.files import TEMPORARY_NAME, disk_errors, sync_folder

__all__ = ["STAGING", "Placing"]

STAGING = ".gingham-collect"
"""Folder in the dataset, there while files are on the way."""


class Placing:
    """Writes down what became of links, and then gives their files their final names.

    A file on the way is one that the ledger knows as stored and that may still lie in the staging folder. So whatever
    the moment at which a process is killed, the next one finds each stored image in the ledger, and no other file
    under a final name.

    Parameters
    ----------
    ledger : Ledger
    dataset : str
        Its name in the ledger.
    root : Path
        Its folder.

    Raises
    ------
    UnavailableError
        If the disk is full or cannot be written.
    """

    def __init__(self, ledger: Ledger, dataset: str, root: Path) -> None:
        self._ledger = ledger
        self._dataset = dataset
        self._root = root
        self._staging = root / STAGING
        self._placed: list[int] = []
        self._folders: set[Path] = set()
        with disk_errors(self._staging):
            self._staging.mkdir(parents=True, exist_ok=True)
        self._recover()

    def place(self, done: Sequence[Done]) -> list[Outcome]:
        """Write down what became of links, then rename their files.

        Returns
        -------
        list of Outcome
            As written down, in the same order.
        """
        outcomes = self._ledger.record(self._dataset, done, settled=self._placed)
        self._placed = []
        moving = [item for item in done if item.temporary]
        for item in moving:
            self._rename(item.temporary, item.outcome.path)
        self._placed = [item.id for item in moving]
        return outcomes

    def close(self) -> None:
        """Make the renames durable, and remove the staging folder."""
        with disk_errors(self._root):
            for folder in self._folders:
                sync_folder(folder)
            self._ledger.settle(self._placed)
            self._placed = []
            self._sweep()
            self._staging.rmdir()

    def _rename(self, temporary: str, path: str) -> None:
        final = self._root / path
        with disk_errors(final):
            if final.parent not in self._folders:
                final.parent.mkdir(exist_ok=True)
                self._folders.add(final.parent)
            (self._staging / temporary).replace(final)

    def _recover(self) -> None:
        """Finish what a killed process began."""
        links, lost = [], []
        for link, temporary, path in self._ledger.unsettled(self._dataset):
            links.append(link)
            if (self._staging / temporary).exists():
                self._rename(temporary, path)
            elif not (self._root / path).exists():
                lost.append(link)
        self._ledger.settle(links, lost)
        self._sweep()

    def _sweep(self) -> None:
        for leftover in self._staging.glob(TEMPORARY_NAME):
            leftover.unlink(missing_ok=True)
