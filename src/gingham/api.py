"""A project as Python sees it: each verb of :mod:`gingham.workflow` as a method, with the same results."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gingham.config import Config, load_config
from gingham.errors import UnavailableError
from gingham.project import ProjectFolder

if TYPE_CHECKING:
    from gingham.workflow import (
        AnnotateResult,
        AnnotationFile,
        ApplyResult,
        AttributionResult,
        CheckResult,
        CollectResult,
        Comparison,
        DedupeResult,
        Diagnosis,
        EvaluateResult,
        ExportResult,
        FeaturesResult,
        HistoryResult,
        InitResult,
        LearningResult,
        NearestResult,
        NextResult,
        Progress,
        PutBackResult,
        RefineResult,
        RunList,
        RunResult,
        SampleResult,
        SplitResult,
        StatusResult,
        TrainResult,
        TuneResult,
        UndoResult,
    )

__all__ = ["Project"]

StrPath = str | os.PathLike[str]
Images = StrPath | Iterable[StrPath]


class Project:
    """A folder in which a user works.

    Parameters
    ----------
    root : str or path
        Its ``gingham.toml`` is read where there is one; nothing is written before a verb is called.
    environment : mapping of str to str, optional
        ``GINGHAM_*`` variables that override the file; default: those of the process.
    progress : callable, optional
        Called as ``progress(step, done, total)`` while a verb works; if it has a method ``say``, that is called with a
        line now and then, such as the errors of an epoch.

    Notes
    -----
    Every verb that works on images takes ``images``, a folder used instead of the parameter ``dataset``, and
    ``overrides``, parameters for this call only: ``project.run(overrides={"features.resolution": 320})``.

    Examples
    --------
    >>> Project("my-project").parameters({"features.resolution": 320}).features.resolution
    320
    """

    def __init__(
        self, root: StrPath = ".", *, environment: Mapping[str, str] | None = None, progress: Progress | None = None
    ) -> None:
        self.folder = ProjectFolder(root)
        self._environment = os.environ if environment is None else environment
        self._progress = progress

    def __repr__(self) -> str:
        return f"Project({str(self.folder.root)!r})"

    def parameters(self, overrides: Mapping[str, Any] | None = None) -> Config:
        """Return the parameters in force: ``gingham.toml``, then the environment, then ``overrides``.

        Raises
        ------
        ConfigError
            For an unknown parameter or a value that is not allowed.
        """
        return load_config(self.folder.config_file, self._environment, overrides)

    def init(self, images: StrPath | None = None, overrides: Mapping[str, Any] | None = None) -> InitResult:
        """Write ``gingham.toml`` with every parameter; an existing one is left as it is.

        What the environment says stays there: it may be a secret, and it is read again each time.

        Raises
        ------
        UsageError
            If there is one already.
        """
        from gingham import workflow

        return workflow.init(self.folder, load_config(self.folder.config_file, {}, overrides), images)

    def sample(self, directory: StrPath | None = None, overrides: Mapping[str, Any] | None = None) -> SampleResult:
        """Write the built-in example dataset into ``directory``, by default the project's ``dataset``."""
        from gingham import workflow

        return workflow.sample(self.folder, self.parameters(overrides), directory, self._progress)

    def split(self, images: StrPath | None = None, overrides: Mapping[str, Any] | None = None) -> SplitResult:
        """Divide the images into train and test; see :func:`gingham.workflow.split`."""
        from gingham import workflow

        return workflow.split(self.folder, self.parameters(overrides), images, self._progress)

    def featurize(
        self,
        images: StrPath | None = None,
        output: StrPath | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> FeaturesResult:
        """Compute the features of every image; see :func:`gingham.workflow.featurize`."""
        from gingham import workflow

        return workflow.featurize(self.folder, self.parameters(overrides), images, output, self._progress)

    def refine(self, images: StrPath | None = None, overrides: Mapping[str, Any] | None = None) -> RefineResult:
        """Train the network itself on the training images; see :func:`gingham.workflow.refine`."""
        from gingham import workflow

        return workflow.refine(self.folder, self.parameters(overrides), images, self._progress)

    def train(self, images: StrPath | None = None, overrides: Mapping[str, Any] | None = None) -> TrainResult:
        """Train the classifier; see :func:`gingham.workflow.train`."""
        from gingham import workflow

        return workflow.train(self.folder, self.parameters(overrides), images, self._progress)

    def evaluate(self, images: StrPath | None = None, overrides: Mapping[str, Any] | None = None) -> EvaluateResult:
        """Measure the classifier on the test images; see :func:`gingham.workflow.evaluate`."""
        from gingham import workflow

        return workflow.evaluate(self.folder, self.parameters(overrides), images, self._progress)

    def run(self, images: StrPath | None = None, overrides: Mapping[str, Any] | None = None) -> RunResult:
        """Do all that is not up to date, record it, write a report; see :func:`gingham.workflow.run`."""
        from gingham import workflow

        return workflow.run(self.folder, self.parameters(overrides), images, self._progress, self._environment)

    def tune(
        self,
        images: StrPath | None = None,
        quick: bool = False,
        minutes: float | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> TuneResult:
        """Compare classifiers on the training images, and run the recommended one; see :func:`gingham.workflow.tune`.

        ``minutes`` is the parameter ``tuning.minutes``.

        Raises
        ------
        UsageError
            If ``overrides`` hold what a comparison would not look at, such as ``features.backbone``.
        """
        from gingham import workflow

        given = {**(overrides or {}), **({} if minutes is None else {"tuning.minutes": minutes})}
        config = self.parameters(given)
        return workflow.tune(self.folder, config, images, quick, self._progress, self._environment, given)

    def runs(self) -> RunList:
        """Return the runs of this project, newest first."""
        from gingham import workflow

        return workflow.runs(self.folder)

    def show(self, run: str = "latest") -> RunResult:
        """Return one run by its id, the beginning of its id, or ``latest``."""
        from gingham import workflow

        return workflow.show(self.folder, run)

    def model_file(self, model: StrPath = "latest") -> Path:
        """Return a model file: ``model`` itself if it is a file, else that of the run of this id, or of ``latest``.

        Raises
        ------
        UnavailableError
            If there is neither such a file nor such a run.
        """
        from gingham.project.files import user_path

        path = user_path(model)
        if path.is_file() or path.suffix == ".onnx":
            return path
        from gingham import workflow

        try:
            return workflow.show(self.folder, os.fspath(model)).model
        except UnavailableError as error:
            if os.fspath(model) == "latest":
                raise
            raise UnavailableError(
                f"{os.fspath(model)} is no model file, and no run of this project either. {error}"
            ) from None

    def compare(self, a: str = "previous", b: str = "latest") -> Comparison:
        """Compare two runs on the same test images; see :func:`gingham.workflow.compare`."""
        from gingham import workflow

        return workflow.compare(self.folder, a, b)

    def nearest(
        self, images: Images, run: str = "latest", count: int = 5, output: StrPath | None = None
    ) -> NearestResult:
        """Find the training images of a run that are most like some images; see :func:`gingham.workflow.nearest`."""
        from gingham import workflow

        return workflow.nearest(self.folder, images, run, count, output, self._progress)

    def export(
        self, run: str = "latest", output: StrPath = "model.onnx", *, precision: str = "f32", with_resize: bool = False
    ) -> ExportResult:
        """Write a run's model file, once it is proven to answer as trained; see :func:`gingham.workflow.export`."""
        from gingham import workflow

        return workflow.export(self.folder, run, output, precision, with_resize, self._progress)

    def next(
        self,
        images: StrPath | None = None,
        count: int = 12,
        output: StrPath | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> NextResult:
        """Find the images that it pays to look at; see :func:`gingham.workflow.next_up`."""
        from gingham import workflow

        return workflow.next_up(self.folder, self.parameters(overrides), images, count, output, self._progress)

    def learning_curve(
        self, images: StrPath | None = None, more: int = 50, overrides: Mapping[str, Any] | None = None
    ) -> LearningResult:
        """Find out which class needs more images, and what they would buy.

        See :func:`gingham.workflow.learning_curve`.
        """
        from gingham import workflow

        return workflow.learning_curve(self.folder, self.parameters(overrides), images, more, self._progress)

    def label(
        self,
        images: Images,
        label: str | None = None,
        *,
        excluded: bool = False,
        ambiguous: bool = False,
        note: str = "",
        new_class: bool = False,
        clear: bool = False,
        overrides: Mapping[str, Any] | None = None,
    ) -> AnnotateResult:
        """Say which class images have, or something else of them; see :func:`gingham.workflow.annotate`."""
        from gingham import workflow

        return workflow.annotate(
            self.folder, self.parameters(overrides), _several(images), label,
            excluded=excluded, ambiguous=ambiguous, note=note, new_class=new_class, clear=clear,
        )  # fmt: skip

    def label_undo(self) -> UndoResult:
        """Take back what the latest call of `label` or `label_import` said; again, what the one before it said."""
        from gingham import workflow

        return workflow.undo_annotation(self.folder)

    def label_history(
        self, image: StrPath | None = None, count: int = 20, overrides: Mapping[str, Any] | None = None
    ) -> HistoryResult:
        """Return what was said lately, of all images or of one, the newest first."""
        from gingham import workflow

        return workflow.annotation_history(self.folder, self.parameters(overrides), image, count)

    def label_export(self, file: StrPath = "annotations.csv") -> AnnotationFile:
        """Write what holds of each annotated image to a CSV file."""
        from gingham import workflow

        return workflow.export_annotations(self.folder, file, self._progress)

    def label_import(
        self, file: StrPath, new_classes: bool = False, overrides: Mapping[str, Any] | None = None
    ) -> AnnotationFile:
        """Say what the rows of a CSV file say; see :func:`gingham.workflow.import_annotations`."""
        from gingham import workflow

        return workflow.import_annotations(self.folder, self.parameters(overrides), file, new_classes)

    def label_apply(
        self, images: StrPath | None = None, dry_run: bool = False, overrides: Mapping[str, Any] | None = None
    ) -> ApplyResult:
        """Move each image into the folder of its class; see :func:`gingham.workflow.apply_labels`."""
        from gingham import workflow

        return workflow.apply_labels(self.folder, self.parameters(overrides), images, dry_run, self._progress)

    def label_apply_undo(self) -> PutBackResult:
        """Put every file back that `label_apply` has moved."""
        from gingham import workflow

        return workflow.put_back(self.folder, "label apply", self._progress)

    def check(
        self,
        images: StrPath | None = None,
        *,
        by_embedding: bool = False,
        labels: bool = True,
        output: StrPath | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> CheckResult:
        """Find out what is wrong with the images; see :func:`gingham.workflow.check`."""
        from gingham import workflow

        return workflow.check(
            self.folder, self.parameters(overrides), images,
            by_embedding=by_embedding, labels=labels, output=output, progress=self._progress,
        )  # fmt: skip

    def dedupe(
        self, images: StrPath | None = None, apply: bool = False, overrides: Mapping[str, Any] | None = None
    ) -> DedupeResult:
        """List the copies of each picture, and with ``apply`` move them away; see :func:`gingham.workflow.dedupe`."""
        from gingham import workflow

        return workflow.dedupe(self.folder, self.parameters(overrides), images, apply, self._progress)

    def dedupe_undo(self) -> PutBackResult:
        """Put every file back that `dedupe` has moved."""
        from gingham import workflow

        return workflow.put_back(self.folder, "dedupe", self._progress)

    def collect_urls(
        self,
        file: StrPath,
        into: StrPath | None = None,
        retry: Literal["failed", "missing"] | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> CollectResult:
        """Fetch the images of a list of labels and addresses; see :func:`gingham.workflow.collect_urls`."""
        from gingham import workflow

        return workflow.collect_urls(self.folder, self.parameters(overrides), file, into, retry, self._progress)

    def collect_search(
        self,
        query: str,
        label: str | None = None,
        into: StrPath | None = None,
        retry: Literal["failed", "missing"] | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> CollectResult:
        """Search for images and fetch them; see :func:`gingham.workflow.collect_search`."""
        from gingham import workflow

        return workflow.collect_search(
            self.folder, self.parameters(overrides), query, label, into, retry, self._progress, self._environment
        )

    def collect_dataset(
        self,
        name: str,
        into: StrPath | None = None,
        retry: Literal["failed", "missing"] | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> CollectResult:
        """Fetch a public dataset, such as ``clothing``; see :func:`gingham.workflow.collect_dataset`."""
        from gingham import workflow

        return workflow.collect_dataset(self.folder, self.parameters(overrides), name, into, retry, self._progress)

    def collect_status(self, images: StrPath | None = None, output: StrPath | None = None) -> StatusResult:
        """Count what became of the links of a dataset; ``output`` is a CSV file that lists them all."""
        from gingham import workflow

        return workflow.collect_status(self.folder, self.parameters(), images, output, self._progress)

    def collect_attribution(self, images: StrPath | None = None, output: StrPath = "CREDITS.md") -> AttributionResult:
        """Write the credits of collected images; see :func:`gingham.workflow.collect_attribution`."""
        from gingham import workflow

        return workflow.collect_attribution(self.folder, self.parameters(), images, output, self._progress)

    def doctor(self, overrides: Mapping[str, Any] | None = None) -> Diagnosis:
        """Say what is installed and which engine, precision and weights will be used."""
        from gingham import workflow

        return workflow.doctor(self.folder, self.parameters(overrides))


def _several(images: Images) -> list[StrPath]:
    return [images] if isinstance(images, str | os.PathLike) else list(images)
