"""The index: what is known of every file and image, and which side of the split each image is on."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gingham.errors import UnavailableError
from gingham.project.files import disk_errors
from gingham.records import ImageFile, Skipped, SkipReason

__all__ = ["Index", "KnownFile"]

Result = TypeVar("Result")

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE files (
    dataset TEXT NOT NULL, path BLOB NOT NULL, stamp TEXT NOT NULL, content TEXT, notes TEXT,
    reason TEXT, detail TEXT, PRIMARY KEY (dataset, path)
) STRICT, WITHOUT ROWID;
CREATE TABLE images (
    content TEXT PRIMARY KEY, width INTEGER NOT NULL, height INTEGER NOT NULL, format TEXT NOT NULL,
    dhash BLOB
) STRICT, WITHOUT ROWID;
CREATE TABLE splits (
    split TEXT NOT NULL, content TEXT NOT NULL, side TEXT NOT NULL CHECK (side IN ('train', 'test')),
    PRIMARY KEY (split, content)
) STRICT, WITHOUT ROWID;
"""
ADD_SIDE = "INSERT OR REPLACE INTO splits VALUES (?, ?, ?)"


@dataclass(frozen=True, slots=True)
class KnownFile:
    """What the index remembers of one file.

    Parameters
    ----------
    stamp : str
        Size and times of the file when it was read; another stamp means that it must be read again.
    outcome : ImageFile or Skipped
    """

    stamp: str
    outcome: ImageFile | Skipped


class Index:
    """SQLite in WAL mode; every write is one transaction.

    An index that turns out to be damaged, whenever that is, is put aside as ``<file>.damaged``, in place of an older
    one, and made anew. What it knew of the files is then found out again; of the splits, what can be read is kept.

    Parameters
    ----------
    file : Path

    Attributes
    ----------
    warning : str or None
        What the user must know once an index was put aside: where it lies, and whether the split was lost with it.

    Raises
    ------
    UnavailableError
        If the file was written by a newer Gingham, or cannot be read or written.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.warning: str | None = None
        self._connection = self._connect()
        self._retried(self._set_up)

    def _connect(self) -> sqlite3.Connection:
        try:
            return sqlite3.connect(self.file, timeout=30, isolation_level=None)
        except sqlite3.DatabaseError as error:
            raise self._unavailable(error) from error

    def _set_up(self) -> None:
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            self._connection.close()
            raise UnavailableError(
                f"{self.file} was written by a newer Gingham. Upgrade with `pip install -U gingham`."
            )
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        if version == 0:
            self._connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.close()

    def _retried(self, work: Callable[[], Result]) -> Result:
        """Do something with the database; if that finds it damaged, once more with a new one."""
        try:
            return work()
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise self._unavailable(error) from error
        try:
            self._put_aside()
            return work()
        except sqlite3.DatabaseError as error:
            raise self._unavailable(error) from error

    def _put_aside(self) -> None:
        try:
            splits = self._connection.execute("SELECT split, content, side FROM splits").fetchall()
        except sqlite3.DatabaseError:
            splits = None
        self._connection.close()
        aside = self.file.with_name(f"{self.file.name}.damaged")
        with disk_errors(aside):
            for suffix in ("-shm", "-wal", ""):  # the log goes first: left behind, it would be read into the new file
                Path(f"{aside}{suffix}").unlink(missing_ok=True)
                with suppress(FileNotFoundError):
                    Path(f"{self.file}{suffix}").replace(f"{aside}{suffix}")
        self._connection = self._connect()
        self._set_up()
        if splits:
            self._transaction(lambda connection: connection.executemany(ADD_SIDE, splits))
        fate = (
            "The split in it was lost and is drawn anew: where images were added since it was first drawn, "
            "others may now be tested on."
            if splits is None
            else "The split in it was kept."
        )
        self.warning = f"The index of the images was damaged; it is put aside as {aside} and made anew. {fate}"

    def _unavailable(self, error: sqlite3.Error) -> UnavailableError:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            return UnavailableError(f"Cannot write {self.file}: the disk is full. Make room and run the command again.")
        return UnavailableError(
            f"Cannot use {self.file}: {error}. It can be moved away: the next command makes it, and the split, anew."
        )

    def _read(self, query: str, value: str) -> list[tuple[Any, ...]]:
        return self._retried(lambda: self._connection.execute(query, (value,)).fetchall())

    def _write(self, work: Callable[[sqlite3.Connection], object]) -> None:
        self._retried(lambda: self._transaction(work))

    def _transaction(self, work: Callable[[sqlite3.Connection], object]) -> None:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            work(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def known_files(self, dataset: str) -> dict[str, KnownFile]:
        """Return what is known of a dataset's files, by path."""
        rows = self._read(
            "SELECT path, stamp, content, notes, reason, detail, width, height, format, dhash"
            " FROM files LEFT JOIN images USING (content) WHERE dataset = ?",
            dataset,
        )
        known = {}
        for path_bytes, stamp, content, notes, reason, detail, width, height, kind, dhash in rows:
            path = os.fsdecode(path_bytes)
            outcome: ImageFile | Skipped
            if reason is not None:
                outcome = Skipped(path, SkipReason(reason), detail)
            elif width is not None:
                label = path.partition("/")[0]
                outcome = ImageFile(path, label, content, width, height, kind, dhash, tuple(json.loads(notes)))
            else:
                continue
            known[path] = KnownFile(stamp, outcome)
        return known

    def update_files(self, dataset: str, changed: Mapping[str, KnownFile], gone: Iterable[str] = ()) -> None:
        """Remember what was found out about files, and forget those that are gone."""

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "DELETE FROM files WHERE dataset = ? AND path = ?", [(dataset, os.fsencode(path)) for path in gone]
            )
            for path, known in changed.items():
                outcome = known.outcome
                content = notes = reason = detail = None
                if isinstance(outcome, ImageFile):
                    content, notes = outcome.content, json.dumps(outcome.notes)
                    connection.execute(
                        "INSERT OR REPLACE INTO images VALUES (?, ?, ?, ?, ?)",
                        (content, outcome.width, outcome.height, outcome.format, outcome.dhash),
                    )
                else:
                    reason, detail = outcome.reason.value, outcome.detail
                connection.execute(
                    "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (dataset, os.fsencode(path), known.stamp, content, notes, reason, detail),
                )

        self._write(write)

    def split(self, key: str) -> dict[str, str]:
        """Return the side, ``train`` or ``test``, of every image that a split has assigned, by content."""
        return dict(self._read("SELECT content, side FROM splits WHERE split = ?", key))

    def extend_split(self, key: str, sides: Mapping[str, str]) -> None:
        """Remember the sides of images that a split assigned; images that it does not name keep theirs."""
        rows = [(key, content, side) for content, side in sides.items()]
        self._write(lambda connection: connection.executemany(ADD_SIDE, rows))


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
