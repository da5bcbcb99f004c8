"""The verbs of annotation: what a person says of images is remembered at once; no file is touched."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gingham.collect.labels import label_fault
from gingham.config import Config
from gingham.curate.corrections import UNLABELLED
from gingham.errors import DataError, UsageError, did_you_mean
from gingham.images import has_image_suffix, is_strewn
from gingham.project import Annotations, Event, Kind, ProjectFolder, Said
from gingham.records import Annotation, display_path
from gingham.workflow.located import LocatedImage, locate
from gingham.workflow.typed import Typed, typed

__all__ = ["AnnotateResult", "HistoryResult", "UndoResult", "annotate", "annotation_history", "undo_annotation"]

Paths = Iterable[str | os.PathLike[str]]
MAX_NOTE = 2_000


@dataclass(frozen=True)
class AnnotateResult:
    """What was said of which images.

    Parameters
    ----------
    images : tuple of (str, Annotation)
        Their paths, relative to their dataset, and all that now holds of them.
    changed : int
        Things that were not said already.
    copies : tuple of str
        Other files of the same bytes, of which the same now holds, relative to their datasets.
    warnings : tuple of str
    typed : Typed
        For what to type next.
    """

    images: tuple[tuple[str, Annotation], ...]
    changed: int
    copies: tuple[str, ...]
    warnings: tuple[str, ...]
    typed: Typed

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object."""
        return {
            "images": [{"path": display_path(path), **annotation_json(said)} for path, said in self.images],
            "changed": self.changed,
            "copies": [display_path(path) for path in self.copies],
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True)
class UndoResult:
    """What was taken back."""

    events: tuple[Event, ...]
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object."""
        return {"undone": [event_json(event) for event in self.events], "warnings": list(self.warnings)}


@dataclass(frozen=True)
class HistoryResult:
    """What was said lately, the newest first, and how much in all."""

    events: tuple[Event, ...]
    total: int
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object."""
        events = [event_json(event) for event in self.events]
        return {"events": events, "total": self.total, "warnings": list(self.warnings)}


def annotation_json(said: Annotation) -> dict[str, Any]:
    """Return an annotation as JSON; what is no text is escaped."""
    return {
        "label": None if said.label is None else display_path(said.label),
        "excluded": said.excluded,
        "ambiguous": said.ambiguous,
        "note": display_path(said.note),
    }


def event_json(event: Event) -> dict[str, Any]:
    """Return an event as JSON; what is no text is escaped."""
    return {
        "number": event.number,
        "time": event.time,
        "path": display_path(event.said.path),
        "kind": event.said.kind.value,
        "value": display_path(event.said.value),
        "undone": event.undone,
        "content": event.said.content,
    }


def annotate(
    folder: ProjectFolder,
    config: Config,
    images: Paths,
    label: str | None = None,
    *,
    excluded: bool = False,
    ambiguous: bool = False,
    note: str = "",
    new_class: bool = False,
    clear: bool = False,
) -> AnnotateResult:
    """Say something of images. All of it is durable when this returns, or none.

    Parameters
    ----------
    folder : ProjectFolder
    config : Config
    images : iterable of paths
        As they stand, or relative to the dataset.
    label : str, optional
        Their class.
    excluded, ambiguous : bool
        Mark them so; a label takes ``excluded`` back.
    note : str
    new_class : bool
        The label may be one that the dataset does not have yet.
    clear : bool
        First take back all that was said of them.

    Raises
    ------
    UsageError
        If an image is not there, nothing is said, or the class is unknown or no name for a folder.
    DataError
        If an image cannot be read.
    """
    if len(note) > MAX_NOTE:
        raise UsageError(f"A note has at most {MAX_NOTE:,} characters, not {len(note):,}.")
    if not (label is not None or excluded or ambiguous or note or clear):
        raise UsageError("Say something of them: a class, --note, ...; `gingham label --help` lists all.")
    label = None if label is None else label.strip()
    given = [os.fspath(image) for image in images]
    if label is not None and has_image_suffix(label):
        raise UsageError(
            f"The class is missing: the last word, {display_path(label)}, is called like an image. Type: "
            f"gingham label {display_path(given[0]) if given else 'IMAGE'} CLASS"
        )
    located = locate(folder, config, given)
    with folder.annotations() as annotations:
        if label is not None:
            refuse_unknown_class(annotations, label, {each.root for each in located}, new_class)
        values = _values(label, excluded=excluded, ambiguous=ambiguous, note=note, clear=clear)
        said = [Said(each.content, each.path, kind, value) for each in located for kind, value in values.items()]
        changed = annotations.add(said)
        return _result(folder, annotations, located, changed)


