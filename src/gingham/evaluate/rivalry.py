"""What the other classes lose to a class that gets more images: some of those it wins were theirs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["POWERS", "losses"]

Floats = NDArray[np.float64]

POWERS = np.array([-1.0, -0.75, -0.5, -0.25, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5])
"""How a loss may grow with the number of images m: towards a limit, as log m (0), or on and on up to as √m."""


def losses(errors: Sequence[Floats], ratios: Sequence[Floats], beyond: Sequence[Floats]) -> list[Floats]:
    """Carry on the mean error of the other classes to more images of one, for each of K classes.

    Their error is A + B (r^p - 1) / p, B not negative, of the ratio r of the class's images to those there are. The
    power p is one for all classes, the one that fits the mean of their curves best: a single class's losses are a few
    images, and say nothing about it.

    Parameters
    ----------
    errors : sequence of K float64 arrays of shape (B, S)
        Mean error of the other classes, in each resampling.
    ratios : sequence of K float64 arrays of shape (S,)
        Ascending, the last of them 1.
    beyond : sequence of K float64 arrays of shape (G,)
        Ratios above 1.

    Returns
    -------
    list of K float64 arrays of shape (B, G)
        By how much the error has risen there; not negative.

    Examples
    --------
    >>> r = np.array([0.25, 0.5, 1.0])
    >>> found = losses([0.1 + 0.02 * np.log(r)[None]] * 2, [r] * 2, [np.array([2.0])] * 2)
    >>> found[0].round(4)
    array([[0.0139]])
    """
    mean, ratio = np.mean(errors, axis=0), np.mean(ratios, axis=0)
    misfit = np.stack([_line(_grown(ratio, power), mean)[1] for power in POWERS])
    best = misfit.argmin(axis=0)
    found = []
    for error, own, further in zip(errors, ratios, beyond, strict=True):
        rises = [
            _line(_grown(own, power), error)[0][:, None] * _grown(further, power) for power in POWERS
        ]  # powers x B x G
        found.append(np.stack(rises)[best, np.arange(len(best))])
    return found


def _grown(ratio: Floats, power: float) -> Floats:
    grown: Floats = np.log(ratio) if power == 0 else (ratio**power - 1) / power
    return grown


def _line(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return the slope, not negative, and the squares that are left, of lines through y of shape (B, S), each (B,)."""
    x, y = x - x.mean(), y - y.mean(axis=1, keepdims=True)
    squares = float(x @ x)
    slope = np.maximum(0.0, y @ x / squares) if squares > 0 else np.zeros(len(y))
    return slope, ((y - slope[:, None] * x) ** 2).sum(axis=1)
