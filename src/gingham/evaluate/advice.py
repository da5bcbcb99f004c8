"""What the test set can tell and what it cannot, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gingham.evaluate.intervals import wilson_interval
from gingham.evaluate.wording import (
    class_name,
    count_of,
    digits_for,
    listing,
    percent,
    percent_range,
    quoted,
    shorten,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gingham.evaluate.metrics import Metrics

__all__ = ["FEW_TEST_IMAGES", "warnings_about", "warnings_about_transfer"]

FEW_TEST_IMAGES = 10
FEW_TRAINING_IMAGES = 3
WIDE_INTERVAL = 0.15


def warnings_about(metrics: Metrics, predicted_counts: Mapping[str, int]) -> tuple[str, ...]:
    """Return what a reader must know before believing the numbers, the most important first.

    Parameters
    ----------
    metrics : Metrics
    predicted_counts : mapping of str to int
        How many test images were given each class.
    """
    found = [
        _no_better_than_guessing(metrics),
        _one_answer_for_all(predicted_counts, metrics.test_counts),
        _classes_with_few_training_images(metrics.train_counts or {}),
        _leaks(metrics),
        _range_is_wide(metrics),
        _classes_without_test_images(metrics.test_counts),
        _classes_with_few_test_images(metrics.test_counts),
    ]
    return tuple(filter(None, found))


def warnings_about_transfer(
    metrics: Metrics,
    confidence: NDArray[np.float64],
    correct: NDArray[np.bool_],
    *,
    held_out_accuracy: float | None,
    held_out: int,
    threshold: float | None,
    wanted_precision: float,
) -> tuple[str, ...]:
    """Return where the test images contradict what the training images promised.

    Parameters
    ----------
    metrics : Metrics
    confidence : float64 array of shape (n_test,)
        Of each answer on the test images.
    correct : bool array of shape (n_test,)
    held_out_accuracy : float or None
        On training images that were held out; None without such.
    held_out : int
        How many these were.
    threshold : float or None
        Confidence from which the model answers instead of saying "not sure".
    wanted_precision : float
        For which the threshold was chosen.
    """
    found = []
    if held_out_accuracy is not None and _is_no_chance(metrics, round(held_out_accuracy * held_out), held_out):
        found.append(
            f"Of {held_out:,} training images that were held out {percent(held_out_accuracy)} were recognised, of the "
            f"{metrics.n_test:,} test images only {percent(metrics.accuracy)}, more of a difference than chance makes: "
            "perhaps the training images are more like each other (same place, day or object) than like the test "
            "images. Believe the test images."
        )
    answered = correct[confidence >= threshold] if threshold is not None else correct[:0]
    if len(answered):
        _, high = wilson_interval(int(answered.sum()), len(answered), metrics.confidence)
        if high < wanted_precision:
            found.append(
                f"“Not sure” does not keep its promise here: of the answers that it lets through, "
                f"{percent(wanted_precision)} should be right, and on the test images {percent(answered.mean())} are."
            )
    return tuple(found)


def _is_no_chance(metrics: Metrics, held_out_right: int, held_out: int) -> bool:
    """Say whether the test images did worse than those held out by Fisher's exact test, at the metrics' confidence."""
    from scipy.stats import hypergeom

    right = metrics.n_correct + held_out_right
    p_value = hypergeom.cdf(metrics.n_correct, metrics.n_test + held_out, right, metrics.n_test)
    return bool(p_value < (1 - metrics.confidence) / 2)


def _range_is_wide(metrics: Metrics) -> str:
    low, high = metrics.accuracy_ci
    if high - low <= WIDE_INTERVAL:
        return ""
    return (
        f"With {count_of(metrics.n_test, 'test image')} the true accuracy may lie between {percent(low)} and "
        f"{percent(high)}. Four times as many test images would about halve this range."
    )


def _no_better_than_guessing(metrics: Metrics) -> str:
    guess = metrics.most_frequent_class_accuracy
    low, high = metrics.accuracy_ci
    if low > guess:
        return ""
    if high < guess:
        return (
            f"The model is worse than one that always answers {quoted(metrics.most_frequent_class)}, which would be "
            f"right for {percent(guess)} of the test images: are the labels of the test images right?"
        )
    return (
        f"This test cannot tell the model from one that always answers {quoted(metrics.most_frequent_class)}"
        f", which would be right for {percent(guess)} of the test images."
    )


def _classes_without_test_images(counts: Mapping[str, int]) -> str:
    missing = [shorten(class_name(name), 40) for name, n in counts.items() if n == 0]
    if not missing:
        return ""
    return (
        f"No test image of {listing(missing)}: there is nothing to say about "
        f"{'this class' if len(missing) == 1 else 'these classes'}, and the averages leave "
        f"{'it' if len(missing) == 1 else 'them'} out."
    )


def _classes_with_few_training_images(counts: Mapping[str, int]) -> str:
    few = sorted((n, shorten(class_name(name), 40)) for name, n in counts.items() if n < FEW_TRAINING_IMAGES)
    if not few:
        return ""
    named = listing([f"{name} ({n})" for n, name in few])
    return (
        f"Fewer than {FEW_TRAINING_IMAGES} training images of {count_of(len(few), 'class', 'classes')}, {named}: too "
        "few to learn from. Add images."
    )


def _classes_with_few_test_images(counts: Mapping[str, int]) -> str:
    few = [
        (n, shorten(class_name(name), 40))
        for name, n in sorted(counts.items(), key=lambda item: item[1])
        if 0 < n < FEW_TEST_IMAGES
    ]
    if not few:
        return ""
    named = listing([f"{name} ({n})" for n, name in few])
    if len(few) == len(counts):
        return (
            f"Every class has fewer than {FEW_TEST_IMAGES} test images ({named}): "
            "the accuracies of single classes say little."
        )
    return (
        f"Fewer than {FEW_TEST_IMAGES} test images of {count_of(len(few), 'class', 'classes')}, {named}: "
        f"{'its accuracy says' if len(few) == 1 else 'their own accuracies say'} little."
    )


def _one_answer_for_all(predicted: Mapping[str, int], truth: Mapping[str, int]) -> str:
    given: Sequence[str] = [name for name, n in predicted.items() if n > 0]
    if len(given) != 1 or sum(n > 0 for n in truth.values()) == 1:
        return ""
    return f"The model answered {quoted(given[0])} for every test image: it has learned nothing."


def _leaks(metrics: Metrics) -> str:
    if metrics.n_without_leaks is None or metrics.n_without_leaks == metrics.n_test:
        return ""
    leaks = metrics.n_test - metrics.n_without_leaks
    digits = digits_for(metrics.n_test)
    head = (
        f"{count_of(leaks, 'test image')} {'is' if leaks == 1 else 'are'} also, or nearly, among the training "
        "images, so the accuracy is flattered."
    )
    if metrics.accuracy_without_leaks is None or metrics.accuracy_without_leaks_ci is None:
        return f"{head} Nothing is left without {'it' if leaks == 1 else 'them'}."
    return (
        f"{head} Without {'it' if leaks == 1 else 'them'} it is {percent(metrics.accuracy_without_leaks, digits)} "
        f"({percent_range(metrics.accuracy_without_leaks_ci, digits)})."
    )
