"""Calibration: better than raw scores, sane where there is little to learn from, and at its optimum."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
import scipy.optimize
from numpy.typing import NDArray
from sklearn.metrics import log_loss

from gingham.classifiers import calibration as module
from gingham.classifiers.calibration import Calibration, fit_calibration
from gingham.classifiers.head import two_sided


def drawn(n: int, K: int, slope: float, seed: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return scores, and labels drawn with the probabilities softmax(slope · scores)."""
    random = np.random.default_rng(seed)
    scores = random.normal(size=(n, K))
    chance = np.exp(slope * scores)
    chance /= chance.sum(axis=1, keepdims=True)
    return scores, (chance.cumsum(axis=1) < random.random((n, 1))).sum(axis=1)


@pytest.mark.parametrize("slope", [0.3, 1.0, 6.0])
def test_it_finds_the_slope_the_labels_were_drawn_with(slope: float) -> None:
    calibration = fit_calibration(*drawn(20_000, 4, slope))
    assert calibration.scale == pytest.approx(slope, rel=0.05)
    np.testing.assert_allclose(calibration.offsets, 0, atol=0.1)


@pytest.mark.parametrize("slope", [0.2, 8.0])
@pytest.mark.parametrize("penalty", [1.0, np.inf])
def test_log_loss_of_new_rows_is_better_than_that_of_raw_scores(slope: float, penalty: float) -> None:
    calibration = fit_calibration(*drawn(1000, 5, slope), penalty)
    scores, label = drawn(5000, 5, slope, seed=1)
    raw = Calibration(1.0, np.zeros(5)).apply(scores)
    assert log_loss(label, calibration.apply(scores)) < 0.9 * log_loss(label, raw)


def test_offsets_mend_a_class_that_scores_too_low() -> None:
    scores, label = drawn(5000, 3, 2.0)
    scores[:, 1] -= 1
    calibration = fit_calibration(scores, label, 1.0)
    np.testing.assert_allclose(calibration.offsets, [-2 / 3, 4 / 3, -2 / 3], atol=0.15)
    assert calibration.offsets.sum() == pytest.approx(0, abs=1e-9)
    without = fit_calibration(scores, label, np.inf)
    np.testing.assert_array_equal(without.offsets, 0)
    assert log_loss(label, calibration.apply(scores)) < log_loss(label, without.apply(scores)) - 0.05


def test_two_classes_are_platts_sigmoid() -> None:
    random = np.random.default_rng(0)
    scores = random.normal(size=4000)
    label = (random.random(4000) < 1 / (1 + np.exp(-(3 * scores - 1)))).astype(int)
    calibration = fit_calibration(scores, label, 1.0)
    probabilities = calibration.apply(scores)
    logit = np.log(probabilities[:, 1] / probabilities[:, 0])
    slope, shift = np.polyfit(scores, logit, 1)
    assert slope == pytest.approx(2 * calibration.scale)
    assert (slope, shift) == (pytest.approx(3, rel=0.1), pytest.approx(-1, abs=0.15))


@pytest.mark.parametrize(
    ("scores", "label"),
    [
        pytest.param(10.0 * np.eye(3)[np.arange(90) % 3], np.arange(90) % 3, id="perfect separation"),
        pytest.param(1e6 * np.eye(3)[np.arange(90) % 3], np.arange(90) % 3, id="perfect separation, far"),
        pytest.param(1e-6 * np.eye(3)[np.arange(90) % 3], np.arange(90) % 3, id="perfect separation, near"),
        pytest.param(np.eye(4), np.arange(4), id="one row per class"),
        pytest.param(-np.eye(4), np.arange(4), id="always wrong"),
        pytest.param(np.zeros((6, 3)), np.arange(6) % 3, id="equal scores"),
        pytest.param(np.array([-1.0, 1.0]), np.array([0, 1]), id="two classes of one row"),
        pytest.param(np.eye(3)[[0, 0, 1]], np.array([0, 0, 1]), id="a class without rows"),
        pytest.param(np.eye(3)[np.r_[[0] * 500, 1, 2]], np.r_[[0] * 500, 1, 2], id="one class has nearly all rows"),
    ],
)
@pytest.mark.parametrize("penalty", [1.0, np.inf])
def test_probabilities_stay_sane(scores: NDArray[Any], label: NDArray[Any], penalty: float) -> None:
    calibration = fit_calibration(scores, label, penalty)
    probabilities = calibration.apply(scores)
    assert calibration.scale > 0
    assert np.isfinite(calibration.offsets).all()
    assert (probabilities > 0).all()
    assert (probabilities < 1).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_many_rows_that_agree_are_believed_more_than_few() -> None:
    few, many = (
        fit_calibration(np.eye(4)[np.arange(n) % 4], np.arange(n) % 4).apply(np.eye(4)).max() for n in (8, 400)
    )
    assert few < 0.9 < 0.98 < many


