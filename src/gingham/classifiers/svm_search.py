"""The search for a linear SVM: C by cross-validation, probabilities from the out-of-fold scores."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from gingham.classifiers.calibration import fit_calibration
from gingham.classifiers.cross_validation import (
    ClassWeight,
    balanced,
    constant,
    cross_validate,
    fit_all,
    out_of_fold_accuracy,
    out_of_fold_scores,
    shared_preconditioner,
)
from gingham.classifiers.folds import stratified_group_folds
from gingham.classifiers.problems import Rows
from gingham.classifiers.workers import Workers, workers
from gingham.errors import DataError

__all__ = ["FeatureError", "LinearSVMSearch"]

Floats = NDArray[np.floating[Any]]

_SEARCH_TOLERANCE = 1e-3  # of the certified gap over the objective
_FINAL_TOLERANCE = 1e-5
_DOUBLE = 1 << 20  # fewer numbers than this are computed with in double precision: it costs nothing
_BLOCK_ROWS = 2048


class FeatureError(DataError, ValueError):
    """The features or labels cannot be used to train a classifier."""


class LinearSVMSearch(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A linear SVM whose C is chosen by stratified, group-aware cross-validation.

    The model is that of ``LinearSVC(dual=False)``: L2-regularised squared hinge, one-vs-rest, a penalised
    intercept; and the search that of ``GridSearchCV``. All C, folds and classes are solved together, which is many
    times faster; see :mod:`gingham.classifiers.squared_hinge`.

    Parameters
    ----------
    c_grid : sequence of float
        The values of C to try, positive.
    folds : int
        Of the cross-validation, at least 2. Fewer are made where there are fewer groups; ``n_folds_`` says how many.
    class_weight : "balanced", None or dict of class to float
        As in ``LinearSVC``; "balanced" is computed anew from the rows that each model sees.
    normalize : bool
        Scale every row to unit length first, in ``fit`` and in prediction: C then means the same for every backbone.
        Rows of zeros stay as they are.
    random_state : int
        Seed of the folds.
    progress : callable of (done, total), optional
        Called while ``fit`` works, with the fits done and in all.

    Attributes
    ----------
    classes_ : array of shape (K,)
    c_ : float
        The C with the best mean accuracy over the folds; the smallest of equals.
    cv_accuracy_ : dict of float to float
        Mean accuracy over the folds for each C.
    n_folds_ : int
        Number of folds that were made.
    fold_ : integer array of shape (n,)
        Fold in which each row was held out.
    oof_scores_ : float64 array of shape (n, K), or (n,) for two classes
        Decision values at ``c_`` of each row by the model that has not seen its fold: shaped like the result of
        ``decision_function``.
    coef_ : float64 array of shape (K, d), or (1, d) for two classes
    intercept_ : float64 array of shape (K,) or (1,)
    calibration_ : Calibration
        What ``predict_proba`` applies to the decision values.
    n_features_in_ : int

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> search = LinearSVMSearch(c_grid=(0.1, 1, 10)).fit(X, y)
    >>> search.c_, search.predict(X[:1])
    (10.0, array([0]))
    """

    def __init__(
        self,
        c_grid: Sequence[float] = (1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 100),
        folds: int = 5,
        class_weight: str | Mapping[Any, float] | None = "balanced",
        normalize: bool = True,
        random_state: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.c_grid = c_grid
        self.folds = folds
        self.class_weight = class_weight
        self.normalize = normalize
        self.random_state = random_state
        self.progress = progress

    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Choose C and fit.

        Parameters
        ----------
        X : array of shape (n, d)
        y : array of shape (n,)
        groups : array of shape (n,), optional
            Rows of one group are held out together.

        Returns
        -------
        LinearSVMSearch
            Itself.

        Raises
        ------
        ValueError
            For a parameter out of range; as :class:`FeatureError` (a ``DataError`` too) for a value that is not
            finite, naming its row, for a single class or a single group, and for features too large to compute with.
        """
        c_grid = self._checked_c_grid()
        checked = validate_data(self, X, y, dtype=(np.float32, np.float64), ensure_all_finite=False)
        features: Floats = np.asarray(checked[0])
        check_classification_targets(checked[1])
        _refuse_not_finite(features)
        self.classes_, label = np.unique(np.asarray(checked[1]), return_inverse=True)
        n = len(features)
        K = len(self.classes_)
        if K < 2:
            raise FeatureError(
                f"There is only one class, {self.classes_.tolist()[0]!r}:"
                " a classifier needs at least 2 classes to tell apart."
            )
        group = None
        if groups is not None:
            names = np.asarray(groups)
            if names.shape != (n,):
                raise ValueError(f"groups has shape {names.shape}, but X has {n} rows: give one group for each row.")
            group = np.unique(names, return_inverse=True)[1]
        count = n if group is None else int(group.max()) + 1
        if count < 2:
            raise FeatureError("All rows are of one group: nothing can be held out. Give at least 2 groups.")
        self.n_folds_ = min(self.folds, count)
        self.fold_ = stratified_group_folds(label, group, self.n_folds_, self.random_state)

        order = np.lexsort((label, self.fold_))
        dtype = np.float64 if features.size <= _DOUBLE else np.float32
        weight = self._class_weight()
        with workers() as pool:
            rows = Rows(self._prepared(features, order, dtype, pool), label[order], self.fold_[order])
            try:
                shared = shared_preconditioner(rows, pool)
                models = cross_validate(rows, c_grid, weight, shared, pool, _SEARCH_TOLERANCE, self.progress)
                accuracies = pool.map(lambda folds: out_of_fold_accuracy(rows, folds), list(models.folds))
                best = int(np.argmax(np.round(accuracies, 12)))
                start = models.folds[best].mean(axis=0)
                final = fit_all(rows, c_grid[best], weight, start, shared, pool, _FINAL_TOLERANCE)
            except np.linalg.LinAlgError as error:
                raise _beyond_range(c_grid[-1], dtype) from error
            scores = out_of_fold_scores(rows, models.folds[best])
        if not all(np.isfinite(part).all() for part in (scores, models.gap[best], final.weights, final.gap)):
            raise _beyond_range(c_grid[best], dtype)
        if (final.gap > _SEARCH_TOLERANCE * final.objective).any():
            warnings.warn(
                f"The SVM did not converge at C = {c_grid[best]:g}: it is up to"
                f" {(final.gap / final.objective).max():.1%} above its minimum. Scale the features or lower C.",
                ConvergenceWarning,
                stacklevel=2,
            )
        self.c_ = c_grid[best]
        self.cv_accuracy_ = dict(zip(c_grid, accuracies, strict=True))
        oof = np.empty(scores.shape)
        oof[order] = scores
        del scores  # of many classes it is large
        self.oof_scores_ = oof[:, 0] if K == 2 else oof
        self.coef_ = np.ascontiguousarray(final.weights[:-1].T)
        self.intercept_ = final.weights[-1].copy()
        self.calibration_ = fit_calibration(self.oof_scores_, label)
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the decision values, ``x @ coef_.T + intercept_`` where x is X, normalised if ``normalize``.

        Parameters
        ----------
        X : array of shape (n, d)

        Returns
        -------
        float64 array of shape (n, K), or (n,) for two classes
        """
        check_is_fitted(self)
        checked = validate_data(self, X, reset=False, dtype=(np.float32, np.float64), ensure_all_finite=False)
        features: Floats = np.asarray(checked)
        _refuse_not_finite(features)
        products = features @ self.coef_.T.astype(features.dtype)
        if self.normalize:
            products /= _length(features)[:, None]
        scores: NDArray[np.float64] = np.asarray(products + self.intercept_, dtype=np.float64)
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the class of the largest decision value, of shape (n,)."""
        scores = self.decision_function(X)
        position = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)
        labels: NDArray[Any] = self.classes_[position]
        return labels

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return calibrated probabilities, float64 of shape (n, K); the largest is that of the class of ``predict``."""
        scores = self.decision_function(X)
        return self.calibration_.apply(scores)

    def _checked_c_grid(self) -> list[float]:
        c_grid = sorted({float(c) for c in self.c_grid})
        if not c_grid or not all(0 < c < np.inf for c in c_grid):
            raise ValueError(f"c_grid must hold positive numbers, not {self.c_grid!r}; for example (0.01, 0.1, 1).")
        if not self.folds >= 2:
            raise ValueError(f"folds must be at least 2, not {self.folds!r}; 5 is usual.")
        return c_grid

    def _class_weight(self) -> ClassWeight:
        if self.class_weight == "balanced":
            return balanced
        if self.class_weight is None:
            return constant({}, len(self.classes_))
        if not isinstance(self.class_weight, Mapping):
            raise ValueError(f'class_weight must be "balanced", None or a dict, not {self.class_weight!r}.')
        position = {name: k for k, name in enumerate(self.classes_.tolist())}
        unknown = [name for name in self.class_weight if name not in position]
        if unknown:
            raise ValueError(f"class_weight names {unknown}, but the classes are {list(position)}.")
        return constant({position[name]: w for name, w in self.class_weight.items()}, len(self.classes_))

    def _prepared(self, X: Floats, order: NDArray[np.intp], dtype: type, pool: Workers) -> Floats:
        """Return the rows in order, normalised if wanted, with a column of ones."""
        prepared = np.empty((len(X), X.shape[1] + 1), dtype)

        def prepare(start: int) -> None:
            block = X[order[start : start + _BLOCK_ROWS]]
            if self.normalize:
                block = block / _length(block)[:, None]
            prepared[start : start + _BLOCK_ROWS, :-1] = block
            prepared[start : start + _BLOCK_ROWS, -1] = 1

        pool.map(prepare, range(0, len(X), _BLOCK_ROWS))
        return prepared


def _length(X: Floats) -> Floats:
    """Return the length of every row, 1 for rows of zeros."""
    with np.errstate(over="ignore", under="ignore"):
        length: Floats = np.sqrt(np.einsum("ij,ij->i", X, X))
    odd = ~((length > 1e-15) & (length < 1e15))
    if odd.any():  # the squares may have left the range of the dtype
        largest = np.abs(X[odd]).max(axis=1)
        largest[largest == 0] = 1
        length[odd] = largest * np.linalg.norm(X[odd] / largest[:, None], axis=1)
        length[length == 0] = 1
    return length


def _beyond_range(c: float, dtype: type) -> FeatureError:
    return FeatureError(
        f"No classifier can be fitted at C = {c:g}: the features or C are so large that the computation leaves the"
        f" range of {dtype.__name__}. Scale the features to unit length (normalize=True does) or lower C."
    )


def _refuse_not_finite(X: Floats) -> None:
    for start in range(0, len(X), _BLOCK_ROWS):
        finite = np.isfinite(X[start : start + _BLOCK_ROWS]).all(axis=1)
        if not finite.all():
            row = start + int(finite.argmin())
            raise FeatureError(
                f"Row {row} of X contains NaN or inf (row 0 is the first)."
                " Leave such rows out before fitting or predicting."
            )
