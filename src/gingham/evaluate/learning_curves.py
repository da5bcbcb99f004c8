"""How a training went, epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    numbers = [epoch.epoch for epoch in epochs]
    mark = "o" if len(epochs) <= 30 else ""
    plain: dict[str, Any] = {"color": theme.muted, "linewidth": 1.4, "marker": mark, "markersize": 3}
    for (name, value, line), colour in zip(_CURVES, theme.series, strict=False):
        points = [(epoch.epoch, found) for epoch in epochs if (found := value(epoch)) is not None]
        if points:
            errors.plot(
                *zip(*points, strict=True),
                color=colour,
                linestyle=line,
                linewidth=1.6,
                marker=mark,
                markersize=3.5,
                label=f"{name}  {percent(points[-1][1], 1)}",
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
    rates.plot(numbers, [epoch.learning_rate for epoch in epochs], **plain)
    rates.set_ylabel("Rate")
    speeds.plot(numbers, [epoch.images_per_second for epoch in epochs], **plain)
    speeds.set_ylabel("Images/s")
    speeds.set_xlabel("Epoch")
    speeds.set_xlim(0.5, len(epochs) + 0.5)
    speeds.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    for axes in (errors, rates, speeds):
        style_axes(axes, theme)
    for axes in (rates, speeds):
        axes.set_ylim(0, 1.15 * axes.get_ylim()[1])
        axes.yaxis.set_major_locator(MaxNLocator(2))
    rates.yaxis.set_major_formatter(lambda rate, _: f"{rate:.1g}")
    figure.align_ylabels()
    return figure
