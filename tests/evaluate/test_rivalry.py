"""What others lose is carried on by the way in which all of them lose."""

from __future__ import annotations

import numpy as np
import pytest

from gingham.evaluate.rivalry import losses

R = np.array([0.08, 0.13, 0.22, 0.36, 0.6, 1.0])
TWICE = np.array([2.0])


@pytest.mark.parametrize(
    ("grown", "rise"),
    [
        pytest.param(np.log(R), np.log(2), id="as the logarithm"),
        pytest.param(np.sqrt(R), np.sqrt(2) - 1, id="as the root"),
        pytest.param(-1 / R, 0.5, id="to a limit"),
        pytest.param(0 * R, 0.0, id="not at all"),
        pytest.param(-np.log(R), 0.0, id="a gain is none"),
    ],
)
def test_it_goes_on_as_it_has_grown(grown: np.ndarray, rise: float) -> None:
    found = losses([0.1 + 0.01 * grown[None]] * 3, [R] * 3, [TWICE] * 3)
    np.testing.assert_allclose(found, 0.01 * rise, atol=1e-9)


def test_the_way_is_that_of_all_classes_the_amount_each_class_s_own() -> None:
    little, much = (0.1 + size * np.sqrt(R)[None] for size in (0.001, 0.02))
    odd = 0.1 + 0.001 * (R > 0.5)[None]
    found = losses([little, much, odd], [R] * 3, [TWICE] * 3)
    assert found[1][0, 0] == pytest.approx(20 * found[0][0, 0])
    assert 0 < found[2][0, 0] < 0.002


def test_each_resampling_has_its_own() -> None:
    errors = np.vstack([0.1 + 0.01 * np.log(R), 0.1 + 0 * R])
    found = losses([errors], [R], [np.array([2.0, 4.0])])[0]
    np.testing.assert_allclose(found, [[0.01 * np.log(2), 0.01 * np.log(4)], [0, 0]], atol=1e-9)
