"""Is one run better than another, or can the difference be chance?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from gingham.errors import UsageError
from gingham.evaluate.metrics import Interval, Metrics
from gingham.evaluate.predictions import PredictionTable
from gingham.evaluate.wording import count_of, quoted
from gingham.records import display_path

__all__ = ["Comparison", "Flip", "MetricDifference", "compare_predictions"]

_SMALLER_IS_BETTER = ("log_loss", "expected_calibration_error")
_NEVER_THE_ANSWER = ("train_accuracy",)
_IN_WORDS = {
    "accuracy": "accuracy",
    "class_averaged_accuracy": "class-averaged accuracy",
    "macro_auc": "area under the ROC curve",
    "accuracy_without_leaks": "accuracy without leaks",
    "log_loss": "log loss",
    "expected_calibration_error": "calibration error",
    "train_accuracy": "training accuracy",
}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Flip(_Frozen):
    """A test image that one run gets right and the other wrong; its path as `display_path` writes it."""

    path: str
    content: str
    label: str
    predicted_a: str
    predicted_b: str


class MetricDifference(_Frozen):
    """One metric of both runs.

    ``better`` is the run's name, or None where they tie, one has none, or, as of training accuracy, more is not better.
    """

    name: str
    a: float | None
    b: float | None
    difference: float | None
    better: str | None

    @property
    def in_words(self) -> str:
        """The name of the metric as a reader calls it."""
        kind, _, label = self.name.partition(".")
        return f"accuracy of {quoted(label)}" if label else _IN_WORDS[kind]


class Comparison(_Frozen):
    """Two runs on the same test images.

    Attributes
    ----------
    name_a, name_b : str
    n_test : int
    accuracy_a, accuracy_b : float
    difference : float
        ``accuracy_b - accuracy_a``.
    difference_ci : (float, float)
    p_value : float
        McNemar's exact test, two-sided.
    n_both_right, n_both_wrong, n_only_a_right, n_only_b_right : int
    lost : tuple of Flip
        Right in A, wrong in B.
    gained : tuple of Flip
        Wrong in A, right in B.
    metrics : tuple of MetricDifference
    verdict : str
        The same in plain words.
    """

    name_a: str
    name_b: str
    n_test: int
    accuracy_a: float
    accuracy_b: float
    difference: float
    difference_ci: Interval
    p_value: float
    confidence: float
    n_both_right: int
    n_both_wrong: int
    n_only_a_right: int
    n_only_b_right: int
    lost: tuple[Flip, ...]
    gained: tuple[Flip, ...]
    metrics: tuple[MetricDifference, ...]
    verdict: str


def compare_predictions(
    a: PredictionTable,
    b: PredictionTable,
    *,
    names: tuple[str, str] = ("A", "B"),
    test_fingerprints: tuple[str, str] = ("", ""),
    metrics: tuple[Metrics, Metrics] | None = None,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Compare two runs image by image.

    Parameters
    ----------
    a, b : PredictionTable
        Their test images, in any order; rows of other splits are left out.
    names : (str, str)
        What to call the runs.
    test_fingerprints : (str, str)
        Of their test sets: images and labels.
    metrics : (Metrics, Metrics), optional
        To set side by side; without, only the accuracies are.
    confidence : float
        Level of the interval, and 1 - the p-value below which the verdict speaks of a real difference.
    resamples, seed : int
        Of the bootstrap.

    Raises
    ------
    UsageError
        The test sets differ, in images or in labels.

    Notes
    -----
    Q. McNemar, Psychometrika 12 (1947), in its exact binomial form. The interval is the paired bootstrap's of
    the difference: to resample image pairs is to draw from a multinomial over {only A right, only B right,
    neither}. One pseudo-image is added in each direction (D. G. Bonett and R. M. Price, J. Educ. Behav.
    Stat. 37, 2012), so that runs which do not differ on this test set still get an interval of some width.

    Examples
    --------
    >>> def answers(*predicted):
    ...     return PredictionTable(("1", "2", "3"), ("1", "2", "3"), ("test",) * 3, ("cat",) * 3, predicted,
    ...                            ("cat", "dog"), np.full(3, 0.9))
    >>> found = compare_predictions(answers("cat", "dog", "dog"), answers("cat", "cat", "dog"))
    >>> found.n_only_b_right, found.p_value
    (1, 1.0)
    """
    a, b = a.of_split("test"), b.of_split("test")
    order = _matching_rows(a, b, names, test_fingerprints)
    right_a, right_b = a.correct, b.correct[order]
    n = len(a)
    only_a, only_b = right_a & ~right_b, right_b & ~right_a
    n_a, n_b = int(only_a.sum()), int(only_b.sum())
    difference = (n_b - n_a) / n
    interval = _difference_interval(n_a, n_b, n, confidence, resamples, seed)
    p_value = _mcnemar(n_a, n_b)
    return Comparison(
        name_a=names[0],
        name_b=names[1],
        n_test=n,
        accuracy_a=float(right_a.mean()),
        accuracy_b=float(right_b.mean()),
        difference=difference,
        difference_ci=interval,
        p_value=p_value,
        confidence=confidence,
        n_both_right=int((right_a & right_b).sum()),
        n_both_wrong=int((~right_a & ~right_b).sum()),
        n_only_a_right=n_a,
        n_only_b_right=n_b,
        lost=_flips(a, b, order, only_a),
        gained=_flips(a, b, order, only_b),
        metrics=_side_by_side(names, metrics, (float(right_a.mean()), float(right_b.mean()))),
        verdict=_verdict(names, n_a, n_b, n, interval, p_value, 1 - confidence),
    )


