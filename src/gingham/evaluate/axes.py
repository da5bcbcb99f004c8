"""Axes in the style of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gingham.evaluate.theme import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["POINTS", "SIZE", "new_axes", "percent_axis", "style_axes"]

SIZE = (5.2, 4.2)
POINTS = 9.5


def new_axes(theme: Theme, size: tuple[float, float] = SIZE) -> tuple[Figure, Axes]:
    """Return a figure with one pair of axes; the size in inches."""
    from matplotlib.figure import Figure as NewFigure

    figure = NewFigure(figsize=size, layout="constrained", facecolor=theme.paper)
    axes = figure.subplots()
    style_axes(axes, theme)
    return figure, axes


def style_axes(axes: Axes, theme: Theme) -> None:
    """Leave of a pair of axes what is needed, in the colours of a theme."""
    axes.set_facecolor(theme.paper)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(theme.line)
    axes.grid(visible=True, color=theme.line, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=theme.muted, labelsize=POINTS, length=0, which="both", pad=5)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(theme.muted)
        label.set_fontsize(POINTS)


def percent_axis() -> Any:
    """Return what writes fractions as percentages."""
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda fraction, _: f"{round(100 * fraction, 3):g} %")
