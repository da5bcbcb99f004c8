"""The figure of a comparison: every candidate in its place, with a label that can be read."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from gingham.evaluate.figures import figure_bytes
from gingham.evaluate.theme import DARK, LIGHT, in_dark
from gingham.evaluate.tuning import TuningRow
from gingham.evaluate.tuning_figure import draw_tuning, lowest_shown

Row = Callable[..., TuningRow]


def markers(rows: list[TuningRow]) -> list[tuple[str, float, float]]:
    lines = draw_tuning(rows).axes[0].lines
    return [(str(line.get_marker()), line.get_xdata()[0], line.get_ydata()[0])  # type: ignore[index]
            for line in lines if line.get_marker() != "None"]  # fmt: skip


@pytest.mark.parametrize("count", [2, 3, 60])
def test_every_candidate_has_its_point_and_its_number(row: Row, count: int) -> None:
    axes = draw_tuning([row(number) for number in range(count)], DARK).axes[0]
    labels = {text.get_text() for text in axes.texts}
    assert labels == {"2  recommended", "1", *map(str, range(3, count + 1))}
    assert len([line for line in axes.lines if line.get_marker() != "None"]) == count


def test_the_shape_is_the_classifier_and_a_legend_says_so_where_there_are_two(row: Row) -> None:
    rows = [row(0), row(1, classifier="dnn")]
    assert [shape for shape, *_ in markers(rows)] == ["o", "s"]
    legend = draw_tuning(rows).axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["svm", "dnn"]
    assert draw_tuning([row(0), row(1)]).axes[0].get_legend() is None


@pytest.mark.parametrize(("changes", "lines"), [([{}, {}], 1), ([{}, {"pareto": False}], 0), ([{}], 0)])
def test_a_line_is_drawn_between_two_or_more(row: Row, changes: list[dict[str, Any]], lines: int) -> None:
    axes = draw_tuning([row(number, **each) for number, each in enumerate(changes)]).axes[0]
    assert len([line for line in axes.lines if line.get_linestyle() == "-" and len(line.get_xdata()) > 1]) == lines  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [2, 5, 30])
def test_those_of_the_same_time_stand_side_by_side_and_near_it(row: Row, count: int) -> None:
    rows = [row(number, milliseconds=4.0, accuracy=0.9) for number in range(count)] + [row(0, milliseconds=20.0)]
    places = [x for _, x, _ in markers(rows)][:count]
    assert len(set(places)) == count
    assert sorted(places) == places  # in the order of the table
    assert 3.5 < min(places) < 4.0 < max(places) < 4.5
    assert (min(places) * max(places)) ** 0.5 == pytest.approx(4.0, rel=0.01)


@pytest.mark.parametrize("same_time", [False, True])
def test_no_label_lies_on_another(row: Row, same_time: bool) -> None:
    rows = [row(n, accuracy=0.9 - n / 1000, **({"milliseconds": 4.0} if same_time else {})) for n in range(9)]
    figure = draw_tuning(rows)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    inside = figure.axes[0].bbox.padded(4)
    assert all(inside.contains(*corner) for box in boxes for corner in box.corners())


@pytest.mark.parametrize(
    ("accuracies", "far_below"),
    [
        ([0.97, 0.95, 0.94, 0.31], [0.31]),
        ([0.97, 0.95, 0.9, 0.88], []),
        ([0.9, 0.5, 0.45, 0.4], []),  # they are all over the place
        ([0.9], []),
    ],
)
def test_one_that_is_far_below_squeezes_no_other(row: Row, accuracies: list[float], far_below: list[float]) -> None:
    rows = [row(n, accuracy=a, interval=(a - 0.03, a + 0.02)) for n, a in enumerate(accuracies)]
    assert [a for a in accuracies if a < lowest_shown(rows)] == far_below
    axes = draw_tuning(rows).axes[0]
    shown = [a for a in accuracies if a not in far_below]
    assert min(shown) - 0.1 < axes.get_ylim()[0] < min(shown) - 0.03
    arrows = [y for shape, _, y in markers(rows) if shape == "v"]
    assert len(arrows) == len(far_below)
    assert all(axes.get_ylim()[0] < y < min(shown) - 0.03 for y in arrows)
    assert all(f"4  {100 * a:.0f} %" in {text.get_text() for text in axes.texts} for a in far_below)


def test_its_dark_form_is_the_light_one_in_other_colours(row: Row) -> None:
    rows = [row(0), row(1, classifier="dnn"), row(2, pareto=False)]
    assert in_dark(figure_bytes(draw_tuning(rows, LIGHT), "svg")) is not None
