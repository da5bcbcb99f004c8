"""The law goes through what obeys it, and bends no curve the wrong way."""

from __future__ import annotations

import numpy as np
import pytest

from gingham.evaluate.power_law import EXPONENTS, fit_power_laws

SIZES = np.array([5.0, 8.0, 15.0, 30.0, 60.0, 100.0])


@pytest.mark.parametrize(
    ("a", "b", "c"),
    [
        pytest.param(0.05, 0.9, 0.5, id="to a limit"),
        pytest.param(0.0, 0.9, 0.25, id="to nothing, slowly"),
        pytest.param(0.2, 0.8, 1.2, id="steeply"),
        pytest.param(0.3, 0.0, 0.5, id="flat"),
    ],
)
def test_it_finds_what_obeys_it(a: float, b: float, c: float) -> None:
    truth = a + b * np.append(SIZES, [150.0, 300.0]) ** -c
    found = fit_power_laws(SIZES, truth[None, :6], np.ones(6))
    np.testing.assert_allclose(found.at([*SIZES, 150, 300])[0], truth, atol=0.004)


@pytest.mark.parametrize(
    "errors",
    [
        pytest.param([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], id="rising"),
        pytest.param([0.9, 0.8, 0.6, 0.4, 0.2, 0.0], id="falling in a line"),
        pytest.param([0.0] * 6, id="nothing wrong"),
        pytest.param([1.0] * 6, id="everything wrong"),
        pytest.param([1.0, 1.0, 1.0, 1.0, 1.0, 0.0], id="a step"),
    ],
)
def test_whatever_it_is_given_it_falls_and_stays_an_error(errors: list[float]) -> None:
    found = fit_power_laws(SIZES, np.array([errors]), np.ones(6))
    assert found.a >= 0
    assert found.b >= 0
    assert EXPONENTS[0] <= found.c <= EXPONENTS[-1]
    heights = found.at(np.geomspace(1, 1e6, 50))[0]
    assert (np.diff(heights) <= 1e-12).all()
    assert heights.min() >= 0
    assert heights.max() <= 1


def test_it_is_the_best_of_its_kind() -> None:
    """No other a, b and c of the grid leave smaller squares."""
    from scipy.optimize import nnls

    rng = np.random.default_rng(0)
    errors = np.clip(0.8 * SIZES**-0.4 + rng.normal(scale=0.1, size=(20, 6)), 0, 1)
    weights = rng.random(6) + 0.1
    found = fit_power_laws(SIZES, errors, weights)
    for row, fitted in zip(errors, found.at(SIZES), strict=True):
        root = np.sqrt(weights)
        least = min(
            nnls(root[:, None] * np.column_stack([np.ones(6), (SIZES / 100) ** -c]), root * row)[1] for c in EXPONENTS
        )
        assert np.sqrt((weights * (fitted - row) ** 2).sum()) <= least + 1e-9 or fitted.max() == 1


def test_equal_sizes_have_a_flat_law() -> None:
    found = fit_power_laws(np.full(3, 2.0), np.array([[0.5, 0.5, 0.2]]), np.ones(3))
    np.testing.assert_allclose(found.at([2, 50]), 0.4)
