"""The page of a comparison: what was measured, as a table and as a figure of accuracy against time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gingham.evaluate.pages import Drawing, Page, new_environment, style_sheet
from gingham.evaluate.report_numbers import big_number
from gingham.evaluate.tuning import Finding, TuningRow, has_line
from gingham.evaluate.tuning_figure import draw_tuning, lowest_shown
from gingham.evaluate.wording import count_of, digits_for, percent, percent_range

__all__ = ["render_tuning"]


def render_tuning(
    finding: Finding,
    *,
    dataset: str,
    confidence: float,
    command: str,
    run_report: str,
    warnings: Sequence[str] = (),
) -> Page:
    """Write the page of a comparison, with its figure, ``accuracy_against_time.png``.

    Parameters
    ----------
    finding : Finding
    dataset : str
    confidence : float
        Of the intervals.
    command : str
        What makes the run of the recommended one again.
    run_report : str
        Where the report of its run lies, relative to the page.
    warnings : sequence of str
        Of that run.
    """
    rows, metrics = finding.rows, finding.metrics
    digits = max(1, digits_for(max(row.held_out for row in rows)))
    test_digits = digits_for(metrics["n_test"])
    lowest = lowest_shown(rows)
    line = has_line(rows)
    drawing = Drawing(lambda theme: draw_tuning(rows, theme))
    html = (
        new_environment()
        .get_template("tuning.html.j2")
        .render(
            style=style_sheet(),
            dataset=dataset,
            finding=finding,
            count=count_of(len(rows), "classifier"),
            rows=[_cells(row, digits, line) for row in rows],
            big=big_number(metrics, test_digits),
            flawless=metrics["n_correct"] == metrics["n_test"],
            accuracy=percent(metrics["accuracy"], test_digits),
            test_interval=percent_range(metrics["accuracy_ci"], test_digits),
            test_images=count_of(metrics["n_test"], "test image"),
            level=percent(confidence),
            figure=drawing.picture("Accuracy of each candidate against its milliseconds an image"),
            line=line,
            single=1 + next(place for place, row in enumerate(rows) if row.pareto),
            arrows=any(row.accuracy < lowest for row in rows),
            command=command,
            run_report=run_report,
            warnings=list(dict.fromkeys(warnings)),
        )
    )
    return Page(html, {"accuracy_against_time.png": drawing.png()})


def _cells(row: TuningRow, digits: int, line: bool) -> dict[str, Any]:
    return {
        "row": row,
        "verdict": ", ".join(filter(None, [row.verdict, "on the line" if line and row.pareto else ""])),
        "accuracy": percent(row.accuracy, digits),
        "interval": percent_range(row.interval, digits),
        "milliseconds": f"{row.milliseconds:.1f}",
        "megabytes": f"{row.megabytes:.0f}",
    }
