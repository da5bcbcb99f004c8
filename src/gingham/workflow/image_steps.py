"""The beginning of every way: which images there are, how they belong together, which train and which test."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gingham.config import Config
from gingham.curate import (
    LabelConflict,
    LabelSuspect,
    duplicate_groups,
    group_images,
    groups_by_folder,
    groups_by_regex,
    label_conflicts,
    label_suspects,
    read_groups_csv,
    read_splits_csv,
    read_test_files,
)
from gingham.curate.corrections import corrected
from gingham.curate.scan import Dataset, scan
from gingham.errors import DataError
from gingham.executors import usable_cpus
from gingham.project import ProjectFolder
from gingham.project.digests import digest
from gingham.project.files import user_path
from gingham.records import Annotation, ImageFile, display_path
from gingham.split import Split, make_split
from gingham.workflow.checks import refuse_hopeless

__all__ = ["ImageSteps", "Progress", "locate_dataset"]

Progress = Callable[[str, int, int], None]


class ImageSteps:
    """The steps up to the split; every result is computed when it is first asked for.

    Parameters
    ----------
    folder : ProjectFolder
    config : Config
    images : str or path, optional
        The dataset, instead of ``config.dataset``: relative to the current folder, or else to the project.
    progress : callable, optional
        Called as ``progress(step, done, total)``.
    """

    def __init__(
        self,
        folder: ProjectFolder,
        config: Config,
        images: str | os.PathLike[str] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.folder = folder
        self.config = config
        self.root = locate_dataset(folder, config, images)
        self.name = folder.name_of(self.root)
        self.seconds: dict[str, float] = {}
        self._progress = progress
        self._began = time.perf_counter()
        self.index_warnings: list[str] = []

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Add the time that passes to ``seconds[step]``."""
        began = time.perf_counter()
        yield
        self.seconds[step] = round(self.seconds.get(step, 0) + time.perf_counter() - began, 3)

    def total_seconds(self) -> dict[str, float]:
        """Return the seconds of every step so far, and those since the call began as ``total``."""
        return self.seconds | {"total": round(time.perf_counter() - self._began, 3)}

    def say(self, line: str) -> None:
        """Pass a line on, if whoever shows the progress has a way to show lines."""
        if show := getattr(self._progress, "say", None):
            show(line)

    def progress(self, step: str) -> Callable[[int, int], None] | None:
        """Return what a step calls with the numbers done and in all."""
        report = self._progress
        return (lambda done, total: report(step, done, total)) if report else None

    @cached_property
    def lying(self) -> Dataset:
        """Every file of the dataset, looked at, with the label of its folder."""
        with self.timed("scan"), self.folder.index() as index:
            found = scan(
                self.root,
                index.known_files(self.name),
                max_pixels=self.config.preprocess.max_pixels,
                workers=usable_cpus(),
                progress=self.progress("scan"),
                checkpoint=lambda changed: index.update_files(self.name, changed),
            )
            if found.changed or found.gone:
                index.update_files(self.name, found.changed, found.gone)
            self.index_warnings += [index.warning] if index.warning else []
        return found.dataset

    @cached_property
    def annotations(self) -> dict[str, Annotation]:
        """What people have said of images, by content."""
        with self.folder.annotations() as annotations:
            said = annotations.in_force()
            self.index_warnings += [annotations.warning] if annotations.warning else []
        return said

    def is_settled(self, file: ImageFile) -> bool:
        """Tell whether a person has said which class an image has, or that it cannot be told."""
        said = self.annotations.get(file.content)
        return said is not None and (said.label is not None or said.ambiguous)

    @cached_property
    def corrected(self) -> Dataset:
        """The dataset with the labels that people have given, and without what they have excluded."""
        return corrected(self.lying, self.annotations)

    @cached_property
    def dataset(self) -> Dataset:
        """The same; refused where no classifier could come of it."""
        refuse_hopeless(self.corrected)
        return self.corrected

    @property
    def files(self) -> tuple[ImageFile, ...]:
        """The readable images, sorted by path."""
        return self.dataset.files

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes as text; what cannot be printed is escaped."""
        names = tuple(map(display_path, self.dataset.classes))
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            raise DataError(f"Two class folders are both called {twice[0]} where it is printed. Rename one of them.")
        return names

    @cached_property
    def labels(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The class of every file, int64 [n_files], as a position in `classes`."""
        codes = {label: code for code, label in enumerate(self.dataset.classes)}
        return np.array([codes[file.label] for file in self.files], dtype=np.int64)

    @cached_property
    def duplicates(self) -> tuple[tuple[str, ...], ...]:
        """Paths of the same or nearly the same picture, a tuple a group."""
        copies = group_images(self.files, self.config.splits.near_duplicate_bits)
        return tuple(group.paths for group in duplicate_groups(self.files, copies))

    @cached_property
    def groups(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The group of every file, int64 [n_files]: copies, and what the user keeps together."""
        with self.timed("split"):
            return group_images(self.files, self.config.splits.near_duplicate_bits, self._user_groups())

    def _user_groups(self) -> list[str | None] | None:
        settings, paths = self.config.splits, [file.path for file in self.files]
        if settings.group_by == "folder":
            return groups_by_folder(paths, settings.group_level)
        if settings.group_by == "regex":
            return groups_by_regex(paths, settings.group_regex)
        if settings.group_by == "csv":
            return read_groups_csv(self.folder.dataset(settings.group_csv), paths, skipped=self._left_out)
        return None

    @property
    def _left_out(self) -> list[str]:
        """Paths that lists may name although they have no part in this."""
        return [item.path for item in self.dataset.skipped] + [file.path for file in self.dataset.unlabelled]

    @cached_property
    def conflicts(self) -> list[LabelConflict]:
        """The same picture under different labels."""
        return label_conflicts(self.files)

    @cached_property
    def suspects(self) -> list[LabelSuspect]:
        """Nearly the same picture under different labels."""
        return label_suspects(self.files, self.config.splits.near_duplicate_bits)

    @property
    def split_file(self) -> Path | None:
        """The file that assigns the sides; None where they are drawn."""
        settings = self.config.splits
        if given := settings.file or settings.test_files:
            return self.folder.dataset(given)
        default = self.root / "splits.csv"
        return default if default.is_file() else None

    @cached_property
    def split(self) -> Split:
        """The side of every file; sides that were assigned before stay."""
        settings = self.config.splits
        groups, source = self.groups, self.split_file
        with self.timed("split"), self.folder.index() as index:
            dedicated = None
            if source:
                read = read_test_files if settings.test_files else read_splits_csv
                dedicated = read(source, [file.path for file in self.files], skipped=self._left_out)
            # Not the dataset's name: an image that is moved, its folder renamed, stays on its side.
            key = digest([self.config.seed, settings.model_dump(exclude={"file", "test_files"})])
            split = make_split(
                self.files,
                groups,
                test_fraction=settings.test_fraction,
                seed=self.config.seed,
                previous=index.split(key) if dedicated is None else None,
                dedicated=dedicated,
                excluded={row for conflict in self.conflicts for row in conflict.indices},
            )
            if dedicated is None:
                sides = zip(self.files, split.sides, strict=True)
                index.extend_split(key, {file.content: str(side) for file, side in sides if side != "none"})
            self.index_warnings += [index.warning] if index.warning else []
        return split


def locate_dataset(folder: ProjectFolder, config: Config, images: str | os.PathLike[str] | None) -> Path:
    """Return the folder of a dataset: that of the parameter, or what a user named, here or in the project."""
    if images is None:
        return folder.dataset(config.dataset)
    here = user_path(images).absolute()
    inside = folder.dataset(images)
    return Path(os.path.normpath(here)) if here.exists() or not inside.exists() else inside
