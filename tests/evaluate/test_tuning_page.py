"""The page of a comparison: every candidate in the table and in the figure, names as text, and nothing untrue."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gingham.evaluate.tuning import Finding, TuningRow
from gingham.evaluate.tuning_page import render_tuning

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Row = Callable[..., TuningRow]
METRICS = {"accuracy": 0.9, "accuracy_ci": (0.85, 0.94), "n_test": 1234, "n_correct": 1111}


def page(rows: Sequence[TuningRow], *, metrics: dict[str, Any] = METRICS, now: int = 1, **changes: object) -> str:
    given: dict[str, Any] = {"dataset": "photos", "confidence": 0.95, "run_report": "r.html", "command": "c"}
    made = render_tuning(Finding(tuple(rows), now, metrics, 6), **(given | changes))
    assert made.figures["accuracy_against_time.png"].startswith(b"\x89PNG")
    return re.sub(r"\s+", " ", made.html)


@pytest.mark.parametrize("count", [2, 3, 60])
def test_every_candidate_has_its_row(row: Row, count: int) -> None:
    rows = [row(number) for number in range(count)]
    text = page(rows)
    for each in rows:
        assert text.count(f">{each.name}</th>") == 1


def test_a_joined_network_may_break_at_its_joint(row: Row) -> None:
    assert "svm, a+<wbr>b at 224</th>" in page([row(0), row(1, name="svm, a+b at 224")])


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        (METRICS, "90.0&nbsp;%<small>of 1,234 test images</small>"),
        (
            {"accuracy": 23 / 24, "accuracy_ci": (0.798, 0.993), "n_test": 24, "n_correct": 23},
            "96&nbsp;%<small>of 24 test images</small>",
        ),
        (
            {"accuracy": 1.0, "accuracy_ci": (0.862, 1.0), "n_test": 24, "n_correct": 24},
            "≥ 86&nbsp;%<small>of new images: no mistake in 24 test images</small>",
        ),
    ],
)
def test_the_large_number_is_that_of_the_report_and_says_of_what_it_is(
    row: Row, metrics: dict[str, Any], words: str
) -> None:
    assert words in page([row(0), row(1)], metrics=metrics)


def test_it_says_what_the_test_images_said_and_who_else_has_met_them(row: Row) -> None:
    text = page([row(0), row(1)])
    assert "may be chance" in text
    assert "90.0&nbsp;% (85.0&nbsp;% to 94.0&nbsp;%) of 1,234 test images, not looked at in the choice." in text
    assert "6 other runs of this project have met these test images." in text
    assert "2 candidates: 1 measured now, 1 kept from earlier calls." in text
    assert '<a href="r.html">Its report</a>' in text


@pytest.mark.parametrize(
    ("changes", "on_the_line", "words"),
    [
        ([{}, {}], 2, "Nothing is both more accurate and faster than what is on the line."),
        ([{"pareto": False}, {}], 0, "Number 2 is the most accurate and the fastest at once."),
        ([{"recommended": True}], 0, "Bars are"),
    ],
)
def test_it_speaks_of_a_line_only_where_one_is_drawn(
    row: Row, changes: list[dict[str, bool]], on_the_line: int, words: str
) -> None:
    text = page([row(number, **each) for number, each in enumerate(changes)])
    assert len(re.findall(r"on the line</td>", text)) == on_the_line
    assert words in text
    assert ("the line" in text) is (on_the_line > 0)


def test_it_explains_an_arrow_only_where_one_is_drawn(row: Row) -> None:
    bad = row(2, accuracy=0.3, interval=(0.1, 0.5))
    assert "An arrow stands for" in page([row(0), row(1), bad])
    assert "An arrow stands for" not in page([row(0), row(1)])


def test_names_and_warnings_are_text(row: Row) -> None:
    rows = [row(0), row(1, name="<script>x</script>")]
    text = page(rows, dataset="a<b>", warnings=["<i>few</i>", "<i>few</i>"])
    assert "<script>x" not in text
    assert "a&lt;b&gt;" in text
    assert text.count("&lt;i&gt;few") == 1


def test_it_asks_nothing_of_a_network(row: Row) -> None:
    text = page([row(0), row(1)])
    assert "default-src 'none'" in text
    assert not re.search(r"https?://", re.sub(r'src(set)?="data:[^"]*"', "", text))


def test_in_a_narrow_window_the_verdict_is_seen_and_in_a_wide_one_a_name_is_on_one_line(
    chromium: Browser, row: Row, tmp_path: Path
) -> None:
    file = tmp_path / "report.html"
    names = ["svm, efficientnet_lite0 at 224", "dnn, efficientnet_lite0+efficientnet_lite1 at 224, 16 epochs"]
    file.write_text(
        page([row(number, name=name, pareto=number == 1) for number, name in enumerate(names)]), encoding="utf-8"
    )
    shown = chromium.new_page(viewport={"width": 500, "height": 900})
    box = "document.querySelector('{}').getBoundingClientRect()"
    try:
        shown.goto(file.as_uri())
        assert shown.evaluate("document.documentElement.scrollWidth") <= 500
        assert shown.evaluate(box.format(".candidates td.strong") + ".right") <= 480
        assert shown.evaluate(box.format(".figure img") + ".width") >= 760
        shown.set_viewport_size({"width": 1200, "height": 900})
        assert shown.evaluate(box.format(".candidates tbody tr") + ".height") < 60
        assert shown.evaluate("document.querySelector('.wide:has(.candidates)').scrollWidth") <= 1008
    finally:
        shown.close()
