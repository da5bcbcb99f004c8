"""The index: what is known of every file and image, and which side of the split each image is on."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gingham.errors import UnavailableError
from gingham.records import ImageFile, Skipped, SkipReason

__all__ = ["Index", "KnownFile"]

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

    Parameters
    ----------
    file : Path
        An index that is damaged or of another version is put aside and made anew: it holds only what can be
        found out again.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise self._unavailable(error) from error
            self._connection.close()
            for suffix in ("", "-wal", "-shm"):
                Path(f"{file}{suffix}").unlink(missing_ok=True)
            self._open()

    def _open(self) -> None:
        self._connection = sqlite3.connect(self.file, timeout=30, isolation_level=None)
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
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

    def _unavailable(self, error: sqlite3.Error) -> UnavailableError:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            return UnavailableError(f"Cannot write {self.file}: the disk is full. Make room and run the command again.")
        return UnavailableError(f"Cannot use {self.file}: {error}. It can be deleted: the next command makes it again.")

    def _read(self, query: str, value: str) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(query, (value,)).fetchall()
        except sqlite3.OperationalError as error:
            raise self._unavailable(error) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):
                raise self._unavailable(error) from error
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
        with self._transaction() as connection:
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

    def split(self, key: str) -> dict[str, str]:
        """Return the side, ``train`` or ``test``, of every image that a split has assigned, by content."""
        return dict(self._read("SELECT content, side FROM splits WHERE split = ?", key))

    def extend_split(self, key: str, sides: Mapping[str, str]) -> None:
        """Remember the sides of images that a split assigned; images that it does not name keep theirs."""
        with self._transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO splits VALUES (?, ?, ?)",
                [(key, content, side) for content, side in sides.items()],
            )
