"""How good a classifier is on images that it has never seen, each number with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict

from gingham.errors import DataError, UsageError
from gingham.evaluate.advice import warnings_about
from gingham.evaluate.calibration import BINS, confidence_bin, reliability
from gingham.evaluate.intervals import (
    auc_interval,
    bootstrap_sums,
    mean_interval,
    resamples_within_budget,
    small_sample_factor,
    wilson_interval,
)
from gingham.evaluate.ranking import rank_classes

__all__ = ["Interval", "Metrics", "compute_metrics"]

Interval = tuple[float, float]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

FEWEST_FOR_BOOTSTRAP = 10
"""Test images in all, below which the intervals of log loss and calibration error mean nothing."""


class Metrics(BaseModel):
    """What the test set says.

    Fractions, not percent. Of accuracies and areas the larger is better, of losses and errors the smaller.
    None stands where the test set says nothing, never a made-up number. Every ``…_ci`` is (low, high) at the
    level ``confidence``. Training accuracy has none: the training images are no sample of unseen ones.

    Attributes
    ----------
    train_accuracy : float or None
    accuracy, class_averaged_accuracy : float
        Share of right answers over the images; and the mean over the classes of their own shares (recalls).
    per_class_accuracy, auc : dict of str to float or None
        By class: recall, and the one-vs-rest area under the ROC curve.
    macro_auc : float or None
        Mean of ``auc`` over the classes that have one.
    log_loss : float
        Mean of -log(probability of the right class), natural logarithm.
    expected_calibration_error : float
        Mean gap between confidence and accuracy over 15 equal bins.
    log_loss_ci, expected_calibration_error_ci : Interval or None
        None below 10 test images.
    accuracy_without_leaks, n_without_leaks : float or None, int or None
        On the test images that are not also, or nearly, training images; None where leaks were not looked for.
    most_frequent_class_accuracy : float
        What always answering ``most_frequent_class`` (of the training images) would reach.
    confusion_matrix : tuple of tuple of int
        Rows are the true class, columns the predicted one, both in the order of ``test_counts``.
    bootstrap_resamples : int
        Behind the intervals of log loss, calibration error and macro AUC.
    warnings : tuple of str
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    train_accuracy: float | None
    accuracy: float
    accuracy_ci: Interval
    class_averaged_accuracy: float
    class_averaged_accuracy_ci: Interval
    per_class_accuracy: dict[str, float | None]
    per_class_accuracy_ci: dict[str, Interval | None]
    auc: dict[str, float | None]
    auc_ci: dict[str, Interval | None]
    macro_auc: float | None
    macro_auc_ci: Interval | None
    log_loss: float
    log_loss_ci: Interval | None
    expected_calibration_error: float
    expected_calibration_error_ci: Interval | None
    accuracy_without_leaks: float | None
    accuracy_without_leaks_ci: Interval | None
    n_without_leaks: int | None
    n_train: int | None
    n_test: int
    n_correct: int
    train_counts: dict[str, int] | None
    test_counts: dict[str, int]
    most_frequent_class: str
    most_frequent_class_accuracy: float
    confusion_matrix: tuple[tuple[int, ...], ...]
    confidence: float
    bootstrap_resamples: int
    warnings: tuple[str, ...] = ()


