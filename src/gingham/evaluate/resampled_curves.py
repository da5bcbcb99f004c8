"""Learning curves as other held-out images, and other training images, might have drawn them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CurveResamplings"]

Floats = NDArray[np.float64]
Ints = NDArray[np.integer[Any]]
Flags = NDArray[np.bool_]


class CurveResamplings:
    """Resamplings of held-out images and of training draws, the same ones for every curve.

    The held-out images are the same at every size, and so an image goes into all points of a curve or into none.
    Classes are resampled each for itself, and the images of a group together. Of the draws, each fold takes as many at
    random as there are. At the largest size there is only one: it is given what a draw of the size below differs from
    the others by, scaled as if that size were drawn from a larger whole too.

    Parameters
    ----------
    labels, groups, fold : integer arrays of shape (n,)
        Class and group of each image, and the fold in which it was held out.
    draws : int
        R.
    resamples : int
        B.
    rng : numpy.random.Generator
    """

    def __init__(
        self, labels: Ints, groups: Ints, fold: Ints, *, draws: int, resamples: int, rng: np.random.Generator
    ) -> None:
        self._fold = fold
        self._images = _image_weights(labels, groups, resamples, rng)
        folds = int(fold.max()) + 1
        self._draws = rng.multinomial(draws, np.full(draws, 1 / draws), (1 + resamples, folds)) / draws
        self._draws[0] = 1 / draws
        self._single = rng.integers(0, draws, (resamples, folds))

    def errors(self, right: Flags, sizes: Floats, share: Floats) -> Floats:
        """Return the share of wrong answers at each size.

        Parameters
        ----------
        right : bool array of shape (S, R, n)
            Whether each image was recognised; all draws of the largest size alike.
        sizes : float64 array of shape (S,)
        share : float64 array of shape (n,)
            Of each image's class in the sum: 0 leaves its images out.

        Returns
        -------
        float64 array of shape (1 + B, S)
            First as it was, then in each resampling.
        """
        S, R, _ = right.shape
        errors = np.zeros((len(self._images), S))
        for held_out in range(self._draws.shape[1]):
            rows = np.flatnonzero((self._fold == held_out) & (share > 0))
            wrong = (~right[..., rows]).reshape(S * R, -1).astype(np.float32)
            weights = self._images[:, rows] * share[rows].astype(np.float32)
            missed = (weights @ wrong.T).reshape(-1, S, R)
            errors += np.einsum("bsr,br->bs", missed, self._draws[:, held_out])
            if S > 1 and R > 1:
                drawn = float(sizes[-2] / sizes[-1]) if sizes[-1] > 0 else 1.0
                apart = missed[1:, -2] - missed[1:, -2].mean(axis=1, keepdims=True)
                scale = np.sqrt(drawn / (1 - drawn) * R / (R - 1)) if drawn < 1 else 0.0
                errors[1:, -1] += scale * apart[np.arange(len(apart)), self._single[:, held_out]]
        return np.clip(errors, 0.0, 1.0)


def _image_weights(labels: Ints, groups: Ints, resamples: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return how often each image counts, of shape (1 + B, n): of each class the sum is 1."""
    weights = np.ones((1 + resamples, len(labels)), np.float32)
    for k in np.unique(labels):
        members = np.flatnonzero(labels == k)
        unit = np.unique(groups[members], return_inverse=True)[1]
        count = int(unit.max()) + 1
        weights[1:, members] = rng.multinomial(count, np.full(count, 1 / count), resamples)[:, unit]
        weights[:, members] /= weights[:, members].sum(axis=1, keepdims=True)
    return weights
