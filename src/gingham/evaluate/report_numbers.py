"""The result in a layman's words: the headline, the key numbers, and what saying “not sure” would do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gingham.evaluate.metrics import Interval, Metrics
from gingham.evaluate.predictions import PredictionTable
from gingham.evaluate.report_data import ReportData
from gingham.evaluate.wording import count_of, digits_for, percent, percent_range, quoted

__all__ = ["Headline", "big_number", "headline", "key_numbers", "score", "unsure"]


@dataclass(frozen=True)
class Headline:
    """The result in a layman's words; ``big`` is the number that may stand alone."""

    big: str
    accuracy: str
    sentence: str
    meaning: str
    low: float
    high: float
    value: float
    guess: float
    guess_label: str
    range_label: str


def big_number(metrics: Mapping[str, Any], digits: int) -> str:
    """Return the number that may stand alone.

    No mistake is what the sample showed, not what the model promises: then it is the lower limit.

    Parameters
    ----------
    metrics : mapping
        ``accuracy``, ``accuracy_ci``, ``n_test`` and ``n_correct``.
    digits : int

    Examples
    --------
    >>> big_number({"accuracy": 1.0, "accuracy_ci": (0.862, 1.0), "n_test": 24, "n_correct": 24}, 0)
    '≥ 86 %'
    """
    if metrics["n_correct"] == metrics["n_test"]:
        return f"≥ {math.floor(100 * metrics['accuracy_ci'][0])} %"
    return percent(metrics["accuracy"], digits)


def headline(data: ReportData) -> Headline:
    """Say what the test found, what to expect of new images, and what guessing would reach."""
    m = data.metrics
    digits = digits_for(m.n_test)
    unseen = "" if m.n_without_leaks not in (None, m.n_test) else " that the model had never seen"
    were = "was" if m.n_correct == 1 else "were"
    low, high = m.accuracy_ci
    accuracy = percent(m.accuracy, digits)
    sentence = f"Of {count_of(m.n_test, 'test image')}{unseen}, {m.n_correct:,} {were} recognised"
    expect = (
        f"On new images of the same kind, expect it to be right about {min(round(100 * m.accuracy), 99)} times in 100. "
        f"A test of {count_of(m.n_test, 'image')} pins that down to between {round(100 * low)} and "
        f"{round(100 * high)}, no closer."
    )
    if m.n_correct == m.n_test:
        at_least = math.floor(100 * low)
        sentence = f"No mistake in {count_of(m.n_test, 'test image')}{unseen}; expect at least {at_least} of 100"
        expect = (
            f"A test of {count_of(m.n_test, 'image')} cannot promise more for new images of the same kind, even if it "
            "finds no mistake."
        )
    guess = (
        f"Always answering {quoted(m.most_frequent_class)}, the most frequent class, would be right for "
        f"{percent(m.most_frequent_class_accuracy)}"
    )
    if low > m.most_frequent_class_accuracy:
        verdict = ": the model is clearly better."
    elif high < m.most_frequent_class_accuracy:
        verdict = ": the model is worse than that. Are the labels of the test images right?"
    else:
        verdict = ": this test cannot tell the model from that."
    return Headline(
        big=big_number(m.model_dump(include={"accuracy", "accuracy_ci", "n_test", "n_correct"}), digits),
        accuracy=accuracy,
        sentence=sentence,
        meaning=f"{expect} {guess}{verdict}",
        low=low,
        high=high,
        value=m.accuracy,
        guess=m.most_frequent_class_accuracy,
        guess_label=f"guessing {percent(m.most_frequent_class_accuracy)}",
        range_label=percent_range(m.accuracy_ci, digits),
    )


def key_numbers(m: Metrics) -> list[tuple[str, str, str, str]]:
    """Return name, value, interval and explanation of each number."""
    digits = digits_for(m.n_test)
    rows = [
        (
            "Accuracy",
            percent(m.accuracy, digits),
            _percent_range(m.accuracy_ci, digits),
            "of the test images are recognised",
        ),
        (
            "Class-averaged accuracy",
            percent(m.class_averaged_accuracy, digits),
            _percent_range(m.class_averaged_accuracy_ci, digits),
            "where every class counts the same, however many images it has",
        ),
        (
            "Area under the ROC curve",
            score(m.macro_auc),
            _score_range(m.macro_auc_ci),
            "how well each class is ranked above the others: 1 is perfect, 0.5 is chance",
        ),
        ("Log loss", score(m.log_loss), _score_range(m.log_loss_ci), "what wrong certainty costs: 0 is perfect"),
        (
            "Calibration error",
            percent(m.expected_calibration_error, digits),
            _percent_range(m.expected_calibration_error_ci, digits),
            "mean gap between how sure the model is and how often it is right",
        ),
    ]
    if m.train_accuracy is not None:
        rows.append(
            (
                "Training accuracy",
                percent(m.train_accuracy, digits),
                "",
                "on the images it learned from: nearly always flattering, never the answer",
            )
        )
    if m.accuracy_without_leaks is not None and m.n_without_leaks != m.n_test:
        rows.insert(
            1,
            (
                "Accuracy without leaks",
                percent(m.accuracy_without_leaks, digits),
                _percent_range(m.accuracy_without_leaks_ci, digits),
                f"on the {count_of(m.n_without_leaks or 0, 'test image')} with no near copy in training",
            ),
        )
    return rows


def unsure(data: ReportData, table: PredictionTable) -> str:
    """Say what the answer threshold, chosen on training images, does on the test images."""
    if data.wanted_precision is None:
        return ""
    if data.answer_threshold is None:
        return (
            "No confidence was found in the training images from which "
            f"{percent(data.wanted_precision)} of the answers are right."
        )
    answered = table.confidence >= data.answer_threshold
    n = int(answered.sum())
    head = (
        f"To be right for {percent(data.wanted_precision)} of its answers, the model should say “not sure” "
        f"below a confidence of {percent(data.answer_threshold)} (chosen on the training images)."
    )
    if n == 0:
        return f"{head} On the test images it would then answer nothing."
    right = int(table.correct[answered].sum())
    return (
        f"{head} On the test images it would then answer {n:,} of {len(table):,}, and be right for "
        f"{percent(right / n, digits_for(n))} of them."
    )


def score(value: float | None) -> str:
    """Write a number that is no percentage; it never rounds to 0 or 1 what is not."""
    return "–" if value is None else f"{value:.3f}" if value in (0, 1) else f"{_below_one(value):.3f}"


def _below_one(value: float) -> float:
    return min(value, 0.999) if value < 1 else value


def _percent_range(interval: Interval | None, digits: int) -> str:
    return "" if interval is None else percent_range(interval, digits)


def _score_range(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"
