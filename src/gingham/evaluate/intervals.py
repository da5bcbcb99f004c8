"""Confidence intervals that stay honest for small test sets and near 100 %.

``docs/decisions/honest-numbers.md`` says why each is as it is, and what coverage was measured.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "auc_interval",
    "bootstrap_sums",
    "mean_interval",
    "paired_difference_interval",
    "resamples_within_budget",
    "small_sample_factor",
    "sum_interval",
    "wilson_interval",
]

FloatArray = NDArray[np.float64]

BOOTSTRAP_DRAWS = 40_000_000
"""Images drawn in all by one bootstrap."""

FEWEST_RESAMPLES = 200
_CHUNK = 4_000_000


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)


def wilson_interval(successes: ArrayLike, trials: ArrayLike, confidence: float = 0.95) -> tuple[FloatArray, FloatArray]:
    """Return Wilson's score interval of each proportion ``successes / trials``.

    Parameters
    ----------
    successes, trials : array_like of int
        Broadcast against each other. Zero trials give (0, 1): nothing is known.
    confidence : float
        In (0, 1).

    Returns
    -------
    low, high : ndarray of float64
        The shape of the broadcast inputs.

    Notes
    -----
    E. B. Wilson, *Probable inference, the law of succession, and statistical inference*, JASA 22 (1927).

    Examples
    --------
    >>> low, high = wilson_interval(99, 107)
    >>> f"{low:.3f} {high:.3f}"
    '0.859 0.962'
    """
    hits, n = np.broadcast_arrays(np.asarray(successes, float), np.asarray(trials, float))
    safe = np.maximum(n, 1)
    p = hits / safe
    z2 = _z(confidence) ** 2
    centre = p + z2 / (2 * safe)
    half = np.sqrt(z2 * (p * (1 - p) / safe + z2 / (4 * safe**2)))
    scale = 1 + z2 / safe
    # The ends of all right and all wrong are exactly 1 and 0; rounding may miss them by an ulp.
    low = np.where(hits == 0, 0.0, (centre - half) / scale)
    high = np.where(hits == n, 1.0, (centre + half) / scale)
    return np.where(n > 0, low, 0.0), np.where(n > 0, high, 1.0)


def auc_interval(
    auc: ArrayLike, positives: ArrayLike, negatives: ArrayLike, confidence: float = 0.95
) -> tuple[FloatArray, FloatArray]:
    """Return Newcombe's score-type interval of each area under a ROC curve.

    Unlike DeLong's or the bootstrap's it has a width where the area is 1.

    Parameters
    ----------
    auc : array_like of float, shape (k,)
    positives, negatives : array_like of int, shape (k,)
        Images of the class, and of all others: at least one each.
    confidence : float

    Returns
    -------
    low, high : ndarray of float64, shape (k,)

    Notes
    -----
    Method 5 of R. G. Newcombe, *Confidence intervals for an effect size measure based on the
    Mann-Whitney statistic. Part 2*, Statistics in Medicine 25 (2006): all ``x`` with
    ``|x - auc| <= z sqrt(V(x))``, found by bisection.

    Examples
    --------
    >>> low, high = auc_interval([1.0], [20], [20])
    >>> f"{low[0]:.2f} {high[0]:.2f}"
    '0.90 1.00'
    """
    area = np.atleast_1d(np.asarray(auc, float))
    m = np.asarray(positives, float)
    n = np.asarray(negatives, float)
    z = _z(confidence)
    half_size = (m + n) / 2 - 1

    def plausible(x: FloatArray) -> NDArray[np.bool_]:
        variance = x * (1 - x) * (1 + half_size * ((1 - x) / (2 - x) + x / (1 + x))) / (m * n)
        return np.asarray(np.abs(x - area) <= z * np.sqrt(variance))

    outside_low, inside_low = np.zeros_like(area), area.copy()
    outside_high, inside_high = np.ones_like(area), area.copy()
    for _ in range(40):
        middle = (outside_low + inside_low) / 2
        good = plausible(middle)
        inside_low, outside_low = np.where(good, middle, inside_low), np.where(good, outside_low, middle)
        middle = (outside_high + inside_high) / 2
        good = plausible(middle)
        inside_high, outside_high = np.where(good, middle, inside_high), np.where(good, outside_high, middle)
    return inside_low, inside_high


def mean_interval(values: FloatArray, low: FloatArray, high: FloatArray) -> tuple[float, float]:
    """Combine the intervals of independent quantities into the interval of their unweighted mean.

    Notes
    -----
    MOVER, the method of variance estimates recovery: G. Y. Zou and A. Donner, *Construction of
    confidence limits about effect measures: a general approach*, Statistics in Medicine 27 (2008).

    Examples
    --------
    >>> mean_interval(np.array([0.5, 0.9]), np.array([0.2, 0.6]), np.array([0.8, 1.0]))
    (0.4878..., 0.8581...)
    """
    mean = float(values.mean())
    below = float(np.sqrt(np.sum((values - low) ** 2))) / len(values)
    above = float(np.sqrt(np.sum((high - values) ** 2))) / len(values)
    return max(0.0, mean - below), min(1.0, mean + above)


def paired_difference_interval(gained: int, lost: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of the difference of two proportions on the same trials.

    Parameters
    ----------
    gained, lost : int
        Trials in which only the first succeeded, and only the second.
    trials : int
        Zero give (-1, 1): nothing is known.
    confidence : float

    Notes
    -----
    The adjusted Wald interval with one trial more in each of the two cells. D. G. Bonett and R. M. Price, *Adjusted
    Wald confidence interval for a difference of binomial proportions based on paired data*, Journal of Educational
    and Behavioral Statistics 37 (2012). With half a trial more in each of the four, as Agresti and Min propose, it is
    too narrow where one of the two cells is hardly ever filled.

    Examples
    --------
    >>> low, high = paired_difference_interval(0, 1, 22)
    >>> f"{low:.3f} {high:.3f}"
    '-0.182 0.099'
    """
    if trials == 0:
        return -1.0, 1.0
    more, less, n = gained + 1, lost + 1, trials + 2
    difference = (more - less) / n
    half = _z(confidence) * float(np.sqrt((more + less) / n - difference**2)) / float(np.sqrt(n))
    return max(-1.0, difference - half), min(1.0, difference + half)


