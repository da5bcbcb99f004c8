"""Ask all providers all queries, and keep whatever they find."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from gingham.collect.cleaning import web_address
from gingham.collect.licences import check_licences, matches
from gingham.collect.providers import Provider, ProviderError
from gingham.collect.records import Link
from gingham.config import tables

if TYPE_CHECKING:
    from aiohttp import ClientSession

__all__ = ["Batch", "Question", "SearchReport", "search"]


class Question(NamedTuple):
    """One query to one provider; what is complete is remembered by it.

    Parameters
    ----------
    provider, query, label : str
    """

    provider: str
    query: str
    label: str


@dataclass(frozen=True, slots=True)
class Batch:
    """The answer to a question.

    Parameters
    ----------
    question : Question
    links : tuple of Link
        Without those that were found under this label before.
    complete : bool
        False where the provider failed before its last page: the question is to be asked again.
    """

    question: Question
    links: tuple[Link, ...]
    complete: bool


@dataclass(slots=True)
class SearchReport:
    """What became of a provider.

    Parameters
    ----------
    provider : str
    found : int
        Images that it answered with, under a licence that is wanted.
    kept : int
        Of them, those that were not found before.
    asked : int
        Questions that it has answered now.
    problem : str
        A sentence that says what went wrong first, and what to do; empty where nothing did.
    """

    provider: str
    found: int = 0
    kept: int = 0
    asked: int = 0
    problem: str = ""


async def search(
    queries: Sequence[tuple[str, str]],
    providers: Iterable[Provider],
    settings: tables.Collection,
    session: ClientSession,
    keep: Callable[[Batch], None],
    *,
    complete: Collection[Question] = frozenset(),
    progress: Callable[[int, int], None] | None = None,
) -> list[SearchReport]:
    """Search: the providers side by side, each with one query after the other.

    A provider that fails is reported, keeps what it has found, and never stops the others.

    Parameters
    ----------
    queries : sequence of (str, str)
        Query and label, as :func:`gingham.collect.braces.expand` returns them.
    providers : iterable of Provider
    settings : gingham.config.Collection
        Its `licence` and `per_query`.
    session : aiohttp.ClientSession
    keep : callable
        Takes each answer as it comes. Once it has returned, its question need not be asked again (if it is complete):
        store links and question in one transaction, and a search that is killed goes on where it was.
    complete : collection of Question
        Those that were answered before; they are not asked.
    progress : callable, optional
        Takes the number of questions that are done, and of all.

    Returns
    -------
    list of SearchReport
        In the order of the providers.

    Raises
    ------
    ConfigError
        If `settings.licence` names what is none.
    Exception
        Whatever `keep` or `progress` raises ends the search.
    """
    licences = check_licences(settings.licence)
    asked = list(providers)
    done = frozenset(complete)
    state = _State(keep, progress, len(asked) * len(queries))
    reports = [SearchReport(provider.name) for provider in asked]
    try:
        async with asyncio.TaskGroup() as group:
            for provider, report in zip(asked, reports, strict=True):
                group.create_task(
                    _ask_all(provider, queries, licences, settings.per_query, session, done, state, report)
                )
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return reports


class _State:
    """What the providers share: which links are there already, and how far all are."""

    def __init__(self, keep: Callable[[Batch], None], progress: Callable[[int, int], None] | None, total: int) -> None:
        self.keep = keep
        self.seen: set[tuple[str, str]] = set()
        self._progress = progress
        self._total = total
        self._finished = 0

    def finish(self, questions: int = 1) -> None:
        self._finished += questions
        if self._progress is not None:
            self._progress(self._finished, self._total)


async def _ask_all(
    provider: Provider,
    queries: Sequence[tuple[str, str]],
    licences: tuple[str, ...],
    count: int,
    session: ClientSession,
    done: frozenset[Question],
    state: _State,
    report: SearchReport,
) -> None:
    """Ask one provider all queries, until it fails for good."""
    for number, (query, label) in enumerate(queries):
        question = Question(provider.name, query, label)
        if question not in done:
            links: list[Link] = []
            failure = await _ask(provider, question, count, licences, session, state.seen, links, report)
            report.kept += len(links)
            report.asked += failure is None
            if links or failure is None:
                state.keep(Batch(question, tuple(links), failure is None))
            if failure is not None:
                report.problem = report.problem or failure.sentence
                if not failure.this_query_only:
                    state.finish(len(queries) - number)
                    return
        state.finish()


async def _ask(
    provider: Provider,
    question: Question,
    count: int,
    licences: tuple[str, ...],
    session: ClientSession,
    seen: set[tuple[str, str]],
    links: list[Link],
    report: SearchReport,
) -> ProviderError | None:
    """Ask one question; add what is new to `links`, and return how the provider failed, if it did."""
    try:
        async with aclosing(provider.search(question.query, count, licences, session)) as answers:
            async for found in answers:
                url = web_address(found.url)
                if not url or not matches(found.provenance.licence, licences):
                    continue
                report.found += 1
                if (question.label, url) not in seen:
                    seen.add((question.label, url))
                    links.append(Link(question.label, url, found.provenance))
    except ProviderError as failure:
        return failure
    except Exception as bug:  # a registered provider is anybody's code, and must not stop the others
        return ProviderError(
            provider.name, f"{provider.name} failed with {type(bug).__name__}: a bug; please report it."
        )
    return None
