"""Whether a property that should say nothing, such as the file type, gives the class away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.floating[Any]]
    Integers = NDArray[np.integer[Any]]

__all__ = ["Hint", "Shortcut", "shortcuts"]

CLEAR_SKILL = 0.2
"""Of the classes' mean, from which a property is a shortcut; docs/decisions/checking.md says how it was found."""

CLEAR_SKILL_OF_ONE = 0.5
"""Of one class alone."""

CLEAR_P_VALUE = 1e-3
"""Below which a skill is not chance, all that was looked at considered."""

_FOLDS = 5
_BINS = 24
_IMAGES_A_BIN = 5  # of each class, on average, at least
_MOST_DEALS, _FEWEST_DEALS, _DEALT_LABELS = 200, 40, 500_000
_PRIOR = 1.0  # images that every bin is taken to hold of every class, spread like all images
_HINTS = 3
_SHARE_OF_HINT = 0.25


@dataclass(frozen=True, slots=True)
class Hint:
    """What gives one class away.

    Parameters
    ----------
    label : str
    values : str
        ``PNG``; or a range, ``400`` or ``120 to 400``.
    share, share_of_others : float
        Of the images of the class, and of those of the other classes (their mean), that have such a value.
    """

    label: str
    values: str
    share: float
    share_of_others: float


@dataclass(frozen=True, slots=True)
class Shortcut:
    """How well one property alone predicts the class.

    Parameters
    ----------
    property : str
    balanced_accuracy : float
        Mean over the classes of the share of images that are given their class, cross-validated.
    chance : float
        1 / k.
    skill : float
        Balanced accuracy on a scale from 0, chance, to 1: (balanced_accuracy - chance) / (1 - chance).
    class_skill : float
        Of the class that the property gives away best: the share of its images that are given it, less that of the
        images of other classes.
    class_label : str
        That class.
    p_value : float
        Of a result as strong or stronger if the property said nothing, times the number of findings looked at, which
        are two a property.
    is_shortcut : bool
        Whether the property predicts the class clearly better than chance, and so well that a model could live on it.
    hints : tuple of Hint
        The classes that it gives away, the clearest first.
    """

    property: str
    balanced_accuracy: float
    chance: float
    skill: float
    class_skill: float
    class_label: str
    p_value: float
    is_shortcut: bool
    hints: tuple[Hint, ...]


