"""The figures: any names, any number of classes, no warning, no global state."""

from __future__ import annotations

import dataclasses
import io
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gingham.evaluate import figure_text, figures
from gingham.evaluate.calibration import reliability
from gingham.evaluate.figure_text import Lettering
from gingham.evaluate.metrics import compute_metrics
from gingham.evaluate.theme import DARK, LIGHT

ODD = [
    "中文",
    "ሀለሐ",
    "𓀀",
    "$x^2$",
    r"\$a",
    "a\nb",
    "\udcff",
    "x" * 200,
    "مرحبا",
    "😀",
    "<b>",
    "_",
    "\U0001fae9",
    "中" * 30,
]


def drawn(figure: Any, file_format: str = "png") -> bytes:
    return figures.figure_bytes(figure, file_format)


def texts(figure: Any) -> list[str]:
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(
    "names",
    [
        pytest.param(ODD, id="odd names"),
        pytest.param(["a", "b"], id="two classes"),
        pytest.param([f"c{i}" for i in range(45)], id="45 classes"),
    ],
)
def test_draws_without_a_warning(scores: Callable[..., Any], names: list[str], theme: Any) -> None:
    truth, probabilities = scores(400, len(names), signal=1.0)
    answers = probabilities.argmax(axis=1)
    metrics = compute_metrics(truth, probabilities, answers, names)
    right = answers == truth
    sure = probabilities.max(axis=1)
    for figure in (
        figures.draw_roc(figures.roc_curves(truth, probabilities, metrics), theme),
        figures.draw_confusion_matrix(metrics, theme),
        figures.draw_reliability(reliability(sure, right), theme),
        figures.draw_per_class_accuracy(metrics, theme),
        figures.draw_not_sure(sure, right, 0.6, theme),
        figures.draw_accuracy_against_c({0.1: 0.5, 1: 0.7}, 1, theme),
    ):
        paper = Image.open(io.BytesIO(drawn(figure))).convert("RGB").getpixel((1, 1))
        assert paper == tuple(bytes.fromhex(theme.paper[1:]))


def test_pyplot_is_not_touched_and_matplotlib_waits_until_something_is_drawn() -> None:
    code = (
        "import sys, gingham.evaluate as e, gingham.evaluate.figures as f\n"
        "assert not {'matplotlib', 'sklearn', 'scipy', 'jinja2', 'PIL'} & set(sys.modules)\n"
        "f.figure_bytes(f.draw_accuracy_against_c({1.0: 0.5}, 1.0), 'png')\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_dollar_signs_are_text() -> None:
    lettering = Lettering(["$x^2$"])
    assert lettering.label("$x^2$") == r"\$x^2\$"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        pytest.param("plain", "plain", id="plain"),
        pytest.param("中a", "□a", id="no font has it"),
        pytest.param("中" * 30, "□" * 12 + "…" + "□" * 11, id="long"),
        pytest.param("\U0001fae9 x", "□ x", id="newer than this Python"),
        pytest.param("a\nb\udcff", "a□b□", id="unprintable"),
        pytest.param("مرحبا", "\u200eمرحبا\u200e", id="right to left"),
    ],
)
def test_each_missing_character_is_one_box(monkeypatch: pytest.MonkeyPatch, name: str, shown: str) -> None:
    monkeypatch.setattr(figure_text, "_installed_fonts", tuple)
    assert Lettering([name]).label(name) == shown


@pytest.mark.filterwarnings("error")
def test_labels_wider_than_their_figure_give_no_warning() -> None:
    figure = figures.draw_accuracy_against_c({1.0: 0.5}, None)
    figure.axes[0].set_ylabel("wide" * 40, rotation=0)
    assert drawn(figure)


@pytest.mark.parametrize("classes", [("_a", "_b"), ("_a", "b"), ("قميص", "b")], ids=["all", "one", "right to left"])
def test_every_class_is_in_the_legend_left_of_its_area(scores: Callable[..., Any], classes: tuple[str, ...]) -> None:
    truth, probabilities = scores(60, 2)
    metrics = compute_metrics(truth, probabilities, probabilities.argmax(axis=1), classes)
    legend = figures.draw_roc(figures.roc_curves(truth, probabilities, metrics)).axes[0].get_legend()
    assert legend is not None
    shown = [text.get_text().replace("\u200e", "") for text in legend.get_texts()]
    assert sorted(shown) == sorted(f"{name}  {metrics.auc[name]:.3f}" for name in classes)


