"""The lists that a user gives: groups by CSV, a dedicated split by CSV, a list of test files.

Tables are UTF-8 (or UTF-16 with its mark), with or without a byte order mark, separated by commas, semicolons or tabs,
quoted as in RFC 4180, with a header in any case and order; further columns are ignored. A path is relative to the
dataset. It may be written with backslashes, or in another Unicode normalisation than the file's name, where that
is not ambiguous.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeVar

from gingham.errors import ConfigError, DataError, did_you_mean
from gingham.records import display_path

__all__ = ["Side", "read_groups_csv", "read_splits_csv", "read_test_files"]

Side = Literal["train", "test"]
Value = TypeVar("Value")

SIDES: dict[str, Side] = {"train": "train", "val": "train", "validation": "train", "valid": "train", "test": "test"}
_NAMED_AT_MOST = 5


def read_groups_csv(file: Path, paths: Sequence[str], *, skipped: Collection[str] = ()) -> list[str | None]:
    """Read the group of each image from a table with the columns ``path`` and ``group``.

    Parameters
    ----------
    file : Path
    paths : sequence of str, length n
        The images of the dataset.
    skipped : collection of str
        Files and folders of the dataset that were left out; the table may name them.

    Returns
    -------
    list of str or None, length n
        None for an image that the table does not name, or names with an empty group.

    Raises
    ------
    ConfigError
        If the table cannot be read or lacks a column.
    DataError
        If it names a file that is not in the dataset, or gives one image two groups.
    """
    groups = _by_path(file, "group", paths, skipped, str)
    return [groups.get(path) or None for path in paths]


def read_splits_csv(file: Path, paths: Sequence[str], *, skipped: Collection[str] = ()) -> dict[str, Side]:
    """Read a dedicated split from a table with the columns ``path`` and ``split``.

    ``train``, ``val``, ``valid`` and ``validation`` train; ``test`` tests. Capitals and spaces do not matter.

    Parameters
    ----------
    file : Path
    paths : sequence of str
        The images of the dataset.
    skipped : collection of str
        Files and folders of the dataset that were left out; the table may name them.

    Returns
    -------
    dict of str to {"train", "test"}
        By path; an image that the table does not name is not in it.

    Raises
    ------
    ConfigError
        If the table cannot be read or lacks a column.
    DataError
        If it holds another value, names a file that is not in the dataset, or puts one image on two sides.
    """
    return _by_path(file, "split", paths, skipped, _side)


def read_test_files(file: Path, paths: Sequence[str], *, skipped: Collection[str] = ()) -> dict[str, Side]:
    """Read a list of test images, one path a line, or a table with a column ``path``; all others train.

    Parameters
    ----------
    file : Path
    paths : sequence of str
        The images of the dataset.
    skipped : collection of str
        Files and folders of the dataset that were left out; the list may name them.

    Returns
    -------
    dict of str to {"train", "test"}
        The side of every image, by path.

    Raises
    ------
    ConfigError
        If the list cannot be read.
    DataError
        If it names a file that is not in the dataset, or no file at all.
    """
    text = _text(file)
    resolve = _Resolver(paths, skipped)
    table = _table(text, ("path",))
    if table:
        cells = [(number, row.get("path", "")) for number, row in _rows(file, *table)]
    else:
        cells = [(number, line) for number, line in enumerate(re.split("\r\n|\n|\r", text), start=1) if line.strip()]
    named = [(number, resolve(cell), cell) for number, cell in cells]
    _require_known(file, resolve, [(number, cell) for number, path, cell in named if path is None])
    test = {path for _, path, _ in named if path in resolve.images}
    if not test:
        raise DataError(f"{_name(file)} names no image of the dataset, so there would be nothing to test on.")
    return {path: "test" if path in test else "train" for path in paths}


def _by_path(
    file: Path, column: str, paths: Sequence[str], skipped: Collection[str], parse: Callable[[str], Value]
) -> dict[str, Value]:
    """Read one column of a table by the path column, for the images of the dataset."""
    text = _text(file)
    table = _table(text, ("path", column))
    if table is None:
        first = display_path(text.partition("\n")[0].strip()[:80])
        raise ConfigError(
            f"{_name(file)} must begin with the line `path,{column}`, which names its columns; it begins with "
            f"`{first}`."
        )
    resolve = _Resolver(paths, skipped)
    found: dict[str, tuple[Value, str]] = {}
    unknown = []
    for number, row in _rows(file, *table):
        if column not in row:
            raise DataError(f"{_name(file)}, row {number}, has no value in the column {column}.")
        try:
            value = parse(row[column].strip())
        except ValueError as error:
            raise DataError(f"{_name(file)}, row {number}: {error}") from error
        origin = f"`{row[column].strip()}` in row {number}"
        written = row.get("path", "")
        path = resolve(written)
        if path is None:
            unknown.append((number, written))
        elif found.setdefault(path, (value, origin))[0] != value:
            raise DataError(
                f"{_name(file)} gives {display_path(path)} two values in the column {column}: {found[path][1]} and "
                f"{origin}. Keep one."
            )
    _require_known(file, resolve, unknown)
    return {path: value for path, (value, _) in found.items() if path in resolve.images}


def _side(text: str) -> Side:
    side = SIDES.get(text.casefold())
    if side is None:
        raise ValueError(
            f"`{text}` is not a split. Allowed are {', '.join(SIDES)}.{did_you_mean(text.casefold(), SIDES)}"
        )
    return side


def _require_known(file: Path, resolve: _Resolver, unknown: Sequence[tuple[int, str]]) -> None:
    if unknown:
        named = ", ".join(f"{display_path(path)} (row {number})" for number, path in unknown[:_NAMED_AT_MOST])
        more = f" and {len(unknown) - _NAMED_AT_MOST} more" if len(unknown) > _NAMED_AT_MOST else ""
        raise DataError(
            f"{_name(file)} names files that are not in the dataset: {named}{more}. Paths are relative to the "
            f"dataset, as in `{display_path(resolve.example)}`.{did_you_mean(unknown[0][1], resolve.images)}"
        )


class _Resolver:
    """Finds the file of the dataset that a path in a list means: itself, or None where there is none."""

    def __init__(self, paths: Sequence[str], skipped: Collection[str]) -> None:
        self.images = dict.fromkeys(paths)
        self.example = paths[0] if paths else "class/name.jpg"
        self._skipped = frozenset(skipped)
        self._composed: dict[str, str | None] = {}
        for path in (*paths, *skipped):
            key = unicodedata.normalize("NFC", path)
            self._composed[key] = None if key in self._composed else path

    def __call__(self, written: str) -> str | None:
        for path in dict.fromkeys((written, written.strip(), written.strip().replace("\\", "/").removeprefix("./"))):
            if path in self.images or self._is_skipped(path):
                return path
            if similar := self._composed.get(unicodedata.normalize("NFC", path)):
                return similar
        return None

    def _is_skipped(self, path: str) -> bool:
        """Say whether a file was left out, or lies in a folder that was."""
        parts = path.split("/")
        return any("/".join(parts[:n]) in self._skipped for n in range(len(parts), 0, -1))


def _name(file: Path) -> str:
    return display_path(str(file))


def _text(file: Path) -> str:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{_name(file)} cannot be read: {error.strerror}. Give the path of a text file.") from error
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    return data.decode("utf-8-sig", "surrogateescape")


def _table(text: str, columns: Iterable[str]) -> tuple[str, str] | None:
    """Return the text and the delimiter with which its header has the columns, or None if none does."""
    for delimiter in ",;\t":
        try:
            header = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
        except csv.Error:  # no table at all
            return None
        if {cell.strip().casefold() for cell in header} >= set(columns):
            return text, delimiter
    return None


def _rows(file: Path, text: str, delimiter: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the number of each row, counting from the header as 1, and its cells by column."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    try:
        for number, row in enumerate(reader, start=1):
            if number == 1:
                header = [cell.strip().casefold() for cell in row]
            elif any(cell.strip() for cell in row):
                if any(cell.strip() for cell in row[len(header) :]):
                    raise DataError(
                        f"{_name(file)}, row {number}, has {len(row)} values for {len(header)} columns. A name that "
                        f'holds a `{delimiter}` must stand in quotes: "…".'
                    )
                yield number, dict(zip(header, row, strict=False))
    except csv.Error as error:
        raise DataError(f"{_name(file)}, line {reader.line_num}, is not valid CSV: {error}.") from error
