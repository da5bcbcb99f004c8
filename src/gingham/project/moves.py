"""Files that are moved on a user's word, with a journal by which each can be put back."""

from __future__ import annotations

import datetime
import errno
import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gingham.project.database import Database
from gingham.project.files import TEMPORARY_NAME, disk_errors, sync_folder

__all__ = ["Move", "Moves", "Undone"]

PLANNED, DONE, RETURNING, UNDONE = "planned", "done", "returning", "undone"


@dataclass(frozen=True, slots=True)
class Move:
    """A file that goes from one place to another.

    Parameters
    ----------
    source, target : Path
    """

    source: Path
    target: Path


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of an undoing.

    Parameters
    ----------
    back : tuple of Path
        Files that are where they came from.
    kept : tuple of (Path, str)
        Files that could not be put back, with the reason.
    """

    back: tuple[Path, ...]
    kept: tuple[tuple[Path, str], ...]


class Moves(Database):
    """The journal of moved files: each move is written down before it is done.

    Nothing is ever overwritten, neither by a move nor by its undoing. Only the holder of the project's lock may use it.

    Parameters
    ----------
    file : Path
    root : Path
        The project: places inside it are noted relative to it, so that it may itself be moved.
    """

    SCHEMA = """
        CREATE TABLE IF NOT EXISTS moves (
            number INTEGER PRIMARY KEY AUTOINCREMENT, command TEXT NOT NULL, time TEXT NOT NULL,
            source BLOB NOT NULL, target BLOB NOT NULL, state TEXT NOT NULL
        ) STRICT;
        CREATE INDEX IF NOT EXISTS states ON moves (state, command)
    """
    SYNCHRONOUS = "FULL"

    def __init__(self, file: Path, root: Path) -> None:
        self._root = root
        super().__init__(file)
        self._find_out()

    def _rescue(self, damaged: sqlite3.Connection) -> Any:
        return self._rows_up_to_the_damage(damaged, "SELECT * FROM moves NOT INDEXED ORDER BY number")

    def _restore(self, rescued: Any, aside: Path) -> str:
        if rescued:
            self._transaction(lambda c: c.executemany("INSERT INTO moves VALUES (?, ?, ?, ?, ?, ?)", rescued))
        return (
            f"The journal of moved files was damaged; it is put aside as {aside}. {len(rescued or ()):,} moves could "
            f"be read of it and can be undone. The files themselves lie below {self.file.parent}."
        )

    def _what_moving_it_away_means(self) -> str:
        return "It says where moved files came from: keep a copy before you change anything."

    def move(
        self, command: str, moves: Sequence[Move], progress: Callable[[int, int], None] | None = None
    ) -> list[tuple[Move, str]]:
        """Move files, and return those that could not be moved, with the reason.

        Parameters
        ----------
        command : str
            Under which they can be undone.
        moves : sequence of Move
        progress : callable of (done, total), optional

        Raises
        ------
        UnavailableError
            On a full or read-only disk; what was moved before stays moved, and in the journal.
        """
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        rows = [(command, now, self._noted(move.source), self._noted(move.target), PLANNED) for move in moves]
        plan = "INSERT INTO moves (command, time, source, target, state) VALUES (?, ?, ?, ?, ?)"
        self._write(lambda connection: connection.executemany(plan, rows))
        failed: list[tuple[Move, str]] = []
        try:
            for done, each in enumerate(moves, start=1):
                if problem := _carry(each.source, each.target):
                    failed.append((each, problem))
                if progress:
                    progress(done, len(moves))
        finally:
            self._find_out()
        return failed

    def undo(self, command: str, progress: Callable[[int, int], None] | None = None) -> Undone:
        """Put every file back that was moved under a command and not put back yet, the latest first."""
        rows = self._read(
            "SELECT number, source, target FROM moves WHERE state = ? AND command = ? ORDER BY number DESC",
            (DONE, command),
        )
        self._note((RETURNING, number) for number, _, _ in rows)
        back: list[Path] = []
        kept: list[tuple[Path, str]] = []
        try:
            for done, (_, source, target) in enumerate(rows, start=1):
                home, place = self._place(source), self._place(target)
                if problem := _carry(place, home):
                    kept.append((home, problem))
                else:
                    back.append(home)
                if progress:
                    progress(done, len(rows))
        finally:
            self._find_out()
        _remove_empty({self._place(target).parent for _, _, target in rows}, stop={self.file.parent, self._root})
        return Undone(tuple(back), tuple(kept))

    def count(self, command: str) -> int:
        """Return how many files are moved under a command and not put back."""
        return int(self._read("SELECT count(*) FROM moves WHERE state = ? AND command = ?", (DONE, command))[0][0])

    def _find_out(self) -> None:
        """Settle by where the files lie what was planned, by this process or by one that was killed."""
        settled = []
        for number, source, target, state in self._read(
            "SELECT number, source, target, state FROM moves WHERE state IN (?, ?)", (PLANNED, RETURNING)
        ):
            away = _is_there(self._place(target)) and (state == RETURNING or not _is_there(self._place(source)))
            settled.append((DONE if away else UNDONE, number))
        self._note(settled)

    def _note(self, states: Iterable[tuple[str, int]]) -> None:
        if rows := list(states):
            self._write(lambda connection: connection.executemany("UPDATE moves SET state = ? WHERE number = ?", rows))

    def _noted(self, path: Path) -> bytes:
        return os.fsencode(path.relative_to(self._root) if path.is_relative_to(self._root) else path)

    def _place(self, noted: bytes) -> Path:
        return self._root / os.fsdecode(noted)


def _carry(source: Path, target: Path) -> str:
    """Move one file, whatever disks the places are on, and return why that cannot be; an empty string if it is done.

    Raises
    ------
    UnavailableError
        On a full or read-only disk.
    """
    if not _is_there(source):
        return "it is not there any more"
    if _is_there(target):
        return f"there is another file at {target}"
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            source.rename(target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _copy_over(source, target)
    return ""


def _copy_over(source: Path, target: Path) -> None:
    """Carry a file to another disk: it is whole there before it goes here."""
    temporary = target.with_name(TEMPORARY_NAME.replace("?" * 8, secrets.token_hex(4)))
    try:
        shutil.copy2(source, temporary, follow_symlinks=False)
        if not temporary.is_symlink():
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
        temporary.rename(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)
    source.unlink()


def _is_there(path: Path) -> bool:
    return os.path.lexists(path)


def _remove_empty(folders: set[Path], stop: set[Path]) -> None:
    """Remove folders that hold nothing, and those above them that then hold nothing, up to some that stay."""
    for folder in folders:
        while folder not in stop:
            try:
                folder.rmdir()
            except OSError:
                break
            folder = folder.parent