@pytest.mark.parametrize("penalty", [1.0, np.inf])
def test_its_gradient_is_that_of_its_loss(monkeypatch: pytest.MonkeyPatch, penalty: float) -> None:
    captured = []
    minimize = scipy.optimize.minimize

    def spy(loss: Any, start: Any, **options: Any) -> Any:
        captured.append((loss, start))
        return minimize(loss, start, **options)

    monkeypatch.setattr(scipy.optimize, "minimize", spy)
    fit_calibration(*drawn(50, 3, 2.0), penalty)
    loss, start = captured[0]
    random = np.random.default_rng(0)
    for _ in range(3):
        point = random.normal(size=start.shape)
        numeric = scipy.optimize.approx_fprime(point, lambda p: loss(p)[0], 1e-7)
        np.testing.assert_allclose(loss(point)[1], numeric, atol=1e-5)


@pytest.mark.parametrize("level", [1e-9, 0.3, 1e9])
def test_scores_that_differ_by_rounding_do_not_differ(level: float) -> None:
    label = np.arange(60) % 3
    scores = level * (1 + 1e-16 * np.random.default_rng(0).integers(-2, 3, (60, 3)))
    calibration = fit_calibration(scores, label)
    assert calibration.scale * level == pytest.approx(1)
    # another row, whose scores do differ, is not believed blindly
    assert calibration.apply(np.array([[level, 0, -level]])).max() < 0.9


@pytest.mark.parametrize("penalty", [1.0, np.inf])
@pytest.mark.parametrize("K", [2, 5])
def test_blocks_of_rows_are_the_whole(monkeypatch: pytest.MonkeyPatch, penalty: float, K: int) -> None:
    scores, label = drawn(1000, K, 2.0)
    scores = scores[:, 1] - scores[:, 0] if K == 2 else scores
    whole = fit_calibration(scores, label, penalty)
    single = fit_calibration(scores.astype(np.float32), label, penalty)
    monkeypatch.setattr(module, "_BLOCK_ELEMENTS", 300)
    blocks = fit_calibration(scores, label, penalty)
    for other in (single, blocks):
        assert other.scale == pytest.approx(whole.scale, rel=1e-5)
        np.testing.assert_allclose(other.offsets, whole.offsets, atol=1e-5)


def test_many_rows_and_classes_are_not_copied_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, label = drawn(20_000, 50, 2.0)
    monkeypatch.setattr(module, "_BLOCK_ELEMENTS", 1 << 14)
    tracemalloc.start()
    fit_calibration(scores, label)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.5 * scores.nbytes


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf])
def test_a_scale_that_is_not_positive_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="scale must be positive"):
        Calibration(scale, np.zeros(2))


def test_huge_scores_do_not_overflow() -> None:
    probabilities = Calibration(10.0, np.zeros(2)).apply(np.array([[1e300, -1e300], [5.0, 5.0]]))
    np.testing.assert_array_equal(probabilities, [[1, 0], [0.5, 0.5]])


def test_one_column_is_that_of_the_second_class() -> None:
    np.testing.assert_array_equal(two_sided(np.array([3.0, -1.0])), [[-3, 3], [1, -1]])
    three = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(two_sided(three), three)
