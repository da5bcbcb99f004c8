"""The figures of a run, drawn with Matplotlib without its global state."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gingham.evaluate.calibration import BINS, Reliability
from gingham.evaluate.figure_text import Lettering
from gingham.evaluate.intervals import wilson_interval
from gingham.evaluate.metrics import Metrics
from gingham.evaluate.ranking import RocCurve, roc_curve
from gingham.evaluate.theme import LIGHT, Theme
from gingham.evaluate.wording import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "draw_accuracy_against_c",
    "draw_confusion_matrix",
    "draw_not_sure",
    "draw_per_class_accuracy",
    "draw_reliability",
    "draw_roc",
    "figure_bytes",
    "most_confused",
    "roc_curves",
]

MOST_CURVES = 12
WORST_CURVES = 8
MOST_CELLS = 30
MOST_CONFUSED = 20
MOST_BARS = 40
_FEWEST_ANSWERS = 10
_SIZE = (5.2, 4.2)
_POINTS = 9.5


def figure_bytes(figure: Figure, file_format: str) -> bytes:
    """Encode a figure as ``png`` (160 dots per inch, on its paper) or ``svg`` (transparent)."""
    buffer = io.BytesIO()
    metadata: dict[str, Any] = {"Date": None} if file_format == "svg" else {}
    figure.savefig(buffer, format=file_format, dpi=160, metadata=metadata, transparent=file_format == "svg")
    return buffer.getvalue()


def roc_curves(y_true: NDArray[np.intp], probabilities: NDArray[np.float64], metrics: Metrics) -> list[RocCurve]:
    """Return the curves to show, weakest first: of all classes up to 12, else the 8 weakest and the average.

    Parameters
    ----------
    y_true : ndarray of intp, shape (n,)
    probabilities : ndarray of float64, shape (n, n_classes)
    metrics : Metrics
        Of the same predictions; classes without an AUC have no curve.
    """
    areas = [(area, i, name) for i, (name, area) in enumerate(metrics.auc.items()) if area is not None]
    areas.sort()
    few = len(areas) <= MOST_CURVES
    curves = [
        roc_curve(name, y_true == i, probabilities[:, i])
        for _, i, name in areas[: MOST_CURVES if few else WORST_CURVES]
    ]
    return curves if few else [*curves, _macro_curve(y_true, probabilities, [i for _, i, _ in areas])]


def _macro_curve(y_true: NDArray[np.intp], probabilities: NDArray[np.float64], classes: Sequence[int]) -> RocCurve:
    grid = np.linspace(0, 1, 201)
    total = np.zeros_like(grid)
    for i in classes:
        curve = roc_curve("", y_true == i, probabilities[:, i])
        total += np.interp(grid, curve.false_positive_rate, curve.true_positive_rate)
    mean = total / len(classes)
    return RocCurve(
        f"mean of all {len(classes):,} classes",
        np.concatenate([[0.0], grid]),
        np.concatenate([[0.0], mean]),
        float(np.trapezoid(mean, grid)),
    )


def most_confused(confusion: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """Return the indices, ascending, of the classes that take part in the most frequent confusions.

    >>> most_confused(np.array([[9, 0, 0], [0, 5, 4], [1, 2, 6]]), most=2)
    array([1, 2])
    """
    wrong = confusion - np.diag(confusion.diagonal())
    involved = wrong.sum(axis=0) + wrong.sum(axis=1)
    return np.sort(np.argsort(-involved, kind="stable")[:most])


def draw_accuracy_against_c(cv_accuracy: Mapping[float, float], chosen: float | None, theme: Theme = LIGHT) -> Figure:
    """Draw the mean cross-validation accuracy of each C, and mark the chosen one."""
    figure, axes = _axes(theme)
    values = sorted(cv_accuracy.items())
    axes.plot(*zip(*values, strict=True), color=theme.accent, marker="o", markersize=4, linewidth=1.6)
    axes.set_xscale("log")
    if chosen is not None and chosen in cv_accuracy:
        best = cv_accuracy[chosen]
        axes.axvline(chosen, color=theme.line, linewidth=1, zorder=0)
        axes.plot([chosen], [best], marker="o", markersize=10, color=theme.accent)
        right_half = chosen > (values[0][0] * values[-1][0]) ** 0.5
        axes.annotate(
            f"C = {chosen:g}\n{percent(best, 1)}",
            (chosen, best),
            xytext=(-10 if right_half else 10, -12),
            textcoords="offset points",
            ha="right" if right_half else "left",
            va="top",
            color=theme.ink,
            fontweight="bold",
        )
    axes.set_xlabel("C: small = smoother, large = closer to the training images")
    axes.set_ylabel("Cross-validation accuracy")
    axes.yaxis.set_major_formatter(_percent_axis())
    low, high = min(cv_accuracy.values()), max(cv_accuracy.values())
    room = max(0.02, (high - low) * 0.18)
    axes.set_ylim(max(0, low - room), min(1.005, high + room))
    return _finished(figure, Lettering([]))


def draw_roc(curves: Sequence[RocCurve], theme: Theme = LIGHT) -> Figure:
    """Draw ROC curves with their areas in the legend."""
    lettering = Lettering(curve.name for curve in curves)
    figure, axes = _axes(theme)
    axes.plot([0, 1], [0, 1], color=theme.muted, linewidth=0.8, linestyle=(0, (2, 3)))
    for i, curve in enumerate(curves):
        is_mean = len(curves) == WORST_CURVES + 1 and i == WORST_CURVES
        axes.plot(
            curve.false_positive_rate,
            curve.true_positive_rate,
            color=theme.ink if is_mean else theme.series[i % len(theme.series)],
            linewidth=2.4 if is_mean else 1.5,
            linestyle="-" if i < len(theme.series) or is_mean else "--",
            label=f"{lettering.label(curve.name)}  {_area(curve.auc)}",
            clip_on=False,
        )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("Other images taken for the class")
    axes.set_ylabel("Images of the class found")
    axes.xaxis.set_major_formatter(_percent_axis())
    axes.yaxis.set_major_formatter(_percent_axis())
    if curves:
        legend = axes.legend(
            loc="lower right",
            title="Area under the curve",
            fontsize=_POINTS - 1.5 if len(curves) > 6 else _POINTS - 0.5,
            frameon=False,
            labelcolor=theme.ink,
            alignment="left",
        )
        legend.get_title().set_color(theme.muted)
        legend.get_title().set_fontsize(_POINTS - 1)
    return _finished(figure, lettering)


def draw_confusion_matrix(metrics: Metrics, theme: Theme = LIGHT) -> Figure:
    """Draw counts and rates; of more than 30 classes only the 20 most confused."""
    names = list(metrics.test_counts)
    confusion = np.array(metrics.confusion_matrix, dtype=np.intp)
    shown = np.arange(len(names)) if len(names) <= MOST_CELLS else most_confused(confusion, MOST_CONFUSED)
    sizes = confusion.sum(axis=1)
    part = confusion[np.ix_(shown, shown)]
    rates = part / np.maximum(sizes[shown], 1)[:, None]
    lettering = Lettering(names[i] for i in shown)
    side = max(4.2, 1.8 + 0.44 * len(shown))
    figure, axes = _axes(theme, (side + 0.4, side))
    axes.imshow(_tinted(rates, theme), aspect="equal")
    small = len(shown) > 12
    for row, column in zip(*np.nonzero(part), strict=True):
        rate = rates[row, column]
        axes.text(
            column,
            row,
            f"{part[row, column]}\n{percent(rate)}",
            ha="center",
            va="center",
            fontsize=6 if small else 8.5,
            color=theme.paper if rate > 0.55 else theme.ink,
        )
    labels = [lettering.label(names[i], 18) for i in shown]
    axes.set_xticks(range(len(shown)), labels, rotation=90 if small else 40, ha="center" if small else "right")
    axes.set_yticks(range(len(shown)), labels)
    if not small:
        for tick in axes.get_xticklabels():
            tick.set_rotation_mode("anchor")
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("Predicted")
    axes.set_ylabel("True")
    if len(shown) < len(names):
        axes.set_title(f"The {len(shown)} most confused of {len(names):,} classes", loc="left", color=theme.muted)
    return _finished(figure, lettering)


def draw_reliability(diagram: Reliability, theme: Theme = LIGHT) -> Figure:
    """Draw accuracy against confidence, with 95 % intervals, above a histogram of the confidence."""
    from matplotlib.figure import Figure as NewFigure

    figure = NewFigure(figsize=_SIZE, layout="constrained", facecolor=theme.paper)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3.4, 1])
    for axes in (upper, lower):
        _style(axes, theme)
    filled = diagram.count > 0
    count = diagram.count[filled]
    accuracy = diagram.accuracy[filled]
    confidence = diagram.confidence[filled]
    low, high = wilson_interval(np.rint(accuracy * count), count)
    upper.plot([0, 1], [0, 1], color=theme.muted, linewidth=0.8, linestyle=(0, (2, 3)))
    upper.vlines(confidence, low, high, color=theme.accent, alpha=0.35, linewidth=2)
    upper.plot(confidence, accuracy, "o", color=theme.accent, markersize=5, clip_on=False)
    upper.set_ylim(0, 1)
    upper.set_xlim(0, 1)
    upper.set_ylabel("Right answers")
    upper.yaxis.set_major_formatter(_percent_axis())
    edges = np.arange(BINS) / BINS
    lower.bar(edges, diagram.count, width=0.9 / BINS, align="edge", color=theme.muted, alpha=0.55)
    lower.set_ylabel("Images")
    lower.set_xlabel("Confidence of the answer")
    lower.xaxis.set_major_formatter(_percent_axis())
    lower.locator_params(axis="y", nbins=3, integer=True)
    return _finished(figure, Lettering([]))


def draw_not_sure(
    confidence: NDArray[np.float64],
    correct: NDArray[np.bool_],
    threshold: float | None,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw the accuracy of the surest answers against their share of the images.

    Parameters
    ----------
    confidence : ndarray of float64, shape (n,)
    correct : ndarray of bool, shape (n,)
    threshold : float or None
        Confidence below which the model should not answer: its point is marked.
    theme : Theme
    """
    order = np.argsort(-confidence, kind="stable")
    answered = np.arange(1, len(order) + 1)
    accuracy = np.cumsum(correct[order]) / answered
    first = min(_FEWEST_ANSWERS, len(order)) - 1
    steps = np.unique(np.linspace(first, len(order) - 1, 400).astype(np.intp))
    share = answered / len(order)
    figure, axes = _axes(theme)
    low, high = wilson_interval(accuracy[steps] * answered[steps], answered[steps])
    axes.fill_between(share[steps], low, high, color=theme.accent, alpha=0.14, linewidth=0)
    axes.plot(share[steps], accuracy[steps], color=theme.accent, linewidth=1.6, clip_on=False)
    kept = int((confidence >= threshold).sum()) if threshold is not None else 0
    if kept > first:
        axes.plot([kept / len(order)], [accuracy[kept - 1]], "o", color=theme.accent, markersize=9)
    axes.set_xlim(0, 1)
    axes.set_ylim(max(0.0, float(np.floor(20 * low.min()) / 20)), 1.0)
    axes.set_xlabel("Images answered, the surest first")
    axes.set_ylabel("Right among these answers")
    axes.xaxis.set_major_formatter(_percent_axis())
    axes.yaxis.set_major_formatter(_percent_axis())
    return _finished(figure, Lettering([]))


