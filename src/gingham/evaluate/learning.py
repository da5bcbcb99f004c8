"""What more images would buy: learning curves carried on beyond the images there are, with how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gingham.evaluate.intervals import resamples_within_budget, small_sample_factor, sum_interval, wilson_interval
from gingham.evaluate.outlook import Curve, Gain, Interval, LearningFindings, Outlook, Prospect
from gingham.evaluate.power_law import PowerLaws, fit_power_laws
from gingham.evaluate.resampled_curves import CurveResamplings
from gingham.evaluate.rivalry import losses

__all__ = ["FEWEST_IMAGES", "extrapolate"]

Floats = NDArray[np.float64]
Ints = NDArray[np.integer[Any]]
Flags = NDArray[np.bool_]

FEWEST_IMAGES = 8
"""Of a class, below which its curve says nothing."""

HARDLY = 0.01
"""Of accuracy: a gain that is surely less is called flat."""

_GRID = 60


def extrapolate(
    labels: Ints,
    groups: Ints,
    fold: Ints,
    sizes: Floats,
    right: Flags,
    *,
    more: int = 50,
    others: Sequence[int] = (25, 100),
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> LearningFindings:
    """Carry learning curves on to more images than there are.

    An inverse power law is fitted to the errors of each class. The effect on the class-averaged accuracy is what it
    gains less what the other classes lose to it (:func:`gingham.evaluate.rivalry.losses`): one law through both would
    promise too much. How sure that is comes from fitting again to resamplings
    (:class:`gingham.evaluate.resampled_curves.CurveResamplings`).

    All is said as cross-validation would measure it, which trains on a part of the images. New images are taken to be
    like those there are: as many copies among them, and no better lit.

    Parameters
    ----------
    labels, groups, fold : integer arrays of shape (n,)
        Class and group of each training image, and the fold in which it was held out.
    sizes : float64 array of shape (K + 1, S)
    right : bool array of shape (K + 1, S, R, n)
        As in :class:`gingham.classifiers.learning_curve.LearningCurves`.
    more : int
        Images, by whose effect classes are ranked.
    others : sequence of int
        More numbers of images, of which the gain is told too.
    confidence : float
    resamples : int
    seed : int

    Returns
    -------
    LearningFindings
    """
    K, n = len(sizes) - 1, len(labels)
    resamplings = CurveResamplings(
        labels,
        groups,
        fold,
        draws=right.shape[2],
        resamples=resamples_within_budget(resamples, n),
        rng=np.random.default_rng(seed),
    )
    numbers = sorted({more, *others})
    images = np.bincount(labels, minlength=K)
    at = [_in_all(sizes[k], int(images[k]) if k < K else n) for k in range(K + 1)]
    rest = [resamplings.errors(right[k], sizes[k], (labels != k) / (K - 1)) for k in range(K)]
    added = np.array(numbers)
    lost = losses(rest, [at[k] / at[k][-1] for k in range(K)], [1 + added / images[k] for k in range(K)])
    lost = [(K - 1) * each for each in lost]
    own = [resamplings.errors(right[k], sizes[k], (labels == k).astype(np.float64)) for k in range(K)]
    fits = [_Fit.of(at[k], own[k], groups[labels == k], added) for k in range(K)]
    # Of a single class, what others lose to it is a few images and mostly chance: their sum says what is usual.
    won = sum(fit.gained[0] for fit in fits)
    passed_on = np.minimum(1.0, np.divide(sum(each[0] for each in lost), won, out=np.ones(len(added)), where=won > 0))
    outlooks = []
    for k, fit in enumerate(fits):
        averaged = (fit.gained - lost[k]) / K
        likely = fit.gained[0] * (1 - passed_on) / K
        outlooks.append(_outlook(k, fit, likely, averaged, K, numbers, more, confidence))
    everything = resamplings.errors(right[K], sizes[K], (images / n)[labels])
    whole = _Fit.of(at[K], everything, groups, K * added)
    every = [K * number for number in numbers]
    overall = _outlook(K, whole, whole.gained[0], whole.gained, 1, every, K * more, confidence)

    def rank(k: int) -> tuple[bool, float, float, float]:
        gain = outlooks[k].with_more(more)
        return outlooks[k].prospect is Prospect.TOO_FEW, -gain.averaged, -gain.gain, outlooks[k].accuracy

    return LearningFindings(tuple(outlooks), overall, more, tuple(sorted(range(K), key=rank)), confidence)


def _in_all(sizes: Floats, images: int) -> Floats:
    """Return the sizes as images there would be in all, of which these are trained on."""
    # Of a class whose images are all of one group, none is ever trained on when it is tested.
    return sizes * images / sizes[-1] if sizes[-1] > 0 else np.full(len(sizes), float(images))


@dataclass(frozen=True)
class _Fit:
    """The law of one curve: errors (1 + B, S) at sizes (S,), and the gains of more images, (1 + B, numbers)."""

    at: Floats
    errors: Floats
    images: int
    n_groups: int
    law: PowerLaws
    gained: Floats

    @classmethod
    def of(cls, at: Floats, errors: Floats, groups: Ints, added: Ints) -> _Fit:
        images = len(groups)
        law = fit_power_laws(at, errors, _weights(at, errors[0], images))
        heights = law.at([images, *(images + added)])
        gained = np.minimum(heights[:, :1] - heights[:, 1:], errors[:, -1:])  # no more than is wrong
        return cls(at, errors, images, len(np.unique(groups)), law, gained)


def _weights(at: Floats, errors: Floats, images: int) -> Floats:
    """Return the weight of each size: itself, over the variance of its error.

    Errors above one half count as one half: near 1, of hardly any images, the law does not hold, and the variance is
    small. Half an error more, so that no weight is infinite.
    """
    smoothed = np.minimum(0.5, (errors * images + 0.5) / (images + 1))
    weights: Floats = at / (smoothed * (1 - smoothed))
    return weights


def _outlook(
    index: int,
    fit: _Fit,
    likely: Floats,
    averaged: Floats,
    n_classes: int,
    numbers: Sequence[int],
    ranked: int,
    confidence: float,
) -> Outlook:
    """Tell of one curve; likely (numbers,) and averaged (1 + B, numbers) are what all classes gain on average."""
    images, wrong = fit.images, fit.errors[0] * fit.images
    low, high = wilson_interval(images - wrong, images, confidence)
    accuracy, interval = 1 - float(fit.errors[0, -1]), (float(low[-1]), float(high[-1]))
    unseen = 1 - interval[0] if wrong[-1] == 0 else 0.0  # where all are recognised, nothing in the curve says how sure
    factor = small_sample_factor(fit.n_groups, confidence) if fit.n_groups > 1 else 1.0
    gains = []
    for i, number in enumerate(numbers):
        gain, (least, most) = _told(fit.gained[:, i], factor, confidence)
        gain_interval = max(0.0, least), max(most, unseen)  # the law knows no loss
        mean, (least, most) = float(likely[i]), _told(averaged[:, i], factor, confidence)[1]
        mean_interval = min(mean, least), max(mean, most, unseen / n_classes)
        reached = min(1.0, round(accuracy + gain, 6))  # resampled in single precision
        both = sum_interval(accuracy, interval, gain, gain_interval)
        within = max(0.0, both[0]), min(1.0, both[1])
        gains.append(Gain(number, reached, within, gain, gain_interval, mean, mean_interval))
    return Outlook(
        index=index,
        images=images,
        accuracy=accuracy,
        interval=interval,
        curve=_curve(fit, low, high, images + numbers[-1], factor, confidence),
        gains=tuple(gains),
        prospect=_prospect(fit.n_groups, accuracy, gains[numbers.index(ranked)].gain_interval),
    )


def _told(values: Floats, factor: float, confidence: float) -> tuple[float, Interval]:
    """Return the first of the values, and the interval around it that the others, resampled ones, give."""
    value = float(values[0])
    low, high = np.quantile(values[1:], [(1 - confidence) / 2, (1 + confidence) / 2]).tolist()
    return value, (value - factor * max(0.0, value - low), value + factor * max(0.0, high - value))


def _curve(fit: _Fit, low: Floats, high: Floats, last: int, factor: float, confidence: float) -> Curve:
    grid = np.unique(np.concatenate([np.geomspace(fit.at[0], last, _GRID), [fit.images]]))
    heights = 1 - fit.law.at(grid)
    ends = np.array([_told(heights[:, i], factor, confidence)[1] for i in range(len(grid))])
    return Curve(fit.at, 1 - fit.errors[0], low, high, grid, heights[0], *np.clip(ends, 0.0, 1.0).T)


def _prospect(n_groups: int, accuracy: float, gain: Interval) -> Prospect:
    if n_groups < FEWEST_IMAGES:
        return Prospect.TOO_FEW
    if accuracy == 1:
        return Prospect.FLAWLESS
    if gain[1] < HARDLY:
        return Prospect.FLAT
    return Prospect.GROWS if gain[0] >= HARDLY else Prospect.UNCERTAIN
