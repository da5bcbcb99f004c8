"""Disjoint sets over the numbers 0 … n - 1, joined many pairs at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DisjointSets"]


class DisjointSets:
    """A partition of 0 … n - 1 that starts with each number alone.

    Vectorised union-find: every batch hooks the larger root on the smaller one and then halves all paths until each
    number points at its root (Shiloach and Vishkin, *An O(log n) parallel connectivity algorithm*, Journal of
    Algorithms 3, 1982).

    >>> sets = DisjointSets(5)
    >>> sets.join(np.array([3, 1]), np.array([1, 4]))
    >>> sets.labels()
    array([0, 1, 2, 1, 1])
    """

    def __init__(self, n: int) -> None:
        self._root: NDArray[np.int64] = np.arange(n)

    def join(self, i: NDArray[np.int64], j: NDArray[np.int64]) -> None:
        """Unite the set of each ``i`` with the set of the ``j`` at the same place; both int64 [m]."""
        while True:
            a, b = self._root[i], self._root[j]
            apart = a != b
            if not apart.any():
                return
            i, j, a, b = i[apart], j[apart], a[apart], b[apart]
            np.minimum.at(self._root, np.maximum(a, b), np.minimum(a, b))
            self._shorten()

    def apart(self, i: NDArray[np.int64], j: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say of each pair whether its two numbers are in different sets; bool [m]."""
        return np.not_equal(self._root[i], self._root[j])

    def labels(self) -> NDArray[np.int64]:
        """Return for each number the smallest of its set, int64 [n]."""
        return self._root.copy()

    def _shorten(self) -> None:
        while True:
            higher = self._root[self._root]
            if np.array_equal(higher, self._root):
                return
            self._root = higher