def _matching_rows(
    a: PredictionTable, b: PredictionTable, names: tuple[str, str], fingerprints: tuple[str, str]
) -> NDArray[np.intp]:
    """Return for each row of ``a`` the row of ``b`` that holds the same image."""
    keys_a, keys_b = _keys(a), _keys(b)
    common = len(set(keys_a) & set(keys_b))
    where = {key: i for i, key in enumerate(keys_b)}
    if fingerprints[0] != fingerprints[1] or set(keys_a) != set(keys_b) or not keys_a:
        raise UsageError(
            f"{names[0]} and {names[1]} were tested on different images or labels, so their numbers cannot be "
            f"compared: {len(a):,} and {len(b):,} test images, {common:,} in common with the same label"
            f"{_fingerprint_words(fingerprints)}. Run both again on the same dataset and split (the same "
            "splits.csv, or the same seed and test_fraction), then compare."
        )
    return np.array([where[key] for key in keys_a], dtype=np.intp)


def _keys(table: PredictionTable) -> list[tuple[str, str, int]]:
    """Identify rows by content and label; equal copies of one image by their order of names."""
    seen: dict[tuple[str, str], int] = {}
    keys: list[tuple[str, str, int]] = [("", "", 0)] * len(table)
    for i in sorted(range(len(table)), key=lambda i: table.paths[i]):
        identity = (table.contents[i], table.labels[i])
        seen[identity] = seen.get(identity, -1) + 1
        keys[i] = (*identity, seen[identity])
    return keys


def _fingerprint_words(fingerprints: tuple[str, str]) -> str:
    return f" (test fingerprints {fingerprints[0]} and {fingerprints[1]})" if all(fingerprints) else ""


def _mcnemar(only_a: int, only_b: int) -> float:
    if only_a + only_b == 0:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(only_a, only_a + only_b, 0.5).pvalue)


def _difference_interval(only_a: int, only_b: int, n: int, confidence: float, resamples: int, seed: int) -> Interval:
    shares = np.array([only_a + 1, only_b + 1, n - only_a - only_b]) / (n + 2)
    drawn = np.random.default_rng(seed).multinomial(n + 2, shares, size=resamples)
    differences = (drawn[:, 1] - drawn[:, 0]) / (n + 2)
    low, high = np.quantile(differences, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _flips(
    a: PredictionTable, b: PredictionTable, order: NDArray[np.intp], which: NDArray[np.bool_]
) -> tuple[Flip, ...]:
    return tuple(
        Flip(
            path=display_path(a.paths[i]),
            content=a.contents[i],
            label=a.labels[i],
            predicted_a=a.predicted[i],
            predicted_b=b.predicted[order[i]],
        )
        for i in np.flatnonzero(which)
    )


def _side_by_side(
    names: tuple[str, str], metrics: tuple[Metrics, Metrics] | None, accuracies: tuple[float, float]
) -> tuple[MetricDifference, ...]:
    if metrics is None:
        return (_difference_of("accuracy", *accuracies, names),)
    a, b = metrics
    rows = [_difference_of(name, getattr(a, name), getattr(b, name), names) for name in _IN_WORDS]
    rows += [
        _difference_of(
            f"per_class_accuracy.{label}", a.per_class_accuracy[label], b.per_class_accuracy.get(label), names
        )
        for label in a.per_class_accuracy
    ]
    return tuple(rows)


def _difference_of(name: str, a: float | None, b: float | None, names: Sequence[str]) -> MetricDifference:
    if a is None or b is None:
        return MetricDifference(name=name, a=a, b=b, difference=None, better=None)
    difference = b - a
    gain = -difference if name in _SMALLER_IS_BETTER else difference
    better = None if gain == 0 or name in _NEVER_THE_ANSWER else names[1] if gain > 0 else names[0]
    return MetricDifference(name=name, a=a, b=b, difference=difference, better=better)


def _verdict(
    names: tuple[str, str],
    only_a: int,
    only_b: int,
    n: int,
    interval: Interval,
    p_value: float,
    threshold: float,
) -> str:
    low, high = (100 * end for end in interval)
    if only_a == only_b:
        same = "right and wrong on the same ones" if only_a == 0 else f"{only_a} images apart in each direction"
        return (
            f"{names[0]} and {names[1]} are equally accurate on these {count_of(n, 'test image')}, {same}; "
            f"the true difference may lie between {low:.1f} and {high:.1f} points."
        )
    better, worse = (names[1], names[0]) if only_b > only_a else (names[0], names[1])
    if only_b < only_a:
        low, high = -high, -low
    points = 100 * abs(only_b - only_a) / n
    measured = f"{points:.1f} points ({low:.1f} to {high:.1f})"
    if p_value < threshold:
        return f"{better} is better than {worse} by {measured}; it is unlikely to be chance, {_p(p_value)}."
    return (
        f"{better} got {measured} more right than {worse}, but the difference can be chance, {_p(p_value)}: "
        f"{count_of(n, 'test image')} cannot tell them apart."
    )


def _p(p_value: float) -> str:
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}"
