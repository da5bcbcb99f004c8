"""A SQLite file that is made anew when it turns out to be damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from gingham.errors import UnavailableError
from gingham.project.files import disk_errors

__all__ = ["Database"]

Result = TypeVar("Result")

_ROWS_AT_ONCE = 1000
_CACHE_KIB = 64 * 1024


class Database:
    """SQLite in WAL mode; every write is one transaction. For one thread at a time, whichever that is.

    A file that turns out to be damaged, whenever that is, is put aside as ``<file>.damaged``, in place of an older
    one, and made anew.

    Parameters
    ----------
    file : Path
    schema : str
        Statements that make an empty one.
    version : int
        Of the schema.

    Attributes
    ----------
    warning : str or None
        What the user must know once a file was put aside.

    Raises
    ------
    UnavailableError
        If the file was written by a newer Gingham, or cannot be read or written.
    """

    def __init__(self, file: Path, schema: str, version: int) -> None:
        self.file = file
        self.warning: str | None = None
        self._schema = schema
        self._version = version
        self._connection = self._connect()
        self._retried(self._set_up)

    def close(self) -> None:
        """Close it."""
        self._connection.close()

    def read(self, query: str, *values: object) -> list[Any]:
        """Return the rows of a query."""
        return self._retried(lambda: self._connection.execute(query, values).fetchall())

    def each(self, query: str, *values: object) -> Iterator[Any]:
        """Yield the rows of a query, holding few of them at a time."""
        cursor = self._retried(lambda: self._connection.execute(query, values))
        while rows := self._retried(lambda: cursor.fetchmany(_ROWS_AT_ONCE)):
            yield from rows

    def write(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Do something in one transaction; once more, from its beginning, if the file has to be made anew."""
        return self._retried(lambda: self._transaction(work))

    def _connect(self) -> sqlite3.Connection:
        try:
            return sqlite3.connect(self.file, timeout=30, isolation_level=None, check_same_thread=False)
        except sqlite3.DatabaseError as error:
            raise self._unavailable(error) from error

    def _set_up(self) -> None:
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version > self._version:
            self._connection.close()
            raise UnavailableError(
                f"{self.file} was written by a newer Gingham. Upgrade with `pip install -U gingham`."
            )
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        if version == 0:
            self._connection.executescript(f"BEGIN; {self._schema} PRAGMA user_version = {self._version}; COMMIT;")

    def _retried(self, work: Callable[[], Result]) -> Result:
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
        self._connection.close()
        aside = self.file.with_name(f"{self.file.name}.damaged")
        with disk_errors(aside):
            for suffix in ("-shm", "-wal", ""):  # the log goes first: left behind, it would be read into the new file
                Path(f"{aside}{suffix}").unlink(missing_ok=True)
                with suppress(FileNotFoundError):
                    Path(f"{self.file}{suffix}").replace(f"{aside}{suffix}")
        self._connection = self._connect()
        self._set_up()
        self.warning = (
            f"The ledger of links was damaged; it is put aside as {aside} and made anew. Run the same command again: "
            "what it had fetched is fetched again."
        )

    def _unavailable(self, error: sqlite3.Error) -> UnavailableError:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            return UnavailableError(f"Cannot write {self.file}: the disk is full. Make room and run the command again.")
        return UnavailableError(
            f"Cannot use {self.file}: {error}. It can be moved away: the next command makes it anew, and fetches all "
            "links again."
        )

    def _transaction(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return result


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
