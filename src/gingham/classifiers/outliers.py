"""How unlike the training images an image is: its distance from the nearest class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["OUTLIER_QUANTILE", "class_centres", "limit_of", "outlier_distances", "outlier_limit"]

OUTLIER_QUANTILE = 0.99
"""The share of held-out training images that lie within the limit."""

SMALLEST_LIMIT = 1e-4  # where all images of a class are copies of each other: above what rounding makes of zero
_BLOCK_ROWS = 8192

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]


def class_centres(features: Floats, labels: Ints, n_classes: int) -> NDArray[np.float32]:
    """Return the direction of every class: the mean of its features of unit length, itself of unit length.

    Parameters
    ----------
    features : float array of shape (n, d)
    labels : integer array of shape (n,)
    n_classes : int

    Returns
    -------
    float32 array of shape (n_classes, d)
        Zeros for a class without rows.
    """
    return _unit(_sums(features, labels, n_classes)).astype(np.float32)


def outlier_distances(features: Floats, centres: Floats) -> NDArray[np.float32]:
    """Return one minus the cosine between an image's features and the nearest class centre.

    The nearest class mean is what Lee et al. (*A simple unified framework for detecting out-of-distribution samples*,
    2018) measure with the classes' common covariance; of features of unit length (Sun et al., *Out-of-distribution
    detection with deep nearest neighbors*, 2022) it does as well without. ``docs/decisions/outliers.md`` compares.

    Parameters
    ----------
    features : float array of shape (n, d)
    centres : float array of shape (n_classes, d)
        Of unit length.

    Returns
    -------
    float32 array of shape (n,)
        In [0, 2]; 1 for a row of zeros.
    """
    distances = np.empty(len(features), np.float32)
    for start in range(0, len(features), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        distances[block] = np.maximum(0, 1 - (_unit(features[block]) @ centres.T).max(axis=1))
    return distances


def outlier_limit(features: Floats, labels: Ints, fold: Ints) -> float:
    """Return the distance within which nearly all training images lie when their fold is held out.

    In-sample distances would be too small, most of all of small classes, and call too many new images outliers.

    Parameters
    ----------
    features : float array of shape (n, d)
    labels : integer array of shape (n,)
        0 … K - 1.
    fold : integer array of shape (n,)
        The fold in which each row is held out; copies of one picture share one. Two at least.

    Returns
    -------
    float
        The quantile ``OUTLIER_QUANTILE``, rounded up to the distance of an image; positive.
    """
    n_classes = int(labels.max()) + 1
    # One sum for each fold and class; leaving a fold out is a subtraction.
    sums = _sums(features, fold * n_classes + labels, (int(fold.max()) + 1) * n_classes)
    counts = np.bincount(fold * n_classes + labels, minlength=len(sums)).reshape(-1, n_classes)
    by_fold = sums.reshape(*counts.shape, -1)
    total, total_counts = by_fold.sum(axis=0), counts.sum(axis=0)
    distances = np.empty(len(features), np.float32)
    for held_out in range(len(counts)):
        rows = fold == held_out
        seen = total_counts > counts[held_out]
        centres = _unit(total[seen] - by_fold[held_out, seen])
        distances[rows] = outlier_distances(features[rows], centres)
    return limit_of(distances)


def limit_of(distances: Floats) -> float:
    """Return the distance within which nearly all images lie that were held out; positive."""
    return max(SMALLEST_LIMIT, float(np.quantile(distances, OUTLIER_QUANTILE, method="higher")))


def _sums(features: Floats, labels: Ints, n_labels: int) -> Floats:
    """Sum the rows of each label, scaled to unit length; no copy of the features is made."""
    from scipy.sparse import csr_array

    n = len(features)
    length = np.sqrt(np.einsum("ij,ij->i", features, features))
    scale = 1 / np.where(length == 0, 1, length)
    members = csr_array((scale.astype(features.dtype), (labels, np.arange(n))), shape=(n_labels, n))
    return np.asarray(members @ features)


def _unit(rows: Floats) -> Floats:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Floats = rows / np.where(length == 0, 1, length)
    return unit
