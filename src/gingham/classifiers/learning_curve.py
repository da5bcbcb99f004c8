"""What more images would buy: held-out images recognised when a class, or all of them, have fewer training images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gingham.classifiers.cross_validation import ClassWeight, balanced, constant, shared_preconditioner
from gingham.classifiers.folds import stratified_group_folds
from gingham.classifiers.problems import Columns, Rows
from gingham.classifiers.squared_hinge import minimise
from gingham.classifiers.workers import Workers, workers
from gingham.errors import DataError

__all__ = ["SHARES", "LearningCurves", "measure_learning_curves"]

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

SHARES = (0.08, 0.13, 0.22, 0.36, 0.6, 1.0)
"""Of a class's images in the training part of a fold, that are trained on."""

DRAWS = 3
"""Random choices of the images that stay, for each share below 1."""

MUCH_WORK = 1_000_000
"""Images times problems, K (K + 1): where there are more, one draw must do."""

_TOLERANCE = 1e-3  # of the certified gap over the objective
_SCORE_BYTES = 192 << 20  # of margins and their change, n x P each


@dataclass(frozen=True)
class LearningCurves:
    """What was recognised of the images that were held out, image by image.

    The held-out images are the same at every size: whoever wants to know how certain a curve is resamples images
    (`groups` together), not its points.

    Parameters
    ----------
    labels, groups, fold : int64 arrays of shape (n,)
        Class and group of each image, and the fold in which it was held out.
    sizes : float64 array of shape (K + 1, S)
        Images that were trained on, ascending: of class k where only it has fewer, and last of all classes where all
        have fewer. A mean over the held-out images that the curve is about: of the class, and of all.
    right : bool array of shape (K + 1, S, R, n)
        Whether each image was recognised, in each of R draws. At the largest size there is nothing to draw: all are
        alike.
    """

    labels: Ints
    groups: Ints
    fold: Ints
    sizes: NDArray[np.float64]
    right: Flags

    @property
    def n_classes(self) -> int:
        """Return K."""
        return len(self.sizes) - 1

    @property
    def n_folds(self) -> int:
        """Return F."""
        return int(self.fold.max()) + 1

    def held_out(self, k: int) -> Ints:
        """Return how many images of class ``k`` each fold holds out, of shape (F,)."""
        return np.bincount(self.fold[self.labels == k], minlength=self.n_folds)

    def recognised(self, k: int) -> Ints:
        """Return how many of them were recognised where only ``k`` has fewer, of shape (S, R, F)."""
        members = np.flatnonzero(self.labels == k)
        in_fold = np.arange(self.n_folds) == self.fold[members, None]
        counts: Ints = self.right[k][..., members].astype(np.int64) @ in_fold
        return counts


