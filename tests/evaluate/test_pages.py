"""What pages share: a figure drawn once is in dark what it would be if it were drawn for it."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gingham.evaluate import figures
from gingham.evaluate.calibration import reliability
from gingham.evaluate.learning_curves import draw_learning_curves
from gingham.evaluate.metrics import compute_metrics
from gingham.evaluate.pages import Drawing
from gingham.evaluate.theme import DARK, LIGHT, Theme
from gingham.records import Epoch


def colours_and_shapes(svg: bytes) -> bytes:
    """Without the names of its parts, which Matplotlib makes of their colours too."""
    return re.sub(rb'(id="|url\(#|href="#)[a-zA-Z]\w+', rb"\1", svg)


@pytest.fixture
def ways(scores: Callable[..., Any]) -> dict[str, Callable[[Theme], Any]]:
    names = [f"c{i}" for i in range(10)]
    truth, probabilities = scores(400, len(names), signal=1.0)
    metrics = compute_metrics(truth, probabilities, probabilities.argmax(axis=1), names)
    right, sure = probabilities.argmax(axis=1) == truth, probabilities.max(axis=1)
    curves = figures.roc_curves(truth, probabilities, metrics)
    epoch = Epoch(1, 0.5, 0.2, 0.4, 0.2, 0.2, 1e-3, 90.0, 3.0)
    return {
        "roc": lambda theme: figures.draw_roc(curves, theme),
        "confusion": lambda theme: figures.draw_confusion_matrix(metrics, theme),
        "reliability": lambda theme: figures.draw_reliability(reliability(sure, right), theme),
        "per class": lambda theme: figures.draw_per_class_accuracy(metrics, theme),
        "not sure": lambda theme: figures.draw_not_sure(sure, right, 0.6, theme),
        "c": lambda theme: figures.draw_accuracy_against_c({0.1: 0.5, 1: 0.7}, 1, theme),
        "curves": lambda theme: draw_learning_curves([epoch, replace(epoch, epoch=2, training=2)], theme),
    }


@pytest.mark.parametrize(
    ("name", "drawings"),
    [("roc", 1), ("reliability", 1), ("per class", 1), ("not sure", 1), ("c", 1), ("curves", 1), ("confusion", 2)],
)
def test_in_dark_it_is_what_would_be_drawn_in_dark(
    ways: dict[str, Callable[[Theme], Any]], name: str, drawings: int
) -> None:
    drawn = []

    def draw(theme: Theme) -> Any:
        drawn.append(theme)
        return ways[name](theme)

    picture = Drawing(draw).picture("what it shows")
    assert drawn == [LIGHT, DARK][:drawings]  # shades between two colours must be drawn anew
    light, dark = (b64decode(url.partition("base64,")[2]) for url in (picture.light, picture.dark))
    assert light == figures.figure_bytes(ways[name](LIGHT), "svg")
    assert colours_and_shapes(dark) == colours_and_shapes(figures.figure_bytes(ways[name](DARK), "svg"))
    assert dark != light
    assert picture.alt == "what it shows"


def test_beside_a_picture_its_file_is_on_white(ways: dict[str, Callable[[Theme], Any]]) -> None:
    drawing = Drawing(ways["roc"])
    drawing.picture("")
    assert drawing.png().startswith(b"\x89PNG")
