"""The best first, and what looks alike apart."""

from __future__ import annotations

import numpy as np
import pytest

from gingham.evaluate.spread import spread_out


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def slowly(candidates: list[int], scores: np.ndarray, features: np.ndarray, radius: float) -> list[int]:
    """Every score computed anew at every step."""
    left, order = dict(zip(candidates, scores, strict=True)), []
    while left:
        near = {row: min([1.0, *(max(0.0, 1 - features[row] @ features[o]) / radius for o in order)]) for row in left}
        best = min(left, key=lambda row: (-left[row] * near[row], row))
        order.append(best)
        del left[best]
    return order


@pytest.mark.parametrize("radius", [0.05, 0.3, 2.0])
@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_greedy_order(seed: int, radius: float) -> None:
    rng = np.random.default_rng(seed)
    features, scores = unit(rng.normal(size=(40, 4))), rng.random(30)
    candidates = rng.permutation(40)[:30]
    assert list(spread_out(candidates, scores, features, radius)) == slowly(
        candidates.tolist(), scores, features, radius
    )


def test_without_a_radius_the_score_decides() -> None:
    features = np.ones((4, 1))
    assert list(spread_out(np.arange(4), np.array([0.1, 0.4, 0.3, 0.2]), features, 0.0)) == [1, 2, 3, 0]


def test_ten_of_the_same_do_not_come_before_one_of_another_kind() -> None:
    features = unit(np.vstack([[1.0, 0.0] + 0.01 * np.random.default_rng(0).normal(size=(10, 2)), [[0.0, 1.0]]]))
    assert list(spread_out(np.arange(11), np.r_[np.full(10, 0.9), 0.5], features, 0.2))[1] == 10


def test_nothing_comes_of_nothing() -> None:
    assert list(spread_out(np.zeros(0, int), np.zeros(0), np.ones((0, 3)), 0.5)) == []
