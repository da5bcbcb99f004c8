from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gingham.collect.braces import expand
from gingham.collect.cleaning import web_address
from gingham.collect.licences import Licence
from gingham.collect.providers import Found, ProviderError, provenance
from gingham.collect.searching import Batch, Question, SearchReport, search
from gingham.errors import ConfigError
from tests.collect.search_servers import (
    FakeFlickr,
    FakeOpenverse,
    FakeWikimedia,
    flickr_item,
    openverse_item,
    run,
    settings,
    status,
    wikimedia_item,
)


class Canned:
    """A provider without a server: what it answers to each query, or raises."""

    def __init__(self, name, answers):
        self.name = name
        self.answers = answers
        self.asked = []

    async def search(self, query, count, licences, session):
        self.asked.append(query)
        for each in self.answers.get(query, []):
            await asyncio.sleep(0)
            if isinstance(each, Exception):
                raise each
            licence = Licence("by", "4.0")
            if isinstance(each, tuple):
                each, licence = each
            yield Found(each, provenance(self.name, query, licence, source=self.name))


def searched(queries, providers, complete=(), progress=None, keep=None, **changes):
    """Return the reports, and the batches that were kept."""
    batches: list[Batch] = []
    reports = run(
        search(
            queries, providers, settings(**changes), None, keep or batches.append, complete=complete, progress=progress
        )
    )
    return reports, batches


def urls(batches):
    return [(link.label, link.url) for batch in batches for link in batch.links]


def test_all_providers_over_their_servers():
    servers = [
        FakeOpenverse([openverse_item(n) for n in range(3)]),
        FakeWikimedia([wikimedia_item(n) for n in range(3)]),
        FakeFlickr([flickr_item(n) for n in range(3)]),
    ]
    batches = []

    async def main():
        async with contextlib.AsyncExitStack() as stack:
            sessions = [await stack.enter_async_context(server.serve()) for server in servers]
            providers = [server.provider() for server in servers]
            queries = expand("{red,grey} fox", "{0}")
            return await search(queries, providers, settings(per_query=2), sessions[0], batches.append)

    assert run(main()) == [SearchReport(name, 4, 4, 2) for name in ("openverse", "wikimedia", "flickr")]
    assert {(batch.question.provider, batch.question.query, batch.complete) for batch in batches} == {
        (name, query, True) for name in ("openverse", "wikimedia", "flickr") for query in ("red fox", "grey fox")
    }
    links = [link for batch in batches for link in batch.links]
    assert len(links) == 12
    assert all(link.provenance and link.provenance.query == link.label and web_address(link.url) for link in links)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(status(202), id="202"),
        pytest.param(status(401), id="401"),
        pytest.param(status(403, "<html>"), id="403"),
        pytest.param(status(429), id="429"),
        pytest.param(status(200, '{"error": {"code": "x", "info": "y"}, "stat": "fail"}'), id="error-body"),
        pytest.param(status(200, ""), id="nothing"),
        pytest.param(status(500), id="500"),
    ],
)
@pytest.mark.parametrize("failing", [0, 1, 2], ids=["openverse", "wikimedia", "flickr"])
def test_one_provider_failing_never_stops_the_others(failing, reply):
    servers = [FakeOpenverse([openverse_item(1)]), FakeWikimedia([wikimedia_item(1)]), FakeFlickr([flickr_item(1)])]
    servers[failing].script = [reply] * 20
    batches = []

    async def main():
        async with contextlib.AsyncExitStack() as stack:
            sessions = [await stack.enter_async_context(server.serve()) for server in servers]
            providers = [server.provider(retries=1) for server in servers]
            return await search([("fox", "fox"), ("cat", "cat")], providers, settings(), sessions[0], batches.append)

    reports = run(main())
    for number, report in enumerate(reports):
        if number == failing:
            assert (report.kept, report.asked) == (0, 0)
            assert report.problem.startswith(report.provider)
        else:
            assert (report.kept, report.asked, report.problem) == (2, 2, "")
    assert len(batches) == 4
    assert len(servers[failing].asked) <= 2  # it is not asked the second query


def test_provider_that_fails_midway_keeps_what_it_has_found():
    broken = Canned(
        "b", {"x": ["https://b/1"], "y": ["https://b/2", ProviderError("b", "b is down.")], "z": ["https://b/3"]}
    )
    fine = Canned("f", {query: [f"https://f/{query}"] for query in "xyz"})
    reports, batches = searched([(query, query) for query in "xyz"], [broken, fine])
    assert reports == [SearchReport("b", 2, 2, 1, "b is down."), SearchReport("f", 3, 3, 3)]
    assert [b.complete for b in batches if b.question.provider == "b"] == [True, False]
    assert ("y", "https://b/2") in urls(batches)
    assert broken.asked == ["x", "y"]


