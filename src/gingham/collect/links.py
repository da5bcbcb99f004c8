"""Lists of links: rows of a label and an address, in TSV, CSV or Parquet."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO

from gingham.collect.records import Link
from gingham.errors import DataError, UnavailableError, UsageError
from gingham.records import display_path

__all__ = ["read_links"]

LABEL_NAMES = ("label", "class", "category")
URL_NAMES = ("url", "link", "image_url")

_DELIMITERS = "\t,;"
_PROBED_LINES = 50
_PROBED_CHARACTERS = 100_000
_PARQUET_MARK = b"PAR1"
_ROWS_AT_ONCE = 10_000


class _Layout(NamedTuple):
    """Where label and address stand in a row; without a header a row has these two cells only."""

    delimiter: str
    label: int
    url: int
    has_header: bool


def read_links(file: Path) -> Iterator[Link]:
    r"""Yield the links of a list, in its order; memory is bounded.

    TSV and CSV (comma or semicolon) may begin with a header, which names the columns in any case and order; further
    columns are ignored. Without one there must be two columns, one of which holds addresses. The text is UTF-8, or
    UTF-16 with its mark. A row that is broken is a link as well: one that will end as ``bad_url`` or ``bad_label``.

    Parameters
    ----------
    file : Path

    Raises
    ------
    UsageError
        If the file cannot be read.
    DataError
        If it has no column of labels or none of addresses, or a quote in it is never closed.
    UnavailableError
        If it is Parquet and pyarrow is not installed.
    """
    try:
        with file.open("rb") as binary:
            head = binary.read(4)
        if head == _PARQUET_MARK:
            yield from _parquet_links(file)
            return
        encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        with file.open(encoding=encoding, errors="backslashreplace", newline="") as text:
            layout = _layout(text, file)
            text.seek(0)
            yield from _text_links(text, layout, file)
    except csv.Error as error:
        raise DataError(f"{_name(file)} is not valid CSV: {error}. Is a quote in it never closed?") from error
    except OSError as error:
        raise UsageError(
            f"{_name(file)} cannot be read: {error.strerror}. Give the path of a list of links."
        ) from error


def _layout(text: TextIO, file: Path) -> _Layout:
    probed = io.StringIO(text.read(_PROBED_CHARACTERS), newline="")
    lines = [line for line in islice(probed, _PROBED_LINES) if line.strip()]
    for delimiter in _DELIMITERS:
        header = next(_rows(lines[:1], delimiter), [])
        label, url = _column(header, LABEL_NAMES), _column(header, URL_NAMES)
        if label is not None and url is not None:
            return _Layout(delimiter, label, url, has_header=True)
    for delimiter in _DELIMITERS:
        rows = [row for row in _rows(lines, delimiter) if len(row) > 1]
        first, last = (sum(_is_address(row[at]) for row in rows) for at in (0, -1))
        if rows and min(map(len, rows)) == 2 and max(first, last):
            names = {cell.strip().casefold() for cell in rows[0]}
            has_header = not names.isdisjoint(LABEL_NAMES + URL_NAMES)  # one name is enough, the other is the user's
            return _Layout(delimiter, int(first > last), int(first <= last), has_header)
    raise _no_columns(file, lines[0] if lines else "")


def _text_links(text: TextIO, layout: _Layout, file: Path) -> Iterator[Link]:
    rows = _rows(text, layout.delimiter)
    width = len(next(row for row in rows if any(row))) if layout.has_header else 2
    for row in rows:
        cells = row if len(row) == width else _mended(row, layout, width)
        link = Link(cells[layout.label].strip(), cells[layout.url].strip())
        if "\n" in link.url or "\n" in link.label:
            raise DataError(
                f"{_name(file)} holds a quote that is never closed, near `{display_path(link.label[:60])}`. "
                'A cell that holds a `"` must be quoted itself, and have the quote doubled: "19"" rim".'
            )
        if link.url or link.label or any(cell.strip() for cell in row):
            yield link


def _rows(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    """Yield the cells of each row; in TSV a quote means something only around a whole cell."""
    if delimiter != "\t":
        yield from csv.reader(lines, delimiter=delimiter)
        return
    for line in lines:
        cells = line.rstrip("\r\n").split("\t")
        yield [_unquoted(cell) for cell in cells] if '"' in line else cells


def _unquoted(cell: str) -> str:
    return cell[1:-1].replace('""', '"') if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell


def _mended(row: list[str], layout: _Layout, width: int) -> list[str]:
    """Return a row of the wrong number of cells as one of the right number."""
    if len(row) < width:
        return [*row, *[""] * (width - len(row))]
    if not any(cell.strip() for cell in row[width:]):
        return row
    whole = layout.delimiter.join(row)
    if layout.has_header:  # no telling which cell holds a delimiter: the row itself is shown, as a broken address
        return [whole if at == layout.url else "" for at in range(width)]
    return [row[0], whole[len(row[0]) + 1 :]] if layout.label == 0 else [whole[: -len(row[-1]) - 1], row[-1]]


def _column(header: Sequence[str], names: Sequence[str]) -> int | None:
    known = [cell.strip().casefold() for cell in header]
    return next((known.index(name) for name in names if name in known), None)


def _is_address(cell: str) -> bool:
    return "://" in cell.strip()[:12]


def _parquet_links(file: Path) -> Iterator[Link]:
    try:
        import pyarrow  # type: ignore[import-untyped]
        from pyarrow import parquet
    except ImportError as error:
        raise UnavailableError(
            f'Reading {_name(file)} needs pyarrow. Install it with: pip install "gingham[parquet]"'
        ) from error
    try:
        with contextlib.closing(parquet.ParquetFile(file)) as table:
            names = table.schema_arrow.names
            label, url = _column(names, LABEL_NAMES), _column(names, URL_NAMES)
            if label is None or url is None:
                raise _no_columns(file, ", ".join(names))
            for batch in table.iter_batches(batch_size=_ROWS_AT_ONCE, columns=[names[label], names[url]]):
                labels, urls = (batch.column(names[at]).to_pylist() for at in (label, url))
                for cells in zip(labels, urls, strict=True):
                    found, address = ("" if cell is None else str(cell).strip() for cell in cells)
                    yield Link(found, address)
    except pyarrow.ArrowException as error:
        raise DataError(f"{_name(file)} is damaged: {error}") from error


def _no_columns(file: Path, first: str) -> DataError:
    begins = f"it begins with `{display_path(first.strip()[:80])}`" if first.strip() else "it is empty"
    return DataError(
        f"{_name(file)} must have a column of labels and one of addresses, named `label` and `url`; {begins}. "
        "For example, with a tab or a comma between them:\nlabel,url\nstriped,https://example.org/shirt.jpg"
    )


def _name(file: Path) -> str:
    return display_path(str(file))