def _values(label: str | None, *, excluded: bool, ambiguous: bool, note: str, clear: bool) -> dict[Kind, str]:
    values = dict.fromkeys(Kind, "") if clear else {}
    if label is not None:
        values |= {Kind.LABEL: label, Kind.EXCLUDED: ""}
    values |= {Kind.EXCLUDED: "yes"} if excluded else {}
    values |= {Kind.AMBIGUOUS: "yes"} if ambiguous else {}
    return values | ({Kind.NOTE: note} if note else {})


def _result(
    folder: ProjectFolder, annotations: Annotations, located: list[LocatedImage], changed: int
) -> AnnotateResult:
    in_force = annotations.in_force({each.content for each in located})
    images = tuple((each.path, in_force.get(each.content, Annotation())) for each in located)
    named = {(folder.name_of(each.root), each.path) for each in located}
    with folder.index() as index:
        known = index.files_of({each.content for each in located})
    copies = tuple(path for places in known.values() for name, path in places if (name, path) not in named)
    copies = tuple(path for path in copies if path not in {each.path for each in located})
    return AnnotateResult(images, changed, copies, _warnings(annotations), typed(folder))


def refuse_unknown_class(annotations: Annotations, label: str, roots: Iterable[Path], new_class: bool) -> None:
    """Refuse a class that the datasets do not have, unless it is meant to be new and can be the name of a folder.

    Where no dataset is known at all, any class that can be the name of a folder will do.

    Raises
    ------
    UsageError
    """
    roots = list(roots)
    known = known_classes(annotations, roots)
    if label in known:
        return
    if label.casefold() in UNLABELLED:
        raise UsageError(f"{label} is where images lie that have no class. To take back what was said of an image: "
                         "gingham label clear IMAGE")  # fmt: skip
    if fault := label_fault(label):
        raise UsageError(f"{display_path(label)!r} cannot be a class: {fault}. Nothing has been changed.")
    if roots and not new_class:
        names = ", ".join(sorted(map(display_path, known))[:10]) + (", ..." if len(known) > 10 else "")
        raise UsageError(
            f"There is no class {display_path(label)}.{did_you_mean(label, known)} The classes are: {names or 'none'}. "
            "For a new class add --new. Nothing has been changed."
        )


def known_classes(annotations: Annotations, roots: Iterable[Path]) -> set[str]:
    """Return the classes that are folders of the datasets, or that images were given."""
    folders: set[str] = set()
    for root in roots:
        try:
            folders |= {entry.name for entry in os.scandir(root) if entry.is_dir() and not is_strewn(entry.name)}
        except OSError as error:
            raise DataError(f"Cannot list {display_path(str(root))}: {error.strerror}.") from error
    return {name for name in folders if name.casefold() not in UNLABELLED} | annotations.labels()


def undo_annotation(folder: ProjectFolder) -> UndoResult:
    """Take back what the latest annotating command said; each call goes one further back."""
    with folder.annotations() as annotations:
        return UndoResult(tuple(annotations.undo()), _warnings(annotations))


def annotation_history(
    folder: ProjectFolder, config: Config, image: str | os.PathLike[str] | None = None, count: int = 20
) -> HistoryResult:
    """Return what was said lately, of all images or of one.

    Raises
    ------
    UsageError
        For a count below 1, or an image that is not there.
    """
    if count < 1:
        raise UsageError(f"At least 1 event can be shown, not {count}.")
    content = None if image is None else locate(folder, config, [image])[0].content
    with folder.annotations() as annotations:
        return HistoryResult(
            tuple(annotations.events(count, content)), annotations.count(content), _warnings(annotations)
        )


def _warnings(annotations: Annotations) -> tuple[str, ...]:
    return (annotations.warning,) if annotations.warning else ()
