"""Pairs of images whose features are nearly the same: crops, mirror images and shots of one scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gingham.curate.cosines import inverse_lengths

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]

__all__ = ["LOOKALIKE_COSINE", "MOST_PAIRS", "Lookalikes", "lookalike_pairs"]

LOOKALIKE_COSINE = 0.94
"""Default threshold; docs/decisions/checking.md holds the measurements behind it."""

MOST_PAIRS = 100_000
"""Default of how many pairs are returned."""

_TALL, _WIDE = 1024, 4096


@dataclass(frozen=True, slots=True)
class Lookalikes:
    """Pairs of images that look alike, the most alike first; of equally alike ones by their row numbers.

    Parameters
    ----------
    pairs : int64 array of shape (m, 2)
        Row numbers i < j.
    similarities : float32 array of shape (m,)
        Their cosines, at most 1.
    found : int
        How many pairs reach the threshold; more than m if only the most alike are listed.
    """

    pairs: NDArray[np.int64]
    similarities: NDArray[np.float32]
    found: int


def lookalike_pairs(features: Floats, threshold: float = LOOKALIKE_COSINE, most: int = MOST_PAIRS) -> Lookalikes:
    """Find all pairs of feature vectors whose cosine is at least a threshold.

    Exact up to the rounding of float32 products, which are computed in tiles: memory beyond the result stays within
    some 50 MB. The time grows with the square of the number of rows.

    Parameters
    ----------
    features : float array of shape (n, d)
        Of any length. Rows of zeros are like nothing.
    threshold : float
        In (0, 1].
    most : int
        How many pairs are listed; of more, the most alike.

    Returns
    -------
    Lookalikes

    Raises
    ------
    ValueError
        If the threshold is out of its range or the features are not finite.

    Examples
    --------
    >>> found = lookalike_pairs(np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 0.1]]))
    >>> found.pairs, found.similarities.round(3)
    (array([[0, 2]]), array([0.999], dtype=float32))
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must lie above 0 and not above 1, not {threshold}")
    inverse = inverse_lengths(features)
    n = len(features)
    least = np.float32(threshold - 1e-6)  # of equal rows the product may round to a little less than 1
    kept = _Kept(most)
    for left in range(0, n, _WIDE):
        wide = slice(left, left + _WIDE)
        columns = np.ascontiguousarray((features[wide] * inverse[wide, None]).astype(np.float32).T)
        for top in range(0, min(left + _WIDE, n), _TALL):
            tall = slice(top, top + _TALL)
            cosines = (features[tall] * inverse[tall, None]).astype(np.float32) @ columns
            i, j = np.nonzero(cosines >= least)
            similarities = cosines[i, j]
            i, j = i + top, j + left
            kept.add(i[i < j], j[i < j], similarities[i < j])
    return kept.result()


class _Kept:
    """The most alike of the pairs that were added."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._found = 0
        self._parts = [(np.empty((0, 2), np.int64), np.empty(0, np.float32))]
        self._held = 0

    def add(self, i: NDArray[np.int64], j: NDArray[np.int64], similarities: NDArray[np.float32]) -> None:
        self._found += len(i)
        self._held += len(i)
        self._parts.append((np.stack([i, j], axis=1), np.minimum(similarities, np.float32(1))))
        if self._held > 2 * self._most + _TALL:
            self._parts = [self._best()]
            self._held = len(self._parts[0][1])

    def result(self) -> Lookalikes:
        return Lookalikes(*self._best(), self._found)

    def _best(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        pairs = np.concatenate([part for part, _ in self._parts])
        similarities = np.concatenate([part for _, part in self._parts])
        order = np.lexsort((pairs[:, 1], pairs[:, 0], -similarities))[: self._most]
        return pairs[order], similarities[order]
