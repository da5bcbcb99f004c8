"""Choosing among classifiers: image by image, the fastest of those that may be as good as the best."""

from __future__ import annotations

import numpy as np
import pytest

from gingham.evaluate.intervals import wilson_interval
from gingham.evaluate.selection import Measured, choose, clearly_worse

N = 400


def measured(wrong: range | list[int], milliseconds: float, megabytes: float = 13.0, seen: int = N) -> Measured:
    right = np.ones(N, np.int8)
    right[list(wrong)] = 0
    right[seen:] = -1
    return Measured(right, milliseconds, megabytes)


def test_the_accuracy_of_one_that_was_cross_validated_is_its_share_with_wilsons_interval() -> None:
    chosen = choose([measured(range(40), 4.0)])
    assert chosen.accuracy == (0.9,)
    assert chosen.interval[0] == pytest.approx([float(end) for end in wilson_interval(360, 400)])
    assert (chosen.best, chosen.recommended, chosen.pareto, chosen.as_good) == (0, 0, (True,), (True,))


@pytest.mark.parametrize(
    ("slow_wrong", "fast_wrong", "worse"),
    [
        (range(40), range(44), True),  # 4 more, and nothing gained: z = -2.01
        (range(40), range(4, 45), False),  # 5 lost and 4 gained
        (range(0), range(60), True),
    ],
)
def test_what_is_hard_for_both_does_not_count(slow_wrong: range, fast_wrong: range, worse: bool) -> None:
    slow, fast = measured(slow_wrong, 9.0), measured(fast_wrong, 4.0)
    assert clearly_worse(fast, slow) is worse
    chosen = choose([slow, fast])
    assert chosen.best == 0
    assert chosen.recommended == (0 if worse else 1)
    assert chosen.as_good == (True, not worse)


def test_of_one_that_was_held_out_on_an_easy_part_only_the_difference_counts() -> None:
    svm = measured(range(100, 200), 4.0)  # 75 %, and all of the first 100 right
    dnn = measured(range(10), 4.0, seen=100)  # 90 % of the first 100
    chosen = choose([svm, dnn])
    assert chosen.accuracy == pytest.approx((0.75, 0.65))
    assert chosen.best == 0
    low, high = chosen.interval[1]
    assert low < 0.65 < high
    assert high - low > chosen.interval[0][1] - chosen.interval[0][0]  # it knows less


def test_two_that_share_no_image_cannot_be_told_apart() -> None:
    first, second = measured(range(50), 4.0, seen=200), measured(range(0), 4.0)
    second.right[:200] = -1
    assert not clearly_worse(first, second)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(0, 4.0), (10, 9.0)], [True, False]),
        ([(10, 4.0), (0, 9.0)], [True, True]),
        ([(10, 4.0), (10, 9.0)], [True, False]),
        ([(10, 4.0), (10, 4.0)], [True, True]),
        ([(30, 2.0), (10, 4.0), (20, 5.0), (0, 9.0)], [True, True, False, True]),
    ],
)
def test_the_pareto_line(points: list[tuple[int, float]], expected: list[bool]) -> None:
    assert list(choose([measured(range(wrong), time) for wrong, time in points]).pareto) == expected


def test_of_equals_the_fastest_then_the_smallest() -> None:
    chosen = choose([measured(range(9), 4.0, 19.0), measured(range(9), 4.0, 13.0), measured(range(9), 5.0, 9.0)])
    assert (chosen.best, chosen.recommended) == (1, 1)
