"""How the learning rate changes from step to step."""

from __future__ import annotations

import bisect
import math

from gingham.config import Refinement

__all__ = ["rate_at"]

_FALL = 0.1
_LOWEST = 1e-3  # of the largest rate


def rate_at(settings: Refinement, share: float) -> float:
    """Return the learning rate when a share of the training is done.

    Parameters
    ----------
    settings : Refinement
    share : float
        In [0, 1).

    Returns
    -------
    float

    Examples
    --------
    >>> settings = Refinement(learning_rate=0.01, schedule="step", warm_up=0)
    >>> [round(rate_at(settings, share), 5) for share in (0, 0.5, 0.95)]
    [0.01, 0.001, 0.0001]
    """
    top, warm_up = settings.learning_rate, settings.warm_up
    if share < warm_up:
        return top * max(_LOWEST, share / warm_up)
    if settings.schedule == "constant":
        return top
    if settings.schedule == "step":
        return top * _FALL ** bisect.bisect_right(settings.steps, share)
    rest = (share - warm_up) / (1 - warm_up)
    return top * max(_LOWEST, (1 + math.cos(math.pi * rest)) / 2)
