"""The figures: any names, any number of classes, no warning, no global state."""

from __future__ import annotations

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

ODD = ["中文", "ሀለሐ", "𓀀", "$x^2$", r"\$a", "a\nb", "\udcff", "x" * 200, "مرحبا", "😀", "<b>", "_"]


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


def test_characters_without_a_font_are_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figure_text, "_installed_fonts", tuple)
    lettering = Lettering(["中a", "plain"])
    assert lettering.label("中a") == r"\u4e2da"
    assert lettering.label("plain") == "plain"


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
    assert curves[8].auc == pytest.approx(metrics.macro_auc, abs=0.01)


def test_confusion_matrix_says_how_many_it_shows(scores: Callable[..., Any]) -> None:
    truth, probabilities = scores(600, 45, signal=1.0)
    metrics = compute_metrics(truth, probabilities, probabilities.argmax(axis=1), [f"c{i}" for i in range(45)])
    assert "The 20 most confused of 45 classes" in texts(figures.draw_confusion_matrix(metrics))


def test_the_chosen_c_is_named() -> None:
    shown = texts(figures.draw_accuracy_against_c({0.01: 0.5, 0.1: 0.934, 1: 0.8}, 0.1))
    assert "C = 0.1\n93.4 %" in shown


def test_svg_makes_no_request() -> None:
    svg = drawn(figures.draw_accuracy_against_c({1.0: 0.5, 2.0: 0.6}, 1.0), "svg").decode()
    assert "<image" not in svg
    assert 'href="http' not in svg


def test_most_confused_looks_at_both_directions() -> None:
    confusion = np.diag([50, 50, 50, 50])
    confusion[0, 3] = 9
    assert figures.most_confused(confusion, 2).tolist() == [0, 3]