def test_nine_classes_have_no_mean(scores: Callable[..., Any]) -> None:
    truth, probabilities = scores(200, 9)
    metrics = compute_metrics(truth, probabilities, probabilities.argmax(axis=1), [f"c{i}" for i in range(9)])
    curves = figures.roc_curves(truth, probabilities, metrics)
    widths = {line.get_linewidth() for line in figures.draw_roc(curves).axes[0].get_lines()[1:]}
    assert (len(curves), len(widths)) == (9, 1)


def test_svg_is_the_same_each_time() -> None:
    one, two = (drawn(figures.draw_accuracy_against_c({1.0: 0.5, 2.0: 0.6}, 1.0), "svg") for _ in range(2))
    assert one == two


def test_the_font_of_boxes_counts_as_none() -> None:
    families = [family for family, _ in figure_text._installed_fonts()]
    assert "DejaVu Sans Mono" in families
    assert not [family for family in families if "Last Resort" in family]


def test_many_classes_show_the_weakest_and_the_mean(scores: Callable[..., Any]) -> None:
    truth, probabilities = scores(600, 20, signal=1.0)
    metrics = compute_metrics(truth, probabilities, probabilities.argmax(axis=1), [f"c{i}" for i in range(20)])
    curves = figures.roc_curves(truth, probabilities, metrics)
    assert len(curves) == 9
    areas = sorted(area for area in metrics.auc.values() if area is not None)
    assert [curve.auc for curve in curves[:8]] == pytest.approx(areas[:8])
    assert curves[8].name == "mean of all 20 classes"
    assert curves[8].auc == metrics.macro_auc
    many = dataclasses.replace(curves[8], name="mean of all 1,000 classes")
    assert f"mean of all 1,000 classes  {metrics.macro_auc:.3f}" in texts(figures.draw_roc([*curves[:8], many]))


def test_confusion_matrix_says_how_many_it_shows(scores: Callable[..., Any]) -> None:
    truth, probabilities = scores(600, 45, signal=1.0)
    metrics = compute_metrics(truth, probabilities, probabilities.argmax(axis=1), [f"c{i}" for i in range(45)])
    assert "The 20 most confused of 45 classes" in texts(figures.draw_confusion_matrix(metrics))


@pytest.mark.parametrize(
    ("n_wrong", "title"),
    [
        pytest.param(0, "No class was confused: the first 20 of 45", id="none"),
        pytest.param(3, "The 6 most confused of 45 classes", id="three pairs"),
    ],
)
def test_confusion_matrix_shows_no_class_that_was_not_confused(n_wrong: int, title: str) -> None:
    truth = np.arange(90) % 45
    answers = truth.copy()
    answers[: 2 * n_wrong : 2] += 1
    metrics = compute_metrics(truth, np.eye(45)[answers], answers, [f"c{i}" for i in range(45)])
    figure = figures.draw_confusion_matrix(metrics)
    assert title in texts(figure)
    assert drawn(figure)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("strength", np.linspace(0, 1, 6))
def test_text_on_a_tinted_cell_has_contrast(theme: Any, strength: float) -> None:
    tint, other = figures._tinted(np.array([[strength, 0], [strength, 0]]), theme)[:, 0]
    for cell in (tint, other):
        chosen = bytes.fromhex(figure_text.readable_on(cell, theme)[1:])
        levels = sorted(_luminance(np.array(rgb)) + 0.05 for rgb in (cell, np.array(list(chosen)) / 255))
        assert levels[1] / levels[0] >= 3.9


def _luminance(rgb: Any) -> float:
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_the_chosen_c_is_named() -> None:
    shown = texts(figures.draw_accuracy_against_c({0.01: 0.5, 0.1: 0.934, 1: 0.8}, 0.1))
    assert "C = 0.1\n93.4 %" in shown


