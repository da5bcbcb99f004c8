"""What a model answered for every image, and ``predictions.csv``, which says so to a spreadsheet."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TextIO
from urllib.parse import quote, unquote_to_bytes

import numpy as np
from numpy.typing import NDArray

from gingham.errors import UsageError
from gingham.records import encodable, spreadsheet_cell

__all__ = ["PredictionTable", "read_predictions", "write_predictions"]

COLUMNS = ("path", "split", "label", "predicted", "correct", "probability", "content")
MOST_CELLS = 10_000_000
"""Beyond so many probabilities (100,000 images of 100 classes, about 90 MB) the class columns are left out."""

_ENCODED = "path_percent_encoded"


@dataclass(frozen=True, slots=True, eq=False)
class PredictionTable:
    """One row for each image.

    Parameters
    ----------
    paths : tuple of str
        Relative to the dataset; bytes that are not UTF-8 as surrogate escapes.
    contents : tuple of str
        Content hash of each image: its identity, whatever its name.
    splits : tuple of str
        ``train`` or ``test``.
    labels, predicted : tuple of str
        True and predicted class.
    classes : tuple of str
    confidence : ndarray of float64, shape (n,)
        Probability of the predicted class.
    probabilities : ndarray of float64, shape (n, n_classes), or None
        Columns in the order of ``classes``; None in a table that was too large to keep them.

    Raises
    ------
    UsageError
        The columns are not of one length.
    """

    paths: tuple[str, ...]
    contents: tuple[str, ...]
    splits: tuple[str, ...]
    labels: tuple[str, ...]
    predicted: tuple[str, ...]
    classes: tuple[str, ...]
    confidence: NDArray[np.float64]
    probabilities: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        lengths = {
            "paths": len(self.paths),
            "contents": len(self.contents),
            "splits": len(self.splits),
            "labels": len(self.labels),
            "predicted": len(self.predicted),
            "confidence": len(self.confidence),
        }
        if len(set(lengths.values())) > 1:
            raise UsageError(f"the columns of a prediction table must be of one length, not {lengths}")
        expected = (len(self.paths), len(self.classes))
        if self.probabilities is not None and self.probabilities.shape != expected:
            raise UsageError(f"probabilities must be of shape {expected}, not {self.probabilities.shape}")

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each prediction is right: bool, shape (n,)."""
        return np.fromiter((t == p for t, p in zip(self.labels, self.predicted, strict=True)), np.bool_, len(self))

    def of_split(self, split: str) -> PredictionTable:
        """Return the rows of one split."""
        rows = [i for i, name in enumerate(self.splits) if name == split]
        return PredictionTable(
            paths=tuple(self.paths[i] for i in rows),
            contents=tuple(self.contents[i] for i in rows),
            splits=tuple(self.splits[i] for i in rows),
            labels=tuple(self.labels[i] for i in rows),
            predicted=tuple(self.predicted[i] for i in rows),
            classes=self.classes,
            confidence=self.confidence[rows],
            probabilities=None if self.probabilities is None else self.probabilities[rows],
        )


