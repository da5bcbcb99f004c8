"""The page of learning curves: which class needs more photos, and what they would buy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gingham.evaluate.learning_figure import draw_learning, shown_classes
from gingham.evaluate.learning_words import headline, points, points_range, verdict
from gingham.evaluate.outlook import LearningFindings, Outlook, Prospect
from gingham.evaluate.pages import Drawing, Page, new_environment, style_sheet
from gingham.evaluate.wording import count_of, digits_for, percent, short_range

__all__ = ["render_learning"]


def render_learning(findings: LearningFindings, names: Sequence[str], *, dataset: str, folds: int) -> Page:
    """Write the page of learning curves, with its figure, ``learning_curve.png``.

    Parameters
    ----------
    findings : LearningFindings
    names : sequence of str, length K
    dataset : str
    folds : int
        Of the cross-validation.
    """
    title, reasons = headline(findings, names)
    shown, classes = len(shown_classes(findings)), len(names)
    drawing = Drawing(lambda theme: draw_learning(findings, names, theme))
    html = (
        new_environment()
        .get_template("learning.html.j2")
        .render(
            style=style_sheet(),
            dataset=dataset,
            images=count_of(findings.overall.images, "training image"),
            classes=count_of(classes, "class", "classes"),
            title=title,
            reasons=reasons,
            figure=drawing.picture("Accuracy against the number of images, of all classes and of each"),
            more=f"{findings.more:,}",
            every=f" (of all classes, {findings.more * classes:,} more)",
            left_out=f"The first {shown} of {classes:,} classes are shown." if shown < classes else "",
            rows=[_cells(findings.classes[k], names[k], findings.more) for k in findings.ranking],
            folds=folds,
            level=percent(findings.confidence),
        )
    )
    return Page(html, {"learning_curve.png": drawing.png()})


def _cells(outlook: Outlook, name: str, more: int) -> dict[str, Any]:
    gain, digits = outlook.with_more(more), digits_for(outlook.images)
    return {
        "name": name,
        "images": f"{outlook.images:,}",
        "now": percent(outlook.accuracy, digits),
        "now_range": short_range(outlook.interval),
        "told": outlook.prospect is not Prospect.TOO_FEW,
        "then": percent(gain.accuracy, digits),
        "then_range": short_range(gain.interval),
        "gain": points(gain.gain),
        "gain_range": points_range(gain.gain_interval),
        "averaged": points(gain.averaged),
        "averaged_range": points_range(gain.averaged_interval),
        "verdict": verdict(outlook, more),
    }
