"""Which images are odd: too dark, too bright, blurred, empty, or of a size or shape unlike the others'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gingham.curate.measures import Measures

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.floating[Any]]
    Integers = NDArray[np.integer[Any]]

__all__ = ["ISSUES", "Issue", "image_issues"]

ISSUES = ("dark", "bright", "blurred", "low_information", "odd_size", "odd_aspect_ratio")

# docs/decisions/checking.md says how these were found.
DARK = 0.32
"""Brightness that 1 % of a dark image's pixels reach at most."""

BRIGHT = 0.2
"""How far below white 95 % of a bright image's pixels lie at most."""

BLURRED = 0.3
"""Sharpness of a blurred image at most."""

LOW_INFORMATION = 0.015
"""Share of an image of low information that shows anything, at most."""

SMALL_SIDE = 64
"""Shorter side in pixels below which an image is always of odd size."""

SIZE_FACTOR = 10.0
"""Of the area: images are not of odd size within this factor of the middle half of the dataset."""

LONG_RATIO = 2.5
"""Longer by shorter side, up to which no image is of odd aspect ratio."""

EXTREME_RATIO = 5.0
"""From which all are."""

RATIO_FACTOR = 1.5
"""Of the aspect ratio: nor are images within this factor of those of the middle half of the dataset."""

_FENCE = 3.0  # interquartile ranges beyond the quartiles, of Tukey's outer fence
_FEWEST = 8  # images of which quartiles mean something


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that may be wrong with images, one entry an image.

    Parameters
    ----------
    score : float32 array of shape (n,)
        In [0, 1]; 1 is fine, below one half is an issue.
    is_issue : bool array of shape (n,)
    """

    score: NDArray[np.float32]
    is_issue: NDArray[np.bool_]


def image_issues(measures: Sequence[Measures], widths: Integers, heights: Integers) -> Mapping[str, Issue]:
    """Judge images by their measures, and by how their sizes and shapes compare with those of the others.

    Scores rise in a straight line from 0 to 1, which is twice the threshold or better.

    - ``dark``, ``blurred``, ``low_information``: the 99th percentile of the brightness, the sharpness, the share of the
      picture that shows anything. An image of low information is not called blurred.
    - ``bright``: how far the 5th percentile of the brightness lies below white.
    - ``odd_size``: a shorter side below 64 pixels; or an area beyond Tukey's outer fence, on a logarithmic scale, and
      by a factor of ten from the quartiles.
    - ``odd_aspect_ratio``: the same of width by height, by a factor of 1.5, if one side is also more than 2.5 times
      the other; or one side more than five times the other.

    Parameters
    ----------
    measures : sequence of Measures, length n
    widths, heights : integer arrays of shape (n,)
        Full size as displayed, in pixels.

    Returns
    -------
    mapping of str to Issue
        One for each of ``ISSUES``, in that order.

    Raises
    ------
    ValueError
        If the lengths differ.
    """
    if not len(measures) == len(widths) == len(heights):
        raise ValueError(
            f"there are {len(measures)} measures, {len(widths)} widths and {len(heights)} heights: one each an image"
        )
    information = np.array([one.information for one in measures])
    blurred = _relative(np.array([one.sharpness for one in measures]), BLURRED)
    scores = (
        _relative(np.array([one.brightest for one in measures]), DARK),
        _relative(1 - np.array([one.darkest for one in measures]), BRIGHT),
        np.where(information < LOW_INFORMATION, 1, blurred),
        _relative(information, LOW_INFORMATION),
        _size_score(np.asarray(widths, np.float64), np.asarray(heights, np.float64)),
        _ratio_score(np.asarray(widths, np.float64), np.asarray(heights, np.float64)),
    )
    return {name: Issue(score.astype(np.float32), score < 0.5) for name, score in zip(ISSUES, scores, strict=True)}


def _relative(values: Numbers, threshold: float) -> Numbers:
    """Return 0 at 0, one half at the threshold, 1 from twice the threshold."""
    score: Numbers = np.clip(values / (2 * threshold), 0, 1)
    return score


def _size_score(widths: Numbers, heights: Numbers) -> Numbers:
    beyond = _beyond_fence(np.log(widths * heights), np.log(SIZE_FACTOR))
    return np.minimum(_relative(np.minimum(widths, heights), SMALL_SIDE), np.clip(1 - beyond / 2, 0, 1))


def _ratio_score(widths: Numbers, heights: Numbers) -> Numbers:
    ratio = np.log(widths / heights)
    beyond = np.minimum(_beyond_fence(ratio, np.log(RATIO_FACTOR)), np.abs(ratio) / np.log(LONG_RATIO))
    score: Numbers = np.clip(1 - np.maximum(beyond, np.abs(ratio) / np.log(EXTREME_RATIO)) / 2, 0, 1)
    return score


def _beyond_fence(values: Numbers, least: float) -> Numbers:
    """Return how far values lie beyond the quartiles, where 1 is the fence: 3 interquartile ranges, or ``least``.

    0 where there are too few to tell.

    References
    ----------
    J. W. Tukey, *Exploratory Data Analysis*, 1977.
    """
    if len(values) < _FEWEST:
        return np.zeros(len(values))
    lower, upper = np.quantile(values, (0.25, 0.75))
    beyond = np.maximum(0, np.maximum(lower - values, values - upper))
    fenced: Numbers = beyond / max(_FENCE * (upper - lower), least)
    return fenced