def sum_interval(
    first: float, first_interval: tuple[float, float], second: float, second_interval: tuple[float, float]
) -> tuple[float, float]:
    """Combine the intervals of two quantities into that of their sum.

    It is that of independent ones; where one is large when the other is small, it is wider than it need be.

    Notes
    -----
    MOVER, as :func:`mean_interval`.

    Examples
    --------
    >>> sum_interval(0.9, (0.8, 0.95), 0.0, (-0.1, 0.1))
    (0.7585..., 1.0118...)
    """
    below = np.hypot(first - first_interval[0], max(0.0, second - second_interval[0]))
    above = np.hypot(first_interval[1] - first, max(0.0, second_interval[1] - second))
    return float(first + second - below), float(first + second + above)


def small_sample_factor(n_images: int, confidence: float = 0.95) -> float:
    """Return by how much the bootstrap's deviations are too small for a mean over ``n_images``.

    Resampling spreads by the standard deviation over n, not n - 1, and by the normal distribution, not
    Student's t.

    Parameters
    ----------
    n_images : int
        At least two.
    confidence : float

    Notes
    -----
    T. C. Hesterberg, *What teachers should know about the bootstrap*, The American Statistician 69 (2015).

    Examples
    --------
    >>> [round(small_sample_factor(n), 2) for n in (10, 107, 10_000)]
    [1.22, 1.02, 1.0]
    """
    from scipy.special import stdtrit

    student = float(stdtrit(n_images - 1, (1 + confidence) / 2))
    return float(student / _z(confidence) * np.sqrt(n_images / (n_images - 1)))


def resamples_within_budget(wanted: int, n_images: int) -> int:
    """Return how many bootstrap resamplings to draw of a test set of ``n_images``.

    As many as wanted, up to 40 million drawn images; but at least 200 (or all wanted, if fewer), which
    serve a large test set well, because its intervals are narrow anyway.

    >>> [resamples_within_budget(2000, n) for n in (107, 20_000, 100_000, 1_000_000)]
    [2000, 2000, 400, 200]
    """
    return min(wanted, max(FEWEST_RESAMPLES, BOOTSTRAP_DRAWS // max(1, n_images)))


def bootstrap_sums(
    values: FloatArray,
    cells: NDArray[np.intp],
    strata: NDArray[np.intp],
    *,
    n_cells: int,
    resamples: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Resample images with replacement inside their strata and sum each column by cell.

    Parameters
    ----------
    values : ndarray of float64, shape (n, q)
        Quantities of each image whose sums are wanted.
    cells : ndarray of intp, shape (n, q)
        For each quantity, the cell in [0, n_cells) to which the image adds.
    strata : ndarray of intp, shape (n,)
        The stratum (class) of each image; each keeps its number of images.
    n_cells, resamples : int
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of float64, shape (resamples, q, n_cells)
    """
    order = np.argsort(strata, kind="stable")
    sizes = np.unique(strata, return_counts=True)[1]
    size_of = np.repeat(sizes, sizes).astype(np.float32)
    start_of = np.repeat(np.cumsum(sizes) - sizes, sizes).astype(np.int32)
    sorted_values, sorted_cells = values[order], cells[order]
    n, quantities = values.shape
    sums = np.empty((resamples, quantities, n_cells))
    step = max(1, _CHUNK // n)
    for first in range(0, resamples, step):
        rows = min(step, resamples - first)
        within = (rng.random((rows, n), dtype=np.float32) * size_of).astype(np.int32)
        # float32 rounds u * size up to size about once in 2^24 draws.
        drawn = np.minimum(within, size_of.astype(np.int32) - 1) + start_of
        for q in range(quantities):
            if n_cells == 1:
                sums[first : first + rows, q, 0] = sorted_values[drawn, q].sum(axis=1)
                continue
            where = sorted_cells[drawn, q] + np.arange(rows)[:, None] * n_cells
            weights = sorted_values[drawn, q].ravel()
            counts = np.bincount(where.ravel(), weights=weights, minlength=rows * n_cells)
            sums[first : first + rows, q] = counts.reshape(rows, n_cells)
    return sums
