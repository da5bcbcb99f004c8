"""The ledger: what is known of each link, whatever happens to the file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from gingham.collect.attribution import Credit
from gingham.collect.ledger import Done, Ledger, Row, Wanted
from gingham.collect.records import Link, Outcome, Provenance, Status
from gingham.collect.searching import Batch, Question
from gingham.errors import UnavailableError

URL = "http://example.org/%d.jpg"
FOUND = Provenance("openverse", "cat", "http://x.org/1", "A cat", "Ann", "", "by", "4.0", "http://cc", "A cat by Ann")
OK = Outcome(
    Status.OK,
    "",
    200,
    "http://example.org/final.jpg",
    "cat/0.jpg",
    123,
    "ab" * 32,
    "cd" * 16,
    640,
    480,
    0.5,
    "2026-01-01",
)


@pytest.fixture
def ledger(tmp_path: Path):
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


def wanted(ledger: Ledger, dataset: str = "photos") -> list[Wanted]:
    found, host = [], ledger.next_host(dataset)
    while host is not None:
        found += ledger.wanted(dataset, host, limit=1000)
        host = ledger.next_host(dataset, host)
    return sorted(found, key=lambda link: link.id)


def finish(ledger: Ledger, **statuses: Status) -> None:
    """Give the n-th wanted link a status, by ``_n=status``."""
    links = wanted(ledger)
    ledger.record("photos", [Done(links[int(n[1:])].id, Outcome(status)) for n, status in statuses.items()])


def test_links_are_wanted_once_for_each_label_and_dataset(ledger: Ledger) -> None:
    assert ledger.add("photos", [Link("cat", URL % 1), Link("cat", URL % 2), Link("cat", URL % 1)]) == 2
    assert ledger.add("photos", [Link("cat", URL % 2), Link("dog", URL % 2)]) == 1
    assert ledger.add("others", [Link("cat", URL % 1)]) == 1
    assert [(link.label, link.url) for link in wanted(ledger)] == [("cat", URL % 1), ("cat", URL % 2), ("dog", URL % 2)]
    assert len(wanted(ledger, "others")) == 1


def test_servers_are_told_apart(ledger: Ledger) -> None:
    urls = [
        "http://b.org/1", "HTTPS://B.org/2", "http://a.org:80/1", "http://a.org?x", "nonsense", "", "ftp://c.org/", "http://",
    ]  # fmt: skip
    ledger.add("photos", [Link("cat", url) for url in urls])
    hosts, host = [], ledger.next_host("photos")
    while host is not None:
        hosts.append((host, len(ledger.wanted("photos", host, limit=99))))
        host = ledger.next_host("photos", host)
    assert hosts == [("-", 4), ("a.org", 1), ("a.org:80", 1), ("b.org", 2)]


def test_wanted_links_come_in_portions(ledger: Ledger) -> None:
    ledger.add("photos", (Link("cat", URL % n) for n in range(5)))
    first = ledger.wanted("photos", "example.org", limit=2)
    assert [link.url for link in first] == [URL % 0, URL % 1]
    assert [link.url for link in ledger.wanted("photos", "example.org", first[-1].id, limit=9)] == [
        URL % n for n in (2, 3, 4)
    ]


def test_an_outcome_is_kept_as_it_is(ledger: Ledger) -> None:
    ledger.add("photos", [Link("cat", URL % 1, FOUND), Link("cat", URL % 2)])
    assert ledger.record("photos", [Done(wanted(ledger)[0].id, OK, "x.partial")]) == [OK]
    assert list(ledger.rows("photos")) == [Row(Link("cat", URL % 1, FOUND), OK), Row(Link("cat", URL % 2), None)]
    assert list(ledger.rows("photos", Status.OK)) == [Row(Link("cat", URL % 1, FOUND), OK)]
    assert ledger.counts("photos") == {Status.OK: 1, None: 1}
    assert ledger.counts("others") == {}


def test_provenance_is_added_where_there_was_none_and_else_stays(ledger: Ledger) -> None:
    ledger.add("photos", [Link("cat", URL % 1)])
    ledger.add("photos", [Link("cat", URL % 1, FOUND)])
    other = Provenance("flickr", *[""] * 9)
    ledger.add("photos", [Link("cat", URL % 1, other)])
    assert [row.link.provenance for row in ledger.rows("photos")] == [FOUND]


def test_the_same_bytes_again_are_a_duplicate_under_one_label_only(ledger: Ledger) -> None:
    ledger.add("photos", [Link("cat", URL % 1), Link("cat", URL % 2), Link("dog", URL % 1)])
    ledger.add("others", [Link("cat", URL % 1)])
    one, two, three = (link.id for link in wanted(ledger))
    dog = Outcome(Status.OK, path="dog/0.jpg")
    found = ledger.record("photos", [Done(one, OK), Done(two, OK), Done(three, dog)])
    assert [outcome.status for outcome in found] == [Status.OK, Status.DUPLICATE, Status.OK]
    assert found[1].path == "cat/0.jpg"
    assert ledger.record("photos", [Done(one, OK)])[0].status is Status.OK  # itself, fetched again
    assert ledger.record("others", [Done(wanted(ledger, "others")[0].id, OK)])[0].status is Status.OK


def test_failed_links_are_wanted_again_on_request(ledger: Ledger, tmp_path: Path) -> None:
    ledger.add("photos", (Link("cat", URL % n) for n in range(5)))
    finish(ledger, _0=Status.OK, _1=Status.DUPLICATE, _2=Status.TIMEOUT, _3=Status.NOAI)
    assert [link.url for link in wanted(ledger)] == [URL % 4]
    assert ledger.reopen("photos", "failed", tmp_path) == 2
    assert [link.url for link in wanted(ledger)] == [URL % n for n in (2, 3, 4)]


def test_missing_images_are_wanted_again_on_request(ledger: Ledger, tmp_path: Path) -> None:
    ledger.add("photos", (Link("cat", URL % n) for n in range(3)))
    paths = [Outcome(Status.OK, path=f"cat/{n}.jpg") for n in range(2)]
    ledger.record("photos", [Done(link.id, outcome) for link, outcome in zip(wanted(ledger), paths, strict=False)])
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "1.jpg").touch()
    assert ledger.reopen("photos", "missing", tmp_path) == 1
    assert [link.url for link in wanted(ledger)] == [URL % 0, URL % 2]


def test_files_on_the_way(ledger: Ledger) -> None:
    ledger.add("photos", [Link("cat", URL % 1), Link("cat", URL % 2)])
    one, two = (link.id for link in wanted(ledger))
    ledger.record("photos", [Done(one, OK, "a.partial")])
    assert ledger.unsettled("photos") == [(one, "a.partial", "cat/0.jpg")]
    ledger.record("photos", [Done(two, Outcome(Status.OK, path="cat/1.jpg"), "b.partial")], settled=[one])
    assert ledger.unsettled("photos") == [(two, "b.partial", "cat/1.jpg")]
    assert ledger.unsettled("others") == []
    ledger.settle([two], lost=[two])
    assert ledger.unsettled("photos") == []
    assert [link.id for link in wanted(ledger)] == [two]


def test_lists_that_were_added_are_known(ledger: Ledger) -> None:
    assert not ledger.has_list("photos", "abc")
    ledger.note_list("photos", "abc")
    ledger.note_list("photos", "abc")
    assert ledger.has_list("photos", "abc")
    assert not ledger.has_list("others", "abc")


def test_answers_of_a_search(ledger: Ledger) -> None:
    question, other = Question("openverse", "cat", "cat"), Question("flickr", "cat", "cat")
    assert ledger.keep("photos", Batch(question, (Link("cat", URL % 1, FOUND),), complete=True)) == 1
    assert ledger.keep("photos", Batch(other, (Link("cat", URL % 1), Link("cat", URL % 2)), complete=False)) == 1
    assert ledger.answered("photos") == {question}
    assert ledger.answered("others") == frozenset()
    assert [row.link.provenance for row in ledger.rows("photos")] == [FOUND, None]


def test_credits_are_sorted_by_where_the_images_lie_now(ledger: Ledger) -> None:
    ledger.add("photos", [Link("cat", URL % n, FOUND if n else None) for n in range(5)])
    for link, path in zip(
        wanted(ledger), ["cat/b.jpg", "cat/a.jpg", "cat/d.jpg", "cat/c.jpg", "cat/c.jpg"], strict=True
    ):
        ledger.record("photos", [Done(link.id, Outcome(Status.OK, path=path, content=path[4], finished="2026"))])
    assert list(ledger.stored("photos")) == [(f"cat/{name}.jpg", name) for name in "abcd"]
    found = list(ledger.credits("photos", {"cat/a.jpg": "dog/a.jpg", "cat/d.jpg": "ant/d.jpg"}))
    assert [credit.path for credit in found] == ["ant/d.jpg", "cat/b.jpg", "cat/c.jpg", "dog/a.jpg"]
    assert found[1] == Credit("cat/b.jpg", "cat", URL % 0, None, "2026")
    assert found[3] == Credit("dog/a.jpg", "cat", URL % 1, FOUND, "2026")


@pytest.mark.parametrize("text", ["'; DROP TABLE links; --", "a\0b", "\ud800", "🧥", "x" * 100_000], ids=ascii)
def test_text_from_strangers(ledger: Ledger, text: str) -> None:
    assert ledger.add("photos", [Link(text, text, Provenance(*[text] * 10))]) == 1
    assert ledger.add("photos", [Link(text, text)]) == 0
    (link,) = wanted(ledger)
    ledger.record("photos", [Done(link.id, Outcome(Status.BAD_URL, final_url=text, detail=text))])
    (row,) = ledger.rows("photos")
    shown = text.replace("\ud800", "\\ud800")
    assert row.outcome is not None
    assert {row.link.label, row.link.url, row.outcome.final_url, row.link.provenance.title} == {shown}  # type: ignore[union-attr]


def test_it_is_there_again(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.add("photos", [Link("cat", URL % 1)])
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert ledger.counts("photos") == {None: 1}
        assert ledger.warning is None


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: b"no database" * 1000, id="another file"),
        pytest.param(lambda data: data[:4096] + bytes([0xAA]) * (len(data) - 4096), id="overwritten pages"),
    ],
)
def test_a_damaged_one_is_put_aside(tmp_path: Path, damage) -> None:
    file = tmp_path / "ledger.sqlite"
    with Ledger(file) as ledger:
        ledger.add("photos", (Link("cat", URL % n) for n in range(1000)))
    damaged = damage(file.read_bytes())
    file.write_bytes(damaged)
    with Ledger(file) as ledger:
        assert ledger.add("photos", [Link("cat", URL % 1)]) == 1
        assert ledger.counts("photos") == {None: 1}
        assert ledger.warning is not None
        assert "ledger.sqlite.damaged" in ledger.warning
    assert (tmp_path / "ledger.sqlite.damaged").read_bytes() == damaged


def test_one_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(UnavailableError, match="newer Gingham"):
        Ledger(file)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="Cannot use"):
        Ledger(tmp_path / "none" / "ledger.sqlite")
