"""The verb `label apply`: the folders are made to agree with the labels that were given."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from gingham.config import Config
from gingham.project import Move, ProjectFolder
from gingham.records import ImageFile, SkipReason, display_path
from gingham.workflow.dedupe import name_of_batch
from gingham.workflow.image_steps import ImageSteps, Progress
from gingham.workflow.typed import Typed, typed

__all__ = ["COMMAND", "ApplyResult", "apply_labels"]

COMMAND = "label apply"
MAX_NAME_BYTES = 255


@dataclass(frozen=True)
class ApplyResult:
    """The files that were moved, or would be.

    Parameters
    ----------
    dataset : str
    moves : tuple of (str, str)
        From and to, relative to the dataset; excluded images to a folder of the project, as a whole path.
    applied : bool
    kept : tuple of (str, str)
        Files that could not be moved, with the reason.
    warnings : tuple of str
    typed : Typed
        For what to type next.
    """

    dataset: str
    moves: tuple[tuple[str, str], ...]
    applied: bool
    kept: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    typed: Typed

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object; undecodable names are escaped."""
        return {
            "dataset": self.dataset,
            "moves": [{"from": display_path(source), "to": display_path(target)} for source, target in self.moves],
            "applied": self.applied,
            "kept": [{"path": display_path(path), "reason": reason} for path, reason in self.kept],
            "warnings": list(self.warnings),
        }


def apply_labels(
    folder: ProjectFolder,
    config: Config,
    images: str | os.PathLike[str] | None,
    dry_run: bool,
    progress: Progress | None,
) -> ApplyResult:
    """Move each image into the folder of its class, and excluded ones to ``.gingham/removed``.

    Sub-folders below the class stay, for they may say which images belong together. A name that is taken gets the
    beginning of the image's hash. Folders that this empties are removed.

    Raises
    ------
    DataError
        If the images folder is missing.
    UnavailableError
        If another process is at work in the project, or a file cannot be moved; what was moved can be put back.
    """
    with folder.lock(COMMAND):
        steps = ImageSteps(folder, config, images, progress)
        removed = folder.removed / name_of_batch(folder.removed)
        planned = list(_planned(steps, removed))
        kept: list[tuple[str, str]] = []
        if planned and not dry_run:
            report = (lambda done, total: progress("move", done, total)) if progress else None
            with folder.moves() as journal:
                paths = {move: path for path, move in planned}
                failed = journal.move(COMMAND, [move for _, move in planned], report)
                kept = [(paths[move], reason) for move, reason in failed]
                steps.index_warnings += [journal.warning] if journal.warning else []
            _remove_emptied(steps.root, [path for path, _ in planned])
        return ApplyResult(
            steps.name,
            tuple((path, _shown(move.target, steps.root)) for path, move in planned),
            not dry_run,
            tuple(kept),
            tuple(steps.index_warnings),
            typed(folder, images),
        )


def _planned(steps: ImageSteps, removed: Path) -> Iterator[tuple[str, Move]]:
    root, now = steps.root, steps.corrected
    lying = {file.path: file for file in steps.lying.files}
    taken: set[str] = set()
    for file in now.files:
        if file.label != lying[file.path].label:
            target = _free(root, file, taken)
            taken.add(target)
            yield file.path, Move(root / file.path, root / target)
    for item in now.skipped:
        if item.reason is SkipReason.EXCLUDED:
            yield item.path, Move(root / item.path, removed / item.path)


def _free(root: Path, file: ImageFile, taken: set[str]) -> str:
    """Return a path in the folder of the image's class where nothing lies."""
    below = PurePosixPath(file.path.partition("/")[2])
    wanted = PurePosixPath(file.label) / below
    number = 0
    while str(wanted) in taken or os.path.lexists(root / wanted):
        number += 1
        mark = f"-{file.content[:8]}" + (f"-{number}" if number > 1 else "")
        room = MAX_NAME_BYTES - len(os.fsencode(mark + below.suffix))
        stem = os.fsdecode(os.fsencode(below.stem)[:room])
        wanted = PurePosixPath(file.label) / below.with_name(stem + mark + below.suffix)
    return str(wanted)


def _remove_emptied(root: Path, paths: list[str]) -> None:
    for path in paths:
        for parent in PurePosixPath(path).parents[:-1]:
            try:
                (root / parent).rmdir()
            except OSError:  # something is left in it
                break


def _shown(target: Path, root: Path) -> str:
    return target.relative_to(root).as_posix() if target.is_relative_to(root) else str(target)