@pytest.mark.parametrize(
    ("accuracy", "chosen"),
    [
        pytest.param({0.1: 0.0, 1: 0.0}, 0.1, id="all wrong"),
        pytest.param({0.1: 1.0, 1: 1.0, 10: 1.0}, 1, id="all right"),
        pytest.param({0.1: 0.3, 1: 0.9, 10: 0.95, 100: 0.1}, 1, id="rising"),
        pytest.param({0.1: 0.9, 1: 0.7, 10: 0.1}, 1, id="falling"),
        pytest.param({0.1: 0.5, 1: 0.6, 10: 0.5}, 10, id="falling to the end"),
        pytest.param({0.1: 0.1, 1: 0.95, 10: 0.1}, 1, id="peak"),
        pytest.param({0.1: 0.9, 1: 0.5, 10: 0.9, 100: 0.1}, 1, id="valley"),
    ],
)
def test_the_chosen_c_stands_free(accuracy: dict[float, float], chosen: float) -> None:
    figure = figures.draw_accuracy_against_c(accuracy, chosen)
    drawn(figure)
    axes = figure.axes[0]
    label = next(text for text in axes.texts if text.get_text().startswith("C = ")).get_window_extent()
    line = axes.get_lines()[0]
    path = axes.transData.transform_path(line.get_path())
    assert not path.intersects_bbox(label, filled=False)
    assert label.y0 >= axes.bbox.y0
    assert axes.get_ylim()[1] <= 1


def test_bins_of_few_images_are_hollow_and_have_no_interval() -> None:
    sure = np.array([0.3] * 4 + [0.9] * 5)
    upper = figures.draw_reliability(reliability(sure, np.ones(9, dtype=bool))).axes[0]
    (bars,) = upper.collections
    assert [path.vertices[0, 0] for path in bars.get_paths()] == pytest.approx([0.9])
    hollow = [line.get_xdata() for line in upper.get_lines() if line.get_markerfacecolor() == LIGHT.paper]
    assert np.concatenate(hollow) == pytest.approx([0.3])


@pytest.mark.parametrize("count", [1, 9], ids=["hollow", "full"])
def test_reliability_fills_its_figure(count: int) -> None:
    figure = figures.draw_reliability(reliability(np.full(count, 0.9), np.ones(count, dtype=bool)))
    drawn(figure)
    assert figure.axes[0].get_position().height > 0.5


def test_the_threshold_is_not_cut_off_at_the_edge() -> None:
    figure = figures.draw_not_sure(np.linspace(0.5, 1, 20), np.ones(20, dtype=bool), 0.5)
    dot = figure.axes[0].get_lines()[-1]
    assert (dot.get_xdata()[0], dot.get_clip_on()) == (1, False)


def test_svg_makes_no_request() -> None:
    svg = drawn(figures.draw_accuracy_against_c({1.0: 0.5, 2.0: 0.6}, 1.0), "svg").decode()
    assert "<image" not in svg
    assert 'href="http' not in svg


def test_most_confused_looks_at_both_directions() -> None:
    confusion = np.diag([50, 50, 50, 50])
    confusion[0, 3] = 9
    assert figures.most_confused(confusion, 2).tolist() == [0, 3]


@pytest.mark.parametrize(
    ("wrong", "most", "expected"),
    [
        pytest.param({}, 4, [], id="none"),
        pytest.param({(0, 5): 1}, 4, [0, 5], id="fewer than asked for"),
        # Class 9 takes part in the most confusions, each with another class.
        pytest.param({(9, k): 1 for k in range(5)} | {(6, 7): 3}, 2, [6, 7], id="pairs, not sums"),
        pytest.param({(0, 1): 3, (2, 3): 2, (0, 2): 1}, 3, [0, 1, 2], id="a pair that does not fit"),
    ],
)
def test_most_confused_takes_pairs(wrong: dict[tuple[int, int], int], most: int, expected: list[int]) -> None:
    confusion = np.diag(np.full(10, 20))
    for cell, count in wrong.items():
        confusion[cell] = count
    assert figures.most_confused(confusion, most).tolist() == expected
