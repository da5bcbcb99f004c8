"""The verb check: what is wrong with a folder of images."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gingham.config import Config
from gingham.curate import group_images
from gingham.curate.balance import class_balance
from gingham.curate.copies import Copies, find_copies
from gingham.curate.issues import ISSUES, IssueTable
from gingham.curate.quality import Issue
from gingham.curate.scan import Dataset, loose_images
from gingham.curate.shortcuts import Shortcut, shortcuts
from gingham.errors import DataError
from gingham.project import ProjectFolder, whole_file, write_whole
from gingham.project.files import refuse_foreign
from gingham.records import ImageFile, SkipReason, display_path, spreadsheet_cell
from gingham.workflow.check_report import check_page
from gingham.workflow.check_result import CheckResult
from gingham.workflow.checks import refuse_hopeless
from gingham.workflow.measuring import Measured, measure_all
from gingham.workflow.page_path import page_path
from gingham.workflow.steps import Progress, Steps
from gingham.workflow.suspicion import Opinions, out_of_fold_opinions
from gingham.workflow.typed import Typed, typed

if TYPE_CHECKING:
    from gingham.curate.lookalikes import Lookalikes

__all__ = ["check"]


def check(
    folder: ProjectFolder,
    config: Config,
    images: str | os.PathLike[str] | None,
    *,
    by_embedding: bool,
    labels: bool,
    output: str | os.PathLike[str] | None,
    progress: Progress | None,
) -> CheckResult:
    """Find out what is wrong with a folder of images; nothing in it is changed.

    Parameters
    ----------
    folder : ProjectFolder
    config : Config
    images : path, optional
        Instead of ``dataset``.
    by_embedding : bool
        Also look for images that are alike to the network: crops, mirror images.
    labels : bool
        Whether to look for wrong labels; without, no features are computed.
    output : path, optional
        The page, ``*.html``; the table is written beside it. Default: ``check/<dataset>/report.html``.
    progress : callable, optional

    Raises
    ------
    UsageError
        If the page has another suffix.
    DataError
        If the images folder is missing, or holds no image that can be read.
    UnavailableError
        If another process is at work in the project, or a file cannot be written.
    """
    page = page_path(output, "check.html")
    with folder.lock("check"):
        steps = _Tolerant(folder, config, images, progress)
        if not steps.corrected.files and not steps.corrected.unlabelled:
            raise DataError(f"{display_path(str(steps.root))} holds no image of a class.{_why_none(steps)}")
        table = None if page is None else page.with_suffix(".csv")
        page = page or folder.root / "check" / Path(steps.name).name / "report.html"
        table = table or page.with_name("images.csv")
        refuse_foreign(table, FIRST_COLUMNS)
        refuse_foreign(_beside(table), ",".join(SUSPECT_COLUMNS))
        result = _Finding(steps, by_embedding, labels).result(page, table, typed(folder, images))
        with whole_file(table) as stream:
            for part in result.table.to_csv():
                stream.write(part.encode("utf-8", "backslashreplace"))
        if result.suspects_csv is not None:
            write_whole(result.suspects_csv, _corrections(result))
        with steps.timed("report"):
            write_whole(page, check_page(result, config.preprocess.max_pixels))
        return result


FIRST_COLUMNS = "path,label,split,width,height,format,"
SUSPECT_COLUMNS = ("path", "label", "label_now", "probability", "content")


def _why_none(steps: Steps) -> str:
    if steps.corrected.skipped:
        return f" {len(steps.corrected.skipped):,} files cannot be read; `gingham run` lists them with the reasons."
    if loose_images(steps.root):
        parent = display_path(str(steps.root.parent))
        return f" Its images lie directly in it, and so have no class. Did you mean the folder above it, {parent}?"
    return " It must hold one sub-folder of images per class."


class _Tolerant(Steps):
    """Steps that do not refuse a dataset of which no classifier could come."""

    @property
    def dataset(self) -> Dataset:
        return self.corrected

    @cached_property
    def unsplit(self) -> str:
        """Why the images cannot be split into train and test; an empty string where they can."""
        try:
            refuse_hopeless(self.corrected)
            _ = self.split
        except DataError as error:
            return str(error)
        return ""


class _Finding:
    """One call's way through all that is looked for."""

    def __init__(self, steps: _Tolerant, by_embedding: bool, labels: bool) -> None:
        self._steps = steps
        self._files = (*steps.corrected.files, *steps.corrected.unlabelled)
        self._labelled = len(steps.corrected.files)
        self._by_embedding = by_embedding
        counts = Counter(file.label for file in steps.corrected.files)
        self._labels = labels and sum(count > 1 for count in counts.values()) > 1
        self._notes = [_annotated(steps)] if _annotated(steps) else []
        if steps.unsplit:
            self._notes.append(f"The images cannot be split into train and test as they are. {steps.unsplit}")
        if not labels:
            self._notes.append("Labels were not looked at, as you wished.")
        elif not self._labels:
            self._notes.append("Labels were not looked at: that takes two classes with two images each.")
        elif few := [display_path(name) for name, count in sorted(counts.items()) if count < 2]:
            self._notes.append(f"The label of {', '.join(few)} was not looked at: there is only one image of it.")
        if not by_embedding:
            self._notes.append("Lookalikes (crops, mirror images) were not looked for: add --by-embedding.")

    def result(self, page: Path, table: Path, given: Typed) -> CheckResult:
        steps, files = self._steps, self._files
        measured = measure_all(steps, files)
        copies = self._copies(measured)
        issues = measured.issues() | _copy_issues(files, copies, steps.config.splits.near_duplicate_bits)
        suggested, confidence = [""] * len(files), dict[str, float]()
        if self._labels:
            opinions = out_of_fold_opinions(steps)
            issues |= {"suspect_label": self._suspect_issue(opinions, suggested, confidence)}
        if not steps.unsplit:
            issues |= {"leak": self._leak_issue()}
        alike = self._lookalikes()
        if alike is not None:
            issues |= {"lookalike": _lookalike_issue(len(files), alike)}
        per_class = Counter(file.label for file in steps.corrected.files)
        sizes = {name: per_class.get(name, 0) for name in steps.corrected.classes}
        return CheckResult(
            dataset=steps.name,
            root=steps.root,
            per_class=sizes,
            skipped=tuple(item for item in steps.corrected.skipped if item.reason is not SkipReason.EXCLUDED),
            table=IssueTable(
                files,
                self._sides(),
                {name: issues[name] for name in ISSUES if name in issues},
                tuple(suggested),
                _same_as(files, copies),
            ),
            copies=tuple(copies),
            lookalikes=() if alike is None else tuple(self._named(alike)),
            confidence=confidence,
            shortcuts=tuple(self._shortcuts(measured)),
            balance=class_balance(sizes, test_fraction=steps.config.splits.test_fraction),
            notes=(*steps.index_warnings, *self._notes),
            page=page,
            csv=table,
            suspects_csv=_beside(table) if any(suggested) else None,
            typed=given,
            seconds=steps.total_seconds(),
        )

    def _copies(self, measured: Measured) -> list[Copies]:
        bits = self._steps.config.splits.near_duplicate_bits
        return find_copies(self._files, group_images(self._files, bits), bits, measured.sharpness_of)

    def _sides(self) -> tuple[str, ...]:
        waiting = ("unlabelled",) * (len(self._files) - self._labelled)
        if self._steps.unsplit:
            return ("none",) * self._labelled + waiting
        return (*map(str, self._steps.split.sides), *waiting)

    def _suspect_issue(self, opinions: Opinions, suggested: list[str], confidence: dict[str, float]) -> Issue:
        steps = self._steps
        score, present = np.ones(len(self._files), np.float32), np.zeros(len(self._files), bool)
        score[opinions.rows] = opinions.suspects.label_score
        present[opinions.rows] = opinions.suspects.is_suspect
        present &= ~np.array([steps.is_settled(file) for file in self._files], bool)
        for place in np.flatnonzero(present[opinions.rows]):
            row, code = opinions.rows[place], int(opinions.suspects.suggested[place])
            suggested[row] = steps.dataset.classes[code]
            confidence[self._files[row].path] = float(opinions.suspects.other_probability[place])
        return Issue(score, present)

    def _leak_issue(self) -> Issue:
        present = np.zeros(len(self._files), bool)
        present[self._steps.rows("test")] = self._steps.leaks()
        return Issue((~present).astype(np.float32), present)

    def _lookalikes(self) -> Lookalikes | None:
        from gingham.curate.lookalikes import lookalike_pairs

        if not self._by_embedding:
            return None
        features = self._steps.features_of(self._files)
        found = lookalike_pairs(np.where(features.ok[:, None], features.features, 0))
        if found.found > len(found.pairs):
            self._notes.append(
                f"Of {found.found:,} pairs of lookalikes only the {len(found.pairs):,} most alike count."
            )
        groups = group_images(self._files, self._steps.config.splits.near_duplicate_bits)
        other = groups[found.pairs[:, 0]] != groups[found.pairs[:, 1]]  # copies are told already
        return replace(found, pairs=found.pairs[other], similarities=found.similarities[other])

    def _named(self, alike: Lookalikes) -> list[tuple[str, str, float]]:
        return [
            (self._files[i].path, self._files[j].path, float(similarity))
            for (i, j), similarity in zip(alike.pairs.tolist(), alike.similarities, strict=True)
        ]

    def _shortcuts(self, measured: Measured) -> list[Shortcut]:
        steps = self._steps
        if len(steps.dataset.classes) < 2:
            return []
        found = shortcuts(
            measured.properties(range(self._labelled)),
            steps.labels,
            steps.classes,
            steps.groups,
            steps.config.seed,
        )
        return [each for each in found if each.is_shortcut]