def test_query_that_one_provider_refuses_does_not_stop_it():
    refusal = ProviderError("b", "b does not understand x.", this_query_only=True)
    provider = Canned("b", {"x": [refusal], "y": ["https://b/2"]})
    reports, batches = searched([("x", "x"), ("y", "y")], [provider])
    assert reports == [SearchReport("b", 1, 1, 1, "b does not understand x.")]
    assert [batch.question.query for batch in batches] == ["y"]


def test_bug_of_a_provider_is_its_own():
    reports, batches = searched(
        [("x", "x")], [Canned("b", {"x": [KeyError("secret")]}), Canned("f", {"x": ["https://f/1"]})]
    )
    assert reports[0].problem == "b failed with KeyError: a bug; please report it."
    assert urls(batches) == [("x", "https://f/1")]


def test_image_is_once_under_a_label_and_under_both_of_two():
    one = Canned("a", {"red fox": ["https://a/1", "https://a/2"], "fox": ["https://a/1"], "cat": ["https://a/1"]})
    two = Canned("b", {"fox": ["https://a/2", "https://b/3"]})
    queries = [("red fox", "fox"), ("fox", "fox"), ("cat", "cat")]
    reports, batches = searched(queries, [one, two])
    assert sorted(urls(batches)) == [
        ("cat", "https://a/1"), ("fox", "https://a/1"), ("fox", "https://a/2"), ("fox", "https://b/3"),
    ]  # fmt: skip
    assert [report.found for report in reports] == [4, 2]
    assert sum(report.kept for report in reports) == 4


def test_what_is_no_address_or_has_another_licence_is_dropped():
    answers = [
        "file:///etc/passwd", "javascript:x", ("https://a/1", Licence("by-nc", "2.0")), ("https://a/2", Licence("cc0")),
        ("https://a/3", Licence("GFDL")), ("https://a/4", Licence()),
    ]  # fmt: skip
    reports, batches = searched([("x", "x")], [Canned("a", {"x": answers})], licence=("CC0", "by"))
    assert urls(batches) == [("x", "https://a/2")]
    assert (reports[0].found, reports[0].kept) == (1, 1)


def test_unknown_licence_is_refused_before_anything_is_asked():
    provider = Canned("a", {})
    with pytest.raises(ConfigError, match="Did you mean `by-sa`"):
        searched([("x", "x")], [provider], licence=("by-as",))
    assert not provider.asked


def test_search_goes_on_where_it_was():
    answers = {query: [f"https://a/{query}"] for query in "xyz"}
    queries = [(query, query) for query in "xyz"]
    kept: list[Batch] = []

    def fail_at_second(batch):
        if len(kept) == 1:
            raise OSError("disk full")
        kept.append(batch)

    with pytest.raises(OSError, match="disk full"):
        searched(queries, [Canned("a", answers)], keep=fail_at_second)
    done = {batch.question for batch in kept if batch.complete}
    assert done == {Question("a", "x", "x")}

    again = Canned("a", answers)
    reports, batches = searched(queries, [again], complete=done)
    assert again.asked == ["y", "z"]
    assert urls(kept + batches) == [(query, f"https://a/{query}") for query in "xyz"]
    assert reports == [SearchReport("a", 2, 2, 2)]


def test_question_is_of_provider_query_and_label():
    provider = Canned("a", {"x": ["https://a/1"]})
    done = [Question("b", "x", "x"), Question("a", "y", "x"), Question("a", "x", "y")]
    searched([("x", "x")], [provider], complete=done)
    assert provider.asked == ["x"]


def test_progress_counts_questions_to_the_end():
    steps = []
    providers = [
        Canned("a", {}),
        Canned("b", {"x": [ProviderError("b", "b is down.")]}),
        Canned("c", {"x": [ProviderError("c", "c does not understand.", this_query_only=True)]}),
    ]
    done = [Question("a", "y", "y")]
    searched([("x", "x"), ("y", "y")], providers, complete=done, progress=lambda *step: steps.append(step))
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert steps[-1] == (6, 6)


def test_nothing_to_search_for_or_in():
    assert searched([], [Canned("a", {})])[0] == [SearchReport("a")]
    assert searched([("x", "x")], [])[0] == []


KILLED = """
import asyncio, sys
from tests.collect.search_servers import FakeOpenverse, openverse_item, settings, status
from gingham.collect.searching import search

class Slow(FakeOpenverse):
    async def answer(self, request):
        reply = await super().answer(request)
        if request.query["q"] == "z":
            await asyncio.sleep(60)
        return reply

def keep(batch):
    print(batch.question.query, flush=True)

async def main():
    server = Slow([openverse_item(1)], [status(500), status(429)])
    async with server.serve() as session:
        await search([(q, q) for q in "xyz"], [server.provider()], settings(), session, keep)

asyncio.run(main())
"""


def test_kill_loses_only_the_question_under_way_and_retries_are_not_printed():
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout
    kept = [process.stdout.readline().strip() for _ in range(2)]
    process.send_signal(signal.SIGKILL)
    rest = process.communicate(timeout=10)
    assert kept == ["x", "y"]
    assert rest == ("", "")
