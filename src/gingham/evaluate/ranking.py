"""How well the scores of one class rank its images above all others: ROC curves and their area."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ranking", "RocCurve", "rank_classes", "roc_curve"]

FloatArray = NDArray[np.float64]
CURVE_POINTS = 400


@dataclass(frozen=True)
class Ranking:
    """One-vs-rest areas under the ROC curve.

    Attributes
    ----------
    auc : ndarray of float64, shape (n_classes,)
        NaN where a class has no test image, or all of them.
    influence : ndarray of float64, shape (n,)
        What each image adds to the macro average, to first order (Hájek's projection): resampling it
        resamples the macro average.
    """

    auc: FloatArray
    influence: FloatArray


def rank_classes(y_true: NDArray[np.intp], probabilities: FloatArray) -> Ranking:
    """Compute the one-vs-rest AUC of every class, and each image's share in their mean.

    Parameters
    ----------
    y_true : ndarray of intp, shape (n,)
    probabilities : ndarray of float64, shape (n, n_classes)

    Returns
    -------
    Ranking

    Notes
    -----
    The Mann-Whitney statistic by binary search in the sorted scores, ties counted half: O(n log n) for a
    class. The projection is that of E. R. DeLong et al., Biometrics 44 (1988), summed over the classes.

    Examples
    --------
    >>> probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8]])
    >>> rank_classes(np.array([0, 0, 1, 1]), probabilities).auc
    array([0.75, 0.75])
    """
    n, n_classes = probabilities.shape
    sizes = np.bincount(y_true, minlength=n_classes)
    ranked = np.flatnonzero((sizes > 0) & (sizes < n))
    auc = np.full(n_classes, np.nan)
    influence = np.zeros(n)
    for k in ranked:
        column = np.ascontiguousarray(probabilities[:, k])
        is_k = y_true == k
        positives, negatives = np.sort(column[is_k]), np.sort(column[~is_k])
        beaten = _share_below(negatives, column[is_k])
        auc[k] = beaten.mean()
        influence[is_k] += (beaten - auc[k]) / len(ranked)
        lost = 1 - _share_below(positives, column[~is_k])
        share = sizes[y_true[~is_k]] / len(negatives)
        influence[~is_k] += (lost - auc[k]) * share / len(ranked)
    return Ranking(auc, influence)


def _share_below(ordered: FloatArray, values: FloatArray) -> FloatArray:
    left = np.searchsorted(ordered, values, side="left")
    right = np.searchsorted(ordered, values, side="right")
    return np.asarray((left + right) / (2 * len(ordered)), dtype=np.float64)


@dataclass(frozen=True)
class RocCurve:
    """One class's curve, or the mean of all: false against true positive rate, from (0, 0) to (1, 1)."""

    name: str
    false_positive_rate: FloatArray
    true_positive_rate: FloatArray
    auc: float
    is_mean: bool = False


def roc_curve(name: str, is_positive: NDArray[np.bool_], scores: FloatArray) -> RocCurve:
    """Draw the ROC curve of one class, thinned to what a figure can show.

    Parameters
    ----------
    name : str
        Of the class.
    is_positive : ndarray of bool, shape (n,)
        At least one True and one False.
    scores : ndarray of float64, shape (n,)

    Examples
    --------
    >>> curve = roc_curve("cat", np.array([True, False, True]), np.array([0.9, 0.5, 0.1]))
    >>> curve.auc
    0.5
    """
    from sklearn.metrics import auc as area
    from sklearn.metrics import roc_curve as corners

    fpr, tpr, _ = corners(is_positive, scores)
    exact = float(area(fpr, tpr))
    if len(fpr) > CURVE_POINTS:
        # Equal steps along the curve's length, so that steep and flat parts both keep their shape.
        length = fpr + tpr
        keep = np.unique(np.searchsorted(length, np.linspace(0, 2, CURVE_POINTS)).clip(0, len(fpr) - 1))
        fpr, tpr = fpr[keep], tpr[keep]
    return RocCurve(name, np.asarray(fpr), np.asarray(tpr), exact)
