"""What check returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gingham.curate.balance import Balance
from gingham.curate.copies import Copies
from gingham.curate.issues import IssueTable
from gingham.curate.shortcuts import Shortcut
from gingham.records import Skipped, display_path
from gingham.workflow.typed import Typed

__all__ = ["CheckResult"]


@dataclass(frozen=True)
class CheckResult:
    """What was found.

    Parameters
    ----------
    dataset : str
    root : Path
    per_class : mapping of str to int
        Labelled images.
    skipped : tuple of Skipped
        Files that cannot be read.
    table : IssueTable
        Of all readable images, those without a label included.
    copies : tuple of Copies
    lookalikes : tuple of (str, str, float)
        Pairs of paths with their similarity, the most alike first; where they were looked for.
    confidence : mapping of str to float
        By path, how probable the suggested label of a suspect is.
    shortcuts : tuple of Shortcut
        Properties that give the class away.
    balance : Balance
    notes : tuple of str
        What was not looked for, and why; and what else to know.
    page, csv : Path
        What was written.
    suspects_csv : Path or None
        A table of the suspect labels with the suggested ones, to be edited and imported; None where there is none.
    typed : Typed
        For what to type next.
    seconds : mapping of str to float
    """

    dataset: str
    root: Path
    per_class: Mapping[str, int]
    skipped: tuple[Skipped, ...]
    table: IssueTable
    copies: tuple[Copies, ...]
    lookalikes: tuple[tuple[str, str, float], ...]
    confidence: Mapping[str, float]
    shortcuts: tuple[Shortcut, ...]
    balance: Balance
    notes: tuple[str, ...]
    page: Path
    csv: Path
    suspects_csv: Path | None
    typed: Typed
    seconds: Mapping[str, float]

    @property
    def suspects(self) -> list[int]:
        """Positions in the table of the suspect labels, the most suspect first."""
        return self.table.worst("suspect_label").tolist() if "suspect_label" in self.table.issues else []

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object; undecodable names are escaped."""
        files = self.table.files
        return {
            "dataset": self.dataset,
            "images": len(files),
            "per_class": {display_path(name): count for name, count in self.per_class.items()},
            "unreadable": [
                {"path": display_path(item.path), "reason": item.reason.value, "detail": item.detail}
                for item in self.skipped
            ],
            "issues": self.table.counts(),
            "suspect_labels": [
                {
                    "path": display_path(files[row].path),
                    "label": display_path(files[row].label),
                    "suggested_label": display_path(self.table.suggested[row]),
                    "probability": round(self.confidence[files[row].path], 4),
                    "suspect_label_score": round(float(self.table.issues["suspect_label"].score[row]), 4),
                }
                for row in self.suspects
            ],
            "copies": [
                {
                    "keep": display_path(each.keep.path),
                    "copies": [display_path(copy.file.path) for copy in each.others],
                    "under_other_labels": [display_path(copy.file.path) for copy in each.under_other_labels],
                }
                for each in self.copies
            ],
            "lookalikes": [
                {"paths": [display_path(one), display_path(other)], "similarity": round(similarity, 4)}
                for one, other, similarity in self.lookalikes
            ],
            "shortcuts": [_shortcut_json(each) for each in self.shortcuts],
            "small_classes": {display_path(each.label): each.images for each in self.balance.small},
            "imbalance": None if self.balance.imbalance is None else round(self.balance.imbalance.ratio, 2),
            "notes": list(self.notes),
            "page": display_path(str(self.page)),
            "table": display_path(str(self.csv)),
            "suspects": None if self.suspects_csv is None else display_path(str(self.suspects_csv)),
            "seconds": dict(self.seconds),
        }


def _shortcut_json(each: Shortcut) -> dict[str, Any]:
    """Return a shortcut as JSON."""
    return {
        "property": each.property,
        "balanced_accuracy": round(each.balanced_accuracy, 4),
        "chance": round(each.chance, 4),
        "p_value": each.p_value,
        "hints": [{"label": display_path(hint.label), "values": hint.values} for hint in each.hints],
    }
