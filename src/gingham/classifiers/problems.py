"""What :func:`gingham.classifiers.squared_hinge.minimise` is asked, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gingham.classifiers.preconditioner import Preconditioner

__all__ = ["Columns", "Rows", "Solution"]

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Rows:
    """The training rows, in any order (sorted by fold they are fastest).

    Parameters
    ----------
    X : array of shape (n, d), float32 or float64
        The last column is the constant feature of the intercept. Products are computed in its dtype.
    label : integer array of shape (n,)
        Class of each row, 0 … K - 1.
    fold : integer array of shape (n,)
        Fold in which each row is held out, 0 … F - 1.
    """

    X: Floats
    label: Ints
    fold: Ints


@dataclass(frozen=True)
class Columns:
    """The problems, one for each column.

    Parameters
    ----------
    positive : integer array of shape (P,)
        The class that is +1; all others are -1.
    fold : integer array of shape (P,)
        The fold that is left out; -1 for none.
    group : integer array of shape (P,)
        Columns of the same group (0, 1, …) share a preconditioner.
    cost : float array of shape (F, K, P)
        2 C s of a row of fold f and class k in column p; 0 where the row takes no part.
    """

    positive: Ints
    fold: Ints
    group: Ints
    cost: Floats


@dataclass(frozen=True)
class Solution:
    """What ``minimise`` found.

    Parameters
    ----------
    weights : float64 array of shape (d, P)
    objective : float64 array of shape (P,)
        P(w).
    gap : float64 array of shape (P,)
        Upper bound of P(w) - min P.
    preconditioners : list of Preconditioner or None
        The last one of each group; None where the working set served instead.
    """

    weights: Floats
    objective: Floats
    gap: Floats
    preconditioners: list[Preconditioner | None]
