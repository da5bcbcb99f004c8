"""The ledger: every link that was ever wanted, and what became of it."""

from __future__ import annotations

import heapq
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from gingham.collect.attribution import Credit
from gingham.collect.ledger_rows import (
    Done,
    Row,
    Wanted,
    key_of,
    server_of,
    storable,
    values_of_outcome,
    values_of_provenance,
)
from gingham.collect.ledger_tables import CREDITS, INSERT, INSERT_PROVENANCE, KNOWN, ROWS, SCHEMA, TWIN, UPDATE
from gingham.collect.records import Link, Outcome, Provenance, Status
from gingham.collect.searching import Batch, Question
from gingham.project.database import BUSY_SECONDS, Database

__all__ = ["Done", "Ledger", "Retry", "Row", "Wanted"]

Retry = Literal["failed", "missing"]

_AT_ONCE = 20_000
_ROWS_AT_ONCE = 1000


class Ledger(Database):
    """Every link that was ever wanted, and what became of it.

    One that turns out to be damaged is made anew without what it knew: links that are added again are fetched again.
    It may be used in several threads, in one at a time.
    """

    SCHEMA = SCHEMA

    # --- what is wanted

    def add(self, dataset: str, links: Iterable[Link]) -> int:
        """Note links as wanted; those that are known stay as they are, but for a provenance that was not known.

        Parameters
        ----------
        dataset : str
        links : iterable of Link
            Read in portions, each of them one transaction.

        Returns
        -------
        int
            How many were new.
        """
        remaining = iter(links)
        new = 0
        while portion := list(islice(remaining, _AT_ONCE)):
            new += self._write(lambda connection, portion=portion: _insert(connection, dataset, portion))  # type: ignore[misc]
        return new

    def has_list(self, dataset: str, digest: str) -> bool:
        """Tell whether a list, known by a digest of its content, was added to its end before."""
        return bool(self._read("SELECT 1 FROM lists WHERE dataset = ? AND digest = ?", (dataset, digest)))

    def note_list(self, dataset: str, digest: str) -> None:
        """Remember that a list was added to its end."""
        query = "INSERT OR IGNORE INTO lists VALUES (?, ?)"
        self._write(lambda connection: connection.execute(query, (dataset, digest)))

    def keep(self, dataset: str, batch: Batch) -> int:
        """Note the links that a search has found, and that its question is answered, in one transaction.

        Returns
        -------
        int
            How many links were new.
        """

        def write(connection: sqlite3.Connection) -> int:
            new = _insert(connection, dataset, batch.links)
            if batch.complete:
                values = [storable(text) for text in (dataset, *batch.question)]
                connection.execute("INSERT OR IGNORE INTO questions VALUES (?, ?, ?, ?)", values)
            return new

        return self._write(write)

    def answered(self, dataset: str) -> frozenset[Question]:
        """Return the questions that were answered to their end."""
        rows = self._read("SELECT provider, query, label FROM questions WHERE dataset = ?", (dataset,))
        return frozenset(Question(*row) for row in rows)

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
            return self._write(lambda connection: connection.execute(query, (dataset,)).rowcount)
        stored = "SELECT id, path FROM links WHERE dataset = ? AND status IN ('ok', 'duplicate')"
        gone = [link for link, path in self._each(stored, dataset) if not (root / path).exists()]
        self._write(lambda connection: _want_again(connection, gone))
        return len(gone)

    def want_again(self, dataset: str, statuses: Iterable[Status]) -> None:
        """Want links again that ended in one of some ways."""
        rows = [(dataset, status.value) for status in statuses]
        query = "UPDATE links SET status = NULL WHERE dataset = ? AND status = ?"
        if rows:
            self._write(lambda connection: connection.executemany(query, rows))

    def datasets(self) -> list[str]:
        """Return the names of the datasets of which links are known."""
        return [name for (name,) in self._read("SELECT DISTINCT dataset FROM links")]

    def next_host(self, dataset: str, after: str = "") -> str | None:
        """Return the first server after another one, in the order of names, of which a link is wanted.

        The server's name is ``-`` for addresses that name none.
        """
        query = "SELECT host FROM links WHERE dataset = ? AND status IS NULL AND host > ? ORDER BY host LIMIT 1"
        found = self._read(query, (dataset, after))
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
        return [Wanted(*row) for row in self._read(query, (dataset, host, after, limit))]

    # --- what became of it

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
        arrived = list(settled)

        def write(connection: sqlite3.Connection) -> list[Outcome]:
            _settle(connection, arrived)
            return _record(connection, dataset, done)

        return self._write(write)

    def unsettled(self, dataset: str) -> list[tuple[int, str, str]]:
        """Return number, temporary name and final path of the files that are on the way."""
        query = "SELECT id, temporary, path FROM unsettled JOIN links ON id = link WHERE dataset = ?"
        return [(link, temporary, path) for link, temporary, path in self._read(query, (dataset,))]

    def settle(self, links: Iterable[int], lost: Iterable[int] = ()) -> None:
        """Note that files are no longer on the way, and want those links again whose file was lost."""
        arrived, again = list(links), list(lost)

        def write(connection: sqlite3.Connection) -> None:
            _settle(connection, arrived)
            _want_again(connection, again)

        self._write(write)

    def counts(self, dataset: str) -> dict[Status | None, int]:
        """Return how many links have each status; None counts those that are yet to be fetched."""
        found = self._read("SELECT status, count(*) FROM links WHERE dataset = ? GROUP BY status", (dataset,))
        return {None if status is None else Status(status): count for status, count in found}

    def rows(self, dataset: str, status: Status | None = None) -> Iterator[Row]:
        """Yield what is known of each link, in the order in which they were first wanted; memory is bounded.

        Parameters
        ----------
        dataset : str
        status : Status, optional
            Only links with this one.
        """
        for label, url, code, *rest in self._each(ROWS, dataset, status or ""):
            outcome = None if code is None else Outcome(Status(code), *rest[:11])
            yield Row(Link(label, url, _provenance(rest[11:])), outcome)

    def stored(self, dataset: str) -> Iterator[tuple[str, str]]:
        """Yield path and content of each image that was stored, sorted by the bytes of the paths."""
        yield from self._each(
            "SELECT path, content FROM links WHERE dataset = ? AND status = 'ok' ORDER BY path", dataset
        )

    def credits(self, dataset: str, moved: Mapping[str, str]) -> Iterator[Credit]:
        """Yield whom each image is owed to, sorted by path; memory grows with those that were moved only.

        Parameters
        ----------
        dataset : str
        moved : mapping of str to str
            Where images lie now that are no longer where they were stored, by their old paths.
        """
        stayed = (
            credit
            for credit in map(_credit, self._each(f"{CREDITS} ORDER BY path", dataset))
            if credit.path not in moved
        )
        found = (row for old in moved for row in self._read(f"{CREDITS} AND path = ?", (dataset, storable(old))))
        others = sorted((replace(_credit(row), path=moved[row[0]]) for row in found), key=_path)
        yield from heapq.merge(stayed, others, key=_path)

    # --- the database

    def _connect(self) -> sqlite3.Connection:
        try:
            return sqlite3.connect(self.file, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        except sqlite3.DatabaseError as error:
            raise self._unavailable(error) from error

    def _rescue(self, damaged: sqlite3.Connection) -> None:
        """Nothing: what it knew is found out again."""

    def _restore(self, _rescued: Any, aside: Path) -> str:
        return (
            f"The ledger of links was damaged; it is put aside as {aside} and made anew. Run the same command again: "
            "what it had fetched is fetched again."
        )

    def _what_moving_it_away_means(self) -> str:
        return "It can be moved away: the next command makes it anew, and fetches all links again."

    def _each(self, query: str, *values: object) -> Iterator[Any]:
        """Yield the rows of a query, holding few of them at a time."""
        cursor = self._retried(lambda: self._connection.execute(query, values))
        while rows := self._retried(lambda: cursor.fetchmany(_ROWS_AT_ONCE)):
            yield from rows


def _insert(connection: sqlite3.Connection, dataset: str, links: Sequence[Link]) -> int:
    keyed: dict[int, Link] = {}
    for link in links:
        keyed.setdefault(key_of(dataset, link), link)
    known = {key for (key,) in connection.execute(KNOWN, (json.dumps(list(keyed)),))}
    new = [(key, link) for key, link in keyed.items() if key not in known]
    connection.executemany(
        INSERT,
        ((key, dataset, storable(link.label), storable(link.url), server_of(link.url)) for key, link in new),
    )
    connection.executemany(
        INSERT_PROVENANCE,
        (
            (*values_of_provenance(link.provenance), key_of(dataset, link))
            for link in links
            if link.provenance is not None
        ),
    )
    return len(new)


def _record(connection: sqlite3.Connection, dataset: str, done: Sequence[Done]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    paths: set[str] = set()
    for item in done:
        outcome = item.outcome
        if outcome.status is Status.OK:
            twin = outcome.path in paths or connection.execute(TWIN, (dataset, outcome.path, item.id)).fetchone()
            if twin:
                outcome = replace(outcome, status=Status.DUPLICATE, detail="the same bytes as another link's")
            paths.add(outcome.path)
        outcomes.append(outcome)
    connection.executemany(
        UPDATE, ((*values_of_outcome(outcome), item.id) for item, outcome in zip(done, outcomes, strict=True))
    )
    connection.executemany(
        "INSERT OR REPLACE INTO unsettled VALUES (?, ?)", [(item.id, item.temporary) for item in done if item.temporary]
    )
    return outcomes


def _settle(connection: sqlite3.Connection, links: Iterable[int]) -> None:
    connection.executemany("DELETE FROM unsettled WHERE link = ?", [(link,) for link in links])


def _want_again(connection: sqlite3.Connection, links: Iterable[int]) -> None:
    connection.executemany("UPDATE links SET status = NULL WHERE id = ?", [(link,) for link in links])


def _provenance(row: Sequence[Any]) -> Provenance | None:
    return None if row[0] is None else Provenance(*row[1:])


def _credit(row: Sequence[Any]) -> Credit:
    path, label, url, finished, *rest = row
    return Credit(path, label, url, _provenance(rest), finished)


def _path(credit: Credit) -> str:
    return credit.path