def shortcuts(
    properties: Mapping[str, Numbers | Sequence[str]],
    labels: Integers,
    classes: Sequence[str],
    groups: Integers | None = None,
    seed: int = 0,
) -> list[Shortcut]:
    """Measure how well each of some properties alone predicts the class.

    The values of a property are put into at most some 24 bins of about equal size, and of 5 k images at least, frequent
    values into bins of their own.
    An image is given the class that has the largest share of its images in the bin, counted in four fifths of the data
    that do not hold the image (five-fold cross-validation). Every class counts the same, and so does every group.

    A property is a shortcut if it takes a fifth of the way from chance to certainty (``skill``), or gives one class
    away half of the way (``class_skill``), and does so clearly better than with the labels dealt to the groups at
    random, 40 to 200 times: cross-validated predictions are not independent, so that a binomial test would find too
    much. The p-value is the normal tail beyond the mean and the standard deviation of these, times the findings.

    Parameters
    ----------
    properties : mapping of str to float array of shape (n,), or to a sequence of n strings
        Such as ``width``, ``file_size``, ``format``.
    labels : integer array of shape (n,)
        0 … k - 1.
    classes : sequence of str, length k
    groups : integer array of shape (n,), optional
        Images of one group are held out together and count as one. By default each is its own.
    seed : int
        Of the folds.

    Returns
    -------
    list of Shortcut
        One for each property, the strongest first: by the larger of ``skill / 0.2`` and ``class_skill / 0.5``. Empty
        where there are fewer than two classes with images.

    Raises
    ------
    ValueError
        If a property has not n values, or one that is not finite.

    Examples
    --------
    >>> (found,) = shortcuts({"format": ["PNG"] * 30 + ["JPEG"] * 30}, np.repeat([0, 1], 30), ["cat", "dog"])
    >>> found.is_shortcut, found.balanced_accuracy, found.hints[0]
    (True, 1.0, Hint(label='cat', values='PNG', share=1.0, share_of_others=0.0))
    """
    present, label = np.unique(labels, return_inverse=True)
    names = [classes[i] for i in present]
    n, k = len(labels), len(names)
    for name, values in properties.items():
        if len(values) != n:
            raise ValueError(f"the property {name} has {len(values)} values, but there are {n} labels")
    if k < 2:
        return []
    bins = {name: _bins(name, values, k) for name, values in properties.items()}
    _, first, group = np.unique(np.arange(n) if groups is None else groups, return_index=True, return_inverse=True)
    rng = np.random.default_rng(seed)
    weight = _weights(label, group)
    fold = _folds(label[first], rng)[group]
    found = [_predicted(one, label, weight, fold, k) for one in bins.values()]
    chance = []
    for _ in range(min(_MOST_DEALS, max(_FEWEST_DEALS, _DEALT_LABELS // n))):
        dealt = rng.permutation(label[first])
        fold = _folds(dealt, rng)[group]
        weight_of_dealt = _weights(dealt[group], group)
        chance.append([_predicted(one, dealt[group], weight_of_dealt, fold, k) for one in bins.values()])
    rows = []
    for i, (name, one) in enumerate(bins.items()):
        by_chance = np.array([[deal[i].skill, deal[i].class_skill.max()] for deal in chance])
        p_values = 2 * len(bins) * _normal_tail([found[i].skill, found[i].class_skill.max()], by_chance)
        rows.append(_shortcut(name, found[i], p_values, names, _hints(one, label, weight, names)))
    return sorted(rows, key=lambda row: (-_strength(row), row.property))


class _Bins(NamedTuple):
    """The bin of each image (n,); and the lowest and the highest value in each bin, which are strings for words."""

    of: Integers
    low: NDArray[Any]
    high: NDArray[Any]
    ordered: bool


class _Predicted(NamedTuple):
    """How well a property predicts: over all classes, also from 0 to 1, and each class (k,)."""

    balanced_accuracy: float
    skill: float
    class_skill: Numbers


def _shortcut(
    name: str, predicted: _Predicted, p_values: Numbers, names: Sequence[str], hints: tuple[Hint, ...]
) -> Shortcut:
    best = int(predicted.class_skill.argmax())
    class_skill = float(predicted.class_skill[best])
    return Shortcut(
        property=name,
        balanced_accuracy=predicted.balanced_accuracy,
        chance=1 / len(names),
        skill=predicted.skill,
        class_skill=class_skill,
        class_label=names[best],
        p_value=min(1.0, float(p_values.min())),
        is_shortcut=bool(predicted.skill >= CLEAR_SKILL and p_values[0] < CLEAR_P_VALUE)
        or bool(class_skill >= CLEAR_SKILL_OF_ONE and p_values[1] < CLEAR_P_VALUE),
        hints=hints,
    )


def _strength(shortcut: Shortcut) -> float:
    return max(shortcut.skill / CLEAR_SKILL, shortcut.class_skill / CLEAR_SKILL_OF_ONE)


def _predicted(bins: _Bins, label: Integers, weight: Numbers, fold: Integers, k: int) -> _Predicted:
    """Give each image the class that its bin is fullest of in the other folds, relative to the class's size."""
    shape = (_FOLDS, len(bins.low), k)
    counts = np.bincount((fold * shape[1] + bins.of) * k + label, weight, minlength=_FOLDS * shape[1] * k)
    counts = counts.reshape(shape)
    seen = counts.sum(axis=0) - counts
    size = seen.sum(axis=1, keepdims=True)
    share = (seen + _PRIOR * size / size.sum(axis=2, keepdims=True)) / (size + _PRIOR)
    given = share.argmax(axis=2)  # of the images of a fold in a bin
    table = np.bincount((given[:, :, None] * k + np.arange(k)).ravel(), counts.ravel(), minlength=k * k).reshape(
        k, k
    )  # given, true
    total = table.sum(axis=0)
    rates = table / np.where(total == 0, 1, total)  # a class may have no group of its own
    right = np.diag(rates)
    class_skill = right - (rates.sum(axis=1) - right) / (k - 1)
    return _Predicted(float(right.mean()), float(class_skill.mean()), class_skill)


def _weights(label: Integers, group: Integers) -> Numbers:
    """Return weights that sum to 1 for the images of one class in one group."""
    _, inverse, counts = np.unique(group * (label.max() + 1) + label, return_inverse=True, return_counts=True)
    weights: Numbers = 1 / counts[inverse]
    return weights


def _folds(label: Integers, rng: np.random.Generator) -> Integers:
    """Deal the groups, of which these are the labels, to the folds in turn: class by class, in random order."""
    order = rng.permutation(len(label))
    order = order[np.argsort(label[order], kind="stable")]
    folds = np.empty(len(label), np.int64)
    folds[order] = np.arange(len(label)) % _FOLDS
    return folds


def _bins(name: str, values: Numbers | Sequence[str], k: int) -> _Bins:
    distinct, inverse, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    if distinct.dtype.kind not in "fiub":
        return _Bins(inverse, distinct, distinct, ordered=False)
    if not np.isfinite(distinct).all():
        raise ValueError(f"the property {name} has a value that is not finite")
    size = max(len(values) / _BINS, _IMAGES_A_BIN * k)
    bin_of = np.empty(len(distinct), np.int64)
    current, held = -1, 0.0
    for i, count in enumerate(counts.tolist()):
        if current < 0 or held + count / 2 > size or count > size:
            current, held = current + 1, 0.0
        bin_of[i] = current
        held += count
    starts = np.flatnonzero(np.diff(bin_of, prepend=-1))
    ends = np.append(starts[1:], len(distinct)) - 1
    return _Bins(bin_of[inverse], distinct[starts], distinct[ends], ordered=True)


def _normal_tail(found: Sequence[float], chance: Numbers) -> Numbers:
    """Return the probabilities of results as large or larger; ``chance``, (deals, results), holds those of chance."""
    from scipy.special import ndtr

    spread = np.maximum(chance.std(axis=0, ddof=1), 1e-12)
    tail: Numbers = ndtr((chance.mean(axis=0) - found) / spread)
    return tail


def _hints(bins: _Bins, label: Integers, weight: Numbers, names: Sequence[str]) -> tuple[Hint, ...]:
    """Return for each class the value, or the run of neighbouring bins, that sets it apart best."""
    k, n_bins = len(names), len(bins.low)
    table = np.bincount(bins.of * k + label, weight, minlength=n_bins * k).reshape(n_bins, k)
    share = table / table.sum(axis=0)
    hints = []
    for c, name in enumerate(names):
        others = (share.sum(axis=1) - share[:, c]) / (k - 1)
        first, last = _best_run(share[:, c] - others, bins.ordered)
        own, rest = float(share[first : last + 1, c].sum()), float(others[first : last + 1].sum())
        if own - rest >= _SHARE_OF_HINT:
            low, high = _text(bins.low[first]), _text(bins.high[last])
            hints.append(Hint(name, low if low == high else f"{low} to {high}", own, rest))
    hints.sort(key=lambda hint: hint.share_of_others - hint.share)
    return tuple(hints[:_HINTS])


def _best_run(gain: Numbers, ordered: bool) -> tuple[int, int]:
    """Return the first and the last of the neighbouring bins whose gains sum to the most; of words, one bin."""
    if not ordered:
        best = int(gain.argmax())
        return best, best
    total = np.append(0, np.cumsum(gain))
    before = np.minimum.accumulate(total)[:-1]
    last = int((total[1:] - before).argmax())
    return int(total[: last + 1].argmin()), last


def _text(value: Any) -> str:
    if isinstance(value, np.str_ | str):
        return str(value)
    return f"{float(value):.6g}" if float(value).is_integer() else f"{float(value):.3g}"
