"""What the images most like an image are labelled: a second opinion beside a classifier's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gingham.curate.cosines import inverse_lengths

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]
    Integers = NDArray[np.integer[Any]]

__all__ = ["NEIGHBOURS", "neighbour_votes"]

NEIGHBOURS = 15
"""How many vote; docs/decisions/checking.md says how this and the rest was found."""

MOST_VOTERS = 20_000
"""In larger datasets so many images, evenly spaced, are looked among: the time stays in proportion to their number."""

_SHARPNESS = 20.0  # a neighbour whose cosine is smaller by 1/20 counts 1/e of the other
_PRIOR = 0.2 / NEIGHBOURS  # of each class; so that no vote is a certainty
_TILE_ELEMENTS = 1 << 23


def neighbour_votes(
    features: Floats, labels: Integers, n_classes: int, groups: Integers | None = None
) -> NDArray[np.float64]:
    """Let the nearest images of each image vote on its class.

    Parameters
    ----------
    features : float array of shape (n, d)
        Of any length; compared by their cosines.
    labels : integer array of shape (n,)
        0 … n_classes - 1.
    n_classes : int
    groups : integer array of shape (n,), optional
        Images of one group, such as near-duplicates, do not vote on each other. By default each is its own.

    Returns
    -------
    float64 array of shape (n, n_classes)
        Shares of the votes, weighted by exp(20 cosine); rows sum to 1. Equal shares where there is no voter.

    Examples
    --------
    >>> features = np.array([[1.0, 0.0], [0.9, 0.1], [0.8, 0.2], [0.0, 1.0]])
    >>> neighbour_votes(features, np.array([0, 0, 1, 1]), 2).argmax(axis=1)
    array([0, 0, 0, 1])
    """
    n = len(features)
    groups = np.arange(n) if groups is None else groups
    voters = np.unique(np.linspace(0, n - 1, min(n, MOST_VOTERS)).astype(np.int64))
    inverse = inverse_lengths(features)
    targets = (features[voters] * inverse[voters, None]).T
    count = min(NEIGHBOURS, len(voters))
    votes = np.empty((n, n_classes))
    size = max(1, _TILE_ELEMENTS // max(1, len(voters)))
    for start in range(0, n, size):
        block = slice(start, start + size)
        cosines = (features[block] * inverse[block, None]) @ targets
        cosines[groups[block, None] == groups[voters]] = -np.inf
        nearest = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
        weights = np.exp(_SHARPNESS * (np.take_along_axis(cosines, nearest, axis=1).astype(np.float64) - 1))
        rows = np.arange(len(cosines))[:, None] * n_classes
        cells = np.bincount(
            (rows + labels[voters[nearest]]).ravel(), weights.ravel(), minlength=len(cosines) * n_classes
        )
        total = weights.sum(axis=1, keepdims=True)
        votes[block] = cells.reshape(-1, n_classes) / np.where(total == 0, 1, total)
    votes += _PRIOR
    votes /= votes.sum(axis=1, keepdims=True)
    return votes
