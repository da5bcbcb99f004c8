"""``report.html``: one file that needs nothing else, and the figures beside it."""

from __future__ import annotations

import shlex
from datetime import UTC
from typing import Any

import numpy as np

from gingham.errors import UsageError
from gingham.evaluate import figures, learning_curves, report_numbers, report_views
from gingham.evaluate.calibration import reliability
from gingham.evaluate.pages import Drawing, Page, new_environment, style_sheet
from gingham.evaluate.report_data import SURE, ReportData, least_sure_hits, worst_mistakes
from gingham.evaluate.wording import count_of, percent
from gingham.records import display_path

__all__ = ["render_report"]

FINER = 320
"""Side in pixels of the network's input that is worth a try after a smaller one."""


def render_report(data: ReportData) -> Page:
    """Write the report of a run as one HTML page.

    It makes no request, runs no script, follows the reader's light or dark scheme, and stays under 5 MB whatever
    the number of classes and images: long lists say how much of them is shown.

    Parameters
    ----------
    data : ReportData

    Returns
    -------
    Page
        File and class names are text in it. Its figures: ``accuracy_against_c.png`` (where C was searched),
        ``learning_curves.png`` (where the network was trained), ``roc.png``, ``confusion_matrix.png``,
        ``reliability.png``, ``per_class_accuracy.png``, ``not_sure.png`` (from 10 test images on).

    Raises
    ------
    UsageError
        There is no test image or no probability among the predictions.
    """
    drawings = _drawings(data)
    html = new_environment().get_template("report.html.j2").render(_context(data, drawings))
    return Page(html, {f"{name}.png": drawing.png() for name, drawing in drawings.items()})


def _context(data: ReportData, drawings: dict[str, Drawing]) -> dict[str, Any]:
    table = data.predictions.of_split("test")
    metrics = data.metrics
    n_wrong = int((~table.correct).sum())
    mistakes = worst_mistakes(table, data.images_shown)
    hits = least_sure_hits(table, None, data.answer_threshold)
    heat = report_views.confusion_rows(metrics)
    return {
        "data": data,
        "created": data.created.astimezone(UTC).strftime("%d %B %Y, %H:%M UTC").lstrip("0"),
        "style": style_sheet(),
        "headline": report_numbers.headline(data),
        "numbers": report_numbers.key_numbers(metrics),
        "warnings": list(dict.fromkeys([*metrics.warnings, *data.warnings])),
        "warnings_at_once": report_views.WARNINGS_AT_ONCE,
        "training": _training(data),
        "unsure": report_numbers.unsure(data, table),
        "classes": report_views.class_rows(metrics),
        "class_rows_at_once": report_views.CLASS_ROWS_AT_ONCE,
        "heat": heat,
        "turned": report_views.turn_headings(list(metrics.test_counts)),
        "pairs": report_views.confusion_pairs(metrics),
        "mistakes": report_views.thumbnails(data, table, mistakes, n_wrong),
        "n_right": len(table) - n_wrong,
        "sure": percent(SURE if data.answer_threshold is None else data.answer_threshold),
        "hits": report_views.thumbnails(data, table, hits[: data.images_shown], len(hits)),
        "skipped": report_views.skipped_by_reason(data.skipped),
        "images": report_views.images_used(data),
        "parameters": report_views.parameter_rows(data),
        "commands": _next_commands(data),
        "model": f"runs/{data.run_id}/model.onnx",
        "interval": percent(metrics.confidence),
        "count_of": count_of,
        "pictures": {
            name: drawing.picture(_ALT[name])
            for name, drawing in drawings.items()
            if name != "per_class_accuracy" and (name != "confusion_matrix" or heat is None)
        },
    }


_ALT = {
    "accuracy_against_c": "Line: cross-validation accuracy for each value of C, the chosen one marked",
    "learning_curves": "Lines by epoch: errors of training, validation and test images, learning rate, images a second",
    "roc": "ROC curves: share of a class that is found against share of other images taken for it",
    "confusion_matrix": "Heat map: true against predicted class, for the most confused classes",
    "not_sure": "Line: share of right answers against share of images answered, the surest first",
    "reliability": "Dots: share of right answers against confidence, above a histogram of the confidence",
}


def _drawings(data: ReportData) -> dict[str, Drawing]:
    table = data.predictions.of_split("test")
    if len(table) == 0 or table.probabilities is None:
        raise UsageError("a report needs the predictions of the test images, with their probabilities")
    index = {name: i for i, name in enumerate(table.classes)}
    truth = np.array([index[label] for label in table.labels], dtype=np.intp)
    diagram = reliability(table.confidence, table.correct)
    curves = figures.roc_curves(truth, table.probabilities, data.metrics)
    metrics, threshold, cv_accuracy = data.metrics, data.answer_threshold, data.cv_accuracy
    drawings = {
        "roc": Drawing(lambda theme: figures.draw_roc(curves, theme)),
        "confusion_matrix": Drawing(lambda theme: figures.draw_confusion_matrix(metrics, theme)),
        "reliability": Drawing(lambda theme: figures.draw_reliability(diagram, theme)),
        "per_class_accuracy": Drawing(lambda theme: figures.draw_per_class_accuracy(metrics, theme)),
    }
    if len(table) >= figures.FEWEST_ANSWERS:
        drawings["not_sure"] = Drawing(
            lambda theme: figures.draw_not_sure(table.confidence, table.correct, threshold, theme)
        )
    if data.epochs:
        drawings["learning_curves"] = Drawing(lambda theme: learning_curves.draw_learning_curves(data.epochs, theme))
    if cv_accuracy:
        drawings["accuracy_against_c"] = Drawing(
            lambda theme: figures.draw_accuracy_against_c(cv_accuracy, data.c, theme)
        )
    return drawings


def _training(data: ReportData) -> str:
    """Say what the curves of a training say."""
    held_out = any(epoch.validation_error is not None for epoch in data.epochs)
    trainings = len({epoch.training for epoch in data.epochs})
    averaged = ""
    if len(data.kept_epochs) > 1:
        averaged = f"The model is the mean of the weights of {len(data.kept_epochs)} trainings from the same start. "
    elif trainings > 1:
        averaged = f"Of {trainings} trainings from the same start only one was kept. "
    kept = (
        "The validation images are training images that only chose what is kept; the test images chose nothing. "
        if held_out
        else ""
    )
    return averaged + kept + " ".join([*data.training_advice, "Training errors are of varied views, while it learned."])


def _next_commands(data: ReportData) -> list[tuple[str, str]]:
    folder = str(data.parameters.get("dataset") or "")
    if folder.startswith("-"):
        folder = f"./{folder}"
    # A name that cannot be printed cannot be typed either.
    given = shlex.quote(folder) if folder and display_path(folder) == folder else "FOLDER"
    finer = (f"gingham run {given} --features.resolution {FINER}", "try again with more detail: slower, often better")
    return [
        *([finer] if data.resolution < FINER else []),
        ("gingham runs compare", "is the latest run better than the one before, or can it be chance?"),
        (f"gingham runs show {shlex.quote(data.run_id)}", "this run at the command line, with all its parameters"),
        ("gingham runs list", "all runs so far"),
    ]
