"""What is known of a class and of more images of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

__all__ = ["Curve", "Gain", "Interval", "LearningFindings", "Outlook", "Prospect"]

Floats = NDArray[np.float64]
Interval = tuple[float, float]


class Prospect(StrEnum):
    """What more images of a class would do for it, in a word."""

    TOO_FEW = "too_few"
    FLAWLESS = "flawless"
    GROWS = "grows"
    UNCERTAIN = "uncertain"
    FLAT = "flat"


@dataclass(frozen=True)
class Gain:
    """What some more images are expected to buy.

    Parameters
    ----------
    more : int
        Images added.
    accuracy : float
        That cross-validation would then find.
    interval : tuple of float
    gain : float
        By how much that is more than now.
    gain_interval : tuple of float
    averaged : float
        By how much the class-averaged accuracy would rise. A class wins some of its images from others, which lose
        them: this can be far less than ``gain`` over the number of classes, or negative.
    averaged_interval : tuple of float
    """

    more: int
    accuracy: float
    interval: Interval
    gain: float
    gain_interval: Interval
    averaged: float
    averaged_interval: Interval


@dataclass(frozen=True)
class Curve:
    """A learning curve, in accuracy.

    Parameters
    ----------
    sizes, accuracy, low, high : float64 arrays of shape (S,)
        What was measured, with Wilson's intervals; the last is now. A size is the images there would be, of which
        cross-validation trains on a part.
    fitted_sizes, fitted, fitted_low, fitted_high : float64 arrays of shape (G,)
        The power law, from the smallest size to beyond the images there are.
    """

    sizes: Floats
    accuracy: Floats
    low: Floats
    high: Floats
    fitted_sizes: Floats
    fitted: Floats
    fitted_low: Floats
    fitted_high: Floats


@dataclass(frozen=True)
class Outlook:
    """What is known of a class, or of all together, and of more images of it.

    Parameters
    ----------
    index : int
        The class; of all together, the number of classes.
    images : int
        There are now.
    accuracy : float
        Share of the held-out images that are recognised now.
    interval : tuple of float
        Wilson's.
    curve : Curve
    gains : tuple of Gain
        By ``more``, ascending.
    prospect : Prospect
        Of ``LearningFindings.more`` images.
    """

    index: int
    images: int
    accuracy: float
    interval: Interval
    curve: Curve
    gains: tuple[Gain, ...]
    prospect: Prospect

    def with_more(self, more: int) -> Gain:
        """Return the gain of ``more`` images."""
        return next(gain for gain in self.gains if gain.more == more)


@dataclass(frozen=True)
class LearningFindings:
    """What learning curves say.

    Parameters
    ----------
    classes : tuple of Outlook
        By class.
    overall : Outlook
        All classes growing in proportion: its gains are of K times as many images.
    more : int
        Images, by whose effect classes are ranked.
    ranking : tuple of int
        The classes, first the one whose ``more`` images raise the class-averaged accuracy most; those of which too few
        are there to tell come last.
    confidence : float
        Of the intervals.
    """

    classes: tuple[Outlook, ...]
    overall: Outlook
    more: int
    ranking: tuple[int, ...]
    confidence: float
