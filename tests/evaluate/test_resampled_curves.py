"""Resampled images, groups and draws: what goes in together, and how far it spreads."""

from __future__ import annotations

import numpy as np
import pytest

from gingham.evaluate.resampled_curves import CurveResamplings
from tests.evaluate.curves import curves

LAWS = [(0.1, 0.8, 0.5)] * 3


def spread(copies: int, *, k: int = 0, resamples: int = 2000) -> np.ndarray:
    labels, groups, fold, sizes, right = curves([40, 40, 40], LAWS, copies=copies)
    made = CurveResamplings(labels, groups, fold, draws=3, resamples=resamples, rng=np.random.default_rng(0))
    return made.errors(right[k], sizes[k], (labels == k).astype(float))


def test_the_first_row_is_what_was_measured() -> None:
    labels, groups, fold, sizes, right = curves([20, 30, 25], LAWS)
    made = CurveResamplings(labels, groups, fold, draws=3, resamples=5, rng=np.random.default_rng(0))
    errors = made.errors(right[1], sizes[1], (labels == 1).astype(float))
    assert errors.shape == (6, 6)
    np.testing.assert_allclose(errors[0], 1 - right[1][..., labels == 1].mean(axis=(1, 2)), atol=1e-6)


def test_it_spreads_as_a_proportion_does() -> None:
    errors = spread(1)
    p = errors[0, 2]
    assert errors[1:, 2].std() == pytest.approx(np.sqrt(p * (1 - p) / 40), rel=0.1)


def test_copies_add_no_certainty() -> None:
    assert spread(3)[1:, 2].std() == pytest.approx(spread(1)[1:, 2].std(), rel=0.1)


def test_an_image_goes_into_all_points_of_a_curve_or_into_none() -> None:
    errors = spread(1)[1:]
    difference = errors[:, 3] - errors[:, 4]
    apart = np.sqrt(errors[:, 3].var() + errors[:, 4].var())
    assert difference.std() < 0.8 * apart


def test_a_class_of_no_share_takes_no_part() -> None:
    labels, groups, fold, sizes, right = curves([20, 20], LAWS[:2])
    made = CurveResamplings(labels, groups, fold, draws=3, resamples=50, rng=np.random.default_rng(0))
    before = made.errors(right[0], sizes[0], (labels == 0).astype(float))
    right[0][..., labels == 1] = False
    np.testing.assert_array_equal(made.errors(right[0], sizes[0], (labels == 0).astype(float)), before)


def test_the_largest_size_varies_with_training_images_as_the_draws_below_do() -> None:
    """Also of images that all count the same in every resampling."""
    labels = groups = fold = np.zeros(1, int)
    right = np.ones((2, 3, 1), bool)
    right[0, 0] = False
    made = CurveResamplings(labels, groups, fold, draws=3, resamples=500, rng=np.random.default_rng(0))
    errors = made.errors(right, np.array([6.0, 10.0]), np.ones(1))
    assert errors[0, 1] == 0
    assert set(np.round(errors[1:, 1], 3)) == {0.0, 1.0}
    right[0, 0] = True
    assert made.errors(right, np.array([6.0, 10.0]), np.ones(1)).max() == 0


@pytest.mark.parametrize("shape", [pytest.param((1, 3), id="one size"), pytest.param((4, 1), id="one draw")])
def test_little_to_go_by(shape: tuple[int, int]) -> None:
    labels, fold = np.repeat([0, 1], 10), np.tile([0, 1], 10)
    right = np.random.default_rng(0).random((*shape, 20)) < 0.5
    made = CurveResamplings(labels, np.arange(20), fold, draws=shape[1], resamples=9, rng=np.random.default_rng(0))
    errors = made.errors(right, np.arange(1.0, 1 + shape[0]), np.full(20, 0.5))
    assert errors.shape == (10, shape[0])
    assert np.isfinite(errors).all()
