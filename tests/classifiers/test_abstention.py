"""The threshold below which the answer is "not sure"."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gingham.classifiers.abstention import Abstention, abstention_threshold


def rows(*answers: tuple[float, bool]) -> tuple[Any, Any]:
    """Return probabilities and labels: each answer has a largest probability, and is right or not."""
    top = np.array([p for p, _ in answers])
    return np.column_stack([top, 1 - top]), np.array([0 if right else 1 for _, right in answers])


R, W = True, False


@pytest.mark.parametrize(
    ("answers", "precision", "expected"),
    [
        pytest.param([(0.9, R), (0.8, R), (0.7, R)], 1.0, (0.7, 1.0), id="all right: all are answered"),
        pytest.param([(0.9, R), (0.8, R), (0.7, W)], 1.0, (0.8, 2 / 3), id="the least sure is wrong"),
        pytest.param([(0.9, R), (0.8, W), (0.7, R), (0.6, R)], 0.75, (0.6, 1.0), id="the most coverage, not the first"),
        pytest.param([(0.9, R), (0.8, W), (0.7, R), (0.6, R)], 0.8, (0.9, 0.25), id="the surest only"),
        pytest.param([(0.6, R), (0.9, R), (0.7, W), (0.8, R)], 1.0, (0.8, 0.5), id="in any order"),
        pytest.param([(0.9, W), (0.8, R)], 0.95, (None, None), id="the surest is wrong"),
        pytest.param([(0.9, R), (0.9, W)], 0.95, (None, None), id="equals stand together, right first"),
        pytest.param([(0.9, W), (0.9, R)], 0.95, (None, None), id="equals stand together, wrong first"),
        pytest.param([(0.9, R), (0.8, R), (0.8, W)], 0.95, (0.9, 1 / 3), id="equals are withheld together"),
        pytest.param([(0.9, R), (0.8, R), (0.8, W)], 0.6, (0.8, 1.0), id="equals are given together"),
        pytest.param([], 0.95, (None, None), id="no rows"),
    ],
)
def test_threshold(answers: list[tuple[float, bool]], precision: float, expected: tuple[Any, Any]) -> None:
    probabilities, label = rows(*answers) if answers else (np.zeros((0, 2)), np.zeros(0, int))
    found = abstention_threshold(probabilities, label, precision)
    assert found == Abstention(expected[0], pytest.approx(expected[1]) if expected[1] else None)


@pytest.mark.parametrize("precision", [0.6, 0.8, 0.95])
def test_it_keeps_its_promise_and_no_lower_threshold_does(precision: float) -> None:
    random = np.random.default_rng(0)
    probabilities = random.dirichlet([0.3] * 4, 400)
    label = np.array([random.choice(4, p=p) for p in probabilities])
    threshold, coverage = abstention_threshold(probabilities, label, precision)
    top, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == label
    assert threshold is not None
    assert right[top >= threshold].mean() >= precision
    assert coverage == (top >= threshold).mean()
    assert all(right[top >= lower].mean() < precision for lower in top[top < threshold])


@pytest.mark.parametrize(
    ("probabilities", "label", "precision", "words"),
    [
        pytest.param(np.ones((2, 2)), [0, 1], 0.0, "precision must lie", id="precision 0"),
        pytest.param(np.ones((2, 2)), [0, 1], 1.01, "precision must lie", id="precision above 1"),
        pytest.param(np.ones((2, 2)), [0, 1], float("nan"), "precision must lie", id="precision NaN"),
        pytest.param(np.ones((2, 2)), [0], 0.9, "do not match 1 labels", id="too few labels"),
        pytest.param(np.ones(2), [0, 1], 0.9, "do not match", id="one dimension"),
    ],
)
def test_refusals(probabilities: Any, label: Any, precision: float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        abstention_threshold(probabilities, label, precision)
