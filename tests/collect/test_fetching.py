"""Every fault of a server under its name, and what is repeated."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gingham.collect.answers import asked_pause, has_no_ai, looks_like_html, status_of
from gingham.collect.fetching import Fetched, FetchError, fetch
from gingham.collect.network import open_session
from gingham.collect.records import Status
from gingham.config import Collection
from tests.collect.faulty_server import PHOTO, FaultyServer, Names, certificate, date_in, leads_to, says


def settings(**changes: Any) -> Collection:
    return Collection(**{"allow_private": True, "timeout": 5, "retries": 0, "max_bytes": 2**20, **changes})


def fetched(url: str, **changes: Any) -> Fetched:
    async def run() -> Fetched:
        async with open_session(settings(**changes), resolver=Names()) as session:
            return await fetch(session, url, settings(**changes))

    return asyncio.run(run())


def fault(url: str, **changes: Any) -> FetchError:
    with pytest.raises(FetchError) as raised:
        fetched(url, **changes)
    return raised.value


@pytest.fixture(scope="module")
def server() -> Iterator[FaultyServer]:
    with FaultyServer() as running:
        yield running


@pytest.fixture(autouse=True)
def quick_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gingham.collect.fetching._FIRST_PAUSE", 0.01)


@pytest.mark.parametrize(
    "path",
    ["/ok", "/no-length", "/chunked", "/gzip", "/one", "/five", "/noai-for-other", "/noai-no"],
)
def test_what_comes_through(server: FaultyServer, path: str) -> None:
    found = fetched(server.url(path))
    assert (found.data, found.code) == (PHOTO, 200)
    assert found.final_url == server.url("/ok" if path in ("/one", "/five") else path)


@pytest.mark.parametrize(
    ("path", "status", "code", "tries"),
    [
        pytest.param("/401", Status.FORBIDDEN, 401, 1, id="401"),
        pytest.param("/403", Status.FORBIDDEN, 403, 1, id="403"),
        pytest.param("/451", Status.FORBIDDEN, 451, 1, id="451"),
        pytest.param("/404", Status.NOT_FOUND, 404, 1, id="404"),
        pytest.param("/410", Status.NOT_FOUND, 410, 1, id="410"),
        pytest.param("/418", Status.HTTP_ERROR, 418, 1, id="418"),
        pytest.param("/500", Status.SERVER_ERROR, 500, 3, id="500"),
        pytest.param("/503", Status.SERVER_ERROR, 503, 3, id="503"),
        pytest.param("/429-always", Status.THROTTLED, 429, 3, id="429"),
        pytest.param("/429-long", Status.THROTTLED, 429, 1, id="429 for a day"),
        pytest.param("/503-long", Status.THROTTLED, 503, 1, id="503 for a day"),
        pytest.param("/html", Status.HTML, 200, 1, id="a page"),
        pytest.param("/html-as-jpeg", Status.HTML, 200, 1, id="a page that says it is a JPEG"),
        pytest.param("/loop", Status.REDIRECTS, None, 6, id="a loop"),
        pytest.param("/six", Status.REDIRECTS, None, 1, id="six redirects"),
        pytest.param("/to-nowhere", Status.HTTP_ERROR, 302, 1, id="a redirect without a target"),
        pytest.param("/to-file", Status.BAD_URL, None, 1, id="to file:"),
        pytest.param("/to-data", Status.BAD_URL, None, 1, id="to data:"),
        pytest.param("/to-user", Status.BAD_URL, None, 1, id="to user:pass@"),
        pytest.param("/to-nonsense", Status.BAD_URL, None, 1, id="to nonsense"),
        pytest.param("/short", Status.TRUNCATED, None, 3, id="a short body"),
        pytest.param("/short-chunk", Status.TRUNCATED, None, 3, id="a short chunk"),
        pytest.param("/bad-gzip", Status.CORRUPT, None, 1, id="broken gzip"),
        pytest.param("/bomb", Status.TOO_LARGE, 200, 1, id="a gzip bomb"),
        pytest.param("/long", Status.TOO_LARGE, 200, 1, id="too long"),
        pytest.param("/flood", Status.TOO_LARGE, 200, 1, id="without end"),
        pytest.param("/reset", Status.CONNECTION, None, 3, id="a reset"),
        pytest.param("/silent", Status.CONNECTION, None, 3, id="no answer"),
        pytest.param("/not-http", Status.HTTP_ERROR, None, 1, id="not HTTP"),
        pytest.param("/empty", Status.EMPTY, 200, 1, id="empty"),
        pytest.param("/204", Status.EMPTY, 204, 1, id="204"),
        pytest.param("/noai", Status.NOAI, 200, 1, id="noai"),
        pytest.param("/noimageai", Status.NOAI, 200, 1, id="noimageai among others"),
        pytest.param("/noai-second", Status.NOAI, 200, 1, id="noimageai in the third header"),
        pytest.param("/noai-for-us", Status.NOAI, 200, 1, id="noai for us"),
        pytest.param("/noai-for-all", Status.NOAI, 200, 1, id="noai for all, after another"),
    ],
)
def test_faults(server: FaultyServer, path: str, status: Status, code: int | None, tries: int) -> None:
    before = server.requests[path]
    error = fault(server.url(path), retries=2)
    assert (error.status, error.code) == (status, code)
    assert error.detail
    assert server.requests[path] - before in (tries, 2 * tries if status is Status.CONNECTION else tries)
    assert error.final_url.startswith(server.url("/"))


@pytest.mark.parametrize(
    "url",
    [
        "", "cat", "//example.org/a.jpg", "http:///a.jpg", "http://", "ftp://example.org/a.jpg", "file:///etc/passwd",
        "data:image/png;base64,iVBORw0KGgo=", "javascript:alert(1)", "http://me:secret@127.0.0.1/", "http://me@127.0.0.1/",
        "http://[::1", "http://127.0.0.1:99999/", "http://127.0.0.1:x/", "http://127.0.0.1:0/", "http://a..b\x00/",
        "http://" + "a" * 300 + ".example/", "http://exa mple.org/", "http://\ud800/",
    ],
)  # fmt: skip
def test_addresses_that_are_none(url: str) -> None:
    assert fault(url).status is Status.BAD_URL


@pytest.mark.parametrize("path", ["/hang", "/drip", "/drip-headers"])
def test_one_deadline_for_all(server: FaultyServer, path: str) -> None:
    began = time.monotonic()
    error = fault(server.url(path), timeout=0.3)
    assert (error.status, error.detail) == (Status.TIMEOUT, "not done within 0.3 s")
    assert time.monotonic() - began < 2


def test_redirects_share_the_deadline() -> None:
    async def slowly(server: FaultyServer, writer: asyncio.StreamWriter) -> bool | None:
        await asyncio.sleep(0.2)
        return await leads_to("/next")(server, writer)

    with FaultyServer({"/": slowly, "/next": slowly}) as server:
        assert fault(server.url("/"), timeout=0.5).status is Status.TIMEOUT


@pytest.mark.parametrize("path", ["/503-once", "/short-once", "/429-date"])
def test_what_passes_is_tried_again(path: str) -> None:
    with FaultyServer() as server:
        assert fetched(server.url(path), retries=1).data == PHOTO
        assert server.requests[path] == 2


def test_a_pause_in_seconds_is_honoured() -> None:
    with FaultyServer() as server:
        began = time.monotonic()
        assert fetched(server.url("/429-seconds"), retries=1).data == PHOTO
        assert time.monotonic() - began >= 1


def test_a_longer_pause_is_not_waited_for(server: FaultyServer) -> None:
    error = fault(server.url("/429-long"), retries=2, max_wait=10)
    assert error.detail == "429 Too Many Requests; it asks for a pause of 86400 s, allowed are 10 s"


def test_pauses_lie_outside_a_try() -> None:
    class EachTry:
        inside, times = 0, 0

        async def __aenter__(self) -> None:
            self.inside, self.times = self.inside + 1, self.times + 1

        async def __aexit__(self, *exception: object) -> None:
            self.inside -= 1

    async def run() -> tuple[int, int]:
        each_try = EachTry()
        async with open_session(settings()) as session:
            task = asyncio.create_task(fetch(session, server.url("/"), settings(retries=1), each_try=each_try))
            while not server.requests["/"]:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)
            inside = each_try.inside
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return inside, each_try.times

    with FaultyServer({"/": says(429, Retry_After="30")}) as server:
        assert asyncio.run(run()) == (0, 1)


def test_noai_can_be_disregarded(server: FaultyServer) -> None:
    assert fetched(server.url("/noai"), noai=False).data == PHOTO


def test_nothing_of_an_answer_is_repeated(server: FaultyServer) -> None:
    error = fault(server.url("/secret"))
    assert "SECRET" not in f"{error} {error.detail} {error.final_url}"
    assert error.detail == "404 Not Found"


def test_a_bomb_takes_no_memory(server: FaultyServer) -> None:
    tracemalloc.start()
    assert fault(server.url("/bomb")).status is Status.TOO_LARGE
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20


def test_a_flood_is_stopped_at_the_cap(server: FaultyServer) -> None:
    server.sent = 0
    fault(server.url("/flood"))
    assert server.sent < 16 * 2**20  # what the kernel holds included


def test_tls(tmp_path: Path) -> None:
    with FaultyServer(tls=certificate(tmp_path)) as server:
        error = fault(server.url("/ok"), retries=2)
        assert (error.status, error.detail) == (Status.TLS, "self-signed certificate")
        assert server.requests.total() == 0
    with FaultyServer() as server:
        assert fault(server.url("/ok").replace("http:", "https:")).status is Status.TLS


def test_a_name_that_is_not_known() -> None:
    error = fault("http://no-such-host.invalid/")
    assert (error.status, error.detail) == (Status.DNS, "the server's name is not known")


def test_nobody_listens() -> None:
    with FaultyServer() as server:
        url = server.url("/ok")
    error = fault(url)
    assert (error.status, error.detail) == (Status.CONNECTION, "Connection refused")


@pytest.mark.parametrize(
    ("code", "pause", "status"),
    [
        (408, None, Status.TIMEOUT), (503, None, Status.SERVER_ERROR), (503, 0.0, Status.THROTTLED),
        (599, None, Status.SERVER_ERROR), (304, None, Status.HTTP_ERROR),
    ],
)  # fmt: skip
def test_codes(code: int, pause: float | None, status: Status) -> None:
    assert status_of(code, pause) is status


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", None), ("-5", None), ("1.5", None), ("x" * 1000, None), (" 7 ", 7), ("9" * 400, float("inf")), ("²", None)],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    assert asked_pause(text) == seconds


def test_retry_after_as_a_date() -> None:
    assert asked_pause(date_in(100)) == pytest.approx(100, abs=2)
    assert asked_pause(date_in(-100)) == 0


@pytest.mark.parametrize("tag", ["", ",", ":", "noai:", "googlebot: noai", "noindex: noai", "noai2", "no ai"])
def test_tags_that_forbid_nothing(tag: str) -> None:
    assert not has_no_ai([tag])


@pytest.mark.parametrize(
    ("data", "html"),
    [
        (b"<html>", True), (b"\xef\xbb\xbf<!DOCTYPE HTML PUBLIC>", True), (b'<?xml version="1.0"?>\n<html x>', True),
        (b"<svg>", False), (b"\xff\xd8\xff<html>", False), (b"<htmlx>", False), (b"<!---->" * 140, False), (b"", False),
    ],
)  # fmt: skip
def test_pages_by_content(data: bytes, html: bool) -> None:
    assert looks_like_html(data) == html