def measure_learning_curves(
    features: NDArray[np.float32],
    labels: Ints,
    groups: Ints,
    n_classes: int,
    *,
    c: float,
    class_weight: str,
    normalize: bool,
    folds: int,
    seed: int,
    draws: int | None = None,
    shares: Sequence[float] = SHARES,
    progress: Callable[[int, int], None] | None = None,
) -> LearningCurves:
    """Train with fewer images of one class, of each in turn, and with fewer of all; count what is recognised.

    The images of a fold are held out; of the rest, some of the class in question are left out too, the others all
    stay. What stays at one share stays at every larger one (of the same draw), and copies stay or go together. The
    classifier is that of :class:`gingham.classifiers.svm_search.LinearSVMSearch` at one C: the same folds, class
    weights and objective. From the largest share down, all draws, classes and problems of a share are solved together,
    each started from the solution at the share before.

    Parameters
    ----------
    features : float32 array of shape (n, d)
        Finite, of training images only: the test images take no part.
    labels : int64 array of shape (n,)
        0 … K - 1; every class must occur.
    groups : int64 array of shape (n,)
        Images of one group stay in one fold.
    n_classes : int
        K.
    c : float
        The C of the classifier, as it was chosen with all images.
    class_weight : "balanced" or "none"
        "balanced" is computed anew from what each model sees.
    normalize : bool
        Scale every row to unit length first.
    folds : int
        Fewer are made where there are fewer groups.
    seed : int
        Of the folds and the draws.
    draws : int, optional
        R; by default three, or one of many images in many classes. The time grows with the images and with K².
    shares : sequence of float
        In (0, 1], ascending, the last of them 1: S.
    progress : callable of (done, total), optional
        Told the shares and folds that are done.

    Returns
    -------
    LearningCurves

    Raises
    ------
    DataError
        If there are fewer than two classes or groups, or a class has no image.
    """
    _check(labels, groups, n_classes)
    numbers = np.unique(groups, return_inverse=True)[1]
    n_folds = min(folds, int(numbers.max()) + 1)
    fold = stratified_group_folds(labels, numbers, n_folds, seed).astype(np.int64)
    X = _prepared(features, normalize)
    weight = balanced if class_weight == "balanced" else constant({}, n_classes)
    n, S = len(X), len(shares)
    draws = draws or (DRAWS if n * n_classes * (n_classes + 1) <= MUCH_WORK else 1)
    right = np.zeros((n_classes + 1, S, draws, n), bool)
    sizes = np.zeros((n_classes + 1, S, n_folds))
    with workers() as pool:
        for held_out in range(n_folds):
            seen, test = np.flatnonzero(fold != held_out), np.flatnonzero(fold == held_out)
            keep = _nested_draws(labels[seen], numbers[seen], shares, draws, np.random.default_rng((seed, held_out)))
            of_class = keep.astype(np.int64) @ (labels[seen, None] == np.arange(n_classes))  # S x R x K
            sizes[:-1, :, held_out] = of_class.mean(axis=1).T
            part = _Part(X[seen], labels[seen], n_classes, c, weight, pool)
            right[:, -1, :, test] = part.answers(part.full, X[test])[:, :, None] == labels[test, None, None]
            bundles = _bundles(n_classes, len(seen) * draws * part.full.shape[1])
            for done, bundle in enumerate(bundles):
                weights = np.tile(part.full, len(bundle) * draws)
                for s in reversed(range(S - 1)):
                    weights = part.with_fewer(keep[s], bundle, weights)
                    answers = part.answers(weights, X[test]).reshape(len(test), len(bundle), draws)
                    right[bundle, s, :, test[:, None]] = answers == labels[test, None, None]
                    if progress is not None:
                        steps = (S - 1) * len(bundles)
                        progress(held_out * steps + (S - 1) * done + S - 1 - s, n_folds * steps)
    sizes[-1] = sizes[:-1].sum(axis=0)
    per_fold = np.zeros((n_classes + 1, n_folds))
    np.add.at(per_fold, (labels, fold), 1)
    per_fold[-1] = per_fold[:-1].sum(axis=0)
    mean_sizes = np.einsum("ksf,kf->ks", sizes, per_fold / per_fold.sum(axis=1, keepdims=True))
    return LearningCurves(labels, numbers, fold, mean_sizes, right)


def _check(labels: Ints, groups: Ints, n_classes: int) -> None:
    if n_classes < 2:
        raise DataError("There is only one class: a learning curve needs at least 2 classes to tell apart.")
    missing = np.setdiff1d(np.arange(n_classes), labels)
    if len(missing):
        raise DataError(f"No training image is left of class {missing[0]}: every class needs at least one.")
    if (groups == groups[0]).all():
        raise DataError("All images are of one group: nothing can be held out. Give at least 2 groups.")


def _prepared(features: NDArray[np.float32], normalize: bool) -> NDArray[np.float32]:
    """Return the rows, of unit length if wanted, with a column of ones."""
    X = np.ones((len(features), features.shape[1] + 1), np.float32)
    X[:, :-1] = features
    if normalize:
        length = np.linalg.norm(features, axis=1, keepdims=True)
        X[:, :-1] /= np.where(length == 0, 1, length)
    return X


