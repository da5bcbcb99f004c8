"""Whose turn it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from gingham.collect.ledger import Done, Ledger
from gingham.collect.records import Link, Outcome, Status
from gingham.collect.turns import Turns


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


def add(ledger: Ledger, **links: int) -> None:
    """So many links of each server."""
    ledger.add("photos", [Link("cat", f"http://{server}/{n}") for server, count in links.items() for n in range(count)])


def taken(turns: Turns) -> list[str]:
    """The servers of all links that can be taken now."""
    found = []
    while (turn := turns.take()) is not None:
        found.append(turn[0])
    return found


def test_at_most_so_many_of_one_server_and_the_least_busy_first(ledger: Ledger) -> None:
    add(ledger, a=5, b=5, c=1)
    turns = Turns(ledger, "photos", servers=8, per_server=2)
    assert taken(turns) == ["a", "b", "c", "a", "b"]
    turns.give_back("b")
    assert taken(turns) == ["b"]
    assert not turns.done


def test_every_link_gets_its_turn_once(ledger: Ledger) -> None:
    add(ledger, **{f"s{n}": n for n in range(1, 80)})
    turns = Turns(ledger, "photos", servers=3, per_server=4)
    seen: Counter[str] = Counter()
    most = 0
    while not turns.done or not seen:
        found = []
        while len(found) < 10 and (turn := turns.take()) is not None:
            found.append(turn)
        most = max(most, len(turns._servers))
        seen.update(link.url for _, link in found)
        for server, link in found:
            ledger.record("photos", [Done(link.id, Outcome(Status.NOT_FOUND))])
            turns.give_back(server)
    assert set(seen.values()) == {1}
    assert len(seen) == sum(range(80))
    assert most < 10


def test_servers_that_wait_leave_room_for_others(ledger: Ledger) -> None:
    add(ledger, a=9, b=9, c=9, d=9)
    assert taken(Turns(ledger, "photos", servers=1, per_server=2)) == [server for server in "abcd" for _ in range(2)]


def test_how_many_wait_is_bounded(ledger: Ledger) -> None:
    add(ledger, **{f"s{n:02}": 2 for n in range(40)})
    assert len(taken(Turns(ledger, "photos", servers=2, per_server=1))) == 32


def test_nothing_is_wanted(ledger: Ledger) -> None:
    turns = Turns(ledger, "photos", servers=2, per_server=1)
    assert turns.take() is None
    assert turns.done
