"""The exact minimum of many squared-hinge objectives, each along a line of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["minimise_along"]

Floats = NDArray[np.floating[Any]]

_MOST = 60  # evaluations; two or three are usual
_SMALL = 0.02  # of the slope at the start: less is gained by going on than by a new direction


def minimise_along(
    loss: Callable[[Floats], tuple[Floats, Floats]],
    along: Floats,
    length: Floats,
    *,
    first: Floats | float,
    slope: Floats | None = None,
) -> Floats:
    """Return the steps that minimise |w + t v|²/2 + loss(w + t v), convex and piecewise quadratic in t.

    Newton's method on the derivative, kept in a bracket.

    Parameters
    ----------
    loss : callable
        Steps t of shape (p,) -> first and second derivative of the loss along v, both of shape (p,).
    along, length : arrays of shape (p,)
        w·v and v·v.
    first : array of shape (p,) or float
        The first step to try.
    slope : array of shape (p,), optional
        Derivative at t = 0, if it is known already.

    Returns
    -------
    array of shape (p,)
        0 where v does not lead downhill.
    """
    if slope is None:
        slope = along + loss(np.zeros_like(along))[0]
    t = np.where(slope < 0, first, 0.0)
    low, high = np.zeros_like(t), np.full_like(t, np.inf)
    for _ in range(_MOST):
        force, bend = loss(t)
        rise = along + t * length + force
        done = np.abs(rise) <= -_SMALL * slope
        if (done | (slope >= 0)).all():
            break
        low, high = np.where(rise < 0, t, low), np.where(rise > 0, t, high)
        with np.errstate(divide="ignore", invalid="ignore"):
            better = t - rise / (length + bend)
        outside = ~((better > low) & (better < high))
        better = np.where(outside, np.where(np.isinf(high), 2 * low, 0.5 * (low + high)), better)
        t = np.where(done | (slope >= 0), t, better)
    return t
