"""The figure of learning curves: a panel each, by rank, with what was measured and what is expected."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gingham.evaluate.figures import figure_bytes
from gingham.evaluate.learning_figure import MOST_CLASSES, draw_learning
from gingham.evaluate.theme import DARK, LIGHT, in_dark
from tests.evaluate.curves import Law, findings

RISING: Law = (0.02, 1.2, 0.5)


def panels(counts: list[int], names: list[str] | None = None, law: Law = RISING) -> Any:
    made = findings(counts, [law] * len(counts), resamples=20)
    figure = draw_learning(made, names or [f"class {k}" for k in range(len(counts))])
    return made, [axes for axes in figure.axes if axes.axison]


@pytest.mark.parametrize("classes", [2, MOST_CLASSES, MOST_CLASSES + 1])
def test_all_classes_first_then_each_by_rank(classes: int) -> None:
    made, axes = panels([20] * classes)
    titles = [each.get_title(loc="left") for each in axes]
    assert titles == ["All classes", *(f"class {k}" for k in made.ranking[:MOST_CLASSES])]


def test_a_panel_shows_what_was_measured_and_what_is_expected() -> None:
    made, axes = panels([60, 80])
    for panel, k in zip(axes[1:], made.ranking, strict=True):
        outlook = made.classes[k]
        hollow = [line for line in panel.lines if line.get_markerfacecolor() == LIGHT.paper]
        gain = outlook.with_more(50)
        assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in hollow] == [(outlook.images + 50, gain.accuracy)]
        dots = np.concatenate(
            [line.get_xdata() for line in panel.lines if line.get_marker() == "o" and line not in hollow]
        )
        np.testing.assert_allclose(dots, outlook.curve.sizes)
        solid = next(line for line in panel.lines if line.get_linestyle() == "-" and line.get_marker() == "None")
        dashed = [line for line in panel.lines if line.get_linestyle() == "--" and len(line.get_xdata()) > 2]
        assert solid.get_xdata()[-1] == outlook.images == dashed[0].get_xdata()[0]
        assert dashed[0].get_xdata()[-1] == outlook.images + 100
        assert panel.get_xlim()[1] > outlook.images + 100


def test_what_is_told_of_far_more_images_squeezes_no_panel() -> None:
    made = findings([60, 80], [RISING] * 2, others=(1000,), resamples=20)
    panel = draw_learning(made, ["cat", "dog"]).axes[1]
    images = made.classes[made.ranking[0]].images
    assert images + 90 < max(line.get_xdata()[-1] for line in panel.lines) <= images + 100  # type: ignore[index]
    assert panel.get_xlim()[1] < 1.1 * (images + 100)


@pytest.mark.parametrize(
    ("images", "law", "words"),
    [
        pytest.param(3, RISING, "too few to tell", id="three images"),
        pytest.param(40, (0.0, 0.0, 0.5), "100 %, all recognised", id="all right"),
        pytest.param(40, RISING, " → ", id="rising"),
    ],
)
def test_nothing_is_expected_where_nothing_can_be(images: int, law: Law, words: str) -> None:
    made = findings([images, 40], [law, RISING], resamples=20)
    figure = draw_learning(made, ["cat", "dog"])
    panel = next(axes for axes in figure.axes if axes.get_title(loc="left") == "cat")
    assert words in panel.texts[0].get_text()
    hollow = [line for line in panel.lines if line.get_markerfacecolor() == LIGHT.paper]
    assert len(hollow) == (words == " → ")


def test_all_points_are_inside() -> None:
    made, axes = panels([12, 60, 30], law=(0.1, 2.0, 0.4))
    low, high = axes[0].get_ylim()
    assert high == 1
    assert all(low <= outlook.curve.accuracy.min() for outlook in (*made.classes, made.overall))


def test_no_text_lies_on_another_and_none_is_cut_off() -> None:
    names = ["a name of twenty-eight letters", "a name that " * 8, "日本", "$x$", "_y"]
    made = findings([30] * 5, [RISING] * 5, resamples=20)
    figure = draw_learning(made, names)
    figure.draw_without_rendering()
    texts = [text for axes in figure.axes if axes.axison for text in (axes._left_title, *axes.texts)]  # type: ignore[attr-defined]
    boxes = [text.get_window_extent() for text in texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert all(figure.bbox.padded(1).contains(*corner) for box in boxes for corner in box.corners())


def test_its_dark_form_is_the_light_one_in_other_colours() -> None:
    made = findings([30, 3, 40], [RISING, RISING, (0.0, 0.0, 0.5)], resamples=20)
    names = ["a", "b", "c"]
    light = figure_bytes(draw_learning(made, names), "svg")
    assert in_dark(light) is not None
    assert DARK.accent.encode() in (in_dark(light) or b"")
