"""The page of learning curves: every class in the table, names as text, nothing untrue, readable at any width."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gingham.evaluate.learning_page import render_learning
from gingham.evaluate.learning_words import points, verdict
from tests.evaluate.curves import Law, findings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

RISING: Law = (0.02, 1.2, 0.5)


@cache
def page(*counts: int, names: tuple[str, ...] = (), dataset: str = "photos") -> str:
    made = render_learning(
        findings(counts, [RISING] * len(counts), resamples=20),
        names or [f"class {k}" for k in range(len(counts))],
        dataset=dataset,
        folds=5,
    )
    assert made.figures["learning_curve.png"].startswith(b"\x89PNG")
    made.html.encode()
    return re.sub(r"\s+", " ", made.html)


@pytest.mark.parametrize("classes", [3, 12])
def test_every_class_has_its_row(classes: int) -> None:
    text = page(*[20] * classes)
    for k in range(classes):
        assert text.count(f"<bdi>class {k}</bdi>") == 1
    assert ("The first 11 of " in text) is (classes > 11)


def test_a_row_says_now_then_and_the_difference() -> None:
    made = findings([60, 300], [RISING] * 2, resamples=20)
    text = re.sub(r"\s+", " ", render_learning(made, ["cat", "dog"], dataset="photos", folds=5).html)
    for outlook, name, digits in zip(made.classes, ["cat", "dog"], (0, 1), strict=True):
        row = re.search(rf"<bdi>{name}</bdi>.*?</tr>", text)
        assert row is not None
        gain = outlook.with_more(50)
        for number in (outlook.accuracy, gain.accuracy):
            assert f">{100 * number:.{digits}f}&nbsp;%</b>" in row[0]
        for number in (gain.gain, *gain.gain_interval, gain.averaged):
            assert points(number) in row[0]
        assert verdict(outlook, 50).replace(" %", "&nbsp;%") in row[0]


def test_of_a_handful_nothing_is_promised() -> None:
    text = page(3, 40)
    row = re.search(r"<bdi>class 0</bdi>.*?</tr>", text)
    assert row is not None
    assert row[0].count(">?</td>") == 3
    assert "Too few different images to tell" in row[0]


def test_it_says_how_it_was_measured() -> None:
    text = page(20, 20, 20)
    assert "learning curve of 60 training images in 3 classes" in text
    assert "by 5-fold cross-validation of the training images; the test images take no part" in text
    assert "expected with 50 more (of all classes, 150 more)" in text
    assert "95&nbsp;% interval" in text


def test_names_are_text() -> None:
    text = page(20, 20, names=("<script>x</script>\udcff\n", "  "), dataset="a<b>")
    assert "<script>x" not in text
    assert "&lt;script&gt;x&lt;/script&gt;\\xff\\n" in text
    assert "␠␠" in text
    assert "a&lt;b&gt;" in text


def test_it_asks_nothing_of_a_network_and_has_both_schemes() -> None:
    text = page(20, 20, 20)
    assert "default-src 'none'" in text
    assert "prefers-color-scheme:dark" in text
    assert not re.search(r"https?://", re.sub(r'src(set)?="data:[^"]*"', "", text))


def test_it_fits_any_window(chromium: Browser, tmp_path: Path) -> None:
    file = tmp_path / "learning.html"
    file.write_text(page(20, 3, names=("x" * 90, "three")), encoding="utf-8")
    shown = chromium.new_page(viewport={"width": 420, "height": 900})
    try:
        shown.goto(file.as_uri())
        assert shown.evaluate("document.documentElement.scrollWidth") <= 420
        assert shown.evaluate("document.querySelector('.figure img').getBoundingClientRect().width") >= 760
        shown.set_viewport_size({"width": 1200, "height": 900})
        assert shown.evaluate("[...document.querySelectorAll('.wide')].every(e => e.scrollWidth <= e.clientWidth)")
        heights = shown.evaluate(
            "[...document.querySelectorAll('tbody th .name')].map(e => e.getBoundingClientRect().height)"
        )
        assert len(heights) == 2
        assert heights[-1] < 30  # a short name is on one line
    finally:
        shown.close()
