"""What people have said of images: events that are only ever added, and what they come to."""

from __future__ import annotations

import datetime
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from gingham.project.database import Database
from gingham.records import Annotation

__all__ = ["Annotations", "Event", "Kind", "Said"]

AT_ONCE = 30_000
"""Fewer than the 32,766 values that a statement of SQLite takes."""


class Kind(StrEnum):
    """What an event says of an image."""

    LABEL = "label"
    EXCLUDED = "excluded"
    AMBIGUOUS = "ambiguous"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that is said of one image.

    Parameters
    ----------
    content : str
        The image, as :func:`gingham.records.content_hash` says.
    path : str
        Where it lay at that time, for people to read.
    kind : Kind
    value : str
        A class or a note; ``yes`` of the others. Empty takes back what was said before.
    """

    content: str
    path: str
    kind: Kind
    value: str


@dataclass(frozen=True, slots=True)
class Event:
    """What was said, when, and whether it was taken back.

    Parameters
    ----------
    number : int
        Rises by one with each event.
    batch : int
        Number of the first event of the same command: they are undone together.
    time : str
        ISO 8601, UTC.
    said : Said
    undone : bool
    """

    number: int
    batch: int
    time: str
    said: Said
    undone: bool


class Annotations(Database):
    """The annotation events of a project: durable when a method returns, also if the machine loses power.

    They belong to the content of an image: its file may be moved or renamed, in any dataset of the project.
    """

    SCHEMA = """
        CREATE TABLE IF NOT EXISTS events (
            number INTEGER PRIMARY KEY AUTOINCREMENT, batch INTEGER NOT NULL, time TEXT NOT NULL,
            content TEXT NOT NULL, path BLOB NOT NULL, kind TEXT NOT NULL, value BLOB NOT NULL,
            undone TEXT
        ) STRICT;
        CREATE INDEX IF NOT EXISTS in_force ON events (content, kind, number) WHERE undone IS NULL;
        CREATE INDEX IF NOT EXISTS labels ON events (value) WHERE kind = 'label' AND undone IS NULL;
        CREATE INDEX IF NOT EXISTS batches ON events (batch) WHERE undone IS NULL
    """
    SYNCHRONOUS = "FULL"

    def _rescue(self, damaged: sqlite3.Connection) -> Any:
        return self._rows_up_to_the_damage(damaged, "SELECT * FROM events NOT INDEXED ORDER BY number")

    def _restore(self, rescued: Any, aside: Path) -> str:
        if rescued:
            self._transaction(lambda c: c.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rescued))
        return (
            f"The file of annotations was damaged; it is put aside as {aside}. {len(rescued or ()):,} annotations "
            "could be read of it and are kept. Look at the latest with `gingham label history`; if some are missing, "
            "import a copy that you exported: `gingham label import FILE`."
        )

    def _what_moving_it_away_means(self) -> str:
        return "It holds the annotations: keep a copy before you change anything."

    def add(self, said: Iterable[Said]) -> int:
        """Remember what is said, and return how much of it was new; what is said already makes no event."""
        wanted = list({(each.content, each.kind): each for each in said}.values())
        time = _now()

        def write(connection: sqlite3.Connection) -> int:
            known = _in_force(connection, [each.content for each in wanted])
            new = [each for each in wanted if known.get((each.content, each.kind), "") != each.value]
            batch = connection.execute("SELECT coalesce(max(number), 0) + 1 FROM events").fetchone()[0]
            connection.executemany(
                "INSERT INTO events (batch, time, content, path, kind, value) VALUES (?, ?, ?, ?, ?, ?)",
                [(batch, time, e.content, os.fsencode(e.path), e.kind.value, os.fsencode(e.value)) for e in new],
            )
            return len(new)

        return self._write(write)

    def undo(self) -> list[Event]:
        """Take back what the latest command said, and return those events; none if nothing is left to undo."""

        def write(connection: sqlite3.Connection) -> list[Event]:
            batch = connection.execute("SELECT max(batch) FROM events WHERE undone IS NULL").fetchone()[0]
            rows = connection.execute(
                "SELECT * FROM events WHERE batch = ? AND undone IS NULL ORDER BY number", (batch,)
            ).fetchall()
            connection.execute("UPDATE events SET undone = ? WHERE batch = ? AND undone IS NULL", (_now(), batch))
            return [_event(row) for row in rows]

        return self._write(write)

    def in_force(self, contents: Collection[str] | None = None) -> dict[str, Annotation]:
        """Return what holds of each image of which anything holds; of some, or of all.

        Parameters
        ----------
        contents : collection of str, optional
        """
        rows = self._retried(lambda: _in_force(self._connection, contents))
        said: dict[str, dict[str, str]] = {}
        for (content, kind), value in rows.items():
            if value:
                said.setdefault(content, {})[kind] = value
        return {content: _annotation(each) for content, each in said.items()}

    def events(self, newest: int, content: str | None = None) -> list[Event]:
        """Return the newest events, those that were undone included, the newest first; of one image, or of all."""
        rows = self._read(
            "SELECT * FROM events WHERE ?1 IS NULL OR content = ?1 ORDER BY number DESC LIMIT ?2", (content, newest)
        )
        return [_event(row) for row in rows]

    def count(self, content: str | None = None) -> int:
        """Return the number of events, those that were undone included; of one image, or of all."""
        return int(self._read("SELECT count(*) FROM events WHERE ?1 IS NULL OR content = ?1", (content,))[0][0])

    def labels(self) -> set[str]:
        """Return the classes that images were given."""
        rows = self._read(
            "WITH RECURSIVE labels(value) AS ("
            " SELECT min(value) FROM events WHERE kind = 'label' AND undone IS NULL AND value > x'' UNION ALL"
            " SELECT (SELECT min(value) FROM events WHERE kind = 'label' AND undone IS NULL AND value > labels.value)"
            " FROM labels WHERE value IS NOT NULL)"
            " SELECT value FROM labels WHERE value IS NOT NULL"  # a search for each, not a walk through all events
        )
        return {os.fsdecode(value) for (value,) in rows}

    def exported(self) -> Iterator[tuple[str, str, Annotation]]:
        """Yield content, latest path and annotation of each image of which anything holds, by content."""
        cursor = self._connection.execute(
            "SELECT content, kind, value, path, max(number) FROM events WHERE undone IS NULL GROUP BY content, kind"
        )
        content, path, newest, said = "", b"", 0, dict[str, str]()
        for each, kind, value, where, number in cursor:
            if each != content:
                if any(said.values()):
                    yield content, os.fsdecode(path), _annotation(said)
                content, newest, said = each, 0, {}
            said[kind] = os.fsdecode(value)
            if number > newest:
                path, newest = where, number
        if any(said.values()):
            yield content, os.fsdecode(path), _annotation(said)


def _in_force(connection: sqlite3.Connection, contents: Collection[str] | None) -> dict[tuple[str, str], str]:
    """Return the latest value of each kind of each image, an empty one where it was taken back."""
    query = "SELECT content, kind, value, max(number) FROM events WHERE undone IS NULL {} GROUP BY content, kind"
    if contents is None:
        cursors: Iterable[sqlite3.Cursor] = [connection.execute(query.format(""))]
    else:
        wanted = list(dict.fromkeys(contents))
        parts = [wanted[start : start + AT_ONCE] for start in range(0, len(wanted), AT_ONCE)]
        cursors = (
            connection.execute(query.format(f"AND content IN ({', '.join('?' * len(part))})"), part) for part in parts
        )
    return {(content, kind): os.fsdecode(value) for cursor in cursors for content, kind, value, _ in cursor}


def _annotation(said: dict[str, str]) -> Annotation:
    return Annotation(
        label=said.get(Kind.LABEL) or None,
        excluded=bool(said.get(Kind.EXCLUDED)),
        ambiguous=bool(said.get(Kind.AMBIGUOUS)),
        note=said.get(Kind.NOTE, ""),
    )


def _event(row: Sequence[Any]) -> Event:
    number, batch, time, content, path, kind, value, undone = row
    said = Said(content, os.fsdecode(path), Kind(kind), os.fsdecode(value))
    return Event(number, batch, time, said, undone is not None)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
