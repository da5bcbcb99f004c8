"""The figures of a run, drawn with Matplotlib without its global state."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gingham.evaluate.axes import POINTS, SIZE, new_axes, percent_axis, style_axes
from gingham.evaluate.calibration import BINS, Reliability
from gingham.evaluate.figure_text import Lettering, free_side, readable_on
from gingham.evaluate.intervals import wilson_interval
from gingham.evaluate.metrics import Metrics
from gingham.evaluate.ranking import RocCurve, roc_curve
from gingham.evaluate.theme import LIGHT, Theme
from gingham.evaluate.wording import percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "FEWEST_ANSWERS",
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
_MOST_IN_LEGEND = 20
FEWEST_ANSWERS = 10
"""Images, below which a share of right answers among the surest says nothing."""

_FEWEST_OF_BIN = 5


def figure_bytes(figure: Figure, file_format: str) -> bytes:
    """Encode a figure as ``png`` (160 dots per inch, on its paper) or ``svg`` (transparent).

    The same figure always gives the same bytes. Its layout is found the first time, and kept.
    """
    from matplotlib import rc_context

    buffer = io.BytesIO()
    metadata: dict[str, Any] = {"Date": None} if file_format == "svg" else {}
    with rc_context({"svg.hashsalt": "gingham"}), warnings.catch_warnings():
        # Names too wide for their figure are cut off; the reader of a terminal cannot change that.
        warnings.filterwarnings("ignore", "constrained_layout not applied")
        figure.savefig(buffer, format=file_format, dpi=160, metadata=metadata, transparent=file_format == "svg")
    figure.set_layout_engine()
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
    if few or metrics.macro_auc is None:
        return curves
    return [*curves, _mean_curve(y_true, probabilities, [i for _, i, _ in areas], metrics.macro_auc)]


def _mean_curve(
    y_true: NDArray[np.intp], probabilities: NDArray[np.float64], classes: Sequence[int], macro_auc: float
) -> RocCurve:
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
        macro_auc,
        is_mean=True,
    )


def most_confused(confusion: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """Return the indices, ascending, of the classes in the most frequent confusions: fewer where there are fewer.

    Both classes of a confusion are taken, so that its cell is among those of the classes returned.

    >>> most_confused(np.array([[9, 0, 0], [0, 5, 4], [1, 2, 6]]), most=2)
    array([1, 2])
    """
    wrong = confusion - np.diag(confusion.diagonal())
    pairs = np.argwhere(wrong)
    taken: set[int] = set()
    for pair in pairs[np.argsort(-wrong[*pairs.T], kind="stable")].tolist():
        if len(taken.union(pair)) <= most:
            taken.update(pair)
        if len(taken) == most:
            break
    return np.array(sorted(taken), dtype=np.intp)


def draw_accuracy_against_c(cv_accuracy: Mapping[float, float], chosen: float | None, theme: Theme = LIGHT) -> Figure:
    """Draw the mean cross-validation accuracy of each C, and mark the chosen one."""
    figure, axes = new_axes(theme)
    values = sorted(cv_accuracy.items())
    axes.plot(
        *zip(*values, strict=True), color=theme.accent, marker="o", markersize=4, linewidth=1.6, clip_on=False, zorder=3
    )
    axes.set_xscale("log")
    low, high = min(cv_accuracy.values()), max(cv_accuracy.values())
    room = max(0.02, (high - low) * 0.18)
    bottom, top = max(0.0, low - room), min(1.0, high + room)
    axes.set_ylim(bottom, top)
    if chosen is not None and chosen in cv_accuracy:
        best = cv_accuracy[chosen]
        axes.axvline(chosen, color=theme.line, linewidth=1, zorder=0)
        axes.plot([chosen], [best], marker="o", markersize=10, color=theme.accent, clip_on=False, zorder=3)
        accuracies = [accuracy for _, accuracy in values]
        place = [c for c, _ in values].index(chosen)
        offset, ha, va = free_side(accuracies, place, near_bottom=best - bottom < 0.2 * (top - bottom))
        axes.annotate(
            f"C = {chosen:g}\n{percent(best, 1)}",
            (chosen, best),
            xytext=offset,
            textcoords="offset points",
            ha=ha,
            va=va,
            color=theme.ink,
            fontweight="bold",
        )
    axes.set_xlabel("C: small = smoother, large = closer to the training images")
    axes.set_ylabel("Cross-validation accuracy")
    axes.yaxis.set_major_formatter(percent_axis())
    return _finished(figure, Lettering([]))


def draw_roc(curves: Sequence[RocCurve], theme: Theme = LIGHT) -> Figure:
    """Draw ROC curves with their areas in the legend."""
    lettering = Lettering(curve.name for curve in curves)
    figure, axes = new_axes(theme)
    axes.plot([0, 1], [0, 1], color=theme.muted, linewidth=0.8, linestyle=(0, (2, 3)))
    lines, labels = [], []
    for i, curve in enumerate(curves):
        lines += axes.plot(
            curve.false_positive_rate,
            curve.true_positive_rate,
            color=theme.ink if curve.is_mean else theme.series[i % len(theme.series)],
            linewidth=2.4 if curve.is_mean else 1.5,
            linestyle="-" if i < len(theme.series) or curve.is_mean else "--",
            clip_on=False,
        )
        name = lettering.label(curve.name, len(curve.name) if curve.is_mean else _MOST_IN_LEGEND)
        labels.append(f"{name}  {_area(curve.auc)}")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("Other images taken for the class")
    axes.set_ylabel("Images of the class found")
    axes.xaxis.set_major_formatter(percent_axis())
    axes.yaxis.set_major_formatter(percent_axis())
    if curves:
        # Labels that begin with _ are only shown where they are given here.
        legend = axes.legend(
            lines,
            labels,
            loc="lower right",
            title="Area under the curve",
            fontsize=POINTS - 1.5 if len(curves) > 6 else POINTS - 0.5,
            facecolor=theme.paper,
            edgecolor="none",
            framealpha=0.85,
            labelcolor=theme.ink,
            alignment="left",
        )
        legend.get_title().set_color(theme.muted)
        legend.get_title().set_fontsize(POINTS - 1)
    return _finished(figure, lettering)


def draw_confusion_matrix(metrics: Metrics, theme: Theme = LIGHT) -> Figure:
    """Draw counts and rates; of more than 30 classes at most 20, the most confused."""
    names = list(metrics.test_counts)
    confusion = np.array(metrics.confusion_matrix, dtype=np.intp)
    shown, title = np.arange(len(names)), ""
    if len(names) > MOST_CELLS:
        shown = most_confused(confusion, MOST_CONFUSED)
        title = f"The {len(shown)} most confused of {len(names):,} classes"
        if len(shown) == 0:
            shown = np.arange(MOST_CONFUSED)
            title = f"No class was confused: the first {len(shown)} of {len(names):,}"
    sizes = confusion.sum(axis=1)
    part = confusion[np.ix_(shown, shown)]
    rates = part / np.maximum(sizes[shown], 1)[:, None]
    lettering = Lettering(names[i] for i in shown)
    side = max(4.2, 1.8 + 0.44 * len(shown))
    figure, axes = new_axes(theme, (side + 0.4, side))
    tints = _tinted(rates, theme)
    axes.imshow(tints, aspect="equal")
    small = len(shown) > 12
    for row, column in zip(*np.nonzero(part), strict=True):
        axes.text(
            column,
            row,
            f"{part[row, column]}\n{percent(rates[row, column])}",
            ha="center",
            va="center",
            fontsize=6 if small else 8.5,
            color=readable_on(tints[row, column], theme),
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
    if title:
        axes.set_title(title, loc="left", color=theme.muted, fontsize=POINTS)
    return _finished(figure, lettering)


def draw_reliability(diagram: Reliability, theme: Theme = LIGHT) -> Figure:
    """Draw accuracy against confidence, above a histogram of the confidence.

    Bins of at least 5 images have a 95 % interval; those of fewer are hollow.
    """
    from matplotlib.figure import Figure as NewFigure

    figure = NewFigure(figsize=SIZE, layout="constrained", facecolor=theme.paper)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3.4, 1])
    for axes in (upper, lower):
        style_axes(axes, theme)
    filled = diagram.count > 0
    count = diagram.count[filled]
    accuracy = diagram.accuracy[filled]
    confidence = diagram.confidence[filled]
    enough = count >= _FEWEST_OF_BIN
    low, high = wilson_interval(np.rint(accuracy * count)[enough], count[enough])
    upper.plot([0, 1], [0, 1], color=theme.muted, linewidth=0.8, linestyle=(0, (2, 3)))
    dot: dict[str, Any] = {"marker": "o", "linestyle": "", "color": theme.accent, "markersize": 5, "clip_on": False}
    if enough.any():
        upper.vlines(confidence[enough], low, high, color=theme.accent, alpha=0.35, linewidth=2)
        upper.plot(confidence[enough], accuracy[enough], **dot, zorder=3)
    if not enough.all():
        upper.plot(confidence[~enough], accuracy[~enough], **dot, markerfacecolor=theme.paper, zorder=3)
        note = f"hollow: fewer than {_FEWEST_OF_BIN} images"
        upper.set_title(note, loc="right", color=theme.muted, fontsize=POINTS - 1, pad=8)
    upper.set_ylim(0, 1)
    upper.set_xlim(0, 1)
    upper.set_ylabel("Right answers")
    upper.yaxis.set_major_formatter(percent_axis())
    edges = np.arange(BINS) / BINS
    lower.bar(edges, diagram.count, width=0.9 / BINS, align="edge", color=theme.muted, alpha=0.55)
    lower.set_ylabel("Images")
    lower.set_xlabel("Confidence of the answer")
    lower.xaxis.set_major_formatter(percent_axis())
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
    first = min(FEWEST_ANSWERS, len(order)) - 1
    steps = np.unique(np.linspace(first, len(order) - 1, 400).astype(np.intp))
    share = answered / len(order)
    figure, axes = new_axes(theme)
    low, high = wilson_interval(accuracy[steps] * answered[steps], answered[steps])
    axes.fill_between(share[steps], low, high, color=theme.accent, alpha=0.14, linewidth=0)
    axes.plot(share[steps], accuracy[steps], color=theme.accent, linewidth=1.6, clip_on=False)
    kept = int((confidence >= threshold).sum()) if threshold is not None else 0
    if kept > first:
        axes.plot([kept / len(order)], [accuracy[kept - 1]], "o", color=theme.accent, markersize=9, clip_on=False)
    axes.set_xlim(0, 1)
    axes.set_ylim(max(0.0, float(np.floor(20 * low.min()) / 20)), 1.0)
    axes.set_xlabel("Images answered, the surest first")
    axes.set_ylabel("Right among these answers")
    axes.xaxis.set_major_formatter(percent_axis())
    axes.yaxis.set_major_formatter(percent_axis())
    return _finished(figure, Lettering([]))


def draw_per_class_accuracy(metrics: Metrics, theme: Theme = LIGHT) -> Figure:
    """Draw each class's accuracy with its interval, weakest on top; of more than 40 classes the weakest."""
    known = [(value, name) for name, value in metrics.per_class_accuracy.items() if value is not None]
    known.sort(key=lambda item: item[0])
    shown = known[:MOST_BARS]
    lettering = Lettering(name for _, name in shown)
    figure, axes = new_axes(theme, (SIZE[0] + 0.6, max(2.2, 1.0 + 0.27 * len(shown))))
    intervals = [metrics.per_class_accuracy_ci[name] or (0.0, 1.0) for _, name in shown]
    rows = range(len(shown))
    axes.barh(rows, [value for value, _ in shown], height=0.56, color=theme.accent, alpha=0.3)
    axes.hlines(rows, [lo for lo, _ in intervals], [hi for _, hi in intervals], color=theme.accent, lw=2)
    axes.plot([value for value, _ in shown], rows, "o", color=theme.accent, markersize=4.5, clip_on=False)
    axes.set_yticks(rows, [lettering.label(name) for _, name in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(percent_axis())
    axes.set_xlabel(f"Accuracy and its {percent(metrics.confidence)} interval")
    if len(shown) < len(known):
        axes.set_title(
            f"The {len(shown)} weakest of {len(known):,} classes", loc="left", color=theme.muted, fontsize=POINTS
        )
    return _finished(figure, lettering)


def _area(auc: float) -> str:
    return "1.000" if auc == 1 else f"{min(auc, 0.999):.3f}"


def _tinted(rates: NDArray[np.float64], theme: Theme) -> NDArray[np.float64]:
    from matplotlib.colors import to_rgb

    paper, right, wrong = (np.array(to_rgb(c)) for c in (theme.raised, theme.accent, theme.error))
    colour = np.where(np.eye(len(rates), dtype=bool)[..., None], right, wrong)
    strength = np.where(rates > 0, 0.08 + 0.92 * rates, 0.0)[..., None]
    return np.asarray(paper + (colour - paper) * strength)


def _finished(figure: Figure, lettering: Lettering) -> Figure:
    lettering.apply(figure)
    return figure
