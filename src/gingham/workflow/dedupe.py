"""The verb dedupe: copies are listed, moved out of the way on request, and put back on request."""

from __future__ import annotations

import datetime
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gingham.config import Config
from gingham.curate import group_images
from gingham.curate.copies import Copies, Copy, find_copies
from gingham.errors import ImageError
from gingham.images import open_bytes
from gingham.project import Move, Moves, ProjectFolder
from gingham.records import ImageFile, content_hash, display_path
from gingham.workflow.image_steps import ImageSteps, Progress
from gingham.workflow.measuring import sharpness_of
from gingham.workflow.typed import Typed, typed

__all__ = ["DedupeResult", "PutBackResult", "dedupe", "name_of_batch", "put_back"]

COMMAND = "dedupe"


@dataclass(frozen=True)
class DedupeResult:
    """The copies in a dataset, and what was done with them.

    Parameters
    ----------
    dataset : str
    images : int
        Readable ones, copies included.
    bits : int
        Largest number of differing bits of a copy.
    copies : tuple of Copies
        A picture each.
    applied : bool
        Whether those that may go were moved.
    removed : Path or None
        Where they lie now.
    kept : tuple of (str, str)
        Copies that were to be moved and could not be, with the reason.
    linked : tuple of str
        Files that are reached through symbolic links: they are no copies, and stay.
    warnings : tuple of str
    typed : Typed
        For what to type next.
    """

    dataset: str
    images: int
    bits: int
    copies: tuple[Copies, ...]
    applied: bool
    removed: Path | None
    kept: tuple[tuple[str, str], ...]
    linked: tuple[str, ...]
    warnings: tuple[str, ...]
    typed: Typed

    @property
    def moved(self) -> int:
        """How many files were moved."""
        return self.may_go - len(self.kept) if self.applied else 0

    @property
    def may_go(self) -> int:
        """How many files are copies of another under the same label."""
        return sum(len(each.others) for each in self.copies)

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object; undecodable names are escaped."""
        return {
            "dataset": self.dataset,
            "images": self.images,
            "bits": self.bits,
            "groups": [
                {
                    "keep": display_path(each.keep.path),
                    "label": display_path(each.keep.label),
                    "copies": [_copy_json(copy) for copy in each.others],
                    "under_other_labels": [_copy_json(copy) for copy in each.under_other_labels],
                }
                for each in self.copies
            ],
            "copies": self.may_go,
            "moved": self.moved,
            "removed": None if self.removed is None else display_path(str(self.removed)),
            "kept": [{"path": display_path(path), "reason": reason} for path, reason in self.kept],
            "linked": [display_path(path) for path in self.linked],
            "warnings": list(self.warnings),
        }


def _copy_json(copy: Copy) -> dict[str, Any]:
    return {
        "path": display_path(copy.file.path),
        "label": display_path(copy.file.label),
        "bits": copy.distance,
        "exact": copy.exact,
    }


@dataclass(frozen=True)
class PutBackResult:
    """The files that are back where they were, and those that could not be put back, with the reason."""

    back: tuple[Path, ...]
    kept: tuple[tuple[Path, str], ...]
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object; undecodable names are escaped."""
        return {
            "back": [display_path(str(path)) for path in self.back],
            "kept": [{"path": display_path(str(path)), "reason": reason} for path, reason in self.kept],
            "warnings": list(self.warnings),
        }


def dedupe(
    folder: ProjectFolder, config: Config, images: str | os.PathLike[str] | None, apply: bool, progress: Progress | None
) -> DedupeResult:
    """Find the copies of each picture, and with ``apply`` move all but the best of each to ``.gingham/removed``.

    Copies under different labels stay: which label is right is for a person to say.

    Raises
    ------
    DataError
        If the images folder is missing.
    UnavailableError
        If another process is at work in the project, or a file cannot be moved; what was moved can be put back.
    """
    with folder.lock(COMMAND):
        steps = ImageSteps(folder, config, images, progress)
        files = [*steps.corrected.files, *steps.corrected.unlabelled]
        linked = [file for file in files if _is_linked(steps.root, file)]
        own = [file for file in files if not _is_linked(steps.root, file)]
        bits = config.splits.near_duplicate_bits
        copies = find_copies(own, group_images(own, bits), bits, lambda alike: sharpness_of(steps, alike))
        removed, kept = None, []
        if apply and any(each.others for each in copies):
            removed = folder.removed / name_of_batch(folder.removed)
            with folder.moves() as journal:
                targets = {os.path.realpath(steps.root / file.path) for file in linked}
                kept = _move(journal, steps.root, removed, copies, targets, progress)
                steps.index_warnings += [journal.warning] if journal.warning else []
        return DedupeResult(
            steps.name, len(files), bits, tuple(copies), apply, removed, tuple(kept),
            tuple(file.path for file in linked), tuple(steps.index_warnings), typed(folder, images),
        )  # fmt: skip


def put_back(folder: ProjectFolder, command: str, progress: Progress | None) -> PutBackResult:
    """Put every file back that a command has moved, byte for byte; nothing that lies there now is overwritten.

    Raises
    ------
    UnavailableError
        If another process is at work in the project, or a file cannot be moved.
    """
    with folder.lock(command), folder.moves() as journal:
        undone = journal.undo(command, (lambda done, total: progress("move", done, total)) if progress else None)
        return PutBackResult(undone.back, undone.kept, (journal.warning,) if journal.warning else ())


def _move(
    journal: Moves,
    root: Path,
    removed: Path,
    copies: Sequence[Copies],
    targets: Collection[str],
    progress: Progress | None,
) -> list[tuple[str, str]]:
    """Move the copies that may go, unless they have changed since they were looked at; return those that stay."""
    kept, moves = [], {}
    for each in copies:
        if reason := _changed(root, each.keep):
            kept += [(copy.file.path, f"{each.keep.path}, which would be kept, {reason}") for copy in each.others]
            continue
        for copy in each.others:
            if os.path.realpath(root / copy.file.path) in targets:
                kept.append((copy.file.path, "a symbolic link leads to it"))
            elif reason := _changed(root, copy.file):
                kept.append((copy.file.path, f"it {reason}"))
            else:
                moves[copy.file.path] = Move(root / copy.file.path, removed / copy.file.path)
    paths = {move: path for path, move in moves.items()}
    report = (lambda done, total: progress("move", done, total)) if progress else None
    failed = journal.move(COMMAND, list(moves.values()), report)
    return kept + [(paths[move], reason) for move, reason in failed]


def _changed(root: Path, file: ImageFile) -> str:
    try:
        same = content_hash(open_bytes(root / file.path, root=root)) == file.content
    except ImageError as error:
        return f"cannot be read ({error.reason})"
    return "" if same else "has changed a moment ago"


def _is_linked(root: Path, file: ImageFile) -> bool:
    """Tell whether a symbolic link, of the file or of a folder below the dataset, leads to it."""
    return any((root / part).is_symlink() for part in (file.path, *map(str, Path(file.path).parents[:-1])))


def name_of_batch(removed: Path) -> str:
    """Return a new name for a folder of files that are moved out of the way, by date and time."""
    day = datetime.datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    number = 1
    while (removed / f"{day}-{number}").exists():
        number += 1
    return f"{day}-{number}"
