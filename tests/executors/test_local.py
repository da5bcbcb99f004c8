from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator

import pytest

from gingham.executors import map_ordered


def pool_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("gingham")]


@pytest.mark.parametrize("workers", [1, 2, 7])
@pytest.mark.parametrize("count", [0, 1, 3, 200])
def test_results_come_in_the_order_of_the_items(workers: int, count: int) -> None:
    def late_when_even(number: int) -> int:
        time.sleep(0.0005 * (number % 2 == 0))
        return number * number

    assert list(map_ordered(late_when_even, range(count), workers)) == [n * n for n in range(count)]
    assert pool_threads() == []


def test_the_workers_work_at_once() -> None:
    barrier = threading.Barrier(3, timeout=10)
    assert sorted(map_ordered(lambda _: barrier.wait(), range(3), workers=3)) == [0, 1, 2]


def test_items_are_taken_no_further_ahead_than_the_window() -> None:
    taken = itertools.count(1)

    results = map_ordered(lambda number: number, taken, workers=2, window=5)
    read = [next(results) for _ in range(50)]
    results.close()
    assert read == list(range(1, 51))
    assert next(taken) == 55, "the one being read, and four ahead"


def test_an_exception_surfaces_in_its_turn_and_ends_the_work() -> None:
    def fail_at_three(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    results = map_ordered(fail_at_three, itertools.count(), workers=4)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)
    assert pool_threads() == []


def test_an_exception_of_the_items_surfaces() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        list(map_ordered(lambda number: number, items(), workers=2))
    assert pool_threads() == []


@pytest.mark.parametrize("how", ["close", "interrupt"])
def test_ending_early_drops_what_has_not_begun(how: str) -> None:
    begun: list[int] = []
    gate = threading.Event()

    def work(number: int) -> int:
        begun.append(number)
        if number:
            gate.wait(10)
        return number

    results = map_ordered(work, range(1000), workers=2, window=100)
    assert next(results) == 0
    threading.Timer(0.1, gate.set).start()  # what is running is waited for
    if how == "close":
        results.close()
    else:
        with pytest.raises(KeyboardInterrupt):
            results.throw(KeyboardInterrupt)
    assert pool_threads() == []
    assert len(begun) <= 5


@pytest.mark.parametrize(
    ("workers", "window", "sentence"),
    [
        pytest.param(0, None, "workers must be at least 1, not 0", id="no workers"),
        pytest.param(4, 3, "window must be at least the number of workers, 4, not 3", id="window too small"),
    ],
)
def test_what_is_out_of_range_is_refused_at_the_call(workers: int, window: int | None, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        map_ordered(str, [], workers, window)
