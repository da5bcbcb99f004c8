"""An index over the folders of runs: listing a thousand runs opens one file, not a thousand."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import stat
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gingham.records import display_path
from gingham.tracking.record import RunRecord

__all__ = ["RECORD_NAME", "BrokenRunError", "RunIndex", "RunSummary", "read_record"]

RECORD_NAME = "run.json"
MAX_RECORD_BYTES = 256 * 2**20  # a record of a thousand classes has 10 MB
BUSY_SECONDS = 5.0
APPLICATION_ID = 0x67686D72  # "ghmr": tells the index from any other SQLite file
TABLE = """
CREATE TABLE runs (
    run_id TEXT PRIMARY KEY, stamp TEXT NOT NULL, created INTEGER NOT NULL, status TEXT NOT NULL,
    parameters TEXT, data TEXT, summary TEXT NOT NULL
) STRICT, WITHOUT ROWID
"""


class BrokenRunError(Exception):
    """A folder does not hold the record of a run; the message is a sentence that says why."""


class _ForeignIndexError(Exception):
    """The index file holds something else, which is not ours to delete."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One line of the run history.

    Parameters
    ----------
    run_id : str
    created : str
        ISO 8601, UTC.
    status : {"finished", "failed"}
    classifier, backbone : str
    resolution : int
        In pixels.
    dataset : str
        Its name.
    images : int
    test_fingerprint : str
        Only runs with equal ones may be compared.
    accuracy : float or None
        On the test set, in [0, 1]; None where the run failed.
    accuracy_ci : tuple of (float, float) or None
    seconds : float or None
        The whole run, wall clock.
    warnings : int
        How many the run gave.
    """

    run_id: str
    created: str
    status: str
    classifier: str
    backbone: str
    resolution: int
    dataset: str
    images: int
    test_fingerprint: str
    accuracy: float | None
    accuracy_ci: tuple[float, float] | None
    seconds: float | None
    warnings: int


def read_record(folder: Path) -> RunRecord:
    """Read the record of the run in a folder.

    Raises
    ------
    BrokenRunError
        If it is missing, cannot be read, or is another run's.
    """
    file = folder / RECORD_NAME
    shown = display_path(str(folder))
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_RECORD_BYTES:
            raise BrokenRunError(f"{shown} is passed over: its {RECORD_NAME} is not a file that a run wrote.")
        record = RunRecord.from_json(file.read_bytes())
    except FileNotFoundError:
        why = f"it holds no {RECORD_NAME}, so it is no run" if folder.is_dir() else "it was removed a moment ago"
        raise BrokenRunError(f"{shown} is passed over: {why}.") from None
    except OSError as error:
        raise BrokenRunError(f"{shown} is passed over: its {RECORD_NAME} cannot be read ({error.strerror}).") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        reason = f"{place}: {first['msg']}" if place else first["msg"]
        raise BrokenRunError(f"{shown} is passed over: its {RECORD_NAME} is damaged ({reason}).") from error
    if record.run_id != folder.name:
        raise BrokenRunError(
            f"{shown} is passed over: its {RECORD_NAME} is that of {record.run_id}. Give the folder that name."
        )
    return record


class RunIndex:
    """Answers from SQLite (WAL), after comparing it with the folders at every question.

    A damaged index is made anew. One that cannot be used (read-only, full disk, locked for long, not ours) is done
    without: the answer then comes from an index in memory.

    Parameters
    ----------
    file : Path
        The index's own file.
    runs_dir : Path
    """

    def __init__(self, file: Path, runs_dir: Path) -> None:
        self.file = file
        self.runs_dir = runs_dir

    def refresh(self) -> None:
        """Bring the index up to date with the folders."""
        self._ask("SELECT 1", ())

    def summaries(self) -> tuple[tuple[RunSummary, ...], tuple[str, ...]]:
        """Return all runs, newest first, and a warning for each folder that is none."""
        rows, warnings = self._ask("SELECT summary FROM runs ORDER BY created DESC, run_id DESC", ())
        return tuple(_summary_from_json(text) for (text,) in rows), warnings

    def finished(self, parameters_fingerprint: str, data_fingerprint: str) -> tuple[str, ...]:
        """Return the names of the finished runs with these fingerprints, newest first."""
        rows, _ = self._ask(
            "SELECT run_id FROM runs WHERE status = 'finished' AND parameters = ? AND data = ?"
            " ORDER BY created DESC, run_id DESC",
            (parameters_fingerprint, data_fingerprint),
        )
        return tuple(run_id for (run_id,) in rows)

    def _ask(self, question: str, values: tuple[str, ...]) -> tuple[list[tuple[Any, ...]], tuple[str, ...]]:
        if not self.runs_dir.is_dir():
            return [], ()
        for last_try in (False, True):
            try:
                return self._ask_of(str(self.file), question, values)
            except (sqlite3.OperationalError, OSError, _ForeignIndexError):
                break
            except sqlite3.DatabaseError:  # damaged
                if not last_try:
                    for suffix in ("", "-wal", "-shm"):
                        Path(f"{self.file}{suffix}").unlink(missing_ok=True)
        return self._ask_of(":memory:", question, values)

    def _ask_of(
        self, database: str, question: str, values: tuple[str, ...]
    ) -> tuple[list[tuple[Any, ...]], tuple[str, ...]]:
        if database != ":memory:":
            self.file.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(database, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
            _prepare(connection)
            warnings = self._reconcile(connection)
            return connection.execute(question, values).fetchall(), warnings

    def _reconcile(self, connection: sqlite3.Connection) -> tuple[str, ...]:
        known = dict(connection.execute("SELECT run_id, stamp FROM runs"))
        present = dict(self._stamps())
        rows, warnings = [], []
        for name, stamp in sorted(present.items()):
            if known.get(name) == stamp:
                continue
            try:
                rows.append(_row(read_record(self.runs_dir / name), stamp))
            except BrokenRunError as error:
                warnings.append(str(error))
        current = {row[0] for row in rows}
        outdated = [name for name, stamp in known.items() if present.get(name) != stamp and name not in current]
        if rows or outdated:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("DELETE FROM runs WHERE run_id = ?", [(name,) for name in outdated])
            connection.executemany("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            connection.execute("COMMIT")
        return tuple(warnings)

    def _stamps(self) -> Iterator[tuple[str, str]]:
        """Yield every folder and what tells one state of its record from another."""
        with os.scandir(self.runs_dir) as entries:
            for entry in entries:
                try:
                    if entry.name.startswith(".") or not entry.is_dir():
                        continue
                    status = os.stat(f"{entry.path}/{RECORD_NAME}")  # noqa: PTH116  a Path costs more than the call
                except OSError:
                    yield entry.name, ""
                else:
                    yield entry.name, f"{status.st_mtime_ns} {status.st_size} {status.st_ino}"


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the table where there is none; refuse what is not ours or of another version."""

    def number(question: str) -> int:
        return int(connection.execute(question).fetchone()[0])

    if not number("SELECT count(*) FROM sqlite_master"):
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        if not number("SELECT count(*) FROM sqlite_master"):  # still none, now that we alone may write
            connection.execute(TABLE)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {_version()}")
        connection.execute("COMMIT")
    if number("PRAGMA application_id") != APPLICATION_ID:
        raise _ForeignIndexError
    if number("PRAGMA user_version") != _version():
        raise sqlite3.DatabaseError("an index of another version")
    if connection.execute("PRAGMA quick_check").fetchone() != ("ok",):
        raise sqlite3.DatabaseError("damaged")
    connection.execute("PRAGMA synchronous = NORMAL")


