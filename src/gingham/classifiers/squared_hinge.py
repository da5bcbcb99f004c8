"""Many L2-regularised squared-hinge problems over the same rows, solved together.

A problem is one column of a matrix: one class against the rest, at one C, on the rows outside one fold. Over
its weights w (the last one is the penalised intercept, met by a constant feature) it minimises what LIBLINEAR does:

    P(w) = |w|²/2 + C Σ s_i max(0, 1 - y_i x_iᵀw)²

The method is nonlinear conjugate gradients with an exact line search, preconditioned by the Hessian
I + 2C XᵀDX of a nearby point (Polak-Ribière with restarts; Hager and Zhang, *A survey of nonlinear conjugate gradient
methods*, 2006). One step costs two matrix products with all the columns that are still at work. Columns of the same
class share a preconditioner: the folds of one class at one C differ little from each other. Where few rows lie inside
the margin, the step goes to the minimum over those rows instead (:mod:`gingham.classifiers.working_set`).

P is 1-strongly convex, so P(w) - min P <= |∇P(w)|²/2 (here this is also exactly the duality gap of the dual point
α_i = 2C s_i max(0, 1 - y_i x_iᵀw)). That bound is the stopping rule: every answer comes with a certificate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gingham.classifiers.line_search import minimise_along
from gingham.classifiers.preconditioner import Preconditioner, identity_plus
from gingham.classifiers.problems import Columns, Rows, Solution
from gingham.classifiers.workers import Workers
from gingham.classifiers.working_set import minimise_over_working_set

__all__ = ["minimise"]

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]

_BLOCK_ELEMENTS = 1 << 16  # of the score matrix: a block's temporaries stay in a core's own cache
_CHUNKS = 16  # partial sums; a fixed number, so that results do not depend on the number of threads
_SCORE_ERROR = 0.02  # root mean square, of the scores' own spread
_GAP_FLOOR = 1e-12  # of the objective: less is rounding
_IDLE = 12  # steps in which the smallest gap so far was not halved: rounding allows no better scores
_SLACK = 0.2  # rows up to this far outside the margin join the working set
_LARGEST_WORKING_SET = 2500  # rows inside the margin: more make too large a matrix


def minimise(
    rows: Rows,
    columns: Columns,
    start: Floats,
    *,
    tolerance: float,
    pool: Workers,
    preconditioners: Sequence[Preconditioner | None],
    max_steps: int = 500,
) -> Solution:
    """Minimise the objective of every column until its certified gap is small.

    Parameters
    ----------
    rows, columns
        The data and the problems.
    start : array of shape (d, P)
        Weights to start from.
    tolerance : float
        A column is done when its gap is at most ``tolerance`` times its objective, and small enough too to leave the
        scores within a few hundredths of their spread: at a small C the objective hardly depends on the weights.
    pool : Workers
    preconditioners : sequence of Preconditioner or None
        One for each group, to begin with; replaced where they do not serve.
    max_steps : int
        Columns that are not done by then are returned as they are: see ``Solution.gap``.

    Returns
    -------
    Solution

    Raises
    ------
    numpy.linalg.LinAlgError
        If rows or costs are so large that gradient or Hessian are not finite.
    """
    search = _Search(rows, columns, start, pool)
    used = list(preconditioners)
    P = start.shape[1]
    weights = start.astype(np.float64)
    objective, gap = np.zeros(P), np.zeros(P)
    smallest, idle = np.full(P, np.inf), np.zeros(P, dtype=int)
    for step in range(max_steps + 1):
        loss, gradient = search.gradient()
        value = 0.5 * np.einsum("ij,ij->j", search.weights, search.weights) + loss
        far = 0.5 * np.einsum("ij,ij->j", gradient, gradient)
        if not np.isfinite(far + value).all():
            raise np.linalg.LinAlgError("the rows or costs are so large that the gradient is not finite")
        bound = np.minimum(far, value - search.lower)
        ids = search.ids
        weights[:, ids], objective[ids], gap[ids] = search.weights, value, bound
        halved = bound < 0.5 * smallest[ids]
        smallest[ids] = np.where(halved, bound, smallest[ids])
        idle[ids] = np.where(halved, 0, idle[ids] + 1)
        open_ = bound > tolerance * value
        if not open_.all():
            open_ |= (bound > np.maximum(search.gap_of_scores(), _GAP_FLOOR * value)) & (idle[ids] < _IDLE)
        if not open_.any() or step == max_steps:
            break
        gradient = gradient[:, search.keep(open_)]
        search.advance(gradient, used, tolerance)
    return Solution(weights, objective, gap, used)


class _Search:
    """The state of the columns still at work: weights, margins, last direction."""

    def __init__(self, rows: Rows, columns: Columns, start: Floats, pool: Workers) -> None:
        self.rows, self.pool = rows, pool
        n, P = len(rows.X), start.shape[1]
        self.dtype = rows.X.dtype
        self.ids = np.arange(P)
        self.group = columns.group
        self.weights = start.astype(np.float64)
        K = columns.cost.shape[1]
        self.segment = rows.fold * K + rows.label
        self.cost = columns.cost.reshape(-1, P).astype(self.dtype)
        self.sign = np.where(np.arange(K)[:, None] == columns.positive, 1, -1).astype(self.dtype)
        self.sign = np.tile(self.sign, (columns.cost.shape[0], 1))
        self.last: tuple[Floats, Floats, Floats] | None = None  # gradient, its image, direction
        chunk = -(-n // min(_CHUNKS, max(2, n // 1024)))
        size = max(32, min(1024, _BLOCK_ELEMENTS // P))
        self.chunks = [
            [slice(i, min(i + size, c + chunk, n)) for i in range(c, min(c + chunk, n), size)]
            for c in range(0, n, chunk)
        ]
        self.margins = np.ones((n, P), self.dtype)
        self.change = np.empty((n, P), self.dtype)
        self.t: Floats = np.zeros(P, self.dtype)
        if start.any():
            self._project(self.weights)
            self.margins += self.change
        self.pending = False
        self.patience = np.ones(columns.group.max() + 1)
        self.lower = np.zeros(P)
        self.spent = np.zeros(columns.group.max() + 1)
        self.unsolvable: set[int] = set()  # groups whose working set is beyond double precision
        self.working = {g: np.zeros(len(self.rows.X), bool) for g in set(columns.group.tolist())}

    def _over_rows(self, function: Callable[[slice], Any]) -> Any:
        def chunk(blocks: list[slice]) -> Any:
            total = function(blocks[0])
            for block in blocks[1:]:
                for sum_, part in zip(total, function(block), strict=True):
                    sum_ += part
            return total

        parts = self.pool.map(chunk, self.chunks)
        return [sum(p) for p in zip(*parts, strict=True)]

    def gradient(self) -> tuple[Floats, Floats]:
        """Return the loss (P,) and the gradient (d, P) at the current margins."""

        def block(b: slice) -> tuple[Floats, Floats, Floats]:
            margins = self.margins[b]
            if self.pending:
                margins += self.t * self.change[b]
            hinge = np.maximum(margins, 0)
            segment = self.segment[b]
            force = self.cost[segment]
            force *= hinge
            active = _sums((force > 0).astype(self.dtype))
            hinge *= force
            loss = _sums(hinge)
            force *= self.sign[segment]
            return loss, active, self.rows.X[b].T @ force

        loss, self.active, pull = self._over_rows(block)
        self.pending = False
        return 0.5 * loss, self.weights - pull

    def gap_of_scores(self) -> Floats:
        """Return the gap (P,) at which the scores of the rows inside the margin are near enough to their final values.

        Near the minimum the gap is at least C Σ s (change of score)² over those rows.
        """

        def block(b: slice) -> tuple[Floats, Floats, Floats]:
            margins = self.margins[b]
            segment = self.segment[b]
            stiff = self.cost[segment]
            stiff *= margins > 0
            score = self.sign[segment]
            score -= score * margins
            return _sums(stiff), _sums(score), _sums(score * score)

        stiffness, total, squares = self._over_rows(block)
        n = len(self.margins)
        gap: Floats = 0.5 * _SCORE_ERROR**2 * stiffness * (squares / n - (total / n) ** 2)
        return gap

    def keep(self, open_: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Drop the columns that are done; return the positions of the others."""
        kept = np.flatnonzero(open_)
        if len(kept) < len(open_):
            self.ids, self.group, self.lower = self.ids[kept], self.group[kept], self.lower[kept]
            self.active = self.active[kept]
            self.weights, self.cost, self.sign = self.weights[:, kept], self.cost[:, kept], self.sign[:, kept]
            if self.last is not None:
                gradient, image, direction = self.last
                self.last = gradient[:, kept], image[:, kept], direction[:, kept]
            self.margins = np.take(self.margins, kept, axis=1)
            self.change = np.empty_like(self.margins)
        return kept

    def preconditioner(self, group: int) -> Preconditioner:
        """Return the inverse Hessian at the current margins, averaged over the group's columns."""
        members = np.flatnonzero(self.group == group)
        weight = np.zeros(len(self.margins))
        for blocks in self.chunks:
            for b in blocks:
                active = self.margins[b][:, members] > 0
                weight[b] = (active * self.cost[:, members][self.segment[b]]).mean(axis=1)
        return identity_plus(self.rows.X, weight)

    def _working_set_move(self, group: int, members: NDArray[np.intp], tolerance: float) -> Floats:
        """Return the way (d, p) to the minimum over the rows in or near the margin."""
        margins = self.margins[:, members]
        cost = self.cost[:, members]
        takes_part: NDArray[np.bool_] = np.asarray(cost.any(axis=1))
        close = (margins > -_SLACK).any(axis=1) & takes_part[self.segment]
        near = np.flatnonzero(close | self.working[group])
        segment = self.segment[near]
        weights, lower = minimise_over_working_set(
            self.rows.X[near],
            self.sign[:, members][segment],
            cost[segment],
            margins[near],
            self.weights[:, members],
            0.25 * tolerance,
        )
        self.lower[members] = np.maximum(self.lower[members], lower)
        move: Floats = weights - self.weights[:, members]
        return move

    def advance(self, gradient: Floats, preconditioners: list[Preconditioner | None], tolerance: float) -> None:
        """Go along the next direction to its minimum."""
        groups = np.unique(self.group)
        members = [np.flatnonzero(self.group == g) for g in groups]
        n, d = self.rows.X.shape
        active = self.active
        step_cost = 4.0 * n * d * (len(self.ids) + 20)
        for g, m in zip(groups, members, strict=True):
            self.spent[g] += step_cost * len(m) / len(self.ids)
        direct = np.zeros(len(groups), dtype=bool)
        stale = set()
        for i, (g, m) in enumerate(zip(groups.tolist(), members, strict=True)):
            size = float(active[m].max())
            hessian = min(size, 8 * d) * d * d + d**3 / 3
            newton = 3.3 * len(m) * size**3 + 3 * size**2 * d
            steps = (
                (60 if size < 0.9 * d else 20 * self.patience[g])
                * 4.0
                * n
                * d
                * len(m)
                * (len(self.ids) + 20)
                / len(self.ids)
            )
            if preconditioners[g] is None or self.spent[g] > self.patience[g] * min(hessian, newton):
                direct[i] = newton < steps and size < min(2 * d, _LARGEST_WORKING_SET) and g not in self.unsolvable
                if not direct[i]:
                    stale.add(g)
                    self.patience[g] *= 2

        def apply(item: tuple[int, NDArray[np.intp], bool]) -> Floats:
            group, columns, is_direct = item
            if is_direct:
                preconditioners[group] = None
                try:
                    return -self._working_set_move(group, columns, tolerance)
                except np.linalg.LinAlgError:
                    self.unsolvable.add(group)
            inverse = preconditioners[group]
            if inverse is None or group in stale:
                inverse = preconditioners[group] = self.preconditioner(group)
                self.spent[group] = 0
            return inverse(gradient[:, columns])

        image = np.empty_like(gradient)
        items = list(zip(groups.tolist(), members, direct, strict=True))
        for m, made in zip(members, self.pool.map(apply, items), strict=True):
            image[:, m] = made
        self.direct = [(g, m) for g, m, is_ in zip(groups.tolist(), members, direct, strict=True) if is_]
        changed = list(stale) + groups[direct].tolist()
        direction = -image
        if self.last is not None:
            last_gradient, last_image, last_direction = self.last
            with np.errstate(divide="ignore", invalid="ignore"):
                beta = _dots(image, gradient - last_gradient) / _dots(last_gradient, last_image)
            beta = np.where(np.isin(self.group, changed) | ~np.isfinite(beta), 0, beta).clip(0)
            direction += beta * last_direction
        slope = _dots(gradient, direction)
        self.uphill = uphill = slope >= 0
        if uphill.any():
            direction[:, uphill] = -gradient[:, uphill]
            slope[uphill] = -_dots(gradient[:, uphill], gradient[:, uphill])
        self.last = gradient, image, direction
        t = self._line_search(direction, slope)
        self.weights += t * direction
        self.t = t.astype(self.dtype)
        self.pending = True

    def _project(self, direction: Floats) -> Floats:
        """Set ``change`` to the derivative of the margins along ``direction``; return the curvature there (P,)."""
        cast = direction.astype(self.dtype)

        def block(b: slice) -> tuple[Floats]:
            change = self.change[b]
            segment = self.segment[b]
            np.matmul(self.rows.X[b], cast, out=change)
            change *= self.sign[segment]
            np.negative(change, out=change)
            bend = self.cost[segment]
            bend *= self.margins[b] > 0
            bend *= change
            bend *= change
            return (_sums(bend),)

        curvature: Floats = self._over_rows(block)[0]
        return curvature

    def _slope_and_curvature(self, t: Floats) -> tuple[Floats, Floats]:
        cast = t.astype(self.dtype)

        def block(b: slice) -> tuple[Floats, Floats]:
            change = self.change[b]
            margins = cast * change
            margins += self.margins[b]
            force = self.cost[self.segment[b]]
            force *= change
            bend = force * change
            bend *= margins > 0
            np.maximum(margins, 0, out=margins)
            force *= margins
            return _sums(force), _sums(bend)

        slope, curvature = self._over_rows(block)
        return slope, curvature

    def _line_search(self, direction: Floats, slope: Floats) -> Floats:
        """Return the step (P,) that minimises each objective along ``direction``: Newton, kept in a bracket."""
        along = _dots(self.weights, direction)
        length = _dots(direction, direction)
        t = -slope / (length + self._project(direction))
        for g, m in self.direct:
            m = m[~self.uphill[m]]
            self.working[g] |= (self.margins[:, m] + self.change[:, m] > 0).any(axis=1)
        return minimise_along(self._slope_and_curvature, along, length, first=t, slope=slope)


def _dots(a: Floats, b: Floats) -> Floats:
    dots: Floats = np.einsum("ij,ij->j", a, b)
    return dots


def _sums(block: Floats) -> Floats:
    # by BLAS: several times faster than numpy's sum over the rows of a block
    sums: Floats = (np.ones(len(block), block.dtype) @ block).astype(np.float64)
    return sums
