"""The page of a search: what was tried, as a table and as a figure of accuracy against time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from gingham.evaluate.axes import POINTS, new_axes, percent_axis
from gingham.evaluate.pages import Drawing, Page, new_environment, style_sheet
from gingham.evaluate.theme import LIGHT, Theme
from gingham.evaluate.wording import count_of, digits_for, percent, percent_range

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["TuningRow", "draw_tuning", "render_tuning"]

SIZE = (7.2, 4.4)


@dataclass(frozen=True)
class TuningRow:
    """One candidate.

    Parameters
    ----------
    name : str
        In words.
    flags : str
        What makes a run of it.
    accuracy : float
        On training images that were held out.
    interval : (float, float)
    held_out : int
        How many those are.
    milliseconds : float
        An image, from file to features.
    megabytes : float
        Of the model file.
    pareto : bool
        Nothing is both more accurate and faster.
    as_good : bool
        Its difference from the best, image by image, may be chance.
    best, recommended : bool
    """

    name: str
    flags: str
    accuracy: float
    interval: tuple[float, float]
    held_out: int
    milliseconds: float
    megabytes: float
    pareto: bool
    as_good: bool
    best: bool
    recommended: bool

    def to_json(self) -> dict[str, Any]:
        """Return it as one JSON object."""
        return asdict(self)


def draw_tuning(rows: Sequence[TuningRow], theme: Theme = LIGHT) -> Figure:
    """Draw accuracy against time, with intervals; the numbers are those of the table.

    Parameters
    ----------
    rows : sequence of TuningRow
        In the order of the table.
    theme : Theme
    """
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    figure, axes = new_axes(theme, SIZE)
    front = sorted((row for row in rows if row.pareto), key=lambda row: row.milliseconds)
    line = [row.milliseconds for row in front], [row.accuracy for row in front]
    axes.plot(*line, color=theme.accent, linewidth=1.2, zorder=2)
    for number, row in enumerate(rows, 1):
        colour = theme.accent if row.pareto else theme.muted
        axes.vlines(row.milliseconds, *row.interval, color=colour, linewidth=1.0, alpha=0.45, zorder=1)
        axes.plot(
            row.milliseconds,
            row.accuracy,
            marker="o",
            markersize=9 if row.recommended else 6,
            color=colour if row.recommended or row.pareto else theme.paper,
            markeredgecolor=colour,
            zorder=3,
        )
        axes.annotate(
            f"{number}  recommended" if row.recommended else str(number),
            (row.milliseconds, row.accuracy),
            xytext=(7, 5),
            textcoords="offset points",
            fontsize=POINTS,
            fontweight="bold" if row.recommended else "normal",
            color=theme.ink if row.pareto or row.recommended else theme.muted,
        )
    axes.set_xscale("log")
    axes.set_xlabel("Milliseconds an image")
    axes.set_ylabel("Accuracy on held-out training images")
    axes.yaxis.set_major_formatter(percent_axis())
    axes.yaxis.set_major_locator(MaxNLocator(6))
    times = [row.milliseconds for row in rows]
    axes.set_xlim(0.8 * min(times), 1.6 * max(times))
    whole = FuncFormatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_major_formatter(whole)
    ticks = [t for t in _TICKS if axes.get_xlim()[0] <= t <= axes.get_xlim()[1]]
    axes.set_xticks(ticks or [float(f"{min(times):.2g}")])
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
    return figure


_TICKS = [m * 10.0**e for e in range(-2, 5) for m in (1, 2, 5)]


def render_tuning(
    rows: Sequence[TuningRow],
    *,
    dataset: str,
    confidence: float,
    metrics: Mapping[str, Any],
    command: str,
    run_report: str,
    warnings: Sequence[str] = (),
) -> Page:
    """Write the page of a search, with its figure, ``accuracy_against_time.png``.

    Parameters
    ----------
    rows : sequence of TuningRow
        In the order of the table.
    dataset : str
    confidence : float
        Of the intervals.
    metrics : mapping
        ``accuracy``, ``accuracy_ci`` and ``n_test`` of the recommended one, on the test images.
    command : str
        What makes its run again.
    run_report : str
        Where the report of its run lies, relative to the page.
    warnings : sequence of str
        Of that run.
    """
    recommended = next(row for row in rows if row.recommended)
    best = next(row for row in rows if row.best)
    digits = max(1, digits_for(max(row.held_out for row in rows)))
    drawing = Drawing(lambda theme: draw_tuning(rows, theme))
    html = (
        new_environment()
        .get_template("tuning.html.j2")
        .render(
            style=style_sheet(),
            dataset=dataset,
            count=count_of(len(rows), "classifier"),
            rows=[_cells(row, digits) for row in rows],
            recommended=recommended,
            best=best,
            accuracy=percent(metrics["accuracy"], 1),
            test_interval=percent_range(metrics["accuracy_ci"], 1),
            n_test=f"{metrics['n_test']:,}",
            level=percent(confidence),
            figure=drawing.picture("Accuracy of each candidate against its milliseconds an image"),
            command=command,
            run_report=run_report,
            warnings=list(dict.fromkeys(warnings)),
        )
    )
    return Page(html, {"accuracy_against_time.png": drawing.png()})


def _cells(row: TuningRow, digits: int) -> dict[str, Any]:
    return {
        "row": row,
        "accuracy": percent(row.accuracy, digits),
        "interval": percent_range(row.interval, digits),
        "milliseconds": f"{row.milliseconds:.1f}",
        "megabytes": f"{row.megabytes:.0f}",
    }
