"""The figure of a comparison: the accuracy of each candidate against its time."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from gingham.evaluate.axes import POINTS, new_axes, percent_axis
from gingham.evaluate.theme import LIGHT, Theme
from gingham.evaluate.tuning import TuningRow, has_line
from gingham.evaluate.wording import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_tuning", "lowest_shown"]

SIZE = (7.2, 4.4)
MARKERS = {"svm": "o", "dnn": "s"}

APART = 8.0
"""Points between candidates of the same time, as long as they are few."""

SPREAD = 44.0
"""Points from the first to the last of many candidates of the same time."""

_TICKS, _FINE_TICKS = (
    [m * 10.0**e for e in range(-2, 5) for m in mantissas] for mantissas in ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8))
)


def draw_tuning(rows: Sequence[TuningRow], theme: Theme = LIGHT) -> Figure:
    """Draw accuracy against time, with intervals; the numbers are those of the table.

    Candidates that are far less accurate than the others are arrows at the lower edge.

    Parameters
    ----------
    rows : sequence of TuningRow
        In the order of the table.
    theme : Theme
    """
    figure, axes = new_axes(theme, SIZE)
    _scale(axes, rows)
    figure.draw_without_rendering()  # so that the places of points are known
    lowest = lowest_shown(rows)
    places = _side_by_side(axes, rows)
    line = sorted((x, row.accuracy) for x, row in zip(places, rows, strict=True) if row.pareto)
    if has_line(rows):
        axes.plot(*zip(*line, strict=True), color=theme.accent, linewidth=1.2, zorder=2)
    labels = []
    for number, row, x in zip(range(1, len(rows) + 1), rows, places, strict=True):
        colour = theme.accent if row.pareto else theme.muted
        look: dict[str, Any] = {
            "markersize": 9 if row.recommended else 6,
            "color": colour if row.recommended or row.pareto else theme.paper,
            "markeredgecolor": colour,
            "zorder": 3,
        }
        words = f"{number}  recommended" if row.recommended else str(number)
        if row.accuracy < lowest:
            words = f"{number}  {percent(row.accuracy)}"
            place = axes.transData.inverted().transform((0, axes.transAxes.transform((0, 0.025))[1]))[1]
            axes.plot(x, place, marker="v", **look)
            labels.append(_Label(words, row, x, place, place, place))
        else:
            axes.vlines(x, *row.interval, color=colour, linewidth=1.0, alpha=0.45, zorder=1)
            axes.plot(x, row.accuracy, marker=MARKERS.get(row.classifier, "o"), **look)
            labels.append(_Label(words, row, x, row.accuracy, *row.interval))
    _write(axes, labels, line, theme)
    _explain_shapes(axes, rows, theme)
    return figure


def lowest_shown(rows: Sequence[TuningRow]) -> float:
    """Return the accuracy below which a candidate would squeeze all others into the upper edge.

    That is four times as far below the best as the median is, and ten points at least.
    """
    best = max(row.accuracy for row in rows)
    median = statistics.median(row.accuracy for row in rows)
    return best - max(0.1, 4 * (best - median))


def _scale(axes: Axes, rows: Sequence[TuningRow]) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_xscale("log")
    axes.set_xlabel("Milliseconds an image")
    axes.set_ylabel("Accuracy on held-out training images")
    axes.yaxis.set_major_formatter(percent_axis())
    axes.yaxis.set_major_locator(MaxNLocator(6))
    times = [row.milliseconds for row in rows]
    axes.set_xlim(0.8 * min(times), 1.6 * max(times))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    start, end = axes.get_xlim()
    coarse, fine = ([t for t in ticks if start <= t <= end] for ticks in (_TICKS, _FINE_TICKS))
    axes.set_xticks(coarse if len(coarse) > 1 else fine)
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
    lowest = lowest_shown(rows)
    intervals = [row.interval for row in rows if row.accuracy >= lowest]
    bottom, top = min(low for low, _ in intervals), max(high for _, high in intervals)
    margin = 0.06 * max(top - bottom, 0.01)
    room = 2 * margin if len(intervals) < len(rows) else 0  # for the arrows
    axes.set_ylim(bottom - margin - room, top + margin)


def _side_by_side(axes: Axes, rows: Sequence[TuningRow]) -> list[float]:
    """Return where to draw each candidate: those of nearly the same time beside each other, so that bars stay apart."""
    scale = axes.figure.dpi / 72
    pixels = [float(axes.transData.transform((row.milliseconds, 1.0))[0]) for row in rows]
    moved = dict(enumerate(pixels))
    order = sorted(moved, key=lambda place: pixels[place])
    while order:
        crowd = [order.pop(0)]
        while order and pixels[order[0]] - pixels[crowd[-1]] < APART / 2 * scale:
            crowd.append(order.pop(0))
        step = scale * min(APART, SPREAD / max(1, len(crowd) - 1))
        middle = (pixels[crowd[0]] + pixels[crowd[-1]]) / 2
        for number, place in enumerate(sorted(crowd)):
            moved[place] = middle + (number - (len(crowd) - 1) / 2) * step
    back = axes.transData.inverted()
    return [float(back.transform((moved[place], 0.0))[0]) for place in range(len(rows))]


class _Label(NamedTuple):
    """Words at a point, with the ends of its bar, in data."""

    words: str
    row: TuningRow
    x: float
    y: float
    low: float
    high: float


Box = tuple[float, float, float, float]
"""Left, bottom, right, top, in points."""


def _write(axes: Axes, labels: Sequence[_Label], line: Sequence[tuple[float, float]], theme: Theme) -> None:
    """Write each label where it covers least: right of its point if it can, else left, above or below."""
    scale = 72 / axes.figure.dpi

    def at(x: float, y: float) -> tuple[float, float]:
        here = axes.transData.transform((x, y)) * scale
        return float(here[0]), float(here[1])

    left, bottom, right, top = (float(end) * scale for end in axes.bbox.extents)
    points: list[Box] = []
    bars: list[Box] = []
    for label in labels:
        x, y = at(label.x, label.y)
        points.append((x - 4.5, y - 4.5, x + 4.5, y + 4.5))
        bars.append((x - 0.7, at(label.x, label.low)[1], x + 0.7, at(label.x, label.high)[1]))
    for start, end in itertools.pairwise(at(*corner) for corner in line):
        for step in range(100):
            x, y = (a + (b - a) * step / 100 for a, b in zip(start, end, strict=True))
            bars.append((x, y, x, y))
    written: list[Box] = []
    for label in sorted(labels, key=lambda one: not one.row.recommended):
        x, y = at(label.x, label.y)
        width, height = 0.64 * POINTS * len(label.words), 1.1 * POINTS
        low, high = at(label.x, label.low)[1], at(label.x, label.high)[1]
        starts = [(x + side, y + up - height / 2)
                  for up in (5.0, -5.0, 14.0, -14.0, 23.0, -23.0) for side in (6.5, -6.5 - width)]  # fmt: skip
        starts += [(x - width / 2, high + 2), (x - width / 2, low - height - 2)]
        boxes = [(x0, y0, x0 + width, y0 + height) for x0, y0 in starts]

        def cost(box: Box) -> float:
            outside = not (left <= box[0] and bottom <= box[1] and box[2] <= right and box[3] <= top)
            return (
                20 * outside
                + 10 * sum(_overlap(box, other) for other in (*written, *points))
                + min(9, sum(_overlap(box, other) for other in bars))
            )

        box = min(boxes, key=cost)
        written.append(box)
        axes.annotate(
            label.words,
            (label.x, label.y),
            xytext=(box[0] - x, box[1] - y + 0.2 * POINTS),
            textcoords="offset points",
            fontsize=POINTS,
            fontweight="bold" if label.row.recommended else "normal",
            color=theme.ink if label.row.pareto or label.row.recommended else theme.muted,
        ).set_in_layout(False)


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _explain_shapes(axes: Axes, rows: Sequence[TuningRow], theme: Theme) -> None:
    shapes = {row.classifier: MARKERS.get(row.classifier, "o") for row in rows}
    if len(shapes) == 1:
        return
    from matplotlib.lines import Line2D

    look: dict[str, Any] = {"linestyle": "", "markersize": 6, "color": theme.paper, "markeredgecolor": theme.muted}
    axes.legend(
        [Line2D([], [], marker=marker, **look) for marker in shapes.values()],
        list(shapes),
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=len(shapes),
        frameon=False,
        fontsize=POINTS,
        labelcolor=theme.muted,
        handletextpad=0.2,
        borderpad=0.2,
    )
