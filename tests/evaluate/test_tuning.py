"""What a comparison found, in words: true of one candidate and of many, of this call and of earlier ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gingham.evaluate.tuning import Finding, TuningRow, has_line

Row = Callable[..., TuningRow]
METRICS = {"accuracy": 0.9, "accuracy_ci": (0.85, 0.94), "n_test": 1234, "n_correct": 1111}


@pytest.mark.parametrize(
    ("rows", "recommended", "why"),
    [
        (1, 0, "the only one that was measured, so there was nothing to choose"),
        (2, 0, "the most accurate on training images that were held out"),
        (2, 1, "the fastest of those whose difference from the most accurate (svm, network0 at 224)"),
    ],
)
def test_why_it_is_recommended(row: Row, rows: int, recommended: int, why: str) -> None:
    made = tuple(row(number, recommended=number == recommended) for number in range(rows))
    assert Finding(made, rows, METRICS, 0).why.startswith(why)


@pytest.mark.parametrize(
    ("others", "words"),
    [
        (0, "No other run of this project has met these test images."),
        (1, "1 other run of this project has met these test images."),
        (6, "6 other runs of this project have met these test images."),
    ],
)
def test_who_else_has_met_the_test_images(row: Row, others: int, words: str) -> None:
    assert Finding((row(0),), 1, METRICS, others).met == words


@pytest.mark.parametrize(
    ("rows", "now", "words"),
    [
        (1, 1, "1 candidate, measured now."),
        (13, 5, "13 candidates: 5 measured now, 8 kept from earlier calls."),
        (2, 0, "2 candidates: 0 measured now, 2 kept from earlier calls."),
    ],
)
def test_which_calls_measured_them(row: Row, rows: int, now: int, words: str) -> None:
    assert Finding(tuple(row(number) for number in range(rows)), now, METRICS, 0).sources == words


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"best": True, "recommended": True}, "recommended"),
        ({"best": True, "recommended": False}, "most accurate"),
        ({"best": False, "recommended": False}, "as good"),
        ({"best": False, "recommended": False, "as_good": False}, ""),
    ],
)
def test_the_verdict(row: Row, changes: dict[str, bool], word: str) -> None:
    assert row(0, **changes).verdict == word


def test_there_is_a_line_where_nothing_is_both_the_most_accurate_and_the_fastest(row: Row) -> None:
    assert has_line([row(0), row(1)])
    assert not has_line([row(0), row(1, pareto=False)])
    assert not has_line([row(0)])
