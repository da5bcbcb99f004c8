"""Heads on features that have seen the labels: those of a refined network.

Cross-validation would flatter there, for the network was trained on every fold. So all that is chosen or calibrated is
chosen and calibrated on a part of the training images that the network was not trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gingham.classifiers.abstention import Abstention, abstention_threshold
from gingham.classifiers.calibration import Calibration, fit_calibration
from gingham.classifiers.cross_validation import balanced, constant, fit_all, shared_preconditioner
from gingham.classifiers.folds import stratified_group_folds
from gingham.classifiers.head import LinearHead, two_sided
from gingham.classifiers.outliers import class_centres, limit_of, outlier_distances
from gingham.classifiers.problems import Rows
from gingham.classifiers.workers import workers

__all__ = ["network_head", "validated_svm_head", "validation_part"]

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

_TOLERANCE = 1e-5
_DOUBLE = 1 << 20  # fewer numbers than this are computed with in double precision: it costs nothing
_FEWEST = 8  # validation images from which a calibration means something


def validation_part(labels: Ints, groups: Ints, fraction: float, seed: int, fold: int = 0) -> Mask:
    """Choose which training images validate: stratified, groups kept whole, of every class at least half trains.

    Parameters
    ----------
    labels, groups : int64 array of shape (n,)
    fraction : float
        In [0, 1).
    seed : int
    fold : int
        Which of the parts of this size into which the images are divided; beyond the last, the first again.

    Returns
    -------
    bool array of shape (n,)

    Examples
    --------
    >>> validation_part(np.repeat([0, 1], 10), np.arange(20), 0.2, seed=0).reshape(2, 10).sum(axis=1)
    array([2, 2])
    >>> int(validation_part(np.array([0, 0, 1, 1]), np.arange(4), 0.5, seed=0).sum())
    2
    """
    chosen = np.zeros(len(labels), bool)
    names = np.unique(groups, return_inverse=True)[1]
    folds = min(round(1 / fraction), int(names.max()) + 1) if fraction > 0 else 0
    if folds < 2:
        folds = 2 if fraction > 0 and names.max() > 0 else 0
    if not folds:
        return chosen
    chosen = stratified_group_folds(labels, names, folds, seed) == fold % folds
    counts, taken = np.bincount(labels), np.bincount(labels[chosen], minlength=labels.max() + 1)
    enough: Mask = chosen & ~np.isin(labels, np.flatnonzero(2 * taken > counts))
    return enough


def network_head(
    coef: Floats,
    intercept: Floats,
    features: NDArray[np.float32],
    labels: Ints,
    validation: Mask,
    *,
    classes: Sequence[str],
    wanted_precision: float,
) -> LinearHead:
    """Return the last layer of a network as a head, calibrated on the validation part.

    Parameters
    ----------
    coef : array of shape (n_classes, n_features)
    intercept : array of shape (n_classes,)
    features : float32 array of shape (n, n_features)
        Of all training images.
    labels : int64 array of shape (n,)
    validation : bool array of shape (n,)
        The rows that the network was not trained on.
    classes : sequence of str
    wanted_precision : float
        Of the answers that are not "not sure".
    """
    coef, intercept = np.asarray(coef, np.float64), np.asarray(intercept, np.float64)
    if len(classes) == 2:  # only the difference of the two matters
        coef = np.stack([coef[0] - coef[1], coef[1] - coef[0]]) / 2
        intercept = np.array([intercept[0] - intercept[1], intercept[1] - intercept[0]]) / 2
    scores = np.asarray(features[validation] @ coef.T.astype(np.float32) + intercept, np.float64)
    return _head(
        coef, intercept, features, labels, validation, scores, classes=classes, wanted_precision=wanted_precision,
        normalize=False, c=None, tried={},
    )  # fmt: skip


def validated_svm_head(
    features: NDArray[np.float32],
    labels: Ints,
    validation: Mask,
    *,
    classes: Sequence[str],
    c_grid: Sequence[float],
    class_weight: str,
    normalize: bool,
    wanted_precision: float,
) -> LinearHead:
    """Fit the SVM for each C on what the network was trained on, choose by the rest, and fit the chosen one on all.

    Parameters
    ----------
    features, labels, validation, classes, wanted_precision
        As for `network_head`.
    c_grid : sequence of float
        Where nothing validates, the middle one is taken.
    class_weight : {"balanced", "none"}
    normalize : bool
        Scale every row to unit length first.

    Returns
    -------
    LinearHead
        ``cv_accuracy`` holds the accuracy on the validation part, which chooses C; of equally accurate ones the C with
        the least squared hinge loss there.
    """
    grid = sorted(set(map(float, c_grid)))
    scores = {c: np.empty((0, len(classes))) for c in grid}
    if validation.any():
        models = _fit(features[~validation], labels[~validation], grid, class_weight, normalize, len(classes))
        rows = _prepared(features[validation], normalize)
        scores = {c: two_sided(rows @ model) for c, model in models.items()}
    accuracy = {c: float((s.argmax(axis=1) == labels[validation]).mean()) for c, s in scores.items() if len(s)}
    best = grid[len(grid) // 2]
    if accuracy:  # of few images that a refined network knows, any C may get all right: then by the SVM's own loss
        best = max(grid, key=lambda c: (round(accuracy[c], 12), -_squared_hinge(scores[c], labels[validation])))
    weights = two_sided(_fit(features, labels, [best], class_weight, normalize, len(classes))[best])
    return _head(
        weights[:-1].T, weights[-1], features, labels, validation, scores[best], classes=classes,
        wanted_precision=wanted_precision, normalize=normalize, c=best, tried=accuracy,
    )  # fmt: skip


def _squared_hinge(scores: Floats, labels: Ints) -> float:
    signs = np.where(labels[:, None] == np.arange(scores.shape[1]), 1, -1)
    return float((np.maximum(0, 1 - signs * scores) ** 2).mean())


def _fit(
    features: NDArray[np.float32], labels: Ints, grid: Sequence[float], class_weight: str, normalize: bool, K: int
) -> dict[float, Floats]:
    """Return the weights (d + 1, k) of each C, the intercept last; k is 1 where there are two classes."""
    order = np.argsort(labels, kind="stable")
    prepared = _prepared(features[order], normalize)
    rows = Rows(prepared, labels[order], np.zeros(len(labels), np.int64))
    weigh = balanced if class_weight == "balanced" else constant({}, K)
    start: Floats = np.zeros((prepared.shape[1], 1 if K == 2 else K))
    found: dict[float, Floats] = {}
    with workers() as pool:
        shared = shared_preconditioner(rows, pool)
        for c in grid:
            start = fit_all(rows, c, weigh, start, shared, pool, _TOLERANCE).weights
            found[c] = start
    return found


def _prepared(features: NDArray[np.float32], normalize: bool) -> Floats:
    rows = features.astype(np.float64 if features.size <= _DOUBLE else np.float32)
    if normalize:
        length = np.linalg.norm(rows, axis=1, keepdims=True)
        rows = rows / np.where(length == 0, 1, length)
    return np.hstack([rows, np.ones((len(rows), 1), rows.dtype)])


def _head(
    coef: Floats,
    intercept: Floats,
    features: NDArray[np.float32],
    labels: Ints,
    validation: Mask,
    scores: Floats,
    *,
    classes: Sequence[str],
    wanted_precision: float,
    normalize: bool,
    c: float | None,
    tried: dict[float, float],
) -> LinearHead:
    held_out = labels[validation]
    calibration = Calibration(1.0, np.zeros(len(classes)))
    threshold, coverage = Abstention(None, None)
    if len(scores) >= _FEWEST and np.isfinite(scores).all() and scores.std() > 0:
        decision = scores[:, 1] if len(classes) == 2 else scores
        calibration = fit_calibration(decision, held_out, pooled=True)
        probabilities = calibration.apply(decision)
        threshold, coverage = abstention_threshold(probabilities, held_out, wanted_precision)
    return LinearHead(
        classes=tuple(classes),
        coef=np.ascontiguousarray(coef, np.float64),
        intercept=np.asarray(intercept, np.float64),
        normalize=normalize,
        calibration_scale=calibration.scale,
        calibration_offsets=calibration.offsets,
        c=c,
        cv_accuracy=tried,
        threshold=threshold,
        coverage=coverage,
        centres=class_centres(features, labels, len(classes)),
        outlier_limit=_outlier_limit(features, labels, validation, len(classes)),
        held_out_accuracy=float((scores.argmax(axis=1) == held_out).mean()) if len(scores) else None,
    )


def _outlier_limit(features: NDArray[np.float32], labels: Ints, validation: Mask, n_classes: int) -> float:
    seen = ~validation
    held_out = validation if validation.any() else seen
    distances = outlier_distances(features[held_out], class_centres(features[seen], labels[seen], n_classes))
    return limit_of(distances)
