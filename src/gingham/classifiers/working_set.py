"""Squared-hinge problems over the few rows that can matter, solved through their dual variables.

Where the rows inside the margin are fewer than the features or hardly more (large C, or few images), a problem is
cheapest in the dual variables: for a fixed set A of rows inside the margin the minimum is one linear system,

    (X_A X_Aᵀ + diag(1 / c)) a = y_A,    w = X_Aᵀ a,    c_i = 2 C s_i,

and Newton's method on the active set (Keerthi and DeCoste, *A modified finite Newton method for fast solution of
large scale linear SVMs*, JMLR 2005) repeats it, with an exact line search, until A is the set inside the margin.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gingham.classifiers.line_search import minimise_along

__all__ = ["minimise_over_working_set"]

Floats = NDArray[np.floating[Any]]

_NEAR = 0.05  # relative gap below which single precision will no longer do
_MAX_NEWTON = 30


def minimise_over_working_set(
    X: Floats, sign: Floats, cost: Floats, margin: Floats, start: Floats, tolerance: float
) -> tuple[Floats, Floats]:
    """Lower several objectives over the same rows, each to near its minimum.

    Parameters
    ----------
    X : array of shape (m, d)
    sign : array of shape (m, p)
        y: +1 or -1.
    cost : array of shape (m, p)
        2 C s; 0 where the row takes no part.
    margin : array of shape (m, p)
        1 - y X w at the start.
    start : float64 array of shape (d, p)
        w.
    tolerance : float
        Relative: duality gap over objective.

    Returns
    -------
    weights : float64 array of shape (d, p)
        Their objectives over these rows are no larger than at the start.
    bound : float64 array of shape (p,)
        The dual objective reached: no weights have a smaller objective, over these rows or more.

    Raises
    ------
    numpy.linalg.LinAlgError
        If a system cannot be solved, even in double precision: rows or costs beyond all bounds.
    """
    try:
        weights, bound = _minimise(X, sign, cost, margin, start, tolerance)
        if X.dtype == np.float64 or bound.all():
            return weights, bound
    except np.linalg.LinAlgError:
        if X.dtype == np.float64:
            raise
    # Where rows are long (features that are not of unit length), the error of a product in single precision can exceed
    # 1 / cost, which is all that keeps the matrix of more rows than features positive definite.
    X, sign, cost = (array.astype(np.float64) for array in (X, sign, cost))
    return _minimise(X, sign, cost, 1 - sign * (X @ start), start, tolerance)


def _minimise(
    X: Floats, sign: Floats, cost: Floats, margin: Floats, start: Floats, tolerance: float
) -> tuple[Floats, Floats]:
    weights = start.copy()
    bound = np.zeros(weights.shape[1])
    near = np.zeros(len(bound), dtype=bool)
    gram = _Gram(X)
    ids = np.arange(weights.shape[1])
    for _ in range(_MAX_NEWTON):
        dual = np.zeros_like(margin)
        active = (margin > 0) & (cost > 0)
        gram.include(np.flatnonzero(active.any(axis=1)))
        for p in range(len(ids)):
            rows = np.flatnonzero(active[:, p])
            if len(rows):
                # far from the minimum single precision will do
                dtype = np.float64 if near[ids[p]] else X.dtype
                dual[rows, p] = _solve(gram.of(rows).astype(dtype), sign[rows, p], cost[rows, p])
        target = X.T @ dual
        bound[ids] = np.maximum(bound[ids], _dual_objective(X, sign, cost, dual, target))
        move = target - weights[:, ids]
        change = -sign * (X @ move.astype(X.dtype))
        pull = cost * change

        def slope_and_bend(t: Floats) -> tuple[Floats, Floats]:
            inside = np.maximum(margin + t.astype(X.dtype) * change, 0)  # noqa: B023
            return _dots(pull, inside), _dots(pull * change, (inside > 0).astype(inside.dtype))  # noqa: B023

        t = minimise_along(slope_and_bend, _dots(weights[:, ids], move), _dots(move, move), first=1.0)
        weights[:, ids] += t * move
        margin = margin + t.astype(X.dtype) * change
        hinge = np.maximum(margin, 0)
        objective = 0.5 * _dots(weights[:, ids], weights[:, ids]) + 0.5 * _dots(cost * hinge, hinge)
        near[ids] = objective - bound[ids] <= _NEAR * objective
        open_ = (objective - bound[ids] > tolerance * objective) & (t > 0)
        if not open_.any():
            break
        ids, margin, sign, cost = ids[open_], margin[:, open_], sign[:, open_], cost[:, open_]
    return weights, bound


class _Gram:
    """X Xᵀ, of which only what is asked for is computed."""

    def __init__(self, X: Floats) -> None:
        self._X = X
        self._place = np.full(len(X), -1)
        self._rows = np.zeros(0, dtype=np.intp)
        self._values: Floats = np.zeros((0, 0), X.dtype)

    def include(self, rows: NDArray[np.intp]) -> None:
        """Compute what is missing of the part of ``rows``."""
        new = rows[self._place[rows] < 0]
        if not len(new):
            return
        old = len(self._rows)
        fresh = self._X[new]
        values = np.empty((old + len(new), old + len(new)), self._X.dtype)
        values[:old, :old] = self._values
        values[old:, old:] = fresh @ fresh.T
        if old:
            values[old:, :old] = fresh @ self._X[self._rows].T
            values[:old, old:] = values[old:, :old].T
        self._rows = np.concatenate([self._rows, new])
        self._place[new] = np.arange(old, len(self._rows))
        self._values = values

    def of(self, rows: NDArray[np.intp]) -> Floats:
        """Return the part of shape (len(rows), len(rows)), included before."""
        place = self._place[rows]
        return self._values.take(place, axis=0).take(place, axis=1)


def _solve(gram: Floats, sign: Floats, cost: Floats) -> Floats:
    """Return the signed dual variables of the minimum whose active set is given.

    In double precision near the minimum: one eigenvalue, that of the mean, is many orders above 1 / cost.
    """
    from scipy.linalg import lapack

    gram[np.diag_indices_from(gram)] += 1 / cost
    single = gram.dtype == np.float32
    factorise, solve = (lapack.spotrf, lapack.spotrs) if single else (lapack.dpotrf, lapack.dpotrs)
    factor, failed = factorise(gram.T, lower=1, clean=0, overwrite_a=1)
    dual: Floats = solve(factor, sign.astype(gram.dtype), lower=1)[0]
    if failed or not np.isfinite(dual).all():  # not every LAPACK says that it met NaN
        raise np.linalg.LinAlgError("the rows inside the margin are not finite, or far too large")
    return dual


def _dual_objective(X: Floats, sign: Floats, cost: Floats, dual: Floats, target: Floats) -> Floats:
    """Return the dual objective (p,) of ``dual``, its infeasible entries set to 0."""
    alpha = sign * dual
    infeasible = (alpha < 0).any(axis=0)
    alpha = np.maximum(alpha, 0)
    if infeasible.any():
        target = target.copy()
        target[:, infeasible] = X.T @ (sign[:, infeasible] * alpha[:, infeasible])
    penalty = np.divide(alpha * alpha, cost, out=np.zeros_like(alpha), where=cost > 0)
    total: Floats = (alpha - 0.5 * penalty).sum(axis=0, dtype=np.float64) - 0.5 * _dots(target, target)
    return total


def _dots(a: Floats, b: Floats) -> Floats:
    dots: Floats = (a * b).sum(axis=0, dtype=np.float64)
    return dots
