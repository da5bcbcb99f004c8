"""The best first, but not the same thing many times."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["spread_out"]

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]


def spread_out(candidates: Ints, scores: Floats, features: Floats, radius: float) -> Iterator[int]:
    """Yield candidates by score, each lowered by how near it is to one that was yielded before.

    The score of a candidate at a distance of less than ``radius`` from the nearest one before is multiplied by their
    ratio; at distance 0 it is put off to the end. Scores only ever fall, and so one that was computed earlier and
    still is the highest need not be computed for the others: the greedy choice is exact, and costs little (M. Minoux,
    *Accelerated greedy algorithms for maximizing submodular set functions*, 1978).

    Parameters
    ----------
    candidates : integer array of shape (m,)
        Rows of ``features``.
    scores : float array of shape (m,)
        Not negative.
    features : float array of shape (n, d)
        Of unit length: the distance is one minus the cosine.
    radius : float
        0 leaves the order to the scores.

    Yields
    ------
    int
        A row.

    Examples
    --------
    >>> features = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> list(spread_out(np.arange(3), np.array([0.9, 0.8, 0.1]), features, 0.5))
    [0, 2, 1]
    """
    heap = [(-score, row, 0) for score, row in zip(scores.tolist(), candidates.tolist(), strict=True)]
    heapq.heapify(heap)
    factor = dict.fromkeys(candidates.tolist(), 1.0)
    score_of = dict(zip(candidates.tolist(), scores.tolist(), strict=True))
    yielded = np.empty((16, features.shape[1]), features.dtype)
    count = 0
    while heap:
        _, row, met = heapq.heappop(heap)
        if met < count and radius > 0:
            nearest = float((1 - yielded[met:count] @ features[row]).min())
            factor[row] = min(factor[row], max(0.0, nearest) / radius)
            heapq.heappush(heap, (-score_of[row] * factor[row], row, count))
            continue
        if count == len(yielded):
            yielded = np.concatenate([yielded, np.empty_like(yielded)])
        yielded[count] = features[row]
        count += 1
        yield row
