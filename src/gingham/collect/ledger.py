"""The ledger: every link that was ever wanted, and what became of it."""

from __future__ import annotations

import functools
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from gingham.collect.database import Database
from gingham.collect.records import Link, Outcome, Provenance, Status

__all__ = ["Done", "Ledger", "Retry", "Row", "Wanted"]

Retry = Literal["failed", "missing"]

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE links (
    id INTEGER PRIMARY KEY, dataset TEXT NOT NULL, label TEXT NOT NULL, url TEXT NOT NULL, host TEXT NOT NULL,
    status TEXT, detail TEXT, code INTEGER, final_url TEXT, path TEXT, size INTEGER, sha256 TEXT, content TEXT,
    width INTEGER, height INTEGER, seconds REAL, finished TEXT,
    UNIQUE (dataset, label, url)
) STRICT;
CREATE INDEX by_status ON links (dataset, status, host);
CREATE INDEX by_path ON links (dataset, path) WHERE status = 'ok';
CREATE TABLE provenance (
    link INTEGER PRIMARY KEY, provider TEXT NOT NULL, query TEXT NOT NULL, page TEXT NOT NULL, title TEXT NOT NULL,
    creator TEXT NOT NULL, creator_url TEXT NOT NULL, licence TEXT NOT NULL, licence_version TEXT NOT NULL,
    licence_url TEXT NOT NULL, attribution TEXT NOT NULL
) STRICT;
CREATE TABLE unsettled (link INTEGER PRIMARY KEY, temporary TEXT NOT NULL) STRICT;
CREATE TABLE lists (dataset TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (dataset, digest)) STRICT, WITHOUT ROWID;
"""
_INSERT = "INSERT OR IGNORE INTO links (dataset, label, url, host) VALUES (?, ?, ?, ?)"
_INSERT_PROVENANCE = """
INSERT OR IGNORE INTO provenance SELECT id, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?
FROM links WHERE dataset = ? AND label = ? AND url = ?
"""
_UPDATE = """
UPDATE links SET status = ?, detail = ?, code = ?, final_url = ?, path = ?, size = ?, sha256 = ?, content = ?,
width = ?, height = ?, seconds = ?, finished = ? WHERE id = ?
"""
_TWIN = "SELECT 1 FROM links WHERE dataset = ? AND path = ? AND status = 'ok' AND id <> ?"
_ROWS = """
SELECT label, url, status, detail, code, final_url, path, size, sha256, content, width, height, seconds, finished,
provenance.* FROM links LEFT JOIN provenance ON link = id
WHERE dataset = ?1 AND (?2 = '' OR status = ?2) ORDER BY id
"""
_SETTLE = "DELETE FROM unsettled WHERE link = ?"
_SERVER = re.compile(r"https?://([^/?#\\]+)", re.IGNORECASE)
_AT_ONCE = 20_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """A link that is yet to be fetched.

    Parameters
    ----------
    id : int
        In the ledger.
    label, url : str
    """

    id: int
    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Done:
    """A link that was fetched, or could not be.

    Parameters
    ----------
    id : int
        In the ledger.
    outcome : Outcome
    temporary : str
        Name of its file until that gets the name in ``outcome.path``; empty where there is none.
    """

    id: int
    outcome: Outcome
    temporary: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """What the ledger knows of a link.

    Parameters
    ----------
    link : Link
    outcome : Outcome or None
        None while it is yet to be fetched.
    """

    link: Link
    outcome: Outcome | None


class Ledger:
    """SQLite in WAL mode; every write is one transaction.

    A ledger that turns out to be damaged is put aside as ``<file>.damaged``, in place of an older one, and made anew:
    links that are added again are then fetched again.

    Parameters
    ----------
    file : Path

    Raises
    ------
    UnavailableError
        If the file was written by a newer Gingham, or cannot be read or written.
    """

    def __init__(self, file: Path) -> None:
        self._database = Database(file, SCHEMA, SCHEMA_VERSION)

    @property
    def warning(self) -> str | None:
        """What the user must know once a ledger was put aside."""
        return self._database.warning

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *exception: object) -> None:
        self._database.close()

    def add(self, dataset: str, links: Iterable[Link]) -> int:
        """Note links as wanted; those that are known stay as they are, but for a provenance that was not known.

        Parameters
        ----------
        dataset : str
        links : iterable of Link
            Read in batches, each of them one transaction.

        Returns
        -------
        int
            How many were new.
        """
        remaining = iter(links)
        new = 0
        while batch := list(islice(remaining, _AT_ONCE)):
            new += self._database.write(functools.partial(_insert, dataset=dataset, links=batch))
        return new

    def has_list(self, dataset: str, digest: str) -> bool:
        """Tell whether a list, known by a digest of its content, was added to its end before."""
        found = self._database.read("SELECT 1 FROM lists WHERE dataset = ? AND digest = ?", dataset, digest)
        return bool(found)

    def note_list(self, dataset: str, digest: str) -> None:
        """Remember that a list was added to its end."""
        query = "INSERT OR IGNORE INTO lists VALUES (?, ?)"
        self._database.write(lambda connection: connection.execute(query, (dataset, digest)))

    def reopen(self, dataset: str, which: Retry, root: Path) -> int:
        """Want links again that were done with.

        Parameters
        ----------
        dataset : str
        which : {"failed", "missing"}
            Those that gave no image; or those whose image is no longer where it was stored.
        root : Path
            The dataset's folder.

        Returns
        -------
        int
            How many.
        """
        if which == "failed":
            query = "UPDATE links SET status = NULL WHERE dataset = ? AND status NOT IN ('ok', 'duplicate')"
            return self._database.write(lambda connection: connection.execute(query, (dataset,)).rowcount)
        stored = "SELECT id, path FROM links WHERE dataset = ? AND status IN ('ok', 'duplicate')"
        gone = [link for link, path in self._database.each(stored, dataset) if not (root / path).exists()]
        self._database.write(lambda connection: _want_again(connection, gone))
        return len(gone)

    def next_host(self, dataset: str, after: str = "") -> str | None:
        """Return the first server after another one, in the order of names, of which a link is wanted.

        The server's name is ``-`` for addresses that name none.
        """
        found = self._database.read(
            "SELECT host FROM links WHERE dataset = ? AND status IS NULL AND host > ? ORDER BY host LIMIT 1",
            dataset,
            after,
        )
        return found[0][0] if found else None

    def wanted(self, dataset: str, host: str, after: int = 0, limit: int = 1) -> list[Wanted]:
        """Return the next wanted links of a server, by their numbers.

        Parameters
        ----------
        dataset, host : str
        after : int
            Only links with a greater number.
        limit : int
            At most so many.
        """
        query = (
            "SELECT id, label, url FROM links WHERE dataset = ? AND status IS NULL AND host = ? AND id > ?"
            " ORDER BY id LIMIT ?"
        )
        return [Wanted(*row) for row in self._database.read(query, dataset, host, after, limit)]

    def record(self, dataset: str, done: Sequence[Done], settled: Iterable[int] = ()) -> list[Outcome]:
        """Write down what became of links, in one transaction; their files are on the way from then on.

        An image that is stored for another link of the same label already becomes a ``duplicate``.

        Parameters
        ----------
        dataset : str
        done : sequence of Done
        settled : iterable of int
            Links whose files have reached their place meanwhile.

        Returns
        -------
        list of Outcome
            As written down, in the same order.
        """
        arrived = [(link,) for link in settled]

        def write(connection: sqlite3.Connection) -> list[Outcome]:
            connection.executemany(_SETTLE, arrived)
            return [_record(connection, dataset, item) for item in done]

        return self._database.write(write)

    def unsettled(self, dataset: str) -> list[tuple[int, str, str]]:
        """Return number, temporary name and final path of the files that are on the way."""
        return self._database.read(
            "SELECT id, temporary, path FROM unsettled JOIN links ON id = link WHERE dataset = ?", dataset
        )

    def settle(self, links: Iterable[int], lost: Iterable[int] = ()) -> None:
        """Note that files are no longer on the way, and want those links again whose file was lost."""
        arrived = [(link,) for link in links]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(_SETTLE, arrived)
            _want_again(connection, lost)

        self._database.write(write)

    def counts(self, dataset: str) -> dict[Status | None, int]:
        """Return how many links have each status; None counts those that are yet to be fetched."""
        found = self._database.read("SELECT status, count(*) FROM links WHERE dataset = ? GROUP BY status", dataset)
        return {None if status is None else Status(status): count for status, count in found}

    def rows(self, dataset: str, status: Status | None = None) -> Iterator[Row]:
        """Yield what is known of each link, in the order in which they were first wanted; memory is bounded.

        Parameters
        ----------
        dataset : str
        status : Status, optional
            Only links with this one.
        """
        for label, url, code, *rest in self._database.each(_ROWS, dataset, status or ""):
            outcome = None if code is None else Outcome(Status(code), *rest[:11])
            provenance = None if rest[11] is None else Provenance(*rest[12:])
            yield Row(Link(label, url, provenance), outcome)


def _insert(connection: sqlite3.Connection, dataset: str, links: Sequence[Link]) -> int:
    before = connection.total_changes
    connection.executemany(
        _INSERT,
        ((dataset, _storable(link.label), _storable(link.url), _server_of(link.url)) for link in links),
    )
    new = connection.total_changes - before
    connection.executemany(
        _INSERT_PROVENANCE,
        (
            (*map(_storable, _fields(link.provenance)), dataset, _storable(link.label), _storable(link.url))
            for link in links
            if link.provenance is not None
        ),
    )
    return new


def _record(connection: sqlite3.Connection, dataset: str, item: Done) -> Outcome:
    outcome = item.outcome
    if outcome.status is Status.OK and connection.execute(_TWIN, (dataset, outcome.path, item.id)).fetchone():
        outcome = replace(outcome, status=Status.DUPLICATE, detail="the same bytes as another link's")
    connection.execute(_UPDATE, (*map(_storable, _fields(outcome)), item.id))
    if item.temporary:
        connection.execute("INSERT OR REPLACE INTO unsettled VALUES (?, ?)", (item.id, item.temporary))
    return outcome


def _want_again(connection: sqlite3.Connection, links: Iterable[int]) -> None:
    connection.executemany("UPDATE links SET status = NULL WHERE id = ?", [(link,) for link in links])


def _fields(record: Outcome | Provenance) -> list[Any]:
    return [getattr(record, field.name) for field in fields(record)]


def _storable(value: Any) -> Any:
    """Return a value that the database takes; text from strangers may hold halves of surrogate pairs."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "backslashreplace").decode()
    return value


def _server_of(url: str) -> str:
    """Return what stands where a server is named: who is to be asked with care, whether it exists or not."""
    match = _SERVER.match(url)
    return _storable(match[1].lower()) if match else "-"