def compute_metrics(
    y_true: ArrayLike,
    probabilities: ArrayLike,
    predicted: ArrayLike,
    classes: Sequence[str],
    *,
    train_true: ArrayLike | None = None,
    train_predicted: ArrayLike | None = None,
    leaks: ArrayLike | None = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Metrics:
    """Measure predictions on a test set.

    Parameters
    ----------
    y_true, predicted : array_like of int, shape (n,)
        True and predicted class, as indices into ``classes``.
    probabilities : array_like of float, shape (n, n_classes)
        Rows sum to 1.
    classes : sequence of str
        Distinct names; at least two.
    train_true, train_predicted : array_like of int, shape (m,), optional
        The same for the training images.
    leaks : array_like of bool, shape (n,), optional
        Test images of which the training set holds a duplicate or a near one.
    confidence : float
        Level of every interval, in (0, 1).
    resamples : int
        Bootstrap resamplings; fewer are drawn of a very large test set (`resamples_within_budget`).
    seed : int
        Of the bootstrap.

    Raises
    ------
    DataError
        There is no test image.
    UsageError
        The arrays do not fit each other, or hold what is no class or no probability.

    Examples
    --------
    >>> found = compute_metrics([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], [0, 1, 0], ["cat", "dog"])
    >>> found.per_class_accuracy
    {'cat': 1.0, 'dog': 0.5}
    """
    names = list(classes)
    truth, scores, answers = _checked(y_true, probabilities, predicted, names)
    n, k = scores.shape
    correct = answers == truth
    sizes = np.bincount(truth, minlength=k)
    confusion = np.bincount(truth * k + answers, minlength=k * k).reshape(k, k)
    hits = confusion.diagonal()
    present = sizes > 0

    recall = hits / np.maximum(sizes, 1)
    recall_low, recall_high = wilson_interval(hits, sizes, confidence)
    ranking = rank_classes(truth, scores)
    ranked = ~np.isnan(ranking.auc)
    auc_low, auc_high = np.full(k, np.nan), np.full(k, np.nan)
    if ranked.any():
        auc_low[ranked], auc_high[ranked] = auc_interval(
            ranking.auc[ranked], sizes[ranked], n - sizes[ranked], confidence
        )
    certainty = scores[np.arange(n), answers]
    losses = -np.log(np.maximum(scores[np.arange(n), truth], np.finfo(np.float64).eps))
    drawn = resamples_within_budget(resamples, n)
    spread = _Bootstrap(truth, losses, ranking.influence, certainty, correct, drawn, seed, confidence)
    error = reliability(certainty, correct).expected_calibration_error
    train = _checked_train(train_true, train_predicted, names)
    clean = None if leaks is None else ~_checked_leaks(leaks, n)
    train_sizes = None if train is None else np.bincount(train[0], minlength=k)
    guess = int(np.argmax(sizes if train_sizes is None else train_sizes))

    metrics = Metrics(
        train_accuracy=None if train is None else float(np.mean(train[0] == train[1])),
        accuracy=float(correct.mean()),
        accuracy_ci=_wilson(correct, confidence),
        class_averaged_accuracy=float(recall[present].mean()),
        class_averaged_accuracy_ci=mean_interval(recall[present], recall_low[present], recall_high[present]),
        per_class_accuracy=_by_class(names, recall, present),
        per_class_accuracy_ci=_intervals_by_class(names, recall_low, recall_high, present),
        auc=_by_class(names, ranking.auc, ranked),
        auc_ci=_intervals_by_class(names, auc_low, auc_high, ranked),
        macro_auc=float(ranking.auc[ranked].mean()) if ranked.any() else None,
        macro_auc_ci=spread.macro_auc(ranking.auc[ranked], auc_low[ranked], auc_high[ranked], k),
        log_loss=float(losses.mean()),
        log_loss_ci=spread.log_loss(),
        expected_calibration_error=error,
        expected_calibration_error_ci=spread.calibration_error(),
        accuracy_without_leaks=float(correct[clean].mean()) if clean is not None and clean.any() else None,
        accuracy_without_leaks_ci=_wilson(correct[clean], confidence) if clean is not None and clean.any() else None,
        n_without_leaks=None if clean is None else int(clean.sum()),
        n_train=None if train is None else len(train[0]),
        n_test=n,
        n_correct=int(correct.sum()),
        train_counts=None if train_sizes is None else dict(zip(names, train_sizes.tolist(), strict=True)),
        test_counts=dict(zip(names, sizes.tolist(), strict=True)),
        most_frequent_class=names[guess],
        most_frequent_class_accuracy=float(sizes[guess] / n),
        confusion_matrix=tuple(map(tuple, confusion.tolist())),
        confidence=confidence,
        bootstrap_resamples=drawn,
    )
    given = dict(zip(names, confusion.sum(axis=0).tolist(), strict=True))
    return metrics.model_copy(update={"warnings": warnings_about(metrics, given)})


class _Bootstrap:
    """The resampled sums behind the intervals that have no closed form.

    Each image brings its influence on the macro AUC, its loss, and its gap between confidence and correctness,
    which adds to its confidence bin. For the macro AUC images are drawn with replacement inside their classes.
    For the other two they are drawn from all: inside classes of one or two images nothing would vary.
    """

    def __init__(
        self,
        truth: IntArray,
        losses: FloatArray,
        influence: FloatArray,
        certainty: FloatArray,
        correct: NDArray[np.bool_],
        resamples: int,
        seed: int,
        confidence: float,
    ) -> None:
        n = len(truth)
        rng = np.random.default_rng(seed)
        one = np.zeros(n, dtype=np.intp)

        def drawn(values: FloatArray, cells: IntArray, strata: IntArray, n_cells: int = 1) -> FloatArray:
            columns = values[:, None], cells[:, None], strata
            return bootstrap_sums(*columns, n_cells=n_cells, resamples=resamples, rng=rng)[:, 0]

        self._tails = ((1 - confidence) / 2, (1 + confidence) / 2)
        # Class means of the influence add up to the macro AUC's deviation, so each image weighs 1 / n_class.
        self._macro_auc = drawn(influence / np.bincount(truth)[truth], one, truth)[:, 0]
        self._factor = small_sample_factor(n, confidence) if n >= FEWEST_FOR_BOOTSTRAP else None
        if self._factor is not None:
            bins, gaps = confidence_bin(certainty), (certainty - correct) / n
            self._loss = float(losses.mean())
            self._losses = drawn(losses / n, one, one)[:, 0]
            self._gaps = np.bincount(bins, gaps, BINS)
            self._gaps_drawn = drawn(gaps, bins, one, BINS)

    def macro_auc(self, auc: FloatArray, low: FloatArray, high: FloatArray, n_classes: int) -> Interval | None:
        """Take the wider of the bootstrap's limits and the classes' own intervals combined.

        The bootstrap alone is far too narrow near an area of 1; the combination alone ignores that all areas
        come from the same images. With two classes both areas are the same one.
        """
        if len(auc) == 0:
            return None
        if n_classes == 2:
            return float(low.mean()), float(high.mean())
        drawn_low, drawn_high = auc.mean() + np.quantile(self._macro_auc, self._tails)
        own_low, own_high = mean_interval(auc, low, high)
        return max(0.0, min(own_low, float(drawn_low))), min(1.0, max(own_high, float(drawn_high)))

    def log_loss(self) -> Interval | None:
        """Take the bootstrap's percentiles, widened for the number of images."""
        if self._factor is None:
            return None
        low, high = self._loss + self._factor * (np.quantile(self._losses, self._tails) - self._loss)
        return max(0.0, float(low)), float(high)

    def calibration_error(self) -> Interval | None:
        """Take the bootstrap's spread around the error found, and 0 where chance alone explains that error.

        Chance makes gaps where there are none, in the test set as in each resample: the error found is too
        large, that of the resamples again as much. So the lower end is lowered by what resampling added.
        """
        if self._factor is None:
            return None
        error = float(np.abs(self._gaps).sum())
        by_chance = np.abs(self._gaps_drawn - self._gaps).sum(axis=1)
        drawn = np.abs(self._gaps_drawn).sum(axis=1)
        half = NormalDist().inv_cdf(self._tails[1]) * self._factor * float(drawn.std())
        explained = error <= self._factor * float(np.quantile(by_chance, self._tails[1]))
        low = 0.0 if explained else max(0.0, error - half - max(0.0, float(drawn.mean()) - error))
        return low, min(1.0, error + half)


def _wilson(correct: NDArray[np.bool_], confidence: float) -> Interval:
    low, high = wilson_interval(int(correct.sum()), len(correct), confidence)
    return float(low), float(high)


def _by_class(names: list[str], values: FloatArray, known: NDArray[np.bool_]) -> dict[str, float | None]:
    return {n: float(v) if k else None for n, v, k in zip(names, values, known, strict=True)}


def _intervals_by_class(
    names: list[str], low: FloatArray, high: FloatArray, known: NDArray[np.bool_]
) -> dict[str, Interval | None]:
    return {
        name: (float(lo), float(hi)) if k else None for name, lo, hi, k in zip(names, low, high, known, strict=True)
    }


def _checked(
    y_true: ArrayLike, probabilities: ArrayLike, predicted: ArrayLike, names: list[str]
) -> tuple[IntArray, FloatArray, IntArray]:
    if len(set(names)) != len(names) or len(names) < 2:
        raise UsageError(f"classes must be at least two distinct names; these are {names[:8]}")
    scores = np.asarray(probabilities, dtype=np.float64)
    truth = _class_indices("y_true", y_true, len(names))
    if len(truth) == 0:
        raise DataError(
            "There is no test image, so nothing can be measured. Raise splits.test_fraction, or add images."
        )
    answers = _class_indices("predicted", predicted, len(names))
    if scores.shape != (len(truth), len(names)) or len(answers) != len(truth):
        raise UsageError(
            f"{len(truth)} images of {len(names)} classes need probabilities of shape "
            f"({len(truth)}, {len(names)}) and as many predictions; these are {scores.shape} and {len(answers)}"
        )
    sums = scores.sum(axis=1)
    bad = ~((scores >= 0).all(axis=1) & (np.abs(sums - 1) < 1e-3))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise UsageError(
            f"probabilities must lie in [0, 1] and each row must sum to 1; row {row} sums to {sums[row]:g} "
            f"and its least is {scores[row].min():g}"
        )
    return truth, scores, answers


def _class_indices(what: str, values: ArrayLike, n_classes: int) -> IntArray:
    found = np.asarray(values)
    if found.size == 0:
        return np.zeros(0, dtype=np.intp)
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise UsageError(f"{what} must be a one-dimensional array of class indices, not {found.dtype}")
    if found.min() < 0 or found.max() >= n_classes:
        raise UsageError(f"{what} must hold indices from 0 to {n_classes - 1}, not {found.min()} to {found.max()}")
    return found.astype(np.intp)


def _checked_train(
    true: ArrayLike | None, predicted: ArrayLike | None, names: list[str]
) -> tuple[IntArray, IntArray] | None:
    if true is None or predicted is None:
        return None
    truth = _class_indices("train_true", true, len(names))
    answers = _class_indices("train_predicted", predicted, len(names))
    if len(truth) != len(answers) or len(truth) == 0:
        raise UsageError(
            f"train_true and train_predicted must be of one length, at least 1; these are {len(truth)} and "
            f"{len(answers)}"
        )
    return truth, answers


def _checked_leaks(leaks: ArrayLike, n: int) -> NDArray[np.bool_]:
    mask = np.asarray(leaks)
    if mask.dtype != np.bool_ or mask.shape != (n,):
        raise UsageError(f"leaks must be a bool array of shape ({n},), not {mask.dtype} of {mask.shape}")
    return mask
