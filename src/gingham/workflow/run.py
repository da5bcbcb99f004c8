"""The main job: do all that is not up to date, record it, write a report."""

from __future__ import annotations

import datetime
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gingham import __version__
from gingham.config import Config, dotted
from gingham.errors import ImageError, UsageError
from gingham.project import ProjectFolder, write_whole
from gingham.tracking import RunRecord, masked_parameters, mirror_run
from gingham.workflow.doctor import installed_versions
from gingham.workflow.history import store
from gingham.workflow.parity import check_run
from gingham.workflow.refinement import epochs_of, refinement_block
from gingham.workflow.results import DatasetSummary, RunResult
from gingham.workflow.stages import features_result, train_result
from gingham.workflow.steps import Progress, Steps

if TYPE_CHECKING:
    from gingham.evaluate import PredictionTable

__all__ = ["run"]

THUMBNAIL_SIDE = 192


def run(
    folder: ProjectFolder,
    config: Config,
    images: str | os.PathLike[str] | None,
    progress: Progress | None,
    environment: Mapping[str, str],
) -> RunResult:
    """Train and evaluate a classifier on a dataset, and write report, figures, predictions and model file.

    Where nothing has changed since an earlier run, that run is returned, and only a copy in MLflow that is wanted and
    missing is made.

    Raises
    ------
    DataError
        If no classifier could come of the images.
    UnavailableError
        If weights or an engine are not here, another process is at work in the project, or the disk is full.
    """
    with folder.lock("run"):
        steps = Steps(folder, config, images, progress)
        history = store(folder)
        fingerprints = steps.fingerprints(__version__)
        record = history.latest_finished(fingerprints["parameters"], fingerprints["data"])
        warnings = list(steps.index_warnings) if record else []
        up_to_date = record is not None
        if record is None:
            with history.stage() as staged:
                record = history.publish(staged.path, _make(steps, staged.run_id, staged.path, fingerprints))
    if uri := config.tracking.uri or environment.get("MLFLOW_TRACKING_URI", ""):
        problem = mirror_run(
            record,
            history.folder(record.run_id),
            uri,
            config.tracking.experiment or Path(record.dataset.name).name,
            relative_to=folder.root if config.tracking.uri else None,
            notes=folder.state / "mirrored",
        )
        warnings += [problem] if problem else []
    return RunResult(record, folder.root, up_to_date=up_to_date, warnings=tuple(warnings))


def _make(steps: Steps, run_id: str, directory: Path, fingerprints: Mapping[str, str]) -> RunRecord:
    """Write the files of a run into a folder of its own, and return the record of it."""
    from gingham.export import build_model

    began = datetime.datetime.now(datetime.UTC)
    metrics = steps.metrics
    summary = steps.summary()
    warnings = (*summary.warnings, *_transfer(steps))
    featurized, trained = features_result(steps).block(), train_result(steps)
    progress = steps.progress("report") or (lambda _done, _total: None)
    with steps.timed("report"):
        progress(0, 2)
        backbone = steps.backbone.onnx_model(steps.recipe.resolution)
        write_whole(directory / "model.onnx", build_model(backbone, steps.head, _model_info(steps, summary, run_id)))
        check_run(steps, directory / "model.onnx")
        progress(1, 2)
        _write_report(steps, summary, warnings, run_id, began, fingerprints, directory)
        progress(2, 2)
    dataset = summary.to_json()
    return RunRecord(
        run_id=run_id,
        created=began,
        finished=datetime.datetime.now(datetime.UTC),
        gingham_version=__version__,
        classifier=steps.config.classifier,
        backbone=steps.config.features.backbone,
        resolution=steps.config.features.resolution,
        dataset={name: dataset[name] for name in RECORDED},
        metrics=metrics.model_dump(mode="json"),
        svm=trained.block(),
        refinement=trained.refinement,
        seconds=steps.total_seconds(),
        featurize=featurized,
        report=f"runs/{run_id}/report.html",
        model=f"runs/{run_id}/model.onnx",
        parameters=steps.config.model_dump(mode="json", exclude=NOT_OF_A_RUN) | {"dataset": steps.name},
        fingerprints=_of_what_was_made(steps, fingerprints),
        versions=installed_versions(),
        warnings=(*warnings, *metrics.warnings),
    )


