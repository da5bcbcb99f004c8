"""The report: whole for any data, small for much, and names are text."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from gingham.errors import UsageError
from gingham.evaluate.metrics import compute_metrics
from gingham.evaluate.predictions import PredictionTable
from gingham.evaluate.report import render_figures, render_report
from gingham.evaluate.report_data import ReportData, images_to_show, least_sure_hits, worst_mistakes
from gingham.evaluate.report_views import REASONS
from gingham.records import Skipped, SkipReason, display_path

Make = Callable[..., ReportData]
ATTACK = "<img src=x onerror=alert(1)>.jpg"
VOID = {"meta", "img", "source"}


class Page(HTMLParser):
    """Collects tags and text, and checks that every element is closed where it should be."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.text += data


def page(data: ReportData) -> Page:
    html = render_report(data)
    html.encode("utf-8")
    return Page(html)


def test_says_the_result_in_plain_words(report_data: Make) -> None:
    data = report_data(107)
    text = re.sub(r"\s+", " ", page(data).text)
    m = data.metrics
    assert f"Of 107 test images that the model had never seen, {m.n_correct} were recognised" in text
    assert f"{100 * m.accuracy:.0f} % ({100 * m.accuracy_ci[0]:.0f} % to {100 * m.accuracy_ci[1]:.0f} %)" in text
    assert "Always answering" in text
    for heading in ("Key numbers", "Class by class", "What is taken for what", "The worst mistakes", "Curves",
                    "The images", "How it was made", "How to go on"):  # fmt: skip
        assert heading in text


def test_does_not_claim_unseen_images_where_some_leaked(report_data: Make) -> None:
    data = report_data(40)
    table = data.predictions
    index = {name: i for i, name in enumerate(table.classes)}
    leaky = compute_metrics(
        [index[name] for name in table.labels],
        table.probabilities,
        [index[name] for name in table.predicted],
        table.classes,
        leaks=np.arange(40) < 3,
    )
    text = page(report_data(40, metrics=leaky, leaks=table.paths[:3])).text
    assert "never seen" not in text
    assert "Accuracy without leaks" in text


@pytest.mark.parametrize("name", [ATTACK, "a\nb\udcff.jpg", "w" * 255, "\u202egpj.exe", "'\"&", "{{ 7 * 7 }}"])
def test_names_are_text_everywhere(report_data: Make, name: str) -> None:
    data = report_data(
        40,
        [name, "other", "third"],
        signal=0.5,
        paths=[f"{i}{name}" for i in range(40)],
        title=name,
        warnings=[name],
        skipped=[Skipped(name, SkipReason.TRUNCATED, name)],
        duplicate_groups=[[name, name]],
        conflicts=[([name], [name, "b"])],
        leaks=[name],
        parameters={name: name},
        defaults={name: "x"},
        versions={name: name},
        fingerprints={name: name},
        next_commands=[(name, name)],
    )
    found = page(data)
    assert not [tag for tag, _ in found.tags if tag in ("script", "iframe", "link", "object", "base", "form")]
    assert not [attrs for _, attrs in found.tags if any(key.startswith("on") for key in attrs)]
    for _, attrs in found.tags:
        for key in ("src", "srcset", "href"):
            assert (attrs.get(key) or "data:").startswith("data:")
    # Sentences shorten long names; lists and tables do not.
    assert found.text.count(display_path(name)) > 20
    assert "\n.jpg" not in found.text
    assert "\u202e" not in found.text


def test_content_security_policy_allows_nothing_but_its_own(report_data: Make) -> None:
    policy = next(
        attrs["content"] for tag, attrs in page(report_data()).tags
        if tag == "meta" and attrs.get("http-equiv") == "Content-Security-Policy"
    )  # fmt: skip
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    assert "script" not in policy


def test_every_image_has_words_and_every_picture_a_dark_side(report_data: Make) -> None:
    tags = page(report_data()).tags
    assert all(attrs.get("alt") for tag, attrs in tags if tag == "img")
    dark = [attrs for tag, attrs in tags if tag == "source"]
    assert len(dark) == sum(tag == "picture" for tag, _ in tags) == 4
    assert all("dark" in (attrs["media"] or "") for attrs in dark)


