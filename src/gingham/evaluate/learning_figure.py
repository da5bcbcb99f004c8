"""The figure of learning curves: what was measured, the law through it, and where that leads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gingham.evaluate.axes import POINTS, percent_axis, style_axes
from gingham.evaluate.figure_text import Lettering
from gingham.evaluate.outlook import LearningFindings, Outlook, Prospect
from gingham.evaluate.theme import LIGHT, Theme
from gingham.evaluate.wording import digits_for, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["MOST_CLASSES", "draw_learning", "shown_classes"]

MOST_CLASSES = 11
"""That have a panel of their own, beside that of all classes together."""

BEYOND = 2
"""Times the images whose effect is told: so far the curves go on, if they are known so far."""

COLUMNS = 3
PANEL = (2.9, 2.15)
_LONGEST_NAME = 28
_NOTHING_EXPECTED = {Prospect.TOO_FEW: "too few to tell", Prospect.FLAWLESS: "all recognised"}


def shown_classes(findings: LearningFindings) -> list[int]:
    """Return the classes that have a panel: the first of the ranking."""
    return list(findings.ranking[:MOST_CLASSES])


def draw_learning(findings: LearningFindings, names: Sequence[str], theme: Theme = LIGHT) -> Figure:
    """Draw a panel for all classes together and one for each class, in the order of the ranking.

    Points are measured, with their intervals; the line is the power law with its band, dashed beyond the images there
    are. The full point is now, the hollow one what ``findings.more`` images are expected to give.

    Parameters
    ----------
    findings : LearningFindings
    names : sequence of str, length K
    theme : Theme
    """
    from matplotlib.figure import Figure as NewFigure

    shown = shown_classes(findings)
    lettering = Lettering(names[k] for k in shown)
    outlooks = [findings.overall, *(findings.classes[k] for k in shown)]
    titles = ["All classes", *(lettering.label(names[k], _LONGEST_NAME) for k in shown)]
    columns = min(COLUMNS, len(outlooks))
    rows = -(-len(outlooks) // columns)
    size = columns * PANEL[0], rows * PANEL[1] + 0.3
    figure = NewFigure(figsize=size, layout="constrained", facecolor=theme.paper)
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for axes in grid:
        style_axes(axes, theme)
    more = [len(findings.classes) * findings.more, *[findings.more] * len(shown)]
    for axes, outlook, title, number in zip(grid, outlooks, titles, more, strict=False):
        _panel(axes, outlook, title, number, theme)
    for axes in grid[len(outlooks) :]:
        axes.set_axis_off()
    grid[0].set_ylim(_lowest(outlooks), 1.0)
    grid[0].yaxis.set_major_formatter(percent_axis())
    figure.supxlabel("Images", color=theme.muted, fontsize=POINTS)
    figure.supylabel("Held-out images recognised", color=theme.muted, fontsize=POINTS)
    lettering.apply(figure)
    return figure


def _panel(axes: Axes, outlook: Outlook, title: str, more: int, theme: Theme) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    curve, gain = outlook.curve, outlook.with_more(more)
    last = outlook.images + BEYOND * more
    if outlook.prospect is not Prospect.TOO_FEW:
        shown = curve.fitted_sizes <= last
        sizes, fitted = curve.fitted_sizes[shown], curve.fitted[shown]
        low, high = curve.fitted_low[shown], curve.fitted_high[shown]
        now, later = sizes <= outlook.images, sizes >= outlook.images
        axes.fill_between(sizes, low, high, color=theme.accent, alpha=0.14, linewidth=0)
        axes.plot(sizes[now], fitted[now], color=theme.accent, linewidth=1.5)
        axes.plot(sizes[later], fitted[later], color=theme.accent, linewidth=1.5, linestyle=(0, (3, 2)))
    axes.axvline(outlook.images, color=theme.muted, linewidth=0.8, linestyle=(0, (2, 3)), zorder=1)
    axes.vlines(curve.sizes, curve.low, curve.high, color=theme.accent, alpha=0.4, linewidth=1.6)
    axes.plot(curve.sizes[:-1], curve.accuracy[:-1], "o", color=theme.accent, markersize=3.5, clip_on=False, zorder=3)
    axes.plot(curve.sizes[-1], curve.accuracy[-1], "o", color=theme.accent, markersize=6, clip_on=False, zorder=3)
    if outlook.prospect not in _NOTHING_EXPECTED:
        axes.plot(
            outlook.images + more, gain.accuracy, "o", color=theme.paper, markeredgecolor=theme.accent, markersize=6,
            clip_on=False, zorder=4,
        )  # fmt: skip
    axes.set_title(title, loc="left", color=theme.ink, fontsize=POINTS, pad=17)
    axes.annotate(
        _change(outlook, more), (0, 1), xytext=(0, 5), xycoords="axes fraction", textcoords="offset points",
        color=theme.muted, fontsize=POINTS - 1,
    )  # fmt: skip
    axes.set_xlim(0, 1.04 * last)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:,.0f}"))


def _change(outlook: Outlook, more: int) -> str:
    digits = digits_for(outlook.images)
    now = percent(outlook.accuracy, digits)
    if outlook.prospect in _NOTHING_EXPECTED:
        return f"{now}, {_NOTHING_EXPECTED[outlook.prospect]}"
    return f"{now} → {percent(outlook.with_more(more).accuracy, digits)}"


def _lowest(outlooks: Sequence[Outlook]) -> float:
    """Return the lower edge: a little below the lowest point, whatever its interval."""
    lowest = min(float(np.min(outlook.curve.accuracy)) for outlook in outlooks)
    return max(0.0, float(np.floor(10 * (lowest - 0.05))) / 10)
