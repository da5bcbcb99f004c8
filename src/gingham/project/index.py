"""The index: what is known of every file and image, and which side of the split each image is on."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gingham.project.database import Database
from gingham.records import ImageFile, Skipped, SkipReason

__all__ = ["Index", "KnownFile"]

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


class Index(Database):
    """What is known of every file and image, and the sides that splits have assigned.

    What a damaged one knew of the files is found out again; of the splits, what can be read is kept.
    """

    SCHEMA = """
        CREATE TABLE IF NOT EXISTS files (
            dataset TEXT NOT NULL, path BLOB NOT NULL, stamp TEXT NOT NULL, content TEXT, notes TEXT,
            reason TEXT, detail TEXT, PRIMARY KEY (dataset, path)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX IF NOT EXISTS files_by_content ON files (content) WHERE content IS NOT NULL;
        CREATE TABLE IF NOT EXISTS images (
            content TEXT PRIMARY KEY, width INTEGER NOT NULL, height INTEGER NOT NULL, format TEXT NOT NULL,
            dhash BLOB
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS splits (
            split TEXT NOT NULL, content TEXT NOT NULL, side TEXT NOT NULL CHECK (side IN ('train', 'test')),
            PRIMARY KEY (split, content)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS measures (content TEXT PRIMARY KEY, rules TEXT NOT NULL, numbers BLOB NOT NULL)
            STRICT, WITHOUT ROWID
    """
    VERSION = 2

    def _rescue(self, damaged: sqlite3.Connection) -> Any:
        return damaged.execute("SELECT split, content, side FROM splits").fetchall()

    def _restore(self, rescued: Any, aside: Path) -> str:
        if rescued:
            self._transaction(lambda connection: connection.executemany(ADD_SIDE, rescued))
        fate = (
            "The split in it was lost and is drawn anew: where images were added since it was first drawn, "
            "others may now be tested on."
            if rescued is None
            else "The split in it was kept."
        )
        return f"The index of the images was damaged; it is put aside as {aside} and made anew. {fate}"

    def _what_moving_it_away_means(self) -> str:
        return "It can be moved away: the next command makes it, and the split, anew."

    def datasets(self) -> list[str]:
        """Return the names of the datasets of which something is known."""
        rows = self._read(
            "WITH RECURSIVE names(name) AS (SELECT min(dataset) FROM files UNION ALL"
            " SELECT (SELECT min(dataset) FROM files WHERE dataset > name) FROM names WHERE name IS NOT NULL)"
            " SELECT name FROM names WHERE name IS NOT NULL"  # a search for each, not a walk through all files
        )
        return [name for (name,) in rows]

    def known_files(self, dataset: str) -> dict[str, KnownFile]:
        """Return what is known of a dataset's files, by path."""
        rows = self._read(
            "SELECT path, stamp, content, notes, reason, detail, width, height, format, dhash"
            " FROM files LEFT JOIN images USING (content) WHERE dataset = ?",
            (dataset,),
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

    def files_of(self, contents: Collection[str]) -> dict[str, list[tuple[str, str]]]:
        """Return where images lie, by content: dataset and path of every file."""
        rows = self._read(
            "SELECT content, dataset, path FROM files WHERE content IN (SELECT value FROM json_each(?))",
            (json.dumps(list(contents)),),
        )
        found: dict[str, list[tuple[str, str]]] = {}
        for content, dataset, path in rows:
            found.setdefault(content, []).append((dataset, os.fsdecode(path)))
        return found

    def moved(self, dataset: str, stored: Iterable[tuple[str, str]]) -> dict[str, str]:
        """Return where images lie that are no longer where they were stored, by their old paths.

        Parameters
        ----------
        dataset : str
        stored : iterable of (str, str)
            Path and content of images, sorted by the bytes of the paths. Those of which nothing is known are left out.
        """
        if not self._read("SELECT 1 FROM files WHERE dataset = ? LIMIT 1", (dataset,)):
            return {}
        cursor = self._connection.execute(
            "SELECT path, content FROM files WHERE dataset = ? AND content IS NOT NULL ORDER BY path", (dataset,)
        )
        gone: dict[str, list[str]] = {}
        come: dict[str, list[str]] = {}
        for old, new in _merged(stored, ((os.fsdecode(path), content) for path, content in cursor)):
            if old is not None and old != new:
                gone.setdefault(old[1], []).append(old[0])
            if new is not None and old != new:
                come.setdefault(new[1], []).append(new[0])
        pairs = [
            pair for content in gone.keys() & come.keys() for pair in zip(gone[content], come[content], strict=False)
        ]
        return dict(pairs)

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

    def measures(self, rules: str) -> dict[str, bytes]:
        """Return what was measured on images by these rules, by content."""
        return dict(self._read("SELECT content, numbers FROM measures WHERE rules = ?", (rules,)))

    def update_measures(self, rules: str, measured: Mapping[str, bytes]) -> None:
        """Remember what was measured on images."""
        rows = [(content, rules, numbers) for content, numbers in measured.items()]
        self._write(lambda connection: connection.executemany("INSERT OR REPLACE INTO measures VALUES (?, ?, ?)", rows))

    def split(self, key: str) -> dict[str, str]:
        """Return the side, ``train`` or ``test``, of every image that a split has assigned, by content."""
        return dict(self._read("SELECT content, side FROM splits WHERE split = ?", (key,)))

    def extend_split(self, key: str, sides: Mapping[str, str]) -> None:
        """Remember the sides of images that a split assigned; images that it does not name keep theirs."""
        rows = [(key, content, side) for content, side in sides.items()]
        self._write(lambda connection: connection.executemany(ADD_SIDE, rows))


Stored = tuple[str, str]


def _merged(left: Iterable[Stored], right: Iterable[Stored]) -> Iterator[tuple[Stored | None, Stored | None]]:
    """Yield the items of two lists that are sorted by the bytes of their paths, those of one path together."""
    ones, others = iter(left), iter(right)
    one, other = next(ones, None), next(others, None)
    while one is not None or other is not None:
        first = other is None or (one is not None and os.fsencode(one[0]) <= os.fsencode(other[0]))
        second = one is None or (other is not None and os.fsencode(other[0]) <= os.fsencode(one[0]))
        yield (one if first else None), (other if second else None)
        one = next(ones, None) if first else one
        other = next(others, None) if second else other