@pytest.mark.parametrize(
    ("n", "k"), [pytest.param(3000, 1000, id="1,000 classes"), pytest.param(100_000, 12, id="100,000 images")]
)
def test_stays_small_and_says_what_it_shows(report_data: Make, n: int, k: int) -> None:
    long = "n" * 200
    photo = np.random.default_rng(0).bytes(60_000)
    data = report_data(n, [f"{i} {long}" for i in range(k)], signal=1.0)
    data = ReportData(
        **(
            vars(data)
            | {
                "thumbnails": dict.fromkeys(images_to_show(data.predictions, 200), photo),
                "images_shown": 200,
                "skipped": [Skipped(f"{i}{long}", SkipReason.EMPTY) for i in range(5000)],
                "duplicate_groups": [[f"{i}{j}{long}" for j in range(50)] for i in range(310)],
                "leaks": [f"{i}{long}" for i in range(500)],
                "warnings": [f"{i}" for i in range(500)],
            }
        )
    )
    html = render_report(data)
    assert len(html.encode()) < 5_000_000
    for note in ("Showing 24 of 5,000.", "Showing 24 of 310.", "Showing 24 of 500."):
        assert note in html
    if k == 1000:
        assert "Showing 200 of 1,000." in html


def test_empty_states(report_data: Make) -> None:
    text = page(report_data(30, signal=50, cv_accuracy={}, c=None)).text
    assert "None: every test image was recognised." in text
    assert "Nothing was taken for anything else." in text
    assert "Choosing C" not in text


def test_nothing_right(report_data: Make) -> None:
    assert "None: no test image was recognised." in page(report_data(12, signal=-50)).text


def test_missing_thumbnails_leave_a_place(report_data: Make) -> None:
    assert "no picture" in page(report_data(30, signal=0.5, thumbnails={})).text


def test_every_reason_is_explained() -> None:
    assert set(REASONS) == set(SkipReason)


def test_changed_parameters_come_first(report_data: Make) -> None:
    text = page(report_data(parameters={"seed": 0, "svm.folds": 3}, defaults={"seed": 0, "svm.folds": 5})).text
    assert text.index("svm.folds") < text.index("seed")


def test_answer_threshold_is_tried_on_the_test_images(report_data: Make) -> None:
    data = report_data(60, answer_threshold=0.7, wanted_precision=0.95)
    n = int((data.predictions.confidence >= 0.7).sum())
    assert f"it would then answer {n} of 60" in page(data).text


def test_shows_the_surest_mistakes_and_the_least_sure_hits() -> None:
    table = PredictionTable(
        paths=("a", "b", "c", "d", "e"),
        contents=("a", "b", "c", "d", "e"),
        splits=("test", "test", "test", "test", "train"),
        labels=("x",) * 5,
        predicted=("y", "y", "x", "x", "y"),
        classes=("x", "y"),
        confidence=np.array([0.6, 0.9, 0.99, 0.51, 1.0]),
    )
    assert worst_mistakes(table.of_split("test"), 5) == [1, 0]
    assert least_sure_hits(table.of_split("test"), 1) == [3]
    assert images_to_show(table, 1) == ("b", "d")


def test_figure_files_are_light_pngs(report_data: Make) -> None:
    files = render_figures(report_data())
    assert set(files) == {
        "accuracy_against_c.png", "confusion_matrix.png", "not_sure.png", "per_class_accuracy.png",
        "reliability.png", "roc.png",
    }  # fmt: skip
    for content in files.values():
        image = Image.open(io.BytesIO(content)).convert("RGB")
        assert image.getpixel((1, 1)) == (255, 255, 255)
        assert min(image.size) > 300


def test_needs_test_images_with_probabilities(report_data: Make) -> None:
    data = report_data()
    empty = data.predictions.of_split("nowhere")
    with pytest.raises(UsageError, match="predictions of the test images"):
        render_report(report_data(predictions=empty))


def test_time_is_told_in_utc(report_data: Make) -> None:
    created = datetime(2026, 3, 5, 9, 7, tzinfo=UTC)
    assert "5 March 2026, 09:07 UTC" in page(report_data(created=created)).text
