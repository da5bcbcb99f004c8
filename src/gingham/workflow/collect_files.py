"""What the ledger knows, as tables and credits."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal, TypeVar

from gingham.collect.attribution import COLUMNS as CREDIT_COLUMNS
from gingham.collect.attribution import Credit, write_credits
from gingham.collect.ledger import Ledger
from gingham.collect.licences import CODES
from gingham.collect.records import Outcome, Status
from gingham.config import Config
from gingham.errors import UnavailableError, UsageError, did_you_mean
from gingham.project import ProjectFolder, whole_file
from gingham.project.files import refuse_foreign, refuse_unwritable, user_path
from gingham.records import display_path, spreadsheet_cell
from gingham.workflow.image_steps import Progress, locate_dataset

__all__ = ["AttributionResult", "StatusResult", "collect_attribution", "collect_status"]

StrPath = str | os.PathLike[str]
Row = TypeVar("Row")
AT_ONCE = 10_000


@dataclass(frozen=True)
class StatusResult:
    """What became of the links of a dataset.

    Parameters
    ----------
    dataset : str
    counts : mapping of Status to int
        The most frequent first.
    left : int
        Links that are yet to be fetched.
    output : Path or None
        The table that was written.
    warnings : tuple of str
    """

    dataset: str
    counts: Mapping[Status, int]
    left: int
    output: Path | None
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object."""
        return {
            "dataset": self.dataset,
            "counts": {status.value: count for status, count in self.counts.items()},
            "left": self.left,
            "output": None if self.output is None else display_path(str(self.output)),
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True)
class AttributionResult:
    """The credits that were written, and of how many images the licence is not known."""

    dataset: str
    images: int
    unknown: int
    output: Path
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object."""
        return asdict(self) | {"output": display_path(str(self.output)), "warnings": list(self.warnings)}


def collect_status(
    folder: ProjectFolder,
    config: Config,
    images: StrPath | None,
    output: StrPath | None,
    progress: Progress | None = None,
) -> StatusResult:
    """Count what became of the links of a dataset, and write every link to a CSV file where one is named.

    Raises
    ------
    UsageError
        If the file does not end in ``.csv``.
    UnavailableError
        If it cannot be written.
    """
    file = None if output is None else _file(output, (".csv",))
    if file is not None:
        refuse_foreign(file, ",".join(COLUMNS))
    name = folder.name_of(locate_dataset(folder, config, images))
    with _ledger(folder) as ledger:
        counts = ledger.counts(name)
        if not counts:
            raise _unknown(name, ledger)
        if file is not None:
            _write(file, _status_lines(ledger, name, _Told(progress, sum(counts.values()))))
        left = counts.pop(None, 0)
        ordered = {status: count for status, count in sorted(counts.items(), key=lambda item: -item[1]) if status}
        return StatusResult(name, ordered, left, file, _warnings(ledger))


def collect_attribution(
    folder: ProjectFolder, config: Config, images: StrPath | None, output: StrPath, progress: Progress | None = None
) -> AttributionResult:
    """Write the credits of a dataset's images: who made each, under which licence, and where it was found.

    An image that was moved since it was collected is named by the place where the index knows it.

    Raises
    ------
    UsageError
        If the file ends neither in ``.md`` nor in ``.csv``.
    UnavailableError
        If nothing was collected into the dataset, or the file cannot be written.
    """
    file = _file(output, (".md", ".csv"))
    refuse_foreign(file, CREDITS[file.suffix.lower()])
    name = folder.name_of(locate_dataset(folder, config, images))
    with _ledger(folder) as ledger:
        stored = ledger.counts(name).get(Status.OK, 0)
        if not stored:
            raise _unknown(name, ledger)
        with folder.index() as index:
            moved = index.moved(name, ledger.stored(name))
        counted = _Counted(_Told(progress, stored)(ledger.credits(name, moved)))
        kind: Literal["md", "csv"] = "csv" if file.suffix.lower() == ".csv" else "md"
        _write(file, write_credits(counted, kind))
        return AttributionResult(name, counted.images, counted.unknown, file, _warnings(ledger))


def _unknown(name: str, ledger: Ledger) -> UnavailableError:
    known = ledger.datasets()
    others = (
        f" Collected were: {', '.join(map(display_path, known))}." if known else " `gingham collect --help` says how."
    )
    return UnavailableError(f"No image of {display_path(name)} was collected.{did_you_mean(name, known)}{others}")


class _Told:
    """Passes rows on, and tells how many of them there have been."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total

    def __call__(self, rows: Iterable[Row]) -> Iterator[Row]:
        for done, row in enumerate(rows, start=1):
            yield row
            if self._progress and done % AT_ONCE == 0:
                self._progress("write", done, max(done, self._total))


class _Counted:
    """Credits on their way through, counted."""

    def __init__(self, rows: Iterable[Credit]) -> None:
        self._rows = rows
        self.images = 0
        self.unknown = 0

    def __iter__(self) -> Iterator[Credit]:
        for credit in self._rows:
            self.images += 1
            self.unknown += credit.provenance is None or credit.provenance.licence not in CODES
            yield credit


CREDITS = {".csv": ",".join(CREDIT_COLUMNS), ".md": "# Credits\n\nTitles, creators and licences are what the providers"}
COLUMNS = ("label", "url", *(field.name for field in fields(Outcome)))


def _status_lines(ledger: Ledger, name: str, told: _Told) -> Iterator[str]:
    line = io.StringIO(newline="")
    table = csv.writer(line)
    table.writerow(COLUMNS)
    values = attrgetter(*COLUMNS[2:])
    for row in told(ledger.rows(name)):
        outcome = [""] * (len(COLUMNS) - 2) if row.outcome is None else values(row.outcome)
        cells = ["" if cell is None else spreadsheet_cell(str(cell)) for cell in outcome]
        table.writerow([spreadsheet_cell(row.link.label), spreadsheet_cell(row.link.url), *cells])
        if line.tell() > 1 << 16:
            yield line.getvalue()
            line.seek(0)
            line.truncate()
    yield line.getvalue()


def _file(output: StrPath, suffixes: tuple[str, ...]) -> Path:
    file = user_path(output).absolute()
    if file.suffix.lower() not in suffixes:
        raise UsageError(f"A file that ends in {' or '.join(suffixes)} is written, not {file.name}.")
    refuse_unwritable(file)
    return file


def _write(file: Path, parts: Iterable[str]) -> None:
    with whole_file(file) as stream:
        for part in parts:
            stream.write(part.encode("utf-8", "backslashreplace"))


def _ledger(folder: ProjectFolder) -> Ledger:
    folder.prepare()
    return Ledger(folder.ledger)


def _warnings(ledger: Ledger) -> tuple[str, ...]:
    return (ledger.warning,) if ledger.warning else ()
