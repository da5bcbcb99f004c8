"""A SQLite file of a project: one transaction a write, put aside and made anew when it turns out to be damaged."""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from gingham.errors import UnavailableError
from gingham.project.files import disk_errors

__all__ = ["Database"]

Result = TypeVar("Result")

BUSY_SECONDS = 30.0
CACHE_KIB = 64 * 1024


class Database(ABC):
    """SQLite in WAL mode; every write is one transaction.

    A file that turns out to be damaged, whenever that is, is put aside as ``<file>.damaged``, in place of an older
    one, and made anew with what `_rescue` can still read of it.

    Parameters
    ----------
    file : Path
        Its folder must be there.

    Attributes
    ----------
    warning : str or None
        What the user must know once a damaged file was put aside.

    Raises
    ------
    UnavailableError
        If the file was written by a newer Gingham, or cannot be read or written.
    """

    SCHEMA: ClassVar[str]
    VERSION: ClassVar[int] = 1
    SYNCHRONOUS: ClassVar[str] = "NORMAL"
    """NORMAL: a write survives the death of the process; FULL: that of the machine too."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.warning: str | None = None
        self._connection = self._connect()
        self._retried(self._set_up)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.close()

    @abstractmethod
    def _rescue(self, damaged: sqlite3.Connection) -> Any:
        """Return what can be read of a damaged file; what this raises counts as nothing."""

    @abstractmethod
    def _restore(self, rescued: Any, aside: Path) -> str:
        """Write into the new file what was rescued, None if nothing was, and return the warning."""

    @abstractmethod
    def _what_moving_it_away_means(self) -> str:
        """Say what the user loses who moves the file away."""

    def _rows_up_to_the_damage(self, damaged: sqlite3.Connection, query: str) -> list[Any]:
        """Return what a query gives before it meets a page that cannot be read."""
        rows: list[Any] = []
        with suppress(sqlite3.DatabaseError):
            rows.extend(damaged.execute(query))
        return rows

    def _connect(self) -> sqlite3.Connection:
        try:
            return sqlite3.connect(self.file, timeout=BUSY_SECONDS, isolation_level=None)
        except sqlite3.DatabaseError as error:
            raise self._unavailable(error) from error

    def _set_up(self) -> None:
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version > self.VERSION:
            self._connection.close()
            raise UnavailableError(
                f"{self.file} was written by a newer Gingham. Upgrade with `pip install -U gingham`."
            )
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute(f"PRAGMA synchronous = {self.SYNCHRONOUS}")
        self._connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        if version < self.VERSION:
            self._transaction(self._create)

    def _create(self, connection: sqlite3.Connection) -> None:
        """Make the tables, unless another process has made them since this one looked."""
        if connection.execute("PRAGMA user_version").fetchone()[0] < self.VERSION:
            for statement in self.SCHEMA.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {self.VERSION}")

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
            rescued = self._rescue(self._connection)
        except sqlite3.DatabaseError:
            rescued = None
        self._connection.close()
        aside = self.file.with_name(f"{self.file.name}.damaged")
        with disk_errors(aside):
            for suffix in ("-shm", "-wal", ""):  # the log goes first: left behind, it would be read into the new file
                Path(f"{aside}{suffix}").unlink(missing_ok=True)
                with suppress(FileNotFoundError):
                    Path(f"{self.file}{suffix}").replace(f"{aside}{suffix}")
        self._connection = self._connect()
        self._set_up()
        self.warning = self._restore(rescued, aside)

    def _unavailable(self, error: sqlite3.Error) -> UnavailableError:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            return UnavailableError(f"Cannot write {self.file}: the disk is full. Make room and run the command again.")
        return UnavailableError(f"Cannot use {self.file}: {error}. {self._what_moving_it_away_means()}")

    def _read(self, query: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        return self._retried(lambda: self._connection.execute(query, tuple(values)).fetchall())

    def _write(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        return self._retried(lambda: self._transaction(work))

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
