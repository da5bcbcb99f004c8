"""One table of all issues: for each image and issue a score and whether it has the issue."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gingham.curate.quality import Issue
from gingham.records import ImageFile, spreadsheet_cell

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ISSUES", "IssueTable"]

ISSUES = (
    "suspect_label", "label_conflict", "exact_duplicate", "near_duplicate", "lookalike", "leak",
    "dark", "bright", "blurred", "low_information", "odd_size", "odd_aspect_ratio",
)  # fmt: skip
"""All issues, the gravest first."""


@dataclass(frozen=True)
class IssueTable:
    """What was found of each image.

    Parameters
    ----------
    files : tuple of ImageFile, length n
    sides : tuple of str, length n
        ``train``, ``test`` or ``none``; ``unlabelled`` of images that wait for a label.
    issues : dict of str to Issue
        By name; those of ``ISSUES`` that were looked for, in that order.
    suggested : tuple of str, length n
        The likelier label of a suspect; else empty.
    same_as : tuple of str, length n
        Path of the file that an image is a copy of; else empty.
    """

    files: tuple[ImageFile, ...]
    sides: tuple[str, ...]
    issues: dict[str, Issue]
    suggested: tuple[str, ...]
    same_as: tuple[str, ...]

    def counts(self) -> dict[str, int]:
        """Return how many images have each issue."""
        return {name: int(issue.is_issue.sum()) for name, issue in self.issues.items()}

    def worst(self, name: str) -> NDArray[np.intp]:
        """Return the positions of the images that have an issue, the worst first, intp [m]."""
        issue = self.issues[name]
        rows = np.flatnonzero(issue.is_issue)
        return rows[np.argsort(issue.score[rows], kind="stable")]

    def columns(self) -> dict[str, Sequence[object]]:
        """Return the table column by column: scores as ``<issue>_score``, flags as ``is_<issue>``."""
        table: dict[str, Sequence[object]] = {
            "path": [file.path for file in self.files],
            "label": [file.label for file in self.files],
            "split": self.sides,
            "width": [file.width for file in self.files],
            "height": [file.height for file in self.files],
            "format": [file.format for file in self.files],
        }
        for name, issue in self.issues.items():
            table[f"{name}_score"] = np.round(issue.score.astype(np.float64), 4).tolist()
            table[f"is_{name}"] = issue.is_issue.tolist()
        return {
            **table,
            "suggested_label": self.suggested,
            "same_as": self.same_as,
            "content": [file.content for file in self.files],
        }

    def to_csv(self) -> Iterator[str]:
        """Yield the table as CSV, a header and a line for each image; formulas are neutralised."""
        columns = self.columns()
        line = io.StringIO(newline="")
        writer = csv.writer(line)
        writer.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            writer.writerow([spreadsheet_cell(cell) if isinstance(cell, str) else _plain(cell) for cell in row])
            if line.tell() > 1 << 16:
                yield line.getvalue()
                line.seek(0)
                line.truncate()
        yield line.getvalue()


def _plain(cell: object) -> object:
    return str(cell).lower() if isinstance(cell, bool) else cell