def _nested_draws(labels: Ints, groups: Ints, shares: Sequence[float], draws: int, rng: np.random.Generator) -> Flags:
    """Choose which rows stay at each share, in each draw, of shape (S, R, n).

    Of each class whole groups, in random order, until their number is nearest the share: one at least.
    """
    keep = np.empty((len(shares), draws, len(labels)), bool)
    for draw in range(draws):
        place = rng.permutation(int(groups.max()) + 1)[groups]
        order = np.lexsort((place, labels))
        for rows in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
            _, group, count = np.unique(place[rows], return_inverse=True, return_counts=True)
            end = np.cumsum(count)
            middle = end - count / 2
            middle[0] = 0
            for s, share in enumerate(shares):
                keep[s, draw, rows] = (middle < share * len(rows))[group]
    return keep


def _bundles(n_classes: int, scores: int) -> list[Ints]:
    """Return which class has fewer images, and last K for all of them, in bundles whose margins find room in memory."""
    room = max(1, _SCORE_BYTES // (2 * 4 * scores))
    return np.array_split(np.arange(n_classes + 1), -(-(n_classes + 1) // room))


class _Part:
    """The training part of one fold, and the models of all its images: ``full``, of shape (d, J)."""

    def __init__(
        self, X: Floats, labels: Ints, n_classes: int, c: float, class_weight: ClassWeight, pool: Workers
    ) -> None:
        self.X, self.labels, self.K, self.c, self.class_weight, self.pool = X, labels, n_classes, c, class_weight, pool
        self.positive = np.arange(n_classes) if n_classes > 2 else np.array([1])
        self.common = shared_preconditioner(Rows(X, labels, labels), pool)(2 * c)
        everything = np.ones((1, 1, n_classes), bool)
        self.full = self._solve(np.zeros(len(X), np.int64), everything, np.zeros((X.shape[1], len(self.positive))))

    def with_fewer(self, keep: Flags, reduced: Ints, start: Floats) -> Floats:
        """Return weights (d, models x J), a model for each of the classes in ``reduced`` and each draw, (R, n)."""
        draws = len(keep)
        # Rows that stay in the same draws are treated alike: they are a cell.
        patterns, cell = np.unique(keep, axis=1, return_inverse=True)
        takes_part = np.ones((len(reduced), draws, patterns.shape[1], self.K), bool)
        for m, k in enumerate(reduced.tolist()):
            fewer = slice(None) if k == self.K else slice(k, k + 1)
            takes_part[m, :, :, fewer] = patterns[:, :, None]
        return self._solve(cell.ravel(), takes_part.reshape(-1, *takes_part.shape[2:]), start)

    def _solve(self, cell: Ints, takes_part: Flags, start: Floats) -> Floats:
        """Solve one-vs-rest problems in which rows of some cells and classes take part, (models, cells, K)."""
        K, J = self.K, len(self.positive)
        models, cells, _ = takes_part.shape
        counts = np.bincount(cell * K + self.labels, minlength=cells * K).reshape(cells, K)
        cost = np.repeat(2 * self.c * takes_part[..., None], J, axis=3)
        for m in range(models):
            weight = self.class_weight((counts * takes_part[m]).sum(axis=0))
            # As LIBLINEAR does it: only the positive class is weighed, but of two classes both.
            if K == 2:
                cost[m] *= weight[:, None]
            else:
                cost[m][:, self.positive, np.arange(J)] *= weight
        columns = Columns(
            positive=np.tile(self.positive, models),
            fold=np.full(models * J, -1),
            group=np.tile(np.arange(J), models),
            cost=cost.transpose(1, 2, 0, 3).reshape(cells, K, models * J),
        )
        found = minimise(
            Rows(self.X, self.labels, cell),
            columns,
            start,
            tolerance=_TOLERANCE,
            pool=self.pool,
            preconditioners=[self.common] * J,
        )
        return found.weights

    def answers(self, weights: Floats, X: Floats) -> Ints:
        """Return the class that each model gives each row, of shape (rows, models)."""
        scores = (X @ weights.astype(X.dtype)).reshape(len(X), -1, len(self.positive))
        found: Ints = (scores[:, :, 0] > 0).astype(np.int64) if self.K == 2 else scores.argmax(axis=2)
        return found
