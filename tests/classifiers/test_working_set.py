"""The exact minimum over few rows, its lower bound, and the exact line search that both solvers share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gingham.classifiers.line_search import minimise_along
from gingham.classifiers.working_set import minimise_over_working_set
from tests.classifiers.makers import backbone_like, blobs, liblinear, objective


def problem(c: float, dtype: type = np.float64, *, like_network: bool = False) -> tuple[NDArray[Any], ...]:
    """Return X with its column of ones, sign, cost (2 C s) of two problems: all rows, and half of them."""
    X, y = backbone_like(300, 80, 3) if like_network else blobs(300, 40, 3)
    X = np.hstack([X, np.ones((300, 1), X.dtype)]).astype(dtype)
    sign = np.where(y == 0, 1.0, -1.0)[:, None].repeat(2, axis=1).astype(dtype)
    cost = np.full((300, 2), 2 * c, dtype)
    cost[::2, 1] = 0
    return X, sign, cost


@pytest.mark.parametrize("c", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize("far", [False, True])
def test_it_is_the_minimum_and_bounds_it(c: float, far: bool) -> None:
    X, sign, cost = problem(c)
    start = np.random.default_rng(0).normal(size=(41, 2)) * (3.0 if far else 0.0)
    weights, bound = minimise_over_working_set(X, sign, cost, 1 - sign * (X @ start), start, 1e-10)
    for p in range(2):
        seen = cost[:, p] > 0
        exact = liblinear(X[seen, :-1], sign[seen, p], c, class_weight=None)
        lowest = objective(X[seen], sign[seen, p], cost[seen, p] / 2, np.append(exact.coef_[0], exact.intercept_[0]))
        found = objective(X[seen], sign[seen, p], cost[seen, p] / 2, weights[:, p])
        assert found == pytest.approx(lowest, rel=1e-8)
        assert bound[p] == pytest.approx(lowest, rel=1e-8)
        assert bound[p] <= found * (1 + 1e-12)


@pytest.mark.parametrize("c", [1.0, 100.0, 10_000.0])
def test_single_precision_reaches_the_tolerance_of_a_search(c: float) -> None:
    X, sign, cost = problem(c, np.float32, like_network=True)
    start = np.zeros((81, 2))
    weights, bound = minimise_over_working_set(X, sign, cost, np.ones_like(sign), start, 1e-4)
    for p in range(2):
        found = objective(X, sign[:, p], cost[:, p] / 2.0, weights[:, p])
        assert found - bound[p] <= 2e-4 * found
        assert bound[p] > 0


@pytest.mark.parametrize(
    ("length", "rows", "features"),
    [
        pytest.param(10.0, 300, 40, id="long rows"),
        pytest.param(10.0, 600, 80, id="long rows, whose matrix is not definite"),
        pytest.param(1e4, 300, 40, id="very long rows"),
    ],
)
def test_rows_too_long_for_single_precision(length: float, rows: int, features: int) -> None:
    random = np.random.default_rng(0)
    X = np.c_[length * random.normal(size=(rows, features)), np.ones(rows)].astype(np.float32)
    sign = np.where(random.random((rows, 1)) < 0.3, 1, -1).astype(np.float32)
    cost = np.full_like(sign, 200)
    weights, bound = minimise_over_working_set(X, sign, cost, np.ones_like(sign), np.zeros((features + 1, 1)), 1e-4)
    found = objective(X, sign[:, 0], cost[:, 0] / 2.0, weights[:, 0])
    assert found == pytest.approx(bound[0], rel=1e-4)


@pytest.mark.parametrize(("dtype", "length"), [(np.float32, 1e30), (np.float64, 1e200)])
def test_rows_too_long_for_any_precision(dtype: type, length: float) -> None:
    X, sign, cost = problem(1.0, dtype)
    X *= length
    with pytest.raises(np.linalg.LinAlgError), np.errstate(over="ignore", invalid="ignore"):
        minimise_over_working_set(X, sign, cost, np.ones_like(sign), np.zeros((X.shape[1], 2)), 1e-4)


def test_no_row_inside_the_margin_is_the_start_of_a_way_back() -> None:
    X, sign, cost = problem(1.0)
    exact = liblinear(X[:, :-1], sign[:, 0], 1.0, class_weight=None)
    far = 1000 * np.append(exact.coef_[0], exact.intercept_[0])[:, None]
    sign, cost = np.ones((300, 1)), cost[:, :1]
    X = np.abs(X)
    start = np.abs(far)
    assert (X @ start > 1).all()
    weights, bound = minimise_over_working_set(X, sign, cost, 1 - X @ start, start, 1e-10)
    found = objective(X, sign[:, 0], cost[:, 0] / 2, weights[:, 0])
    assert found < 1e-3 * objective(X, sign[:, 0], cost[:, 0] / 2, start[:, 0])
    assert bound[0] == pytest.approx(found, rel=1e-8)


def hinge_along_a_line(seed: int, p: int, n: int = 50) -> tuple[Any, NDArray[Any], NDArray[Any]]:
    random = np.random.default_rng(seed)
    margin, change = random.normal(size=(n, p)), random.normal(size=(n, p)) - 0.5
    cost = random.uniform(0, 10, (n, p))

    def loss(t: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        inside = np.maximum(margin + t * change, 0)
        return (cost * change * inside).sum(axis=0), (cost * change**2 * (inside > 0)).sum(axis=0)

    return loss, np.full(p, -0.1), np.full(p, 0.5)


@pytest.mark.parametrize("first", [1e-6, 1.0, 1e6])
def test_the_line_search_ends_where_the_slope_is_nearly_level(first: float) -> None:
    loss, along, length = hinge_along_a_line(0, 200)
    at_start = along + loss(np.zeros(200))[0]
    t = minimise_along(loss, along, length, first=first)
    downhill = at_start < 0
    assert downhill.sum() > 100
    assert (~downhill).any()
    np.testing.assert_array_equal(t[~downhill], 0)
    level = along + t * length + loss(t)[0]
    assert (t[downhill] > 0).all()
    assert (np.abs(level[downhill]) <= 0.02 * np.abs(at_start[downhill])).all()