def _version() -> int:
    """Return a number that changes with the table or with what a summary holds."""
    shape = TABLE + ",".join(field.name for field in fields(RunSummary))
    return zlib.crc32(shape.encode()) & 0x7FFFFFFF


def _row(record: RunRecord, stamp: str) -> tuple[Any, ...]:
    accuracy = record.metrics.get("accuracy")
    summary = RunSummary(
        run_id=record.run_id,
        created=record.created.isoformat().replace("+00:00", "Z"),
        status=record.status,
        classifier=record.classifier,
        backbone=record.backbone,
        resolution=record.resolution,
        dataset=record.dataset.name,
        images=record.dataset.images,
        test_fingerprint=record.dataset.test_fingerprint,
        accuracy=accuracy if _is_number(accuracy) else None,
        accuracy_ci=_interval(record.metrics.get("accuracy_ci")),
        seconds=record.seconds.get("total"),
        warnings=len(record.warnings),
    )
    return (
        record.run_id,
        stamp,
        round(record.created.timestamp() * 1e6),
        record.status,
        record.fingerprints.get("parameters"),
        record.fingerprints.get("data"),
        json.dumps(asdict(summary)),
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _interval(value: object) -> tuple[float, float] | None:
    match value:
        case [int() | float() as low, int() | float() as high]:
            return low, high
    return None


def _summary_from_json(text: str) -> RunSummary:
    summary = RunSummary(**json.loads(text))
    return replace(summary, accuracy_ci=_interval(summary.accuracy_ci))
