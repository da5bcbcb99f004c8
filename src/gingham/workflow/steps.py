"""The way of a folder of images to a measured classifier: each step brings up to date what it needs, once.

The steps compute; this module lays what they made where the next call, or the next process, finds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from gingham import __version__
from gingham.config import Config
from gingham.project import write_whole
from gingham.project.digests import digest, file_digest
from gingham.records import ImageFile, InputRecipe
from gingham.split import Split, data_fingerprint, leaks, test_fingerprint
from gingham.workflow.backbones import pretrained_backbone, refined_backbone, single_backbone
from gingham.workflow.checks import dataset_warnings
from gingham.workflow.image_steps import ImageSteps, Progress
from gingham.workflow.results import DatasetSummary

if TYPE_CHECKING:
    from gingham.classifiers import LinearHead
    from gingham.evaluate.metrics import Metrics
    from gingham.features import Backbone, FeaturizeResult
    from gingham.workflow.refinement import RefinedNetwork

__all__ = ["Progress", "Steps"]


class Steps(ImageSteps):
    """One call's way through the steps; every result is computed when it is first asked for.

    Parameters are those of `ImageSteps`.
    """

    def varied(self, config: Config) -> Steps:
        """Return the steps with other parameters of features and classifier; what was found of the images stays."""
        other = Steps(self.folder, config, self.root, self._progress)
        found = ("lying", "annotations", "corrected", "dataset", "classes", "labels")
        grouped = ("duplicates", "groups", "conflicts", "suspects", "split")
        other.__dict__ |= {name: self.__dict__[name] for name in (*found, *grouped) if name in self.__dict__}
        return other

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
        _ = self.split  # a list or a rule that does not fit the images is refused before the long work
        return self._featurize(backbone, self.items if rows is None else [self.items[row] for row in rows])

    def features_of(self, files: Sequence[ImageFile]) -> FeaturizeResult:
        """Return the features of any images of the dataset, also those without a label, by the pretrained network."""
        return self._featurize(self.pretrained, [(file.content, file.path) for file in files])

    def _featurize(self, backbone: Backbone, items: Sequence[tuple[str, str]]) -> FeaturizeResult:
        from gingham.features import featurize_dataset

        with self.timed("featurize"):
            return featurize_dataset(
                items,
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
