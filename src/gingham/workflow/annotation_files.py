"""Annotations as a table that spreadsheets and other programs read and write."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gingham.config import Config
from gingham.errors import DataError, UsageError
from gingham.project import Kind, ProjectFolder, Said, whole_file
from gingham.project.files import refuse_foreign, refuse_unwritable, user_path
from gingham.records import display_path, spreadsheet_cell
from gingham.workflow.annotating import refuse_unknown_class
from gingham.workflow.image_steps import Progress
from gingham.workflow.located import LocatedImage, locate

__all__ = ["AnnotationFile", "export_annotations", "import_annotations"]

AT_ONCE = 10_000
COLUMNS = ("path", "label", "excluded", "ambiguous", "note", "content")
YES = {"yes": "yes", "true": "yes", "1": "yes", "x": "yes", "no": "", "false": "", "0": "", "": None}


@dataclass(frozen=True)
class AnnotationFile:
    """A table that was written or read.

    Parameters
    ----------
    file : Path
    images : int
        Rows.
    changed : int or None
        Of a table that was read: things that were not said already.
    """

    file: Path
    images: int
    changed: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object."""
        return {"file": display_path(str(self.file)), "images": self.images, "changed": self.changed}


def export_annotations(
    folder: ProjectFolder, output: str | os.PathLike[str], progress: Progress | None = None
) -> AnnotationFile:
    """Write what holds of each annotated image to a CSV file with the columns of ``COLUMNS``.

    Cells that a spreadsheet would take for formulas begin with an apostrophe, which `import_annotations` takes away.

    Raises
    ------
    UsageError
        If the file does not end in ``.csv``.
    UnavailableError
        If it cannot be written.
    """
    file = user_path(output).absolute()
    if file.suffix.lower() != ".csv":
        raise UsageError(f"Annotations are written to a .csv file, not to {file.name}. Type: annotations.csv")
    refuse_unwritable(file)
    refuse_foreign(file, ",".join(COLUMNS))
    rows = 0
    with folder.annotations() as annotations, whole_file(file) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=True)
        table = csv.writer(text)
        table.writerow(COLUMNS)
        most = annotations.count()
        for content, path, said in annotations.exported():
            flags = ["yes" if flag else "" for flag in (said.excluded, said.ambiguous)]
            cells = [spreadsheet_cell(path), spreadsheet_cell(said.label or ""), *flags, spreadsheet_cell(said.note)]
            table.writerow([*cells, content])
            rows += 1
            if progress and rows % AT_ONCE == 0:
                progress("write", rows, max(rows, most))
        text.flush()
        text.detach()
    return AnnotationFile(file, rows)


def import_annotations(
    folder: ProjectFolder, config: Config, table: str | os.PathLike[str], new_classes: bool = False
) -> AnnotationFile:
    """Say what the rows of a CSV file say, all of it or, if one row is wrong, nothing.

    Columns, by name and in any order: ``path`` or ``content`` to name the image, and at least one of ``label``,
    ``excluded``, ``ambiguous`` and ``note``. An empty cell says nothing.

    Raises
    ------
    UsageError
        If the file is not there, an image is not, or a class is unknown.
    DataError
        If it is no such table.
    """
    file = user_path(table).absolute()
    rows = list(_rows(file))
    by_path = [row for row in rows if not row["content"]]
    located = iter(locate(folder, config, [row["path"] for row in by_path]) if by_path else [])
    said: list[Said] = []
    classes: dict[str, set[Path]] = {}
    with folder.index() as index:
        known = index.files_of({row["content"] for row in rows if row["content"]})
    for row in rows:
        places = known.get(row["content"], []) if row["content"] else []
        roots = {folder.dataset(name) for name, _ in places}
        image = next(located) if not row["content"] else LocatedImage(row["content"], row["path"], Path())
        said += _said(file, row, image)
        if row["label"]:
            classes.setdefault(row["label"], set()).update(roots if row["content"] else {image.root})
    with folder.annotations() as annotations:
        for label, roots in classes.items():
            refuse_unknown_class(annotations, label, [root for root in roots if root.is_dir()], new_classes)
        return AnnotationFile(file, len(rows), annotations.add(said))


def _rows(file: Path) -> Iterator[dict[str, str]]:
    """Yield the cells of each row by column, those that are missing as empty ones, and its number as ``row``."""
    try:
        text = file.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise UsageError(f"{display_path(str(file))} cannot be read: {error.strerror}.") from error
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [cell.strip().casefold() for cell in next(reader, [])]
        if not {"path", "content"} & set(header) or not set(COLUMNS[1:5]) & set(header):
            raise DataError(
                f"{display_path(str(file))} has the columns {', '.join(map(display_path, header)) or 'none'}. It needs "
                "path or content, and label, excluded, ambiguous or note: what `gingham label export` writes has all."
            )
        for number, row in enumerate(reader, start=2):
            if any(cell.strip() for cell in row):
                if len(row) > len(header):
                    raise DataError(f"{display_path(str(file))}, row {number}, has more cells than the header.")
                cells = {name: cell.removeprefix("'") for name, cell in zip(header, row, strict=False)}
                row_label = cells.get("label", "").strip()
                yield {**dict.fromkeys(COLUMNS, ""), **cells, "label": row_label, "row": str(number)}
    except csv.Error as error:
        raise DataError(f"{display_path(str(file))}, line {reader.line_num}, is not valid CSV: {error}.") from error


def _said(file: Path, row: dict[str, str], image: LocatedImage) -> Iterator[Said]:
    for kind in (Kind.EXCLUDED, Kind.AMBIGUOUS):
        cell = row[kind.value].strip().casefold()
        if cell not in YES:
            raise DataError(
                f"{display_path(str(file))}, row {row['row']}: {kind.value} is {display_path(row[kind.value])!r}; "
                "it can be yes, no or empty."
            )
        if (value := YES[cell]) is not None:
            yield Said(image.content, image.path, kind, value)
    if row["label"]:
        yield Said(image.content, image.path, Kind.LABEL, row["label"])
    if row["note"]:
        yield Said(image.content, image.path, Kind.NOTE, row["note"])
