"""The sections of the report as plain rows: what is shown, how many of how many, and in which words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
from markupsafe import Markup

from gingham.evaluate.metrics import Interval, Metrics
from gingham.evaluate.pages import jpeg_url
from gingham.evaluate.predictions import PredictionTable
from gingham.evaluate.report_data import ReportData
from gingham.evaluate.report_numbers import score
from gingham.evaluate.wording import count_of, digits_for, percent, short_range
from gingham.records import Skipped, SkipReason

__all__ = [
    "Shown",
    "class_rows",
    "confusion_pairs",
    "confusion_rows",
    "images_used",
    "parameter_rows",
    "skipped_by_reason",
    "thumbnails",
    "turn_headings",
]

MOST_LISTED = 24
MOST_CLASS_ROWS = 200
CLASS_ROWS_AT_ONCE = 40
WARNINGS_AT_ONCE = 8
MOST_HEAT_CLASSES = 30
UPRIGHT_HEADINGS = 6
LONGEST_WORD = 10
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
    SkipReason.EXCLUDED: "Left out by an annotation",
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
class ClassRow:
    """One class of the per-class table."""

    name: str
    n_train: str
    n_test: int
    accuracy: str
    value: float | None
    interval: Interval | None
    range_label: str
    answers: str
    auc: str
    mistaken_for: str
    mistaken_count: str


def class_rows(m: Metrics) -> Shown[ClassRow]:
    """Return the classes, weakest first and of equals those with more test images; those without any at the end."""
    names = list(m.test_counts)
    confusion = np.array(m.confusion_matrix)
    order = sorted(range(len(names)), key=lambda i: (_order(m.per_class_accuracy[names[i]]), -m.test_counts[names[i]]))
    rows = []
    for i in order[:MOST_CLASS_ROWS]:
        name = names[i]
        accuracy, interval = m.per_class_accuracy[name], m.per_class_accuracy_ci[name]
        wrong = confusion[i].copy()
        wrong[i] = 0
        other = int(wrong.argmax())
        given = int(confusion[:, i].sum())
        rows.append(
            ClassRow(
                name=name,
                n_train=f"{m.train_counts[name]:,}" if m.train_counts else "–",
                n_test=m.test_counts[name],
                accuracy="–" if accuracy is None else percent(accuracy, digits_for(m.test_counts[name])),
                value=accuracy,
                interval=interval,
                range_label="" if interval is None else short_range(interval),
                answers=f"{confusion[i, i]:,} of {given:,}" if given else "",
                auc=score(m.auc[name]),
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


def turn_headings(names: Sequence[str]) -> bool:
    """Return whether the column headings must stand upright, so as not to be broken inside a word."""
    return len(names) > UPRIGHT_HEADINGS or any(len(word) > LONGEST_WORD for name in names for word in name.split())


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
    overlay: Markup = field(default_factory=Markup)


def thumbnails(data: ReportData, table: PredictionTable, rows: Sequence[int], total: int) -> Shown[Thumbnail]:
    """Return the images of some rows, as many as half the report's budget for thumbnails holds."""
    shown: list[Thumbnail] = []
    left = THUMBNAIL_BUDGET // 2
    for i in rows:
        jpeg = data.thumbnails.get(table.paths[i], b"")
        source, overlay = jpeg_url(jpeg), jpeg_url(data.overlays.get(table.paths[i], b""))
        left -= len(source) + len(overlay)
        if left < 0:
            break
        shown.append(
            Thumbnail(
                table.paths[i],
                table.labels[i],
                table.predicted[i],
                percent(float(table.confidence[i])),
                source,
                overlay,
            )
        )
    return Shown(shown, total)


@dataclass(frozen=True)
class Images:
    """The images in two sentences, and those that are listed."""

    used: str
    sides: str
    conflicts: Shown[tuple[Sequence[str], Sequence[str]]]
    duplicates: Shown[Sequence[str]]
    leaks: Shown[str]


def images_used(data: ReportData) -> Images:
    """Account for every image, and say what put it on its side; copies in conflict count as conflicts only."""
    torn = {path for paths, _ in data.conflicts for path in paths}
    groups = [[path for path in group if path not in torn] for group in data.duplicate_groups]
    copies = [group for group in groups if len(group) > 1]
    m = data.metrics
    parts = [f"{count_of(data.n_images, 'image')} used"]
    if m.n_train:
        validation = f" ({data.validation:,} of them only to choose and calibrate)" if data.validation else ""
        parts[0] += f": {m.n_train:,} to train{validation}, {m.n_test:,} to test"
    if torn:
        because = "a label conflict" if len(data.conflicts) == 1 else f"{len(data.conflicts):,} label conflicts"
        parts.append(f"{count_of(len(torn), 'image')} left out because of {because}")
    rest = [
        f"{count_of(len(data.skipped), 'file')} skipped",
        count_of(len(copies), "group of duplicates", "groups of duplicates"),
        count_of(len(data.leaks), "leak"),
    ]
    return Images(
        used=f"{'. '.join([*parts, ', '.join(rest)])}.",
        sides=_sides(data),
        conflicts=Shown.of(data.conflicts),
        duplicates=Shown.of(copies),
        leaks=Shown.of(data.leaks),
    )


def _sides(data: ReportData) -> str:
    if data.split != "stratified":
        given = data.parameters.get("splits.file") or data.parameters.get("splits.test_files")
        return f"{data.split}{'' if given else ' of the folder'} says which images test."
    drawn = "Which images test was drawn by lot, the same share of every class, copies on one side"
    if data.parameters.get("splits.group_by"):
        return f"{drawn}; groups by {data.parameters['splits.group_by']} were kept together."
    return (
        f"{drawn}. Photos of the same place, day or object may lie on both sides unless they are grouped, and would "
        "flatter the result: --splits.group_by keeps them together."
    )


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


def _value(value: Any) -> str:
    if value is None:
        return "–"
    return json.dumps(value, default=str, ensure_ascii=False)
