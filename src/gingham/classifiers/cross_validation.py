"""One-vs-rest linear SVMs for every C, fold and class, solved together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gingham.classifiers.preconditioner import Preconditioner, identity_plus, identity_plus_gram
from gingham.classifiers.problems import Columns, Rows, Solution
from gingham.classifiers.squared_hinge import minimise
from gingham.classifiers.workers import Workers

__all__ = [
    "ClassWeight",
    "Models",
    "balanced",
    "constant",
    "cross_validate",
    "fit_all",
    "out_of_fold_accuracy",
    "out_of_fold_scores",
]

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]
ClassWeight = Callable[[Ints], Floats]
"""Number of rows of each class (K,) -> weight of each class (K,)."""

_EXTRAPOLATION = 0.5  # of the last change of the weights, to the next C
_SCORE_BYTES = 192 << 20  # of margins and their change, n x P each
_FACTOR_BYTES = 128 << 20  # of preconditioners, d x d for each class


@dataclass(frozen=True)
class Models:
    """What was fitted.

    Parameters
    ----------
    folds : float32 array of shape (len(c_grid), F, d, k)
        Weights of the models that leave one fold out; k is 1 where there are two classes, else K.
    objective, gap : float64 arrays of shape (len(c_grid), F, k)
        Objective of the fold models, and the most by which each can be above its minimum.
    """

    folds: Floats
    objective: Floats
    gap: Floats


def cross_validate(
    rows: Rows,
    c_grid: Sequence[float],
    class_weight: ClassWeight,
    shared: Callable[[float], Preconditioner],
    pool: Workers,
    tolerance: float,
    progress: Callable[[int, int], None] | None = None,
) -> Models:
    """Fit all models of a search.

    The classes go in bundles so that memory stays bounded. In a bundle C ascends, and the models of all folds start
    from those at the C before, moved on in the direction of their last change. All begin with one preconditioner, that
    of every row inside the margin; a class for which it no longer serves at one C does without it at the next.

    Parameters
    ----------
    rows : Rows
    c_grid : sequence of float
        Ascending.
    class_weight : callable
        Applied to the rows that a model sees, as scikit-learn does.
    shared : callable
        What :func:`shared_preconditioner` returned.
    pool : Workers
    tolerance : float
        Relative: certified gap over objective.
    progress : callable of (done, total), optional
        Told the models that are fitted, and those to fit.

    Returns
    -------
    Models
    """
    d = rows.X.shape[1]
    counts = _counts(rows)
    F, K = counts.shape
    bundles = _bundles(rows, K, F)
    k = sum(map(len, bundles))
    shape = (len(c_grid), F, k)
    models = Models(
        np.empty((len(c_grid), F, d, k), np.float32),
        np.empty(shape),
        np.empty(shape),
    )
    done = 0
    for bundle in bundles:
        place = slice(done, done + len(bundle))
        weights = np.zeros((d, F * len(bundle)))
        before = weights
        hard = [False] * len(bundle)
        for i, c in enumerate(c_grid):
            common = shared(2 * c * (F - 1) / F)
            found = minimise(
                rows,
                _columns(counts, bundle, range(F), c, class_weight),
                weights + _EXTRAPOLATION * (weights - before),
                tolerance=tolerance,
                pool=pool,
                preconditioners=[None if h else common for h in hard],
            )
            hard = [used is not common for used in found.preconditioners]
            before, weights = weights, found.weights
            models.folds[i, :, :, place] = found.weights.reshape(d, F, -1).transpose(1, 0, 2)
            models.objective[i, :, place] = found.objective.reshape(F, -1)
            models.gap[i, :, place] = found.gap.reshape(F, -1)
            if progress is not None:
                progress(F * (len(c_grid) * done + (i + 1) * len(bundle)), models.gap.size)
        done += len(bundle)
    return models


def fit_all(
    rows: Rows,
    c: float,
    class_weight: ClassWeight,
    start: Floats,
    shared: Callable[[float], Preconditioner],
    pool: Workers,
    tolerance: float,
) -> Solution:
    """Fit the models on all rows at one C, starting from weights of shape (d, k); in bundles of classes too.

    The preconditioners, which are large, are not kept.
    """
    counts = _counts(rows)
    common = shared(2 * c)
    parts = []
    done = 0
    for bundle in _bundles(rows, counts.shape[1], 1):
        found = minimise(
            rows,
            _columns(counts, bundle, [-1], c, class_weight),
            start[:, done : done + len(bundle)],
            tolerance=tolerance,
            pool=pool,
            preconditioners=[common] * len(bundle),
        )
        parts.append((found.weights, found.objective, found.gap))
        done += len(bundle)
    weights, objective, gap = (np.concatenate(part, axis=-1) for part in zip(*parts, strict=True))
    return Solution(weights, objective, gap, [])


def out_of_fold_scores(rows: Rows, weights: Floats) -> Floats:
    """Return the decision values (n, k) of rows that a model has not seen; weights of shape (F, d, k)."""
    scores = np.empty((len(rows.X), weights.shape[2]), rows.X.dtype)
    for part, found in _held_out(rows, weights):
        scores[part] = found
    return scores


def out_of_fold_accuracy(rows: Rows, weights: Floats) -> float:
    """Return the mean over the folds of the fraction of right predictions; weights of shape (F, d, k)."""
    right = np.empty(len(rows.X))
    for part, scores in _held_out(rows, weights):
        predicted = (scores[:, 0] > 0).astype(int) if scores.shape[1] == 1 else scores.argmax(axis=1)
        right[part] = predicted == rows.label[part]
    return float(np.mean(np.bincount(rows.fold, right) / np.bincount(rows.fold)))


def _held_out(rows: Rows, weights: Floats) -> Iterator[tuple[Ints, Floats]]:
    """Yield the positions of some rows, and their decision values by the model that has not seen them."""
    for fold, model in enumerate(weights):
        held_out = np.flatnonzero(rows.fold == fold)
        cast = model.astype(rows.X.dtype)
        for start in range(0, len(held_out), 4096):
            part = held_out[start : start + 4096]
            yield part, rows.X[part] @ cast


def _bundles(rows: Rows, K: int, folds: int) -> list[Ints]:
    """Return the classes that are +1 in turn, in bundles whose margins and preconditioners find room in memory."""
    n, d = rows.X.shape
    positive = np.arange(K) if K > 2 else np.array([1])
    room = min(_SCORE_BYTES // (2 * rows.X.itemsize * n * folds), _FACTOR_BYTES // (rows.X.itemsize * d * d))
    return np.array_split(positive, -(-len(positive) // max(1, room)))


def _counts(rows: Rows) -> Ints:
    counts = np.zeros((rows.fold.max() + 1, rows.label.max() + 1), dtype=int)
    np.add.at(counts, (rows.fold, rows.label), 1)
    return counts


def _columns(counts: Ints, positive: Ints, folds: Sequence[int], c: float, class_weight: ClassWeight) -> Columns:
    """Return the problems of some classes and folds, fold by fold.

    LIBLINEAR weighs only the positive class of one-vs-rest; where there are two classes, both.
    """
    F, K = counts.shape
    cost = np.zeros((F, K, len(folds), len(positive)))
    for j, fold in enumerate(folds):
        seen = np.arange(F) != fold
        weight = class_weight(counts[seen].sum(axis=0))
        if K == 2:
            cost[seen, :, j, :] = 2 * c * weight[:, None]
        else:
            cost[seen, :, j, :] = 2 * c
            cost[:, positive, j, np.arange(len(positive))] = np.outer(seen, 2 * c * weight[positive])
    return Columns(
        positive=np.tile(positive, len(folds)),
        fold=np.repeat(np.asarray(folds), len(positive)),
        group=np.tile(np.arange(len(positive)), len(folds)),
        cost=cost.reshape(F, K, -1),
    )


def shared_preconditioner(rows: Rows, pool: Workers) -> Callable[[float], Preconditioner]:
    """Return what makes, from 2C, the inverse Hessian with all rows inside the margin."""
    X = rows.X
    n, d = X.shape
    if 2 * n < d:
        return lambda weight: identity_plus(X, np.full(n, weight))
    stride = max(1, n // (8 * d))
    parts = np.array_split(np.arange(0, n, stride), 8)

    def gram(part: Ints) -> Floats:
        thinned = X[part]
        product: Floats = thinned.T @ thinned
        return product

    total: Floats = sum(pool.map(gram, parts)) * X.dtype.type(stride)
    return lambda weight: identity_plus_gram(total, weight)


def balanced(counts: Ints) -> Floats:
    """Return scikit-learn's ``class_weight="balanced"``: rows over classes over rows of the class.

    >>> balanced(np.array([1, 3, 0]))
    array([2.        , 0.66666667, 1.        ])
    """
    present = counts > 0
    weight = np.ones(len(counts))
    weight[present] = counts.sum() / (present.sum() * counts[present])
    return weight


def constant(weights: Mapping[int, float], count: int) -> ClassWeight:
    """Return a class weight that does not depend on the rows: 1 for the classes that are not named."""
    fixed = np.array([weights.get(k, 1.0) for k in range(count)])
    return lambda counts: fixed  # noqa: ARG005
