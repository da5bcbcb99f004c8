"""The sections of the report as plain rows: what is shown, how many of how many, and in which words."""

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from markupsafe import Markup

from gingham.evaluate.metrics import Interval, Metrics
from gingham.evaluate.predictions import PredictionTable
from gingham.evaluate.report_data import ReportData
from gingham.evaluate.wording import count_of, digits_for, percent, percent_range, quoted
from gingham.records import Skipped, SkipReason

__all__ = [
    "Shown",
    "class_rows",
    "confusion_pairs",
    "confusion_rows",
    "headline",
    "key_numbers",
    "parameter_rows",
    "skipped_by_reason",
    "thumbnails",
    "unsure",
]

MOST_LISTED = 24
MOST_CLASS_ROWS = 200
MOST_HEAT_CLASSES = 30
THUMBNAIL_BUDGET = 2_400_000

Row = TypeVar("Row")

REASONS: Mapping[SkipReason, str] = {
    SkipReason.EMPTY: "The file holds nothing",
    SkipReason.NOT_AN_IMAGE: "No image, whatever its name says",
    SkipReason.TRUNCATED: "The image ends too early: copy or download it again",
    SkipReason.CORRUPT: "The image is damaged",
    SkipReason.TOO_LARGE: "More pixels than preprocess.max_pixels allows",
    SkipReason.UNSUPPORTED_FORMAT: "A format that is not read: save it as JPEG or PNG",
    SkipReason.UNREADABLE: "The file cannot be read: look at its permissions",
    SkipReason.VANISHED: "The file disappeared while the folder was read",
    SkipReason.NOT_A_FILE: "No ordinary file",
    SkipReason.OUTSIDE_ROOT: "A link that leads out of the dataset",
    SkipReason.BROKEN_LINK: "A link that leads nowhere",
}


@dataclass(frozen=True)
class Shown(Generic[Row]):
    """The first rows of a list, and how many there are in all."""

    rows: Sequence[Row]
    total: int

    @classmethod
    def of(cls, rows: Sequence[Row], most: int = MOST_LISTED) -> Shown[Row]:
        """Keep the first ``most`` rows."""
        return cls(rows[:most], len(rows))

    @property
    def note(self) -> str:
        """What to say where not all is shown."""
        return f"Showing {len(self.rows):,} of {self.total:,}." if len(self.rows) < self.total else ""


@dataclass(frozen=True)
class Headline:
    """The result in a layman's words."""

    accuracy: str
    sentence: str
    meaning: str
    low: float
    high: float
    value: float
    guess: float
    guess_label: str
    range_label: str


def headline(data: ReportData) -> Headline:
    """Say what the test found, what to expect of new images, and what guessing would reach."""
    m = data.metrics
    digits = 0 if m.n_test < 1000 else 1
    unseen = "" if m.n_without_leaks not in (None, m.n_test) else " that the model had never seen"
    were = "was" if m.n_correct == 1 else "were"
    low, high = m.accuracy_ci
    times = min(round(100 * m.accuracy), 100 if m.n_correct == m.n_test else 99)
    expect = (
        f"On new images of the same kind, expect it to be right about {times} times in 100. "
        f"A test of {count_of(m.n_test, 'image')} pins that down to between {round(100 * low)} and "
        f"{round(100 * high)}, no closer."
    )
    guess = (
        f"Always answering {quoted(m.most_frequent_class)}, the most frequent class, would be right for "
        f"{percent(m.most_frequent_class_accuracy)}"
    )
    verdict = (
        ": the model is clearly better."
        if low > m.most_frequent_class_accuracy
        else ": this test cannot tell the model from that."
    )
    return Headline(
        accuracy=percent(m.accuracy, digits),
        sentence=f"Of {count_of(m.n_test, 'test image')}{unseen}, {m.n_correct:,} {were} recognised",
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
            percent_range(m.accuracy_ci, digits),
            "of the test images are recognised",
        ),
        (
            "Class-averaged accuracy",
            percent(m.class_averaged_accuracy, digits),
            percent_range(m.class_averaged_accuracy_ci, digits),
            "where every class counts the same, however many images it has",
        ),
        (
            "Area under the ROC curve",
            _score(m.macro_auc),
            _score_range(m.macro_auc_ci),
            "how well each class is ranked above the others: 1 is perfect, 0.5 is chance",
        ),
        ("Log loss", _score(m.log_loss), _score_range(m.log_loss_ci), "what wrong certainty costs: 0 is perfect"),
        (
            "Calibration error",
            percent(m.expected_calibration_error, 1),
            percent_range(m.expected_calibration_error_ci, 1),
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
                percent_range(m.accuracy_without_leaks_ci or (0.0, 1.0), digits),
                f"on the {count_of(m.n_without_leaks or 0, 'test image')} with no near copy in training",
            ),
        )
    return rows


@dataclass(frozen=True)
class ClassRow:
    """One class of the per-class table."""

    name: str
    n_train: str
    n_test: int
    accuracy: str
    value: float | None
    interval: Interval | None
    range_label: str
    auc: str
    mistaken_for: str
    mistaken_count: str


