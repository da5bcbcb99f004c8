"""The way of a folder of images to a measured classifier: each step brings up to date what it needs, once.

The steps compute; this module lays what they made where the next call, or the next process, finds it.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gingham import __version__
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
from gingham.curate.scan import Dataset, scan
from gingham.errors import DataError
from gingham.executors import usable_cpus
from gingham.project import ProjectFolder, write_whole
from gingham.project.digests import digest, file_digest
from gingham.project.files import user_path
from gingham.records import ImageFile, InputRecipe, display_path
from gingham.split import Split, data_fingerprint, leaks, make_split, test_fingerprint
from gingham.workflow.backbones import pretrained_backbone, refined_backbone, single_backbone
from gingham.workflow.checks import dataset_warnings, refuse_hopeless
from gingham.workflow.results import DatasetSummary

if TYPE_CHECKING:
    from gingham.classifiers import LinearHead
    from gingham.evaluate.metrics import Metrics
    from gingham.features import Backbone, FeaturizeResult
    from gingham.workflow.refinement import RefinedNetwork

__all__ = ["Progress", "Steps"]

Progress = Callable[[str, int, int], None]


class Steps:
    """One call's way through the steps; every result is computed when it is first asked for.

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
        self.root = _locate(folder, config.dataset if images is None else images, given=images is not None)
        self.name = folder.name_of(self.root)
        self.seconds: dict[str, float] = {}
        self._progress = progress
        self._began = time.perf_counter()
        self.index_warnings: list[str] = []

    def varied(self, config: Config) -> Steps:
        """Return the steps with other parameters of features and classifier; what was found of the images stays."""
        other = Steps(self.folder, config, self.root, self._progress)
        kept = ("dataset", "classes", "labels", "duplicates", "groups", "conflicts", "suspects", "split")
        other.__dict__ |= {name: self.__dict__[name] for name in kept if name in self.__dict__}
        return other

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
    def dataset(self) -> Dataset:
        """Every file of the dataset, looked at; refused where no classifier could come of it."""
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
        refuse_hopeless(found.dataset)
        return found.dataset

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
        skipped = [item.path for item in self.dataset.skipped]
        if settings.group_by == "folder":
            return groups_by_folder(paths, settings.group_level)
        if settings.group_by == "regex":
            return groups_by_regex(paths, settings.group_regex)
        if settings.group_by == "csv":
            return read_groups_csv(self.folder.dataset(settings.group_csv), paths, skipped=skipped)
        return None

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
                skipped = [item.path for item in self.dataset.skipped]
                dedicated = read(source, [file.path for file in self.files], skipped=skipped)
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

    @property
    def sides(self) -> np.ndarray[Any, np.dtype[np.str_]]:
        """The side of every file: train, test or none; none also where a file was lost since it was listed."""
        sides = np.array(self.split.sides, dtype=np.str_)
        for made in self._made():
            sides[~made.ok] = "none"
        return sides

    def _made(self) -> list[FeaturizeResult]:
        """Return the features that were computed so far."""
        return [self.__dict__[name] for name in ("untrained", "featurized") if name in self.__dict__]

    def rows(self, side: str) -> np.ndarray[Any, np.dtype[np.intp]]:
        """Return the positions of the files on one side, intp [n]."""
        return np.flatnonzero(self.sides == side)

    def summary(self) -> DatasetSummary:
        """Return the dataset and its split in numbers."""
        rows = {side: self.rows(side) for side in ("train", "test")}
        per_class = {side: np.bincount(self.labels[rows[side]], minlength=len(self.classes)) for side in rows}
        lost = dict.fromkeys(item for made in self._made() for item in made.skipped)
        return DatasetSummary(
            name=self.name,
            images=len(rows["train"]) + len(rows["test"]),
            classes=self.classes,
            train=len(rows["train"]),
            test=len(rows["test"]),
            train_per_class=dict(zip(self.classes, per_class["train"].tolist(), strict=True)),
            test_per_class=dict(zip(self.classes, per_class["test"].tolist(), strict=True)),
            split=self.split_file.name if self.split_file else "stratified",
            skipped=(*self.dataset.skipped, *lost),
            duplicates=self.duplicates,
            conflicts=tuple(conflict.paths for conflict in self.conflicts),
            fingerprint=data_fingerprint(self.files),
            test_fingerprint=test_fingerprint(self.files, self.sides),
            warnings=(*self.index_warnings, *self.split.warnings, *dataset_warnings(self)),
        )

    def leaks(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Return which test images have a copy, or another image of their group, that trains; bool [n_test]."""
        return leaks(Split(self.sides), self.groups)

    def fingerprints(self, version: str) -> dict[str, str]:
        """Return digests of all that a run depends on: equal ones mean that the same run would come out.

        But for the engine, where that is left to the machine: a project that moves to another one keeps its runs.
        """
        files = [(file.path, file.content) for file in self.files]
        skipped = [(item.path, item.reason) for item in self.dataset.skipped]
        group_csv = self.config.splits.group_csv
        steering = [self.split_file, self.folder.dataset(group_csv) if group_csv else None]
        weights = self.config.features.backbone_weights
        given = file_digest(self.folder.dataset(weights)) if weights else ""
        left_out = {"collection", "tracking", "service", "tuning", "executor", "dataset", "preset"}
        if self.config.classifier == "svm":
            left_out |= {"refinement"}
        parameters = self.config.model_dump(exclude=left_out)
        return {
            "parameters": digest([version, self.name, parameters, given]),
            "data": digest(
                [
                    self.classes,
                    files,
                    skipped,
                    [(self.folder.name_of(path), file_digest(path)) for path in steering if path],
                ]
            ),
        }

    @cached_property
    def pretrained(self) -> Backbone:
        """The pretrained network: for an SVM on the views that are wanted, else what is to be refined."""
        choose = pretrained_backbone if self.config.classifier == "svm" else single_backbone
        return choose(self.folder, self.config.features)

    @cached_property
    def refined(self) -> RefinedNetwork:
        """The network trained on the training images; read back where nothing that it depends on has changed."""
        from gingham.workflow.refinement import refined_network

        return refined_network(self)

    @cached_property
    def backbone(self) -> Backbone:
        """The network whose features are classified: the pretrained one, or the refined one, on the same views."""
        if self.config.classifier == "svm":
            return self.pretrained
        return refined_backbone(self.folder, self.config.features, self.refined.key)

    @cached_property
    def recipe(self) -> InputRecipe:
        """How an image becomes the backbone's input."""
        return self.recipe_of(self.backbone)

    def recipe_of(self, backbone: Backbone) -> InputRecipe:
        """Return how an image becomes the input of a backbone."""
        return backbone.recipe(self.config.features.resolution, self.config.preprocess.fit)

    @cached_property
    def featurized(self) -> FeaturizeResult:
        """The features of every file, float32 [n_files, n_features]; NaN where a file was lost since it was listed."""
        return self.untrained if self.config.classifier == "svm" else self.featurize(self.backbone)

    @cached_property
    def untrained(self) -> FeaturizeResult:
        """The features of every file by the pretrained network."""
        return self.featurize(self.pretrained)

    @property
    def items(self) -> list[tuple[str, str]]:
        """Content and path of every file."""
        return [(file.content, file.path) for file in self.files]

    def featurize(self, backbone: Backbone, rows: np.ndarray[Any, np.dtype[np.intp]] | None = None) -> FeaturizeResult:
        """Return the features of all files, or of some, by a backbone."""
        from gingham.features import featurize_dataset

        _ = self.split  # a list or a rule that does not fit the images is refused before the long work
        with self.timed("featurize"):
            return featurize_dataset(
                self.items if rows is None else [self.items[row] for row in rows],
                root=self.root,
                backbone=backbone,
                recipe=self.recipe_of(backbone),
                engine=self.config.features.engine,
                precision=self.config.features.precision,
                max_pixels=self.config.preprocess.max_pixels,
                cache=self.folder.features,
                progress=self.progress("featurize"),
            )

    @cached_property
    def head(self) -> LinearHead:
        """The classifier on the features; read back where nothing that it depends on has changed."""
        if self.config.classifier == "svm":
            return self.linear
        from gingham.workflow.refinement import head_on_refined

        features = self.featurized.features
        with self.timed("train"):
            return head_on_refined(self, features)

    @cached_property
    def linear(self) -> LinearHead:
        """The SVM on the pretrained network's features of the training images."""
        _ = self.untrained  # so that images that are lost are known before the others are counted
        return self.linear_on(self.rows("train"))

    def linear_on(self, rows: np.ndarray[Any, np.dtype[np.intp]]) -> LinearHead:
        """Return the SVM on the pretrained network's features of some files."""
        from gingham.classifiers import LinearHead, fit_head

        features, settings = self.untrained, self.config.svm
        labels = self.labels[rows]
        with self.timed("train"):
            content = [(self.files[row].content, int(self.labels[row]), int(self.groups[row])) for row in rows]
            parameters = [settings.model_dump(), self.config.evaluation.wanted_precision, self.config.seed]
            key = digest([__version__, features.key, content, parameters, self.classes])
            file = self.folder.heads / f"{key}.safetensors"
            if (head := LinearHead.read(file)) is None:
                head = fit_head(
                    features.features[rows],
                    labels,
                    self.groups[rows],
                    classes=self.classes,
                    c_grid=settings.c_grid,
                    folds=settings.folds,
                    class_weight=settings.class_weight,
                    normalize=settings.normalize,
                    wanted_precision=self.config.evaluation.wanted_precision,
                    seed=self.config.seed,
                    progress=self.progress("train"),
                )
                write_whole(file, head.to_bytes())
            return head

    @cached_property
    def probabilities(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The calibrated probability of every class for every file, float64 [n_files, n_classes]."""
        return self.head.probabilities(self.featurized.features)

    @cached_property
    def metrics(self) -> Metrics:
        """The metrics of the test images, training accuracy beside them."""
        from gingham.evaluate.metrics import compute_metrics

        probabilities, settings = self.probabilities, self.config.evaluation
        with self.timed("evaluate"):
            predicted = probabilities.argmax(axis=1)
            train, test = self.rows("train"), self.rows("test")
            return compute_metrics(
                self.labels[test],
                probabilities[test],
                predicted[test],
                self.classes,
                train_true=self.labels[train],
                train_predicted=predicted[train],
                leaks=self.leaks(),
                seed=self.config.seed,
                confidence=settings.confidence,
                resamples=settings.bootstrap,
            )


def _locate(folder: ProjectFolder, images: str | os.PathLike[str], given: bool) -> Path:
    here = user_path(images).absolute()
    inside = folder.dataset(images)
    return Path(os.path.normpath(here)) if given and (here.exists() or not inside.exists()) else inside
