"""When to say nothing: the probability below which a prediction is withheld."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Abstention", "abstention_threshold"]


class Abstention(NamedTuple):
    """A threshold and what it does to the rows on which it was chosen.

    Parameters
    ----------
    threshold : float or None
        Predictions whose largest probability is at least this are given, the others withheld; None where no threshold
        reaches the wanted precision.
    coverage : float or None
        Fraction of the rows that get a prediction.
    """

    threshold: float | None
    coverage: float | None


def abstention_threshold(probabilities: NDArray[np.floating[Any]], y: ArrayLike, precision: float = 0.95) -> Abstention:
    """Return the threshold that answers for the most rows and is right often enough.

    Choose it on out-of-fold probabilities: on the rows a model was fitted to, it would promise too much.

    Parameters
    ----------
    probabilities : array of shape (n, K)
    y : integer array of shape (n,)
        The true classes, as columns of ``probabilities``.
    precision : float
        Wanted fraction of right predictions among those given, in (0, 1].

    Returns
    -------
    Abstention
        ``(threshold, coverage)``, or ``(None, None)`` where no threshold reaches the precision.

    Examples
    --------
    >>> abstention_threshold(np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]), [0, 1, 1], precision=0.95)
    Abstention(threshold=0.8, coverage=0.666...)
    >>> abstention_threshold(np.array([[0.9, 0.1]]), [1])
    Abstention(threshold=None, coverage=None)
    """
    if not 0 < precision <= 1:
        raise ValueError(f"precision must lie in (0, 1], not {precision}")
    probabilities, true = np.asarray(probabilities), np.asarray(y)
    if probabilities.ndim != 2 or len(probabilities) != len(true):
        raise ValueError(
            f"probabilities of shape {probabilities.shape} do not match {len(true)} labels: give a row for each"
        )
    top = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == true
    order = np.argsort(-top, kind="stable")
    sorted_top = top[order]
    rate = np.cumsum(right[order]) / np.arange(1, len(top) + 1)
    # equal probabilities are given or withheld together
    last_of_equals = np.append(sorted_top[1:] != sorted_top[:-1], True)[: len(top)]
    reached = np.flatnonzero(last_of_equals & (rate >= precision))
    if not len(reached):
        return Abstention(None, None)
    last = reached[-1]
    return Abstention(float(sorted_top[last]), float((last + 1) / len(top)))