def _of_what_was_made(steps: Steps, fingerprints: Mapping[str, str]) -> dict[str, str]:
    """Return the fingerprints of a run; a refinement that was stopped by hand is not what was asked for."""
    if steps.config.classifier == "svm" or steps.refined.about["stopped"] != "interrupted":
        return dict(fingerprints)
    return {**fingerprints, "parameters": f"{fingerprints['parameters']}-{steps.refined.about['kept_epochs'][-1]}"}


NOT_OF_A_RUN = {"collection", "service"}
"""Tables of parameters that change nothing about it."""

RECORDED = ("name", "images", "classes", "train", "test", "train_per_class", "test_per_class", "split", "skipped",
            "duplicates", "conflicts", "fingerprint", "test_fingerprint")  # fmt: skip


def _transfer(steps: Steps) -> tuple[str, ...]:
    from gingham.evaluate.advice import warnings_about_transfer

    config, test, head = steps.config, steps.rows("test"), steps.head
    probabilities = steps.probabilities[test]
    return warnings_about_transfer(
        steps.metrics,
        probabilities.max(axis=1),
        probabilities.argmax(axis=1) == steps.labels[test],
        held_out_accuracy=head.held_out_accuracy,
        held_out=len(steps.rows("train")) if config.classifier == "svm" else len(steps.refined.validation),
        threshold=head.threshold,
        wanted_precision=config.evaluation.wanted_precision,
    )


def _model_info(steps: Steps, summary: DatasetSummary, run_id: str) -> Any:
    from gingham.export.model_file import FORMAT_VERSION, ModelInfo

    recipe, backbone, weights = steps.recipe, steps.backbone, steps.backbone.weights
    return ModelInfo(
        format_version=FORMAT_VERSION,
        labels=summary.classes,
        resolution=recipe.resolution,
        fit=recipe.fit,
        crop_fraction=recipe.crop_fraction,
        interpolation=recipe.interpolation,
        views=backbone.views,
        view_resolution=backbone.view_resolution(recipe.resolution),
        threshold=steps.head.threshold,
        outlier_limit=steps.head.outlier_limit,
        classifier=steps.config.classifier,
        backbone=steps.config.features.backbone,
        run_id=run_id,
        fingerprint=summary.fingerprint,
        weights_sha256=weights.sha256,
        weights_licence=steps.pretrained.weights.licence,
        metrics=steps.metrics.model_dump(mode="json", exclude={"confusion_matrix", "train_counts", "warnings"}),
        trained_in="bf16" if steps.featurized.engine.endswith("bf16") else "f32",
        versions=installed_versions(),
    )


