"""The verb next: which images it pays to look at."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gingham.config import Config
from gingham.curate import group_images
from gingham.errors import DataError, UsageError
from gingham.evaluate.check_page import MOST_CARDS, Card, Section, render_check
from gingham.evaluate.next_images import Reason, next_images
from gingham.project import ProjectFolder, write_whole
from gingham.project.files import refuse_foreign
from gingham.records import ImageFile, display_path, spreadsheet_cell
from gingham.workflow.check_report import thumbnail
from gingham.workflow.page_path import page_path
from gingham.workflow.steps import Progress, Steps
from gingham.workflow.suspicion import out_of_fold_opinions
from gingham.workflow.typed import Typed, typed

__all__ = ["Candidate", "NextResult", "correction", "next_up"]

TITLES = {
    Reason.SUSPECT: "Suspect labels",
    Reason.UNSURE: "Unsure",
    Reason.UNLIKE: "Unlike anything labelled",
}
MEANINGS = {
    Reason.SUSPECT: "Probably labelled wrong: each spoils the training, and the numbers.",
    Reason.UNSURE: "Between two classes: their labels teach the classifier most. Those without a label come first.",
    Reason.UNLIKE: "Nothing labelled looks like them: something new, or something that should not be here.",
}


@dataclass(frozen=True)
class Candidate:
    """An image to look at.

    Parameters
    ----------
    path : str
        Relative to the dataset.
    content : str
    label : str
        Its class now; empty where it has none.
    reason : {"suspect", "unsure", "unlike"}
    score : float
        Within its reason the higher, the sooner.
    suggested : str
        The class that it seems to be.
    probability : float
        Of that class.
    why : str
        A sentence.
    """

    path: str
    content: str
    label: str
    reason: str
    score: float
    suggested: str
    probability: float
    why: str

    def to_json(self) -> dict[str, Any]:
        """Return it as one JSON object; undecodable names are escaped."""
        texts = ("path", "label", "suggested", "why")
        numbers = {"score": round(self.score, 4), "probability": round(self.probability, 4)}
        return vars(self) | {name: display_path(getattr(self, name)) for name in texts} | numbers


@dataclass(frozen=True)
class NextResult:
    """The images to look at, in order.

    Parameters
    ----------
    dataset : str
    images : tuple of Candidate
    labelled, unlabelled : int
        How many there are of each.
    page, csv : Path
        What was written.
    notes : tuple of str
    typed : Typed
        For what to type next.
    seconds : mapping of str to float
    """

    dataset: str
    images: tuple[Candidate, ...]
    labelled: int
    unlabelled: int
    page: Path
    csv: Path
    notes: tuple[str, ...]
    typed: Typed
    seconds: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object."""
        return {
            "dataset": self.dataset,
            "images": [each.to_json() for each in self.images],
            "labelled": self.labelled,
            "unlabelled": self.unlabelled,
            "page": display_path(str(self.page)),
            "table": display_path(str(self.csv)),
            "notes": list(self.notes),
            "seconds": dict(self.seconds),
        }


def next_up(
    folder: ProjectFolder,
    config: Config,
    images: str | os.PathLike[str] | None,
    count: int,
    output: str | os.PathLike[str] | None,
    progress: Progress | None,
) -> NextResult:
    """Find the images that it pays to look at: suspect labels, then unsure ones, then those unlike anything labelled.

    Images without a label, in a folder ``unlabelled``, are predicted on. What a person has said the class of, or
    marked as ambiguous, is not asked for again.

    Parameters
    ----------
    folder : ProjectFolder
    config : Config
    images : path, optional
        Instead of ``dataset``.
    count : int
        Images for each reason.
    output : path, optional
        The page, ``*.html``; the table is written beside it. Default: ``next/<dataset>/report.html``.
    progress : callable, optional

    Raises
    ------
    UsageError
        For a count below 1, or a page with another suffix.
    DataError
        If no classifier could come of the images.
    UnavailableError
        If the backbone's weights or its engine are not here, or another process is at work in the project.
    """
    if count < 1:
        raise UsageError(f"At least 1 image can be asked for, not {count}.")
    page = page_path(output, "next.html")
    with folder.lock("next"):
        steps = Steps(folder, config, images, progress)
        table = None if page is None else page.with_suffix(".csv")
        page = page or folder.root / "next" / Path(steps.name).name / "report.html"
        table = table or page.with_name("images.csv")
        refuse_foreign(table, ",".join(COLUMNS))
        found = tuple(_candidates(steps, count))
        result = NextResult(
            dataset=steps.name,
            images=found,
            labelled=len(steps.files),
            unlabelled=len(steps.dataset.unlabelled),
            page=page,
            csv=table,
            notes=tuple(steps.index_warnings),
            typed=typed(folder, images),
            seconds=steps.total_seconds(),
        )
        write_whole(table, _table(result))
        write_whole(page, _page(result, steps))
        return result


