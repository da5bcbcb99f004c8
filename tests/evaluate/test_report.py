"""The report: whole for any data, small for much, and names are text."""

from __future__ import annotations

import html
import io
import re
import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gingham.errors import UsageError
from gingham.evaluate.metrics import compute_metrics
from gingham.evaluate.predictions import PredictionTable
from gingham.evaluate.report import render_report
from gingham.evaluate.report_data import ReportData, images_to_show, least_sure_hits, worst_mistakes
from gingham.evaluate.report_numbers import headline, key_numbers
from gingham.evaluate.report_views import REASONS, class_rows, turn_headings
from gingham.records import Skipped, SkipReason, display_path

Make = Callable[..., ReportData]
ATTACK = "<img src=x onerror=alert(1)>.jpg"
VOID = {"meta", "img", "source"}


class Page(HTMLParser):
    """Collects tags and text, and checks that every element is closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
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
    text = render_report(data).html
    text.encode("utf-8")
    return Page(text)


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
    )
    found = page(data)
    assert not [tag for tag, _ in found.tags if tag in ("script", "iframe", "link", "object", "base", "form")]
    assert not [attrs for _, attrs in found.tags if any(key.startswith("on") for key in attrs)]
    for _, attrs in found.tags:
        for key in ("src", "srcset", "href"):
            assert (attrs.get(key) or "data:").startswith(("data:", "#"))
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
                "overlays": dict.fromkeys(images_to_show(data.predictions, 200), photo),
                "images_shown": 200,
                "skipped": [Skipped(f"{i}{long}", SkipReason.EMPTY) for i in range(5000)],
                "duplicate_groups": [[f"{i}{j}{long}" for j in range(50)] for i in range(310)],
                "leaks": [f"{i}{long}" for i in range(500)],
                "warnings": [f"{i}" for i in range(500)],
            }
        )
    )
    text = render_report(data).html
    assert len(text.encode()) < 5_000_000
    for note in ("Showing 24 of 5,000.", "Showing 24 of 310.", "Showing 24 of 500."):
        assert note in text
    assert re.search(r"<summary>and 49\d more</summary>", text)
    assert "Showing 200 of 50" in text
    if k == 1000:
        assert "160 more classes" in text
        assert "Showing 200 of 1,000." in text


def test_empty_states(report_data: Make) -> None:
    text = page(report_data(30, signal=50, cv_accuracy={}, c=None)).text
    assert "None: the model was at least 90\xa0% sure of every right answer." in text
    assert "None: every test image was recognised." in text
    assert "Nothing was taken for anything else." in text
    assert "Choosing C" not in text


def answered(report_data: Make, n: int, right: int, n_frequent: int, **changes: Any) -> ReportData:
    """Return a report of ``right`` right answers in ``n`` images, ``n_frequent`` of them of the class `often`."""
    truth = (np.arange(n) >= n_frequent).astype(int)
    predicted = np.where(np.arange(n) < right, truth, 1 - truth)
    probabilities = np.where(np.arange(2) == predicted[:, None], 0.8, 0.2)
    metrics = compute_metrics(truth, probabilities, predicted, ["often", "seldom"], resamples=50)
    return report_data(n, metrics=metrics, **changes)


@pytest.mark.parametrize(
    ("n", "right", "n_frequent", "said", "unsaid"),
    [
        pytest.param(60, 50, 30, ["the model is clearly better", "83 % (72 % to 91 %)"], ["worse"], id="better"),
        pytest.param(60, 32, 30, ["this test cannot tell the model from that"], ["clearly", "worse"], id="as guessing"),
        pytest.param(60, 6, 50, ["worse than that. Are the labels of the test images right?"], ["cannot tell"],
                     id="worse"),
        pytest.param(16, 16, 8, ["No mistake in 16 test images", "expect at least 80 of 100"],
                     ["100 times in 100", "16 were recognised"], id="no mistake"),
        pytest.param(250, 211, 125, ["84.4 % (79.4 % to 88.4 %)"], ["84 % ("], id="as many digits as the key numbers"),
    ],
)  # fmt: skip
def test_headline(report_data: Make, n: int, right: int, n_frequent: int, said: list[str], unsaid: list[str]) -> None:
    found = headline(answered(report_data, n, right, n_frequent))
    text = f"{found.sentence}: {found.accuracy} ({found.range_label}). {found.meaning}"
    for words in said:
        assert words in text
    for words in unsaid:
        assert words not in text
    assert (found.big == "100 %") is False


def test_no_range_where_there_is_none(report_data: Make) -> None:
    few = report_data().metrics.model_copy(update={"log_loss_ci": None, "expected_calibration_error_ci": None})
    assert {name: text for name, _, text, _ in key_numbers(few) if not text} == {
        "Log loss": "",
        "Calibration error": "",
    }
    assert "Log loss" in page(report_data(metrics=few)).text


def commands(data: ReportData) -> list[str]:
    return re.findall(r"<dt><code>(gingham [^<]*)</code>", render_report(data).html)


@pytest.mark.parametrize(
    ("dataset", "given"),
    [
        pytest.param("images/sample", "images/sample", id="plain"),
        pytest.param("my photos/2026", "my photos/2026", id="space"),
        pytest.param("it's", "it's", id="quote"),
        pytest.param("-rf", "./-rf", id="like an option"),
        pytest.param("a\nb", "FOLDER", id="cannot be typed"),
        pytest.param(None, "FOLDER", id="unknown"),
    ],
)
def test_every_advised_command_is_one(report_data: Make, dataset: str | None, given: str) -> None:
    from gingham.cli.commands import app

    found = [html.unescape(command) for command in commands(report_data(parameters={"dataset": dataset}))]
    assert len(found) == 4
    verbs = []
    for command in found:
        verb, bound, _ = app.parse_args(shlex.split(command)[1:], print_error=False, exit_on_error=False)
        verbs.append(verb.__name__)
        if verb.__name__ == "run":
            assert str(bound.arguments["images"]) == str(Path(given))
            assert bound.arguments["config"].features.resolution == 320
    assert verbs == ["run", "runs_compare", "runs_show", "runs_list"]


def test_finer_input_is_not_advised_twice(report_data: Make) -> None:
    assert not [command for command in commands(report_data(resolution=320)) if "resolution" in command]


def test_shows_how_to_use_the_model_in_python(report_data: Make) -> None:
    text = page(report_data()).text
    lines = text[text.index("import gingham") :].splitlines()[:2]
    assert lines[1] == 'print(gingham.load("runs/r1/model.onnx").predict(["my-photo.jpg"]))'
    compile("\n".join(lines), "report", "exec")


def test_the_answer_of_a_mistake_is_seen_beside_a_long_name(report_data: Make) -> None:
    long = "n" * 200
    titles = [
        attrs["title"] for tag, attrs in page(report_data(40, [long, "b", "c"], signal=0)).tags
        if tag == "span" and attrs.get("class") == "answer"
    ]  # fmt: skip
    assert f"{long} → b" in titles or f"{long} → c" in titles


def test_most_important_warnings_are_open_the_rest_folded(report_data: Make) -> None:
    text = page(report_data(warnings=[f"warning {i}" for i in range(30)])).text
    n = len(report_data().metrics.warnings)
    assert text.index("warning 0") < text.index(f"and {n + 22} more") < text.index("warning 29")


@pytest.mark.parametrize(
    ("changes", "said", "unsaid"),
    [
        pytest.param(
            {"conflicts": [(["a", "b"], ["x", "y"]), (["c", "d", "e"], ["x", "y"])],
             "duplicate_groups": [["a", "b"], ["c", "d", "e"], ["f", "g", "a"]]},
            ["5 images left out because of 2 label conflicts", "1 group of duplicates", "neither train nor test",
             "kept on one side"],
            ["3 groups"], id="conflicts are no duplicates"),
        pytest.param({"duplicate_groups": [["a", "b"]], "leaks": ["a"]}, ["1 duplicate group", "1 leak"],
                     ["kept on one side"], id="leaks"),
        pytest.param({}, ["drawn by lot", "same place, day or object", "--splits.group_by"], ["says which"],
                     id="drawn"),
        pytest.param({"parameters": {"splits.group_by": "folder"}}, ["groups by folder were kept together"],
                     ["same place"], id="grouped"),
        pytest.param({"split": "splits.csv"}, ["splits.csv of the folder says which images test"], ["same place"],
                     id="the folder's file"),
        pytest.param({"split": "mine.csv", "parameters": {"splits.file": "../mine.csv"}},
                     ["mine.csv says which images test"], ["of the folder"], id="another file"),
    ],
)  # fmt: skip
def test_images_are_accounted_for(
    report_data: Make, changes: dict[str, Any], said: list[str], unsaid: list[str]
) -> None:
    text = page(report_data(**changes)).text
    section = text[text.index("The images") : text.index("How it was made", text.index("The images"))]
    for words in said:
        assert words in section
    for words in unsaid:
        assert words not in section


def test_class_rows() -> None:
    truth = [0] * 4 + [1] * 2 + [2] * 8 + [3] * 2
    predicted = [0, 0, 1, 1, 1, 1, *[2] * 8, 0, 0]
    found = class_rows(compute_metrics(truth, np.full((16, 5), 0.2), predicted, ["a", "b", "c", "d", "e"]))
    rows = {row.name: row for row in found.rows}
    assert list(rows) == ["d", "a", "c", "b", "e"], "weakest first, then more test images, untested last"
    assert [rows[name].answers for name in "abcde"] == ["2 of 4", "2 of 4", "8 of 8", "", ""]
    assert rows["a"].range_label == "15–85 %"


@pytest.mark.parametrize(
    ("names", "turned"),
    [
        pytest.param(["dotted", "leopard", "striped"], False, id="three"),
        pytest.param(["shirt", "longsleevesweater"], True, id="a word that would break"),
        pytest.param(list("abcdefg"), True, id="many"),
    ],
)
def test_headings_turn_before_a_word_breaks(names: list[str], turned: bool) -> None:
    assert turn_headings(names) is turned


@pytest.mark.parametrize("k", [3, 40])
def test_every_scroller_is_reached_by_keyboard_and_every_anchor_exists(report_data: Make, k: int) -> None:
    tags = page(report_data(80, [f"c{i}" for i in range(k)], parameters={"seed": 0})).tags
    scrollers = [attrs for _, attrs in tags if "wide" in (attrs.get("class") or "").split()]
    assert len(scrollers) >= 3
    assert all(each["tabindex"] == "0" and each["role"] == "region" and each["aria-label"] for each in scrollers)
    anchors = [(attrs["href"] or "")[1:] for tag, attrs in tags if tag == "a"]
    assert len(anchors) == 9
    assert set(anchors) <= {attrs.get("id") for _, attrs in tags}


def test_text_on_a_dark_cell_is_light_and_no_sooner(report_data: Make) -> None:
    cells = [[80, 20, 0], [30, 70, 0], [0, 50, 50]]
    metrics = report_data().metrics.model_copy(
        update={"confusion_matrix": cells, "test_counts": {"a": 100, "b": 100, "c": 100}}
        | {name: dict.fromkeys("abc", 0.5) for name in ("per_class_accuracy", "auc")}
        | {"per_class_accuracy_ci": dict.fromkeys("abc", (0.0, 1.0))}
    )
    rows = re.findall(r'class="((?:right|wrong)[^"]*)"', render_report(report_data(metrics=metrics)).html)
    assert rows == ["right full", "wrong", "wrong", "right half", "wrong", "right"]


@pytest.mark.parametrize("threshold", [None, 0.6])
def test_only_unsure_hits_are_listed(report_data: Make, threshold: float | None) -> None:
    sure = threshold or 0.9
    text = page(report_data(60, answer_threshold=threshold)).text
    assert f"Less than {100 * sure:.0f} % sure" in re.sub("\xa0", " ", text)
    table = report_data(60).predictions
    rows = least_sure_hits(table, None, threshold)
    assert rows
    assert (table.confidence[rows] < sure).all()


def test_small_words(report_data: Make) -> None:
    found = page(report_data(40, ["  ", "b", "c"], signal=1, seconds={"scan": 1.0, "total": 2.0}))
    assert "␠␠" in found.text
    assert "before this report" in found.text
    assert "total" not in found.text
    assert {attrs.get("dir") for tag, attrs in found.tags if tag == "bdi"} == {"ltr", None}


def test_nothing_right(report_data: Make) -> None:
    assert "None: no test image was recognised." in page(report_data(12, signal=-50)).text


def test_missing_thumbnails_leave_a_place(report_data: Make) -> None:
    assert "no picture" in page(report_data(30, signal=0.5, thumbnails={})).text


def test_below_a_mistake_what_spoke_for_it_in_colour(report_data: Make) -> None:
    data = report_data(30, signal=0.5)
    wrong = [path for path, right in zip(data.predictions.paths, data.predictions.correct, strict=True) if not right]
    html = render_report(report_data(30, signal=0.5, overlays={wrong[0]: b"\xff\xd8\xff"})).html
    shown = re.sub(r"\s+", " ", html)
    assert shown.count('<img class="overlay" src="data:image/jpeg;base64,/9j/" alt="in colour: what spoke for ') == 1
    assert "from purple, a little, to yellow, the most; if all is grey" in shown
    assert "to yellow" not in render_report(data).html


def test_every_reason_is_explained() -> None:
    assert set(REASONS) == set(SkipReason)


def test_changed_parameters_come_first(report_data: Make) -> None:
    text = page(report_data(parameters={"seed": 0, "svm.folds": 3}, defaults={"seed": 0, "svm.folds": 5})).text
    assert text.index("svm.folds") < text.index("seed")


def test_says_where_no_threshold_keeps_the_promise(report_data: Make) -> None:
    text = page(report_data(60, answer_threshold=None, wanted_precision=0.95)).text
    assert "No confidence was found in the training images from which 95\xa0% of the answers are right." in text
    assert "more of the answers are right" not in text


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
    assert least_sure_hits(table.of_split("test"), 5) == [3]
    assert least_sure_hits(table.of_split("test"), 5, 1.0) == [3, 2]
    assert images_to_show(table, 1) == ("b", "d")
    assert images_to_show(table, 1, 0.5) == ("b",)


def test_figure_files_are_light_pngs(report_data: Make) -> None:
    files = render_report(report_data()).figures
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


@pytest.mark.parametrize(("n", "shown"), [pytest.param(9, False, id="nine"), pytest.param(10, True, id="ten")])
def test_under_ten_test_images_there_is_no_curve_of_what_is_not_sure(report_data: Make, n: int, shown: bool) -> None:
    data = report_data(n=n)
    assert ("not_sure.png" in render_report(data).figures) is shown
    assert ("What if it may say" in page(data).text) is shown