def draw_per_class_accuracy(metrics: Metrics, theme: Theme = LIGHT) -> Figure:
    """Draw each class's accuracy with its interval, weakest on top; of more than 40 classes the weakest."""
    known = [(value, name) for name, value in metrics.per_class_accuracy.items() if value is not None]
    known.sort(key=lambda item: item[0])
    shown = known[:MOST_BARS]
    lettering = Lettering(name for _, name in shown)
    figure, axes = _axes(theme, (_SIZE[0] + 0.6, max(2.2, 1.0 + 0.27 * len(shown))))
    intervals = [metrics.per_class_accuracy_ci[name] or (0.0, 1.0) for _, name in shown]
    rows = range(len(shown))
    axes.barh(rows, [value for value, _ in shown], height=0.56, color=theme.accent, alpha=0.3)
    axes.hlines(rows, [lo for lo, _ in intervals], [hi for _, hi in intervals], color=theme.accent, lw=2)
    axes.plot([value for value, _ in shown], rows, "o", color=theme.accent, markersize=4.5, clip_on=False)
    axes.set_yticks(rows, [lettering.label(name) for _, name in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(_percent_axis())
    axes.set_xlabel(f"Accuracy and its {percent(metrics.confidence)} interval")
    if len(shown) < len(known):
        axes.set_title(f"The {len(shown)} weakest of {len(known):,} classes", loc="left", color=theme.muted)
    return _finished(figure, lettering)


def _area(auc: float) -> str:
    return "1.000" if auc == 1 else f"{min(auc, 0.999):.3f}"


def _tinted(rates: NDArray[np.float64], theme: Theme) -> NDArray[np.float64]:
    from matplotlib.colors import to_rgb

    paper, right, wrong = (np.array(to_rgb(c)) for c in (theme.raised, theme.accent, theme.error))
    colour = np.where(np.eye(len(rates), dtype=bool)[..., None], right, wrong)
    strength = np.where(rates > 0, 0.08 + 0.92 * rates, 0.0)[..., None]
    return np.asarray(paper + (colour - paper) * strength)


def _axes(theme: Theme, size: tuple[float, float] = _SIZE) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure as NewFigure

    figure = NewFigure(figsize=size, layout="constrained", facecolor=theme.paper)
    axes = figure.subplots()
    _style(axes, theme)
    return figure, axes


def _style(axes: Axes, theme: Theme) -> None:
    axes.set_facecolor(theme.paper)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(theme.line)
    axes.grid(visible=True, color=theme.line, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=theme.muted, labelsize=_POINTS, length=0, which="both", pad=5)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(theme.muted)
        label.set_fontsize(_POINTS)
    axes.title.set_fontsize(_POINTS)


def _percent_axis() -> Any:
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda fraction, _: f"{round(100 * fraction, 3):g} %")


def _finished(figure: Figure, lettering: Lettering) -> Figure:
    lettering.apply(figure)
    return figure
