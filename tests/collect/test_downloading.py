"""Downloading: everything ends in the ledger, a slow server holds up nobody, and a kill loses nothing."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gingham.collect.downloading import download
from gingham.collect.ledger import Ledger
from gingham.collect.placing import STAGING
from gingham.collect.records import Link, Status
from gingham.config import Collection
from gingham.errors import UnavailableError
from tests.collect.faulty_server import FAULTS, PHOTO, FaultyServer, Names, hangs, numbered, says
from tests.textures import FULL

KILLS = 50 if FULL else 5
CHILD = """
import sys
from pathlib import Path
from gingham.collect.downloading import download
from gingham.collect.ledger import Ledger
from gingham.config import Collection
settings = Collection(allow_private=True, concurrency=8, per_host=8)
with Ledger(Path(sys.argv[1])) as ledger:
    print("ready", flush=True)
    print(dict(download(ledger, "photos", Path(sys.argv[2]), settings)), flush=True)
"""


def settings(**changes: Any) -> Collection:
    return Collection(**{"allow_private": True, "timeout": 5, "retries": 0, "min_side": 64, **changes})


class Place:
    """A ledger and a dataset."""

    def __init__(self, folder: Path) -> None:
        self.ledger_file = folder / "ledger.sqlite"
        self.root = folder / "photos"
        folder.mkdir(exist_ok=True)

    def add(self, *links: Link) -> None:
        with Ledger(self.ledger_file) as ledger:
            ledger.add("photos", links)

    def download(self, progress: Any = None, resolver: Names | None = None, **changes: Any) -> Counter[Status]:
        with Ledger(self.ledger_file) as ledger:
            return download(
                ledger, "photos", self.root, settings(**changes), progress=progress, resolver=resolver or Names()
            )

    def counts(self) -> dict[Status | None, int]:
        with Ledger(self.ledger_file) as ledger:
            return ledger.counts("photos")

    def statuses(self) -> dict[str, Status | None]:
        with Ledger(self.ledger_file) as ledger:
            return {row.link.url: row.outcome and row.outcome.status for row in ledger.rows("photos")}

    def files(self) -> dict[str, bytes]:
        found = sorted(self.root.rglob("*")) if self.root.exists() else []
        return {str(file.relative_to(self.root)): file.read_bytes() for file in found if file.is_file()}

    def stored(self) -> set[str]:
        with Ledger(self.ledger_file) as ledger:
            return {row.outcome.path for row in ledger.rows("photos", Status.OK) if row.outcome}

    def child(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", CHILD, self.ledger_file, self.root],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "place")


def stored_name(data: bytes, label: str = "cat") -> str:
    return f"{label}/{hashlib.sha256(data).hexdigest()[:32]}.jpg"


def test_every_link_ends_in_the_ledger(place: Place) -> None:
    expected = {
        "/ok": Status.OK, "/chunked": Status.DUPLICATE, "/404": Status.NOT_FOUND, "/500": Status.SERVER_ERROR,
        "/html": Status.HTML, "/noai": Status.NOAI, "/short": Status.TRUNCATED, "/half": Status.TRUNCATED,
        "/text": Status.NOT_AN_IMAGE, "/svg": Status.UNSUPPORTED_FORMAT, "/tiny": Status.TOO_SMALL,
        "/loop": Status.REDIRECTS, "/hang": Status.TIMEOUT, "/flood": Status.TOO_LARGE, "/to-file": Status.BAD_URL,
        "/429-long": Status.THROTTLED, "/empty": Status.EMPTY, "/reset": Status.CONNECTION,
    }  # fmt: skip
    with FaultyServer() as server:
        place.add(*[Link("cat", server.url(path)) for path in expected])
        place.add(Link("cat", "nowhere"), Link("cat", "http://none.invalid/"), Link("a/b", server.url("/ok")))
        place.add(Link("dog", server.url("/ok?dog")))
        place.add(Link("", "x"))
        server.answers = {**FAULTS, "/ok?dog": says()}
        counts = place.download(timeout=0.5, max_bytes=2**20)
    found = place.statuses()
    assert {path: found[server.url(path)] for path in expected if path not in ("/ok", "/chunked")} == {
        path: status for path, status in expected.items() if path not in ("/ok", "/chunked")
    }
    assert found["nowhere"] is Status.BAD_URL
    assert found["http://none.invalid/"] is Status.DNS
    assert found["x"] is Status.BAD_LABEL
    assert counts[Status.BAD_LABEL] == 2
    assert (counts[Status.OK], counts[Status.DUPLICATE]) == (2, 1)
    assert counts.total() == len(expected) + 5
    assert place.files() == {stored_name(PHOTO): PHOTO, stored_name(PHOTO, "dog"): PHOTO}
    assert sorted(folder.name for folder in place.root.iterdir()) == ["cat", "dog"]  # no class of nothing


def test_what_the_ledger_says_of_an_image(place: Place) -> None:
    with FaultyServer() as server:
        place.add(Link("cat", server.url("/one")))
        place.download()
    with Ledger(place.ledger_file) as ledger:
        (row,) = ledger.rows("photos")
    outcome = row.outcome
    assert outcome is not None
    assert (outcome.code, outcome.final_url, outcome.size) == (200, server.url("/ok"), len(PHOTO))
    assert (outcome.path, outcome.sha256) == (stored_name(PHOTO), hashlib.sha256(PHOTO).hexdigest())
    assert (outcome.width, outcome.height) == (120, 90)
    assert 0 < outcome.seconds < 5
    assert outcome.finished.endswith("+00:00")


@pytest.mark.parametrize("order", [1, -1])
def test_the_files_do_not_depend_on_the_order(place: Place, order: int) -> None:
    with FaultyServer({f"/{n}": says(body=numbered(n // 2)) for n in range(8)}) as server:
        place.add(*[Link("cat", server.url(f"/{n}")) for n in range(8)][::order])
        assert place.download() == {Status.OK: 4, Status.DUPLICATE: 4}
    assert place.files() == {stored_name(numbered(n)): numbered(n) for n in range(4)}


def test_what_is_done_is_not_fetched_again(place: Place) -> None:
    with FaultyServer() as server:
        place.add(*[Link("cat", server.url(path)) for path in ("/ok", "/404", "/image/1")])
        place.download()
        place.add(Link("cat", server.url("/image/2")), Link("cat", server.url("/ok")))
        assert place.download() == {Status.OK: 1}
        assert place.download() == {}
        assert set(server.requests.values()) == {1}
        with Ledger(place.ledger_file) as ledger:
            ledger.reopen("photos", "failed", place.root)
        assert place.download() == {Status.NOT_FOUND: 1}
        next((place.root / "cat").iterdir()).unlink()
        with Ledger(place.ledger_file) as ledger:
            ledger.reopen("photos", "missing", place.root)
        assert place.download() == {Status.OK: 1}
        assert len(place.files()) == 3


def test_limits(place: Place) -> None:
    with FaultyServer(delay=0.05) as server:
        place.add(*[Link("cat", server.url(f"/image/{n}")) for n in range(12)])
        place.download(per_host=3, concurrency=8)
        assert server.most_at_once == 3
    with FaultyServer(delay=0.05) as server:
        names = [f"{n}.example" for n in range(12)]
        place.add(*[Link("cat", server.url(f"/image/{n}", name)) for n, name in enumerate(names)])
        place.download(per_host=3, concurrency=4, resolver=Names({name: [["127.0.0.1"]] for name in names}))
        assert server.most_at_once == 4


def test_a_slow_server_holds_up_only_itself(place: Place) -> None:
    """Its links come first, and are many; those of the other ones are done long before."""
    finished: dict[str, float] = {}
    with FaultyServer({"/hang": hangs, **{f"/hang?{n}": hangs for n in range(40)}}) as slow, FaultyServer() as quick:
        place.add(*[Link("cat", slow.url(f"/hang?{n}")) for n in range(40)])
        place.add(*[Link("cat", quick.url(f"/image/{n}")) for n in range(40)])
        began = time.monotonic()

        def note(done: int, total: int) -> None:
            if quick.requests.total() == 40:
                finished.setdefault("quick", time.monotonic() - began)

        counts = place.download(progress=note, concurrency=12, per_host=8, timeout=0.5)
        assert counts == {Status.TIMEOUT: 40, Status.OK: 40}
        assert time.monotonic() - began > 2.4  # five rounds of eight
    assert finished["quick"] < 1.5


def test_pauses_take_no_place(place: Place) -> None:
    names = Names({"a.example": [["127.0.0.1"]], "b.example": [["127.0.0.1"]]})
    progress: list[int] = []
    with FaultyServer({"/busy": says(429, Retry_After="1")}) as busy, FaultyServer() as quick:
        place.add(Link("cat", busy.url("/busy", "a.example")))
        place.add(*[Link("cat", quick.url(f"/image/{n}", "b.example")) for n in range(5)])
        counts = place.download(lambda done, _: progress.append(done), names, concurrency=1, per_host=1, retries=1)
        assert counts == {Status.THROTTLED: 1, Status.OK: 5}
        assert busy.requests["/busy"] == 2
    assert progress[-1] == 6
    assert 5 in progress


def test_progress(place: Place) -> None:
    calls: list[tuple[int, int]] = []
    with FaultyServer(delay=0.05) as server:
        place.add(*[Link("cat", server.url(f"/image/{n}")) for n in range(20)])
        place.download(progress=lambda *call: calls.append(call), per_host=2)
    assert calls[-1] == (20, 20)
    assert {total for _, total in calls} == {20}
    assert calls == sorted(calls)


def test_it_works_where_an_event_loop_is_running(place: Place) -> None:
    async def notebook() -> Counter[Status]:
        return place.download()

    with FaultyServer() as server:
        place.add(Link("cat", server.url("/ok")))
        assert asyncio.run(notebook()) == {Status.OK: 1}


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_keeps_what_is_done(place: Place, stop: signal.Signals) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(stop, interrupt)
    try:
        with FaultyServer({"/hang": hangs}) as server:
            place.add(*[Link("cat", server.url(f"/image/{n}")) for n in range(5)], Link("cat", server.url("/hang")))
            timer = threading.Timer(1, os.kill, (os.getpid(), stop))
            timer.start()
            began = time.monotonic()
            with pytest.raises(KeyboardInterrupt):
                place.download(timeout=60)
            assert time.monotonic() - began < 4
            timer.join()
    finally:
        signal.signal(stop, before)
    assert place.counts() == {Status.OK: 5, None: 1}
    assert len(place.files()) == 5
    assert not (place.root / STAGING).exists()


def test_a_full_disk_keeps_what_is_done(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Counter[str]()

    def fills(descriptor: int) -> None:
        calls["fsync"] += 1
        if calls["fsync"] > 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with FaultyServer() as server:
        place.add(*[Link("cat", server.url(f"/image/{n}")) for n in range(20)])
        monkeypatch.setattr("gingham.collect.storing.os.fsync", fills)
        with pytest.raises(UnavailableError, match=f"Cannot write {place.root}.*No space left"):
            place.download(concurrency=2)
        monkeypatch.undo()
        kept = place.counts()[Status.OK]
        assert kept == len(place.files()) == 3
        place.download()
    assert place.counts() == {Status.OK: 20}
    assert len(place.files()) == 20


def test_a_rename_that_fails_is_made_up_for(place: Place) -> None:
    """The ledger knows the image already; the next call puts it in its place, without fetching it again."""
    with FaultyServer() as server:
        place.add(Link("cat", server.url("/ok")))
        place.root.mkdir()
        (place.root / "cat").write_text("in the way")
        with pytest.raises(UnavailableError, match="Cannot write"):
            place.download()
        (place.root / "cat").unlink()
        assert place.download() == {}
        assert server.requests["/ok"] == 1
    assert place.files() == {stored_name(PHOTO): PHOTO}


def test_an_image_lost_on_the_way_is_fetched_again(place: Place) -> None:
    with FaultyServer() as server:
        place.add(Link("cat", server.url("/ok")))
        place.root.mkdir()
        (place.root / "cat").write_text("in the way")
        with pytest.raises(UnavailableError):
            place.download()
        (place.root / "cat").unlink()
        next((place.root / STAGING).iterdir()).unlink()
        assert place.download() == {Status.OK: 1}
    assert place.files() == {stored_name(PHOTO): PHOTO}


@pytest.mark.timeout(900 if KILLS > 10 else 120)
def test_kill(tmp_path: Path) -> None:
    """At random moments: only whole files under final names, and what is resumed is exactly what is missing."""
    links, rng, killed, rounds = 300, random.Random(), 0, 0
    content = {stored_name(numbered(n)): numbered(n) for n in range(links)}
    with FaultyServer(delay=0.02) as server:
        while killed < KILLS:
            rounds += 1
            place = Place(tmp_path / str(rounds))
            place.add(*[Link("cat", server.url(f"/image/{n}")) for n in range(links)])
            while pending := place.counts().get(None, 0):
                before = server.requests.total()
                child = place.child()
                assert child.stdout is not None
                assert child.stdout.readline() == "ready\n"
                if killed < KILLS:
                    time.sleep(rng.uniform(0, 0.8))
                    child.kill()
                _, errors = child.communicate()
                server.wait_idle()
                assert errors == ""
                files = {name: data for name, data in place.files().items() if not name.startswith(STAGING)}
                assert files.items() <= content.items()
                done = len(stored := place.stored())
                if child.returncode == -signal.SIGKILL:
                    killed += 1
                    assert files.keys() <= stored
                    in_vain = server.requests.total() - before - (done - (links - pending))
                    assert 0 <= in_vain <= links // 2, in_vain  # those of one batch at most
                else:
                    assert server.requests.total() - before == pending
            assert place.counts() == {Status.OK: links}
            assert place.files() == content
            assert not (place.root / STAGING).exists()


def test_two_lists_of_many_servers_in_little_memory(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links that end at once, of more servers than are held in memory."""
    monkeypatch.setattr("gingham.collect.downloading._OFFLINE", 10_000)  # none of them is there
    place.add(*[Link("cat", f"http://{n}.invalid/") for n in range(1500)], *[Link("a/b", f"x{n}") for n in range(500)])
    assert place.download() == {Status.DNS: 1500, Status.BAD_LABEL: 500}
