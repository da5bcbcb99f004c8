"""Predictions as a table for a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from typing import TextIO

from gingham.export.prediction import Prediction
from gingham.records import encodable, spreadsheet_cell

__all__ = ["write_csv"]

COLUMNS = ("path", "label", "probability", "sure", "outlier_score", "is_outlier", "error")


def write_csv(predictions: Iterable[Prediction], labels: Sequence[str], stream: TextIO) -> None:
    r"""Write predictions as CSV (RFC 4180), one row for each image.

    The columns are ``path, label, probability, sure, outlier_score, is_outlier, error`` and, for each class,
    ``p(class)``. A cell that a spreadsheet would take for a formula gets an apostrophe in front; what is not known is
    empty. Bytes of a name that are not UTF-8 appear as ``\xff``.

    Parameters
    ----------
    predictions : iterable of Prediction
    labels : sequence of str
        The classes, in the order of their columns.
    stream : text stream
        UTF-8, opened with ``newline=""``.

    Examples
    --------
    >>> import io
    >>> out = io.StringIO()
    >>> answers = [Prediction("=a.jpg", "cat", 0.75, {"cat": 0.75, "dog": 0.25}, sure=True, outlier_score=0.5)]
    >>> write_csv([*answers, Prediction("b", error="empty: …")], ["cat", "dog"], out)
    >>> print(out.getvalue().replace("\r\n", "\n"))
    path,label,probability,sure,outlier_score,is_outlier,error,p(cat),p(dog)
    '=a.jpg,cat,0.75,yes,0.5,no,,0.75,0.25
    b,,,no,,no,empty: …,,
    """
    writer = csv.writer(stream)
    writer.writerow([*COLUMNS, *(f"p({encodable(label)})" for label in labels)])
    for each in predictions:
        chances = each.probabilities or {}
        cells = [
            spreadsheet_cell(each.path),
            spreadsheet_cell(each.label or ""),
            _number(each.probability),
            _yes_or_no(each.sure),
            _number(each.outlier_score),
            _yes_or_no(each.is_outlier),
            spreadsheet_cell(each.error or ""),
        ]
        writer.writerow([*cells, *(_number(chances.get(label)) for label in labels)])


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _yes_or_no(value: bool) -> str:
    return "yes" if value else "no"