def write_predictions(table: PredictionTable, stream: TextIO) -> None:
    r"""Write a table as CSV.

    The columns are `path, split, label, predicted, correct, probability, content` and, for each class,
    `p(class)`. A cell that a spreadsheet would take for a formula gets an apostrophe in front, which
    `read_predictions` takes off. Bytes of a name that are not UTF-8 appear as ``\xff``; then a last
    column, ``path_percent_encoded``, holds the name without loss.

    Parameters
    ----------
    table : PredictionTable
    stream : text stream
        UTF-8, opened with ``newline=""``.

    Examples
    --------
    >>> import io
    >>> out = io.StringIO()
    >>> write_predictions(
    ...     PredictionTable(("=a.jpg",), ("9f",), ("test",), ("cat",), ("dog",), ("cat", "dog"),
    ...                     np.array([0.75]), np.array([[0.25, 0.75]])), out)
    >>> print(out.getvalue().replace("\r\n", "|"))
    path,split,label,predicted,correct,probability,content,p(cat),p(dog)|'=a.jpg,test,cat,dog,no,0.75,9f,0.25,0.75|
    """
    scores = table.probabilities
    if scores is not None and scores.size > MOST_CELLS:
        scores = None
    lossy = any(_is_undecodable(path) for path in table.paths)
    writer = csv.writer(stream)
    class_columns = [] if scores is None else [f"p({encodable(name)})" for name in table.classes]
    writer.writerow([*COLUMNS, *class_columns, *([_ENCODED] if lossy else [])])
    for i, path in enumerate(table.paths):
        label, predicted = table.labels[i], table.predicted[i]
        row = [
            spreadsheet_cell(path),
            spreadsheet_cell(table.splits[i]),
            spreadsheet_cell(label),
            spreadsheet_cell(predicted),
            "yes" if label == predicted else "no",
            f"{table.confidence[i]:.6g}",
            spreadsheet_cell(table.contents[i]),
        ]
        if scores is not None:
            row += [f"{value:.6g}" for value in scores[i]]
        if lossy:
            row.append(_percent_encoded(path))
        writer.writerow(row)


def read_predictions(stream: TextIO) -> PredictionTable:
    """Read what `write_predictions` wrote.

    Parameters
    ----------
    stream : text stream
        UTF-8, opened with ``newline=""``.

    Raises
    ------
    UsageError
        It is not such a file: names the line and what is wrong with it.
    """
    reader = csv.reader(stream)
    try:
        header = next(reader, [])
        if tuple(header[: len(COLUMNS)]) != COLUMNS:
            raise UsageError(
                f"not a predictions.csv: its first line must begin with {','.join(COLUMNS)}; "
                f"this begins with {','.join(header[: len(COLUMNS)])!r}"
            )
        lossy = header[-1] == _ENCODED
        class_columns = header[len(COLUMNS) : len(header) - lossy]
        rows = [_row(row, header, reader.line_num) for row in reader]
    except csv.Error as error:
        raise UsageError(f"not a predictions.csv: line {reader.line_num}: {error}") from error
    labels, predicted = _column(rows, 2), _column(rows, 3)
    encoded = [row[-1] for row in rows] if lossy else ["" for _ in rows]
    first, last = len(COLUMNS), len(COLUMNS) + len(class_columns)
    return PredictionTable(
        paths=tuple(
            os.fsdecode(unquote_to_bytes(whole)) if whole else path
            for path, whole in zip(_column(rows, 0), encoded, strict=True)
        ),
        contents=_column(rows, 6),
        splits=_column(rows, 1),
        labels=labels,
        predicted=predicted,
        classes=tuple(name[2:-1] for name in class_columns) or tuple(sorted({*labels, *predicted})),
        confidence=np.array([_number(row[5]) for row in rows], dtype=np.float64),
        probabilities=np.array([[_number(cell) for cell in row[first:last]] for row in rows], dtype=np.float64).reshape(
            len(rows), len(class_columns)
        )
        if class_columns
        else None,
    )


def _row(row: Sequence[str], header: Sequence[str], line: int) -> Sequence[str]:
    if len(row) != len(header):
        raise UsageError(f"not a whole predictions.csv: line {line} has {len(row)} cells, the first has {len(header)}")
    return row


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError as error:
        raise UsageError(f"not a predictions.csv: {cell!r} is no probability") from error


def _column(rows: Iterable[Sequence[str]], i: int) -> tuple[str, ...]:
    return tuple(row[i].removeprefix("'") for row in rows)


def _is_undecodable(text: str) -> bool:
    return any("\ud800" <= c <= "\udfff" for c in text)


def _percent_encoded(path: str) -> str:
    return quote(os.fsencode(path)) if _is_undecodable(path) else ""