def _annotated(steps: Steps) -> str:
    """Say how many images bear an annotation that counts."""
    lying = {file.path: file.label for file in steps.lying.files}
    relabelled = sum(file.label != lying[file.path] for file in steps.corrected.files)
    excluded = sum(item.reason is SkipReason.EXCLUDED for item in steps.corrected.skipped)
    said = [steps.annotations.get(file.content) for file in steps.corrected.files]
    ambiguous = sum(each is not None and each.ambiguous for each in said)
    counts = {"another label than the folder": relabelled, "excluded": excluded, "ambiguous": ambiguous}
    words = [f"{count:,} {what}" for what, count in counts.items() if count]
    return f"Annotations count: {', '.join(words)}. `gingham label history` lists them." if words else ""


def _beside(table: Path) -> Path:
    return table.with_name("suspects.csv" if table.name == "images.csv" else f"{table.stem}-suspects.csv")


def _corrections(result: CheckResult) -> str:
    """Write the suspect labels as a table that ``gingham label import`` reads, the most suspect first."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(SUSPECT_COLUMNS)
    table = result.table
    for row in result.suspects:
        file = table.files[row]
        names = (spreadsheet_cell(name) for name in (file.path, table.suggested[row], file.label))
        writer.writerow((*names, round(result.confidence[file.path], 4), file.content))
    return stream.getvalue()


def _copy_issues(files: Sequence[ImageFile], copies: Sequence[Copies], bits: int) -> dict[str, Issue]:
    """Return which images are copies: to the byte, nearly, and under two labels."""
    places = {file.path: place for place, file in enumerate(files)}
    names = ("exact_duplicate", "near_duplicate", "label_conflict")
    score = {name: np.ones(len(files), np.float32) for name in names}
    present = {name: np.zeros(len(files), bool) for name in names}

    def mark(name: str, path: str, distance: int) -> None:
        place = places[path]
        present[name][place] = True
        score[name][place] = min(score[name][place], distance / (bits + 1))

    for each in copies:
        for copy in (*each.others, *each.under_other_labels):
            mark("exact_duplicate" if copy.exact else "near_duplicate", copy.file.path, copy.distance)
        for copy in each.under_other_labels:
            mark("label_conflict", copy.file.path, copy.distance)
            mark("label_conflict", each.keep.path, copy.distance)
    return {name: Issue(score[name], present[name]) for name in names}


def _lookalike_issue(n: int, alike: Lookalikes) -> Issue:
    score, present = np.ones(n, np.float32), np.zeros(n, bool)
    for column in alike.pairs.T:
        np.minimum.at(score, column, 1 - alike.similarities)
        present[column] = True
    return Issue(np.clip(score, 0, 1), present)


def _same_as(files: Sequence[ImageFile], copies: Sequence[Copies]) -> tuple[str, ...]:
    kept = {copy.file.path: each.keep.path for each in copies for copy in (*each.others, *each.under_other_labels)}
    return tuple(kept.get(file.path, "") for file in files)