def correction(given: Typed, image: Candidate) -> str:
    """Return the command that corrects an image; only what is probably wrong is suggested a class."""
    return given.label(image.path, image.suggested if image.reason == Reason.SUSPECT else "")


def _candidates(steps: Steps, count: int) -> list[Candidate]:
    waiting = steps.dataset.unlabelled
    opinions = out_of_fold_opinions(steps)
    if len(steps.classes) < 2 or not len(opinions.rows):
        raise DataError("Of the labelled images none is left to learn from. `gingham check` says why.")
    head, labelled = steps.linear, steps.untrained.features[opinions.rows]
    made = steps.features_of(waiting) if waiting else None
    later = np.flatnonzero(made.ok) if made is not None else np.empty(0, np.intp)
    unlabelled = labelled[:0] if made is None else made.features[later]
    files: Sequence[ImageFile] = [*(steps.files[row] for row in opinions.rows), *(waiting[row] for row in later)]
    n = len(opinions.rows)
    features = np.concatenate([labelled, unlabelled])
    suspects = opinions.suspects
    queue = next_images(
        np.concatenate([opinions.probabilities, head.probabilities(unlabelled)]),
        np.concatenate([steps.labels[opinions.rows], np.full(len(later), -1)]),
        features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12),
        suspect=np.concatenate([suspects.is_suspect, np.zeros(len(later), bool)]),
        label_score=np.concatenate([suspects.label_score, np.ones(len(later), np.float32)]),
        suggested=np.concatenate([suspects.suggested, np.zeros(len(later), np.int64)]),
        distances=head.distances(features),
        limit=head.outlier_limit,
        groups=group_images(files, steps.config.splits.near_duplicate_bits),
        settled=np.array([steps.is_settled(file) for file in files], bool),
        classes=steps.classes,
        most=count,
    )
    return [
        Candidate(
            path=files[each.index].path,
            content=files[each.index].content,
            label=files[each.index].label if each.index < n else "",
            reason=each.reason.value,
            score=each.score,
            suggested=steps.dataset.classes[each.suggested],
            probability=each.probability,
            why=each.why,
        )
        for each in queue
    ]


COLUMNS = ("path", "label", "suggested_label", "label_now", "reason", "probability", "why", "content")


def _table(result: NextResult) -> str:
    """Write the images as a table whose empty column ``label`` a person fills in for ``gingham label import``."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(COLUMNS)
    for each in result.images:
        path, suggested, label, why = map(spreadsheet_cell, (each.path, each.suggested, each.label, each.why))
        writer.writerow((path, "", suggested, label, each.reason, round(each.probability, 4), why, each.content))
    return stream.getvalue()


def _page(result: NextResult, steps: Steps) -> str:
    sections = []
    for reason in Reason:
        of_it = [each for each in result.images if each.reason == reason]
        cards = [
            Card(
                path=each.path,
                thumbnail=thumbnail(steps.root, each.path, steps.config.preprocess.max_pixels),
                label=each.label,
                suggested=each.suggested if reason == Reason.SUSPECT else "",
                facts=(each.why,),
            )
            for each in of_it[:MOST_CARDS]
        ]
        if of_it:
            commands = (correction(result.typed, of_it[0]),)
            sections.append(
                Section(
                    reason.value, TITLES[reason], len(of_it), "image", MEANINGS[reason], commands, cards=cards,
                    total=len(of_it),
                )
            )  # fmt: skip
    counts = {name: sum(file.label == name for file in steps.files) for name in steps.dataset.classes}
    return render_check(
        sections,
        dataset=Path(result.dataset).name,
        images=result.labelled + result.unlabelled,
        classes=sorted(counts.items(), key=lambda item: (-item[1], item[0])),
        fine=[],
        notes=result.notes,
        table=result.csv.name,
        purpose="which images to look at next",
    )