def class_rows(m: Metrics) -> Shown[ClassRow]:
    """Return the classes, weakest first; those without test images at the end."""
    names = list(m.test_counts)
    confusion = np.array(m.confusion_matrix)
    order = sorted(range(len(names)), key=lambda i: _order(m.per_class_accuracy[names[i]]))
    rows = []
    for i in order[:MOST_CLASS_ROWS]:
        name = names[i]
        accuracy, interval = m.per_class_accuracy[name], m.per_class_accuracy_ci[name]
        wrong = confusion[i].copy()
        wrong[i] = 0
        other = int(wrong.argmax())
        rows.append(
            ClassRow(
                name=name,
                n_train=f"{m.train_counts[name]:,}" if m.train_counts else "–",
                n_test=m.test_counts[name],
                accuracy="–" if accuracy is None else percent(accuracy, digits_for(m.test_counts[name])),
                value=accuracy,
                interval=interval,
                range_label="" if interval is None else percent_range(interval),
                auc=_score(m.auc[name]),
                mistaken_for=names[other] if wrong[other] else "",
                mistaken_count=f"{wrong[other]} of {m.test_counts[name]}" if wrong[other] else "",
            )
        )
    return Shown(rows, len(names))


def _order(accuracy: float | None) -> float:
    return 2.0 if accuracy is None else accuracy


@dataclass(frozen=True)
class HeatCell:
    """One cell of the confusion table; ``tint`` in [0, 1] is the strength of its colour."""

    count: int
    rate: str
    tint: float
    is_right: bool


def confusion_rows(m: Metrics) -> list[tuple[str, list[HeatCell]]] | None:
    """Return the confusion matrix by true class, or None where it is too large for a table."""
    names = list(m.test_counts)
    if len(names) > MOST_HEAT_CLASSES:
        return None
    rows = []
    for i, name in enumerate(names):
        size = max(1, m.test_counts[name])
        cells = [
            HeatCell(count, percent(count / size), count / size, i == j)
            for j, count in enumerate(m.confusion_matrix[i])
        ]
        rows.append((name, cells))
    return rows


def confusion_pairs(m: Metrics, most: int = 10) -> Shown[tuple[str, str, int, str]]:
    """Return true class, predicted class, count and rate of the most frequent confusions."""
    names = list(m.test_counts)
    wrong = np.array(m.confusion_matrix)
    np.fill_diagonal(wrong, 0)
    flat = np.argsort(-wrong, axis=None, kind="stable")[:most]
    rows = []
    for i, j in zip(*np.unravel_index(flat, wrong.shape), strict=True):
        if wrong[i, j]:
            size = m.test_counts[names[i]]
            rows.append((names[i], names[j], int(wrong[i, j]), percent(wrong[i, j] / size)))
    return Shown(rows, int(np.count_nonzero(wrong)))


@dataclass(frozen=True)
class Thumbnail:
    """One image with its answer; ``source`` is a data URL, or empty where there is no thumbnail."""

    path: str
    label: str
    predicted: str
    confidence: str
    source: Markup


def thumbnails(data: ReportData, table: PredictionTable, rows: Sequence[int], total: int) -> Shown[Thumbnail]:
    """Return the images of some rows, as many as half the report's budget for thumbnails holds."""
    shown: list[Thumbnail] = []
    left = THUMBNAIL_BUDGET // 2
    for i in rows:
        jpeg = data.thumbnails.get(table.paths[i], b"")
        source = Markup("data:image/jpeg;base64,") + b64encode(jpeg).decode() if jpeg else Markup()
        left -= len(source)
        if left < 0:
            break
        shown.append(
            Thumbnail(table.paths[i], table.labels[i], table.predicted[i], percent(float(table.confidence[i])), source)
        )
    return Shown(shown, total)


def skipped_by_reason(skipped: Sequence[Skipped]) -> list[tuple[str, str, Shown[Skipped]]]:
    """Return reason code, its explanation and the files, most frequent reason first."""
    counts = Counter(item.reason for item in skipped)
    return [
        (str(reason), REASONS[reason], Shown.of([item for item in skipped if item.reason == reason]))
        for reason, _ in counts.most_common()
    ]


def parameter_rows(data: ReportData) -> list[tuple[str, str, str, bool]]:
    """Return name, value, default and whether they differ; those that do come first."""
    rows = [
        (
            name,
            _value(value),
            _value(data.defaults.get(name)),
            name in data.defaults and _value(value) != _value(data.defaults[name]),
        )
        for name, value in data.parameters.items()
    ]
    return sorted(rows, key=lambda row: not row[3])


def unsure(data: ReportData, table: PredictionTable) -> str:
    """Say what the answer threshold, chosen on training images, does on the test images."""
    if data.answer_threshold is None or data.wanted_precision is None:
        return ""
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


def _value(value: Any) -> str:
    if value is None:
        return "–"
    return json.dumps(value, default=str, ensure_ascii=False)


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}" if value in (0, 1) else f"{_below_one(value):.3f}"


def _below_one(value: float) -> float:
    return min(value, 0.999) if value < 1 else value


def _score_range(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"
