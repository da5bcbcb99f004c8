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
        (range(40), range(44), False),  # 4 more, and nothing gained: McNemar's exact test says 0.125
        (range(40), range(46), True),  # 6 more: 0.03
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


def test_the_base_of_the_others_is_chosen_by_its_time_in_whatever_order_they_come() -> None:
    one = [measured(range(100, 200), 4.0), measured(range(50, 90), 9.0), measured(range(10), 6.0, seen=100)]
    assert choose(one).accuracy[2] == choose([one[2], one[1], one[0]]).accuracy[0] == pytest.approx(0.65)


@pytest.mark.parametrize("part", [11, 22, 76])
@pytest.mark.parametrize(("base", "gained", "lost"), [(0.95, 0.02, 0.02), (0.8, 0.12, 0.03), (0.97, 0.0, 0.1)])
def test_the_interval_of_one_that_was_held_out_on_few_holds_the_truth(
    part: int, base: float, gained: float, lost: float
) -> None:
    rng = np.random.default_rng(0)
    truth = base + gained - lost
    held = 0
    for _ in range(1000):
        svm = rng.random(7 * part) < base
        changes = rng.random(7 * part) < np.where(svm, lost / base, gained / (1 - base))
        dnn = np.where(np.arange(7 * part) < part, svm ^ changes, -1)
        both = [Measured(right.astype(np.int8), 4.0, 13.0) for right in (svm, dnn)]
        low, high = choose(both).interval[1]
        held += low <= truth <= high
    assert held >= 940  # 95 % but for a point


def test_one_error_of_few_leaves_much_room() -> None:
    svm, dnn = measured(range(100, 120), 4.0), measured([0], 4.0, seen=22)
    low, high = choose([svm, dnn]).interval[1]
    assert low < 0.8
    assert high == pytest.approx(0.95 + 0.026, abs=0.03)


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
