"""Exact solution of a squared-hinge problem over the few rows that can matter, in their own space.

Where the rows inside the margin are fewer than the features or hardly more (large C, or few images), the problem is
cheapest in the dual variables: for a fixed set A of rows inside the margin the minimum is one linear system,

    (X_A X_Aᵀ + diag(1 / c)) a = y_A,    w = X_Aᵀ a,    c_i = 2 C s_i,

and Newton's method on the active set (Keerthi and DeCoste, *A modified finite Newton method for fast solution of
large scale linear SVMs*, JMLR 2005) repeats it until A is the set of rows inside the margin.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["minimise_over_working_set"]

Floats = NDArray[np.floating[Any]]

_MAX_NEWTON = 12
STAT=[]


def minimise_over_working_set(
    X: Floats, sign: Floats, cost: Floats, active: NDArray[np.bool_], tolerance: float
) -> Floats:
    """Minimise several objectives over the same rows.

    Parameters
    ----------
    X : array of shape (m, d)
    sign : array of shape (m, p)
        +1 or -1: y.
    cost : array of shape (m, p)
        2 C s; 0 where the row takes no part.
    active : bool array of shape (m, p)
        First guess of the rows inside the margin.
    tolerance : float
        Relative: duality gap over objective.

    Returns
    -------
    array of shape (d, p)
        Weights, near a minimum: the caller checks.
    """
    gram = X @ X.T
    dual = np.zeros(sign.shape, dtype=X.dtype)
    for p in range(sign.shape[1]):
        part = np.flatnonzero(cost[:, p])
        whole = len(part) == len(X)
        dual[part, p] = _newton(
            gram if whole else gram[np.ix_(part, part)],
            sign[part, p],
            cost[part, p],
            active[part, p],
            tolerance,
        )
    weights: Floats = X.T @ dual
    return weights


def _newton(gram: Floats, sign: Floats, cost: Floats, active: NDArray[np.bool_], tolerance: float) -> Floats:
    """Return the dual variables a, signed, of one problem."""
    a = np.zeros(len(sign), gram.dtype)
    score = np.zeros(len(sign), gram.dtype)
    if not active.any():
        active = np.ones(len(sign), dtype=bool)
    for step in range(_MAX_NEWTON):
        target = _solve(gram, sign, cost, np.flatnonzero(active))
        reach = gram @ target
        if step == 0:
            a, score = target, reach
        else:
            # exact: the objective is piecewise quadratic along the line
            t = _step(a, score, target - a, reach - score, sign, cost)
            a, score = a + t * (target - a), score + t * (reach - score)
        margin = 1 - sign * score
        active = margin > 0
        force = cost * np.maximum(margin, 0)
        residual = force * sign - a
        objective = 0.5 * float(a @ score) + 0.5 * float(force @ np.maximum(margin, 0))
        if 0.5 * float(residual @ (gram @ residual)) <= tolerance * objective:
            break
    return a


def _solve(gram: Floats, sign: Floats, cost: Floats, rows: NDArray[np.intp]) -> Floats:
    from scipy.linalg import lapack

    # double precision: one eigenvalue, that of the mean, is many orders above 1 / cost
    system = gram[np.ix_(rows, rows)].astype(np.float64)
    system[np.diag_indices_from(system)] += 1 / cost[rows]
    factor, _ = lapack.dpotrf(system.T, lower=1, clean=0, overwrite_a=1)
    a = np.zeros(len(sign), gram.dtype)
    a[rows] = lapack.dpotrs(factor, sign[rows].astype(np.float64), lower=1)[0]
    STAT.append(len(rows))
    return a


def _step(a: Floats, score: Floats, move: Floats, shift: Floats, sign: Floats, cost: Floats) -> float:
    """Return the minimiser over t of the objective at a + t move."""
    along, length = float(move @ score), float(move @ shift)
    margin, change = 1 - sign * score, -sign * shift
    t, low, high = 1.0, 0.0, np.inf
    for _ in range(20):
        inside = np.maximum(margin + t * change, 0)
        pull = cost * change
        slope = along + t * length + float(pull @ inside)
        if length <= 0 or abs(slope) <= 1e-3 * abs(along + float(pull @ np.maximum(margin, 0))):
            break
        low, high = (t, high) if slope < 0 else (low, t)
        t -= slope / (length + float((pull * change) @ (inside > 0)))
        if not low < t < high:
            t = 2 * low if np.isinf(high) else 0.5 * (low + high)
    return t
