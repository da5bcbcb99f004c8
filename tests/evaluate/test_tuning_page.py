"""The page of a search: every candidate in the table and in the figure, names as text."""

from __future__ import annotations

import re

import pytest

from gingham.evaluate.theme import DARK
from gingham.evaluate.tuning_page import TuningRow, draw_tuning, render_tuning

METRICS = {"accuracy": 0.9, "accuracy_ci": (0.85, 0.94), "n_test": 1234}


def row(number: int, **changes: object) -> TuningRow:
    values: dict[str, object] = {
        "name": f"svm, network{number} at 224",
        "flags": "--classifier svm",
        "accuracy": 0.9 - number / 100,
        "interval": (0.85 - number / 100, 0.94 - number / 100),
        "held_out": 635,
        "milliseconds": 9.0 / (number + 1),
        "megabytes": 13.0,
        "pareto": True,
        "as_good": True,
        "best": number == 0,
        "recommended": number == 1,
    }
    return TuningRow(**(values | changes))  # type: ignore[arg-type]


def page(rows: list[TuningRow], **changes: object) -> str:
    given: dict[str, object] = {
        "dataset": "photos",
        "confidence": 0.95,
        "metrics": METRICS,
        "run_report": "r.html",
        "command": "c",
    }
    made = render_tuning(rows, **(given | changes))  # type: ignore[arg-type]
    assert made.figures["accuracy_against_time.png"].startswith(b"\x89PNG")
    return made.html


@pytest.mark.parametrize("count", [2, 3, 60])
def test_every_candidate_has_its_row_and_its_point(count: int) -> None:
    rows = [row(number) for number in range(count)]
    text = page(rows)
    for each in rows:
        assert text.count(f">{each.name}</th>") == 1
    labels = [text.get_text() for text in draw_tuning(rows, DARK).axes[0].texts]
    assert labels == ["1", "2  recommended", *map(str, range(3, count + 1))]


def test_a_single_one_is_best_and_recommended() -> None:
    only = row(0, recommended=True)
    text = page([only])
    assert "the most accurate on training images that were held out" in text


def test_it_says_what_the_test_images_said_and_of_whom() -> None:
    text = page([row(0), row(1)])
    assert "may be chance" in text
    assert "the 1,234 test images: 90.0&nbsp;% (85.0&nbsp;% to 94.0&nbsp;%)" in re.sub(r"\s+", " ", text)
    assert '<a href="r.html">Its report</a>' in text


def test_names_and_warnings_are_text() -> None:
    text = page([row(0), row(1, name="<script>x</script>")], dataset="a<b>", warnings=["<i>few</i>", "<i>few</i>"])
    assert "<script>x" not in text
    assert "a&lt;b&gt;" in text
    assert text.count("&lt;i&gt;few") == 1


def test_it_asks_nothing_of_a_network() -> None:
    text = page([row(0), row(1)])
    assert "default-src 'none'" in text
    assert not re.search(r"https?://", re.sub(r'src(set)?="data:[^"]*"', "", text))
