"""How a training went, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from gingham.evaluate.axes import POINTS, SIZE, percent_axis, style_axes
from gingham.evaluate.theme import LIGHT, Theme
from gingham.evaluate.wording import percent
from gingham.records import Epoch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_learning_curves"]

_CURVES: tuple[tuple[str, Callable[[Epoch], float | None], str], ...] = (
    ("training", lambda epoch: epoch.train_error, "-"),
    ("validation", lambda epoch: epoch.validation_error, "-"),
    ("test", lambda epoch: epoch.test_error, "--"),
)


def draw_learning_curves(epochs: Sequence[Epoch], theme: Theme = LIGHT) -> Figure:
    """Draw the errors by epoch, and below them the learning rate and the images trained a second.

    Lines end where a training does, and a fine one stands between two trainings.

    Parameters
    ----------
    epochs : sequence of Epoch
        At least one.
    theme : Theme
    """
    from matplotlib.figure import Figure as NewFigure
    from matplotlib.ticker import MaxNLocator

    figure = NewFigure(figsize=SIZE, layout="constrained", facecolor=theme.paper)
    errors, rates, speeds = figure.subplots(3, 1, sharex=True, height_ratios=(5, 1, 1))
    mark = "o" if len(epochs) <= 30 else ""
    plain: dict[str, Any] = {"color": theme.muted, "linewidth": 1.4, "marker": mark, "markersize": 3}
    for (name, value, line), colour in zip(_CURVES, theme.series, strict=False):
        there = [epoch for epoch in epochs if value(epoch) is not None]
        if there:
            errors.plot(
                *_line(there, value),
                color=colour,
                linestyle=line,
                linewidth=1.6,
                marker=mark,
                markersize=3.5,
                label=f"{name}  {percent(value(there[-1]) or 0.0, 1)}",
                clip_on=False,
            )
    errors.set_ylim(bottom=0)
    errors.set_ylabel("Error")
    errors.yaxis.set_major_formatter(percent_axis())
    # Above the curves: wherever it lay among them, some training would run through it.
    errors.legend(
        frameon=False,
        fontsize=POINTS,
        labelcolor=theme.ink,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=3,
        columnspacing=1.2,
        handlelength=1.4,
        borderaxespad=0,
    )
    rates.plot(*_line(epochs, lambda epoch: epoch.learning_rate), **plain)
    rates.set_ylabel("Rate")
    speeds.plot(*_line(epochs, lambda epoch: epoch.images_per_second), **plain)
    speeds.set_ylabel("Images/s")
    speeds.set_xlabel("Epoch")
    speeds.set_xlim(0.5, epochs[-1].epoch + 0.5)
    speeds.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    for axes in (errors, rates, speeds):
        style_axes(axes, theme)
        for between in _between(epochs):
            axes.axvline(between, color=theme.line, linewidth=1.2)
    for axes in (rates, speeds):
        axes.set_ylim(0, 1.15 * axes.get_ylim()[1])
        axes.yaxis.set_major_locator(MaxNLocator(2))
    rates.yaxis.set_major_formatter(lambda rate, _: f"{rate:.1g}")
    figure.align_ylabels()
    return figure


def _between(epochs: Sequence[Epoch]) -> list[float]:
    """Return where one training ends and the next begins."""
    return [later.epoch - 0.5 for one, later in pairwise(epochs) if one.training != later.training]


def _line(epochs: Sequence[Epoch], value: Callable[[Epoch], float | None]) -> tuple[list[float], list[float | None]]:
    """Return the points of a line that is broken between trainings."""
    points: list[tuple[float, float | None]] = [(epoch.epoch, value(epoch)) for epoch in epochs]
    points += [(between, math.nan) for between in _between(epochs)]
    across, up = zip(*sorted(points, key=lambda point: point[0]), strict=True)
    return list(across), list(up)
