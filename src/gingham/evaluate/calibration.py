"""Whether a probability of 80 % means that eight of ten such answers are right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["BINS", "Reliability", "confidence_bin", "reliability"]

BINS = 15


@dataclass(frozen=True)
class Reliability:
    """The reliability diagram: one entry for each of the equal bins of [0, 1].

    Attributes
    ----------
    count : ndarray of intp, shape (BINS,)
    confidence, accuracy : ndarray of float64, shape (BINS,)
        Mean probability of the predicted class, and share of right answers; NaN in an empty bin.
    expected_calibration_error : float
        Mean gap between the two, weighted by the counts.
    """

    count: NDArray[np.intp]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    expected_calibration_error: float


def confidence_bin(confidence: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the bin of each confidence: 15 equal ones, the upper edge of each belonging to it.

    >>> confidence_bin(np.array([0.0, 0.05, 1.0]))
    array([ 0,  0, 14])
    """
    return np.clip(np.ceil(confidence * BINS).astype(np.intp) - 1, 0, BINS - 1)


def reliability(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> Reliability:
    """Bin the answers by confidence and compare it with the share that is right.

    Parameters
    ----------
    confidence : ndarray of float64, shape (n,)
        Probability of the predicted class, in [0, 1].
    correct : ndarray of bool, shape (n,)

    Notes
    -----
    C. Guo et al., *On calibration of modern neural networks*, ICML 2017: equal-width bins.

    Examples
    --------
    >>> diagram = reliability(np.array([0.9, 0.9]), np.array([True, False]))
    >>> round(diagram.expected_calibration_error, 3)
    0.4
    """
    bins = confidence_bin(confidence)
    count = np.bincount(bins, minlength=BINS)
    filled = np.maximum(count, 1)
    mean = np.where(count > 0, np.bincount(bins, confidence, BINS) / filled, np.nan)
    right = np.where(count > 0, np.bincount(bins, correct.astype(float), BINS) / filled, np.nan)
    error = float(np.nansum(np.abs(mean - right) * count) / max(1, len(confidence)))
    return Reliability(count, mean, right, error)
