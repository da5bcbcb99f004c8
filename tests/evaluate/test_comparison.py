"""Two runs on one test set: what flipped, and whether it can be chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from gingham.errors import UsageError
from gingham.evaluate.comparison import compare_predictions
from gingham.evaluate.metrics import compute_metrics
from gingham.evaluate.predictions import PredictionTable


def answers(right: Sequence[bool], *, order: Sequence[int] | None = None, label: str = "cat") -> PredictionTable:
    rows = list(range(len(right))) if order is None else list(order)
    return PredictionTable(
        paths=tuple(f"{i}.jpg" for i in rows),
        contents=tuple(f"c{i}" for i in rows),
        splits=("test",) * len(rows),
        labels=(label,) * len(rows),
        predicted=tuple(label if right[i] else "dog" for i in rows),
        classes=("cat", "dog"),
        confidence=np.full(len(rows), 0.9),
    )


def counts(both: int, only_a: int, only_b: int, neither: int) -> tuple[PredictionTable, PredictionTable]:
    a = [True] * both + [True] * only_a + [False] * only_b + [False] * neither
    b = [True] * both + [False] * only_a + [True] * only_b + [False] * neither
    return answers(a), answers(b)


@pytest.mark.parametrize(
    ("cells", "verdict"),
    [
        pytest.param((900, 10, 40, 50), "B is better than A by 3.0 points (", id="B better"),
        pytest.param((900, 40, 10, 50), "A is better than B by 3.0 points (", id="A better"),
        pytest.param((90, 2, 5, 3), "B got 3.0 points (", id="chance"),
        pytest.param(
            (95, 0, 0, 5), "equally accurate on these 100 test images, right and wrong on the same ones", id="same"
        ),
        pytest.param((90, 3, 3, 4), "equally accurate on these 100 test images, 3 images apart", id="balanced"),
    ],
)
def test_verdict(cells: tuple[int, int, int, int], verdict: str) -> None:
    found = compare_predictions(*counts(*cells))
    assert verdict in found.verdict
    assert ("can be chance" in found.verdict) == (cells == (90, 2, 5, 3))
    assert found.difference == pytest.approx((cells[2] - cells[1]) / sum(cells))
    low, high = found.difference_ci
    assert low <= found.difference <= high
    assert low < high
    assert (found.n_both_right, found.n_only_a_right, found.n_only_b_right, found.n_both_wrong) == cells


@pytest.mark.parametrize(("only_a", "only_b"), [(1, 0), (2, 9), (10, 40), (7, 7)])
def test_mcnemar_is_the_two_sided_binomial_test(only_a: int, only_b: int) -> None:
    few = min(only_a, only_b)
    expected = min(1.0, 2 * float(binom.cdf(few, only_a + only_b, 0.5)))
    assert compare_predictions(*counts(50, only_a, only_b, 3)).p_value == pytest.approx(expected)


def test_interval_holds_the_true_difference() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for seed in range(300):
        cells = rng.multinomial(107, [0.85, 0.04, 0.08, 0.03])
        low, high = compare_predictions(*counts(*cells.tolist()), seed=seed, resamples=500).difference_ci
        held += low <= 0.04 <= high
    assert held >= 273


def test_rows_are_matched_by_image_not_by_position() -> None:
    right = [True, False, True, False, True]
    found = compare_predictions(answers(right), answers(right, order=[3, 1, 4, 0, 2]))
    assert found.n_only_a_right == found.n_only_b_right == 0


def test_flipped_images_are_named() -> None:
    found = compare_predictions(answers([True, False, True]), answers([True, True, False]))
    assert [(flip.path, flip.predicted_a, flip.predicted_b) for flip in found.gained] == [("1.jpg", "dog", "cat")]
    assert [(flip.path, flip.predicted_a, flip.predicted_b) for flip in found.lost] == [("2.jpg", "cat", "dog")]


@pytest.mark.parametrize(
    ("other", "fingerprints"),
    [
        pytest.param(answers([True] * 4), ("f1", "f1"), id="one image more"),
        pytest.param(answers([True] * 3, label="dog"), ("f1", "f1"), id="another label"),
        pytest.param(answers([True] * 3), ("f1", "f2"), id="another fingerprint"),
    ],
)
def test_refuses_another_test_set(other: PredictionTable, fingerprints: tuple[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        compare_predictions(answers([True] * 3), other, names=("r1", "r2"), test_fingerprints=fingerprints)
    assert "r1 and r2 were tested on different images or labels" in str(caught.value)
    assert "in common with the same label" in str(caught.value)


def test_metrics_side_by_side_know_which_is_better(scores: Callable[..., Any]) -> None:
    truth, strong = scores(80, 3, signal=4)
    _, weak = scores(80, 3, signal=1)
    a, b = (compute_metrics(truth, p, p.argmax(axis=1), ["x", "y", "z"]) for p in (weak, strong))
    tables = answers([True] * 80), answers([True] * 80)
    rows = {row.name: row for row in compare_predictions(*tables, metrics=(a, b)).metrics}
    assert rows["accuracy"].better == rows["log_loss"].better == "B"
    assert rows["accuracy"].difference is not None
    assert rows["accuracy"].difference > 0
    assert rows["log_loss"].difference is not None
    assert rows["log_loss"].difference < 0
    assert rows["accuracy_without_leaks"].better is None
    assert {f"per_class_accuracy.{name}" for name in "xyz"} <= set(rows)
    assert rows["per_class_accuracy.x"].in_words == "accuracy of “x”"
    assert all(row.in_words for row in rows.values())


def test_training_accuracy_makes_no_run_better(scores: Callable[..., Any]) -> None:
    truth, p = scores(80, 3)
    a, b = (
        compute_metrics(truth, p, p.argmax(axis=1), ["x", "y", "z"], train_true=[0, 1], train_predicted=predicted)
        for predicted in ([0, 1], [0, 0])
    )
    tables = answers([True] * 80), answers([True] * 80)
    row = next(r for r in compare_predictions(*tables, metrics=(a, b)).metrics if r.name == "train_accuracy")
    assert row.difference == -0.5
    assert row.better is None


def test_comparison_of_odd_names_can_be_written() -> None:
    odd = answers([True])
    other = answers([False])
    for rows in (odd, other):
        object.__setattr__(rows, "paths", ("\udcff\n.jpg",))
    assert compare_predictions(odd, other).model_dump_json()
