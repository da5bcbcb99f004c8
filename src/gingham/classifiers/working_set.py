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
    X: Floats, sign: Floats, cost: Floats, margin: Floats, start: Floats, tolerance: float
) -> Floats:
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
    float64 array of shape (d, p)
        Weights whose objectives over these rows are no larger than at the start.
    """
    gram = X @ X.T
    dual = np.zeros(sign.shape, dtype=X.dtype)
    remains = np.ones(sign.shape[1])
    for p in range(sign.shape[1]):
        part = np.flatnonzero(cost[:, p])
        own = gram if len(part) == len(X) else gram[np.ix_(part, part)]
        state = _State(own, sign[part, p], cost[part, p], margin[part, p], float(start[:, p] @ start[:, p]))
        for _ in range(_MAX_NEWTON):
            if not state.newton() or state.gap() <= tolerance * state.objective():
                break
        dual[part, p], remains[p] = state.dual, state.remains
    weights: Floats = remains * start + X.T @ dual
    return weights


class _State:
    """One problem at w = remains * start + Xᵀ dual, known by its scores and its squared length."""

    def __init__(self, gram: Floats, sign: Floats, cost: Floats, margin: Floats, square: float) -> None:
        self.gram, self.sign, self.cost = gram, sign, cost
        self.dual, self.remains = np.zeros_like(sign), 1.0
        self.score, self.square = sign * (1 - margin), square
        self.score_at_start, self.square_at_start = self.score, square

    def _hinge(self) -> Floats:
        return np.maximum(1 - self.sign * self.score, 0)

    def objective(self) -> float:
        hinge = self._hinge()
        return 0.5 * self.square + 0.5 * float((self.cost * hinge) @ hinge)

    def gap(self) -> float:
        """Return half the squared length of the gradient over these rows."""
        # as remains * start + Xᵀ residual, whose parts are small near the minimum: no cancellation
        residual = self.dual - self.sign * self.cost * self._hinge()
        return 0.5 * (
            self.remains**2 * self.square_at_start
            + 2 * self.remains * float(residual @ self.score_at_start)
            + float(residual @ (self.gram @ residual))
        )

    def newton(self) -> bool:
        """Go to the minimum along the way to the solution for the present active set; say whether there was a way."""
        hinge = self._hinge()
        rows = np.flatnonzero(hinge)
        if not len(rows):
            rows = np.arange(len(hinge))
        target = _solve(self.gram, self.sign, self.cost, rows)
        reach = self.gram @ target
        along = float(target @ self.score) - self.square
        length = float(target @ reach) - 2 * float(target @ self.score) + self.square
        shift = reach - self.score
        change = -self.sign * shift
        slope = along + float((self.cost * hinge) @ change)
        if not (length > 0 and slope < 0):
            return False
        t = _step(1 - self.sign * self.score, change, self.cost, along, length)
        self.score = self.score + self.score.dtype.type(t) * shift
        self.square += 2 * t * along + t * t * length
        self.dual = self.dual + self.dual.dtype.type(t) * (target - self.dual)
        self.remains *= 1 - t
        return True


def _solve(gram: Floats, sign: Floats, cost: Floats, rows: NDArray[np.intp]) -> Floats:
    """Return the signed dual variables of the minimum whose active set is ``rows``."""
    from scipy.linalg import lapack

    # double precision: one eigenvalue, that of the mean, is many orders above 1 / cost
    system = gram[np.ix_(rows, rows)].astype(np.float64)
    system[np.diag_indices_from(system)] += 1 / cost[rows]
    factor, _ = lapack.dpotrf(system.T, lower=1, clean=0, overwrite_a=1)
    dual = np.zeros(len(sign), gram.dtype)
    dual[rows] = lapack.dpotrs(factor, sign[rows].astype(np.float64), lower=1)[0]
    STAT.append(len(rows))
    return dual


def _step(margin: Floats, change: Floats, cost: Floats, along: float, length: float) -> float:
    """Return the t > 0 that minimises the objective, piecewise quadratic along the line."""
    pull = cost * change
    steepest = along + float(pull @ np.maximum(margin, 0))
    t, low, high = 1.0, 0.0, np.inf
    for _ in range(20):
        inside = np.maximum(margin + t * change, 0)
        slope = along + t * length + float(pull @ inside)
        if abs(slope) <= -1e-3 * steepest:
            break
        low, high = (t, high) if slope < 0 else (low, t)
        t -= slope / (length + float((pull * change) @ (inside > 0)))
        if not low < t < high:
            t = 2 * low if np.isinf(high) else 0.5 * (low + high)
    return t
