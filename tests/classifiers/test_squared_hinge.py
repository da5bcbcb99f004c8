"""The solver, column by column, against LIBLINEAR; its certificate; and that blocks and threads change nothing."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_class_weight

from gingham.classifiers import cross_validation, squared_hinge
from gingham.classifiers.cross_validation import (
    ClassWeight,
    Models,
    balanced,
    constant,
    fit_all,
    out_of_fold_scores,
    shared_preconditioner,
)
from gingham.classifiers.preconditioner import identity_plus, identity_plus_gram
from gingham.classifiers.problems import Columns, Rows, Solution
from gingham.classifiers.squared_hinge import minimise
from gingham.classifiers.workers import Workers, workers
from tests.classifiers.makers import SETS, Set, as_rows, backbone_like, blobs, liblinear, objective

C_GRID = (1e-4, 1e-2, 1.0, 100.0)
FOLDS = 3
TOLERANCE = 1e-3  # that of the search


def search(rows: Rows, c_grid: tuple[float, ...], pool: Workers, tolerance: float) -> Models:
    shared = shared_preconditioner(rows, pool)
    return cross_validation.cross_validate(rows, c_grid, balanced, shared, pool, tolerance)


def final_fit(rows: Rows, c: float, weight: ClassWeight, pool: Workers, tolerance: float) -> Solution:
    K = int(rows.label.max()) + 1
    start = np.zeros((rows.X.shape[1], K if K > 2 else 1))
    return fit_all(rows, c, weight, start, shared_preconditioner(rows, pool), pool, tolerance)


def truth(rows: Rows, seen: NDArray[np.bool_], c: float, positive: int) -> tuple[NDArray[Any], Callable[..., float]]:
    """Return LIBLINEAR's weights for one column, and the column's objective as a function of the weights."""
    X, label = rows.X[seen, :-1], rows.label[seen]
    present = np.unique(label)
    weight = dict(zip(present, compute_class_weight("balanced", classes=present, y=label), strict=True))
    sign = np.where(label == positive, 1, -1)
    negative = weight[1 - positive] if len(present) == 2 else 1.0
    cost = c * np.where(sign > 0, weight[positive], negative)
    model = liblinear(X.astype(np.float64), sign, c, class_weight={1: weight[positive], -1: negative})
    return (
        np.append(model.coef_[0], model.intercept_[0]),
        lambda weights: objective(rows.X[seen], sign, cost, weights),
    )


@pytest.mark.filterwarnings("ignore:Liblinear failed to converge")  # its own tolerance is stricter than it can reach
@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in SETS.items()])
def test_every_column_is_that_of_liblinear(make: Callable[[], Set]) -> None:
    rows = as_rows(*make(), FOLDS)
    with workers(1) as pool:
        models = search(rows, C_GRID, pool, TOLERANCE)
    K = int(rows.label.max()) + 1
    classes = [1] if K == 2 else range(K)
    assert models.folds.shape == (len(C_GRID), FOLDS, rows.X.shape[1], len(classes))
    for i, c in enumerate(C_GRID):
        for fold in range(FOLDS):
            for column, positive in enumerate(classes):
                exact, value = truth(rows, rows.fold != fold, c, positive)
                ours = models.folds[i, fold, :, column].astype(np.float64)
                lowest, found = value(exact), value(ours)
                where = f"C = {c}, fold {fold}, class {positive}"
                assert found <= lowest * (1 + TOLERANCE), where
                # The objective is 1-strongly convex, so the gap bounds the distance too.
                assert 0.5 * np.sum((ours - exact) ** 2) <= models.gap[i, fold, column] + 1e-5 * lowest, where
                # The certificate: it says the objective, and promises no less than is true.
                assert models.objective[i, fold, column] == pytest.approx(found, rel=1e-4), where
                assert models.gap[i, fold, column] <= TOLERANCE * found, where
                assert found - models.gap[i, fold, column] <= lowest * (1 + 1e-5), where


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in SETS.items()])
def test_the_final_model_is_liblinears_to_five_digits(make: Callable[[], Set]) -> None:
    rows = as_rows(*make(), FOLDS)
    K = int(rows.label.max()) + 1
    classes = [1] if K == 2 else range(K)
    with workers(1) as pool:
        final = final_fit(rows, 1.0, balanced, pool, 1e-6)
    for column, positive in enumerate(classes):
        exact, value = truth(rows, np.ones(len(rows.X), bool), 1.0, positive)
        assert value(final.weights[:, column]) == pytest.approx(value(exact), rel=1e-5)
        np.testing.assert_allclose(final.weights[:, column], exact, atol=2e-3 * np.abs(exact).max() + 1e-6)


def test_the_whole_search_is_that_of_linear_svc_with_its_own_weights() -> None:
    # LinearSVC does one-vs-rest itself here: nothing of the weighing is ours.
    X, label = blobs(300, 12, 4)
    rows = as_rows(X, label, FOLDS)
    with workers(1) as pool:
        final = final_fit(rows, 0.5, balanced, pool, 1e-8)
    theirs = liblinear(X, label, 0.5)
    np.testing.assert_allclose(final.weights[:-1].T, theirs.coef_, atol=1e-4)
    np.testing.assert_allclose(final.weights[-1], theirs.intercept_, atol=1e-4)


def test_class_weights_of_ones_own() -> None:
    X, label = blobs(300, 12, 3)
    rows = as_rows(X, label, FOLDS)
    with workers(1) as pool:
        final = final_fit(rows, 0.5, constant({1: 5.0}, 3), pool, 1e-8)
    np.testing.assert_allclose(final.weights[:-1].T, liblinear(X, label, 0.5, class_weight={1: 5.0}).coef_, atol=1e-4)


def test_balanced_is_scikit_learns() -> None:
    label = np.repeat([0, 1, 2], [3, 40, 9])
    theirs = compute_class_weight("balanced", classes=np.arange(3), y=label)
    np.testing.assert_allclose(balanced(np.bincount(label)), theirs)


def test_threads_do_not_change_a_bit() -> None:
    rows = as_rows(*backbone_like(3000, 40, 4), FOLDS)
    results = []
    for count in (1, 2, 5, 1):
        with workers(count) as pool:
            results.append(search(rows, C_GRID, pool, TOLERANCE))
    for other in results[1:]:
        np.testing.assert_array_equal(other.folds, results[0].folds)
        np.testing.assert_array_equal(other.gap, results[0].gap)


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        pytest.param(squared_hinge, "_BLOCK_ELEMENTS", 1, id="small blocks of rows"),
        pytest.param(squared_hinge, "_CHUNKS", 3, id="few chunks"),
        pytest.param(cross_validation, "_SCORE_BYTES", 1, id="one class at a time, for its scores"),
        pytest.param(cross_validation, "_FACTOR_BYTES", 1, id="one class at a time, for its preconditioner"),
    ],
)
def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, value: int) -> None:
    rows = as_rows(*blobs(2500, 20, 5), FOLDS)
    with workers(1) as pool:
        whole = search(rows, (0.01, 1.0), pool, 1e-12)
        monkeypatch.setattr(module, name, value)
        blocked = search(rows, (0.01, 1.0), pool, 1e-12)
    np.testing.assert_allclose(blocked.folds, whole.folds, atol=1e-4)
    np.testing.assert_allclose(blocked.objective, whole.objective, rtol=1e-8)


def test_scores_are_right_where_the_objective_hardly_depends_on_them() -> None:
    # At a tiny C nearly all of the objective is a constant: its gap alone would say nothing of the scores.
    rows = as_rows(*backbone_like(3000, 64, 6), FOLDS)
    with workers(1) as pool:
        ours, exact = (search(rows, (1e-4, 1e-2), pool, tolerance) for tolerance in (TOLERANCE, 1e-9))
    for i in range(2):
        found, true = out_of_fold_scores(rows, ours.folds[i]), out_of_fold_scores(rows, exact.folds[i])
        error = np.sqrt(np.mean((found - true) ** 2, axis=0)) / true.std(axis=0)
        assert error.max() < 0.03


def test_memory_does_not_grow_with_the_number_of_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = as_rows(*backbone_like(8000, 16, 16), FOLDS)
    budget = rows.X.nbytes

    def peak() -> int:
        with workers(1) as pool:
            tracemalloc.start()
            search(rows, (0.01, 1.0), pool, TOLERANCE)
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        return most

    generous = peak()
    monkeypatch.setattr(cross_validation, "_SCORE_BYTES", budget)
    small = peak()
    assert small < 8 * budget < generous, (small, budget, generous)


def test_the_order_of_rows_does_not_matter() -> None:
    rows = as_rows(*blobs(400, 10, 3), FOLDS)
    order = np.random.default_rng(1).permutation(400)
    with workers(1) as pool:
        one = search(rows, C_GRID, pool, 1e-9)
        shuffled = Rows(rows.X[order], rows.label[order], rows.fold[order])
        two = search(shuffled, C_GRID, pool, 1e-9)
    np.testing.assert_allclose(one.folds, two.folds, atol=1e-4)


def test_a_class_whose_only_row_is_held_out_pushes_everything_away() -> None:
    X, label = blobs(60, 5, 2)
    label[0] = 2
    rows = Rows(np.hstack([X, np.ones((60, 1))]), label, np.arange(60) % FOLDS)
    with workers(1) as pool:
        models = search(rows, (1.0,), pool, 1e-6)
    assert np.isfinite(models.folds).all()
    assert (rows.X @ models.folds[0, 0, :, 2] < 0).mean() > 0.9


def test_out_of_fold_scores_are_of_the_model_that_has_not_seen_the_row() -> None:
    rows = as_rows(*blobs(90, 5, 3), FOLDS)
    weights = np.random.default_rng(0).normal(size=(FOLDS, 6, 3))
    scores = out_of_fold_scores(rows, weights)
    for i in range(90):
        np.testing.assert_allclose(scores[i], rows.X[i] @ weights[rows.fold[i]])


def test_steps_that_do_not_suffice_are_admitted() -> None:
    rows = as_rows(*blobs(400, 10, 3), FOLDS)
    cost = np.where(np.arange(FOLDS)[:, None, None] == 0, 0.0, 200.0) * np.ones((FOLDS, 3, 1))
    columns = Columns(np.array([0]), np.array([0]), np.array([0]), cost)
    poor = identity_plus(rows.X, np.zeros(400))
    with workers(1) as pool:
        start = np.zeros((11, 1))
        hasty = minimise(rows, columns, start, tolerance=1e-9, pool=pool, preconditioners=[poor], max_steps=1)
        whole = minimise(rows, columns, start, tolerance=1e-9, pool=pool, preconditioners=[poor])
    assert hasty.gap[0] > 1e-9 * hasty.objective[0]
    assert whole.gap[0] <= 1e-9 * whole.objective[0]
    assert hasty.objective[0] - hasty.gap[0] <= whole.objective[0] < hasty.objective[0]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_features_without_any_information_end_soon(value: float) -> None:
    # In single precision no step betters the scores, which all are equal: the solver must see that and stop.
    rows = as_rows(np.full((3000, 400), value / 20, np.float32), np.arange(3000) % 4, FOLDS)
    steps = 0
    advance = squared_hinge._Search.advance

    def counted(*arguments: Any) -> None:
        nonlocal steps
        steps += 1
        advance(*arguments)

    with pytest.MonkeyPatch.context() as patch, workers(1) as pool:
        patch.setattr(squared_hinge._Search, "advance", counted)
        models = search(rows, (1e-4, 1.0), pool, TOLERANCE)
    assert (models.gap <= TOLERANCE * models.objective).all()
    assert steps < 150


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [pytest.param((80, 20), id="tall"), pytest.param((15, 60), id="wide")])
def test_preconditioners_are_inverse_hessians(shape: tuple[int, int], dtype: type) -> None:
    random = np.random.default_rng(0)
    X, weight = random.normal(size=shape).astype(dtype), random.uniform(0, 3, shape[0])
    weight[::4] = 0
    columns = random.normal(size=(shape[1], 3))
    hessian = np.eye(shape[1]) + X.T @ (weight[:, None] * X)
    np.testing.assert_allclose(hessian @ identity_plus(X, weight)(columns), columns, atol=1e-3)
    of_gram = identity_plus_gram(X.T @ X, 0.5)(columns)
    np.testing.assert_allclose((np.eye(shape[1]) + 0.5 * X.T @ X) @ of_gram, columns, atol=1e-3)