def _write_report(
    steps: Steps,
    summary: DatasetSummary,
    warnings: tuple[str, ...],
    run_id: str,
    created: datetime.datetime,
    fingerprints: Mapping[str, str],
    directory: Path,
) -> None:
    from gingham.evaluate.predictions import PredictionTable, write_predictions
    from gingham.evaluate.report import render_report
    from gingham.evaluate.report_data import ReportData, images_to_show

    config, sides = steps.config, steps.sides
    rows = np.flatnonzero(sides != "none")
    probabilities = steps.probabilities[rows]
    predicted = probabilities.argmax(axis=1)
    used = [steps.files[row] for row in rows]
    table = PredictionTable(
        paths=tuple(file.path for file in used),
        contents=tuple(file.content for file in used),
        splits=tuple(sides[rows].tolist()),
        labels=tuple(summary.classes[code] for code in steps.labels[rows]),
        predicted=tuple(summary.classes[code] for code in predicted),
        classes=summary.classes,
        confidence=probabilities.max(axis=1),
        probabilities=probabilities,
    )
    stream = io.StringIO(newline="")
    write_predictions(table, stream)
    write_whole(directory / "predictions.csv", stream.getvalue())

    data = ReportData(
        title=Path(steps.name).name,
        run_id=run_id,
        created=created,
        classifier=config.classifier,
        backbone=config.features.backbone,
        resolution=config.features.resolution,
        n_images=summary.images,
        metrics=steps.metrics,
        predictions=table,
        validation=0 if config.classifier == "svm" else len(steps.refined.validation),
        epochs=() if config.classifier == "svm" else epochs_of(steps),
        kept_epochs=() if config.classifier == "svm" else steps.refined.about["kept_epochs"],
        training_advice=() if config.classifier == "svm" else refinement_block(steps)["diagnosis"],
        cv_accuracy=steps.head.cv_accuracy,
        c=steps.head.c,
        thumbnails=_thumbnails(steps, images_to_show(table, config.evaluation.report_images, steps.head.threshold)),
        overlays=_overlays(steps, table, directory / "model.onnx"),
        images_shown=config.evaluation.report_images,
        skipped=summary.skipped,
        duplicate_groups=summary.duplicates,
        conflicts=[(conflict.paths, conflict.labels) for conflict in steps.conflicts],
        split=summary.split,
        leaks=[steps.files[row].path for row in steps.rows("test")[steps.leaks()]],
        answer_threshold=steps.head.threshold,
        wanted_precision=config.evaluation.wanted_precision,
        # What the test contradicts comes before what the folder looks like.
        warnings=sorted(warnings, key=summary.warnings.__contains__),
        parameters=dotted(
            masked_parameters(config.model_dump(mode="json", exclude=NOT_OF_A_RUN) | {"dataset": steps.name})
        ),
        defaults=dotted(Config().model_dump(mode="json", exclude=NOT_OF_A_RUN)),
        versions=installed_versions(),
        seconds=steps.total_seconds(),
        fingerprints={
            "images": summary.fingerprint,
            "test images": summary.test_fingerprint,
            "parameters": fingerprints["parameters"],
        },
    )
    page = render_report(data)
    for name, figure in page.figures.items():
        write_whole(directory / "figures" / name, figure)
    write_whole(directory / "report.html", page.html)


def _thumbnails(steps: Steps, paths: tuple[str, ...]) -> dict[str, bytes]:
    from gingham.images import open_bytes, thumbnail_jpeg

    thumbnails = {}
    for path in paths:
        try:
            data = open_bytes(steps.root / path, root=steps.root)
            thumbnails[path] = thumbnail_jpeg(data, THUMBNAIL_SIDE, max_pixels=steps.config.preprocess.max_pixels)
        except ImageError:  # gone since it was featurized; the report says so in its place
            continue
    return thumbnails


def _overlays(steps: Steps, table: PredictionTable, model: Path) -> dict[str, bytes]:
    """Return for each of the worst mistakes what spoke for the wrong answer; nothing where that cannot be told."""
    from gingham.evaluate.report_data import worst_mistakes
    from gingham.export.explanation import Explainer
    from gingham.export.reading import read_model
    from gingham.images import network_input, open_bytes

    test, overlays = table.of_split("test"), {}
    mistakes = worst_mistakes(test, steps.config.evaluation.report_images)
    if not mistakes or test.probabilities is None:
        return {}
    _, network, info = read_model(model)
    try:
        explainer = Explainer(network, info)
    except UsageError:  # its features are not the mean of a map
        return {}
    for row in mistakes:
        path = test.paths[row]
        try:
            data = open_bytes(steps.root / path, root=steps.root)
            square = network_input(data, steps.recipe, max_pixels=steps.config.preprocess.max_pixels)
        except ImageError:  # gone since it was featurized
            continue
        explained = explainer.explain(path, square, test.predicted[row], test.probabilities[row])
        overlays[path] = explained.overlay(THUMBNAIL_SIDE)
    return overlays
