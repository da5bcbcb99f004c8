"""Which of several classifiers to take: by what they made of the same held-out training images, not of the test images.

Each was measured on some of the training images, the same ones where it can be, so two are compared image by image:
what is hard for both cancels out (as in McNemar's test), and far smaller differences can be told than the intervals of
the two accuracies would show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gingham.evaluate.intervals import paired_difference_interval, sum_interval, wilson_interval

__all__ = ["Choice", "Measured", "choose", "clearly_worse"]


@dataclass(frozen=True)
class Measured:
    """What one classifier made of the training images, and what it costs.

    Parameters
    ----------
    right : int8 array of shape (n_train,)
        Of each image when it was held out: 1 right, 0 wrong; -1 where it never was.
    milliseconds : float
        From file to features, an image, on this machine.
    megabytes : float
        Of the model file.
    """

    right: NDArray[np.int8]
    milliseconds: float
    megabytes: float

    @property
    def held_out(self) -> int:
        """How many images it was measured on."""
        return int((self.right >= 0).sum())


@dataclass(frozen=True)
class Choice:
    """What follows from the measurements, as positions among them.

    Parameters
    ----------
    accuracy : tuple of float
    interval : tuple of (float, float)
    pareto : tuple of bool
        Nothing else is at least as accurate and as fast, and better in one of the two.
    best : int
        The most accurate; of equals the fastest.
    as_good : tuple of bool
        Whether it may be as good as the best: the interval of their difference on the same images holds zero.
    recommended : int
        The fastest of those that may be as good as the best; of equals the smaller.
    """

    accuracy: tuple[float, ...]
    interval: tuple[tuple[float, float], ...]
    pareto: tuple[bool, ...]
    best: int
    as_good: tuple[bool, ...]
    recommended: int


def choose(measured: Sequence[Measured], confidence: float = 0.95) -> Choice:
    """Compare classifiers.

    The accuracy of one that was held out on some images only is that of the one with the most, plus their mean
    difference on the images of both: the subset may be an easy or a hard one.

    Parameters
    ----------
    measured : sequence of Measured
        At least one, each measured on at least one image.
    confidence : float

    Examples
    --------
    >>> fast = Measured(np.array([1, 1, 0, 1], np.int8), 4.0, 13.0)
    >>> slow = Measured(np.array([1, 1, 1, 1], np.int8), 9.0, 13.0)
    >>> chosen = choose([slow, fast])
    >>> chosen.best, chosen.recommended
    (0, 1)
    """
    # The fastest of the widest: a base that is chosen for its accuracy would lend its luck to those it is the base of.
    widest = max(measured, key=lambda one: (one.held_out, -one.milliseconds))
    base, base_interval = _share(widest, confidence)
    accuracy, interval = [], []
    for one in measured:
        if one.held_out == widest.held_out:
            value, ends = _share(one, confidence)
        else:
            gained, lost, common = _disagreement(one, widest)
            difference = (gained - lost) / max(1, common)
            value = base + difference
            ends = sum_interval(
                base, base_interval, difference, paired_difference_interval(gained, lost, common, confidence)
            )
        accuracy.append(min(1.0, max(0.0, value)))
        interval.append((max(0.0, ends[0]), min(1.0, ends[1])))
    best = min(range(len(measured)), key=lambda i: (-accuracy[i], measured[i].milliseconds, measured[i].megabytes))
    as_good = tuple(not clearly_worse(one, measured[best], confidence) for one in measured)
    recommended = min(
        (i for i in range(len(measured)) if as_good[i]),
        key=lambda i: (measured[i].milliseconds, measured[i].megabytes, -accuracy[i]),
    )
    pareto = tuple(
        not any(_dominates((accuracy[j], other.milliseconds), (accuracy[i], one.milliseconds))
                for j, other in enumerate(measured))
        for i, one in enumerate(measured)
    )  # fmt: skip
    return Choice(tuple(accuracy), tuple(interval), pareto, best, as_good, recommended)


def clearly_worse(one: Measured, other: Measured, confidence: float = 0.95) -> bool:
    """Tell whether one is worse than another by more than chance explains, on the images on which both were held out.

    Parameters
    ----------
    one, other : Measured
    confidence : float
        Of the two-sided interval of the difference.
    """
    gained, lost, common = _disagreement(one, other)
    return paired_difference_interval(gained, lost, common, confidence)[1] < 0


def _share(one: Measured, confidence: float) -> tuple[float, tuple[float, float]]:
    """Return how many of its images one gets right, with the interval."""
    right = int((one.right == 1).sum())
    low, high = wilson_interval(right, one.held_out, confidence)
    return right / one.held_out, (float(low), float(high))


def _disagreement(one: Measured, other: Measured) -> tuple[int, int, int]:
    """Return on how many images only one is right, on how many only the other, and how many both were held out on."""
    both = (one.right >= 0) & (other.right >= 0)
    difference = one.right[both] - other.right[both]
    return int((difference > 0).sum()), int((difference < 0).sum()), int(both.sum())


def _dominates(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return a[0] >= b[0] and a[1] <= b[1] and a != b
