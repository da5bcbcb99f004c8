"""The page of the service in a real browser, against the real service: what it shows."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gingham.evaluate.theme import DARK, LIGHT
from gingham.export import Prediction
from gingham.export.prediction_csv import write_csv
from tests.serve.exchange import Asker
from tests.serve.page import (
    TO_THE_PAGE,
    Opened,
    card,
    choose,
    choose_folder,
    described,
    done,
    drop_folder,
    hand_over,
    of_classes,
    percent,
    predicted,
)
from tests.serve.process import ServiceProcess
from tests.serve.running import running
from tests.textures import texture_bytes

if TYPE_CHECKING:
    from playwright.sync_api import Page

ATTACK = "<img src=x onerror=document.title='taken'>"


@pytest.mark.parametrize(
    ("give", "prefix"),
    [
        pytest.param(choose, "", id="chosen"),
        pytest.param(hand_over("drop"), "", id="dropped"),
        pytest.param(hand_over("paste"), "", id="pasted"),
        pytest.param(choose_folder, "{folder}/", id="a chosen folder"),
        pytest.param(drop_folder, "{folder}/", id="a dropped folder"),
    ],
)
def test_it_shows_what_the_service_says(
    service: ServiceProcess,
    ask: Asker,
    opened: Opened,
    pictures: list[Path],
    give: Callable[[Page, Sequence[Path]], None],
    prefix: str,
) -> None:
    page = opened(service)
    give(page, pictures)
    done(page)
    assert page.locator("#images li.card").count() == len(pictures)
    for picture in pictures:
        expected = Prediction.from_json(predicted(ask, picture), picture.name)
        shown = card(page, prefix.format(folder=picture.parent.name) + picture.name)
        assert shown.locator(".label").inner_text() == expected.label
        rows = shown.locator(".classes li")
        assert rows.all_inner_texts() == [f"{label}\n{percent(share)}" for label, share in expected.top(5)]
        bars = rows.evaluate_all(
            "rows => rows.map(row => row.querySelector('.bar')).map(bar =>"
            "parseFloat(getComputedStyle(bar, '::before').width) / bar.clientWidth)"
        )
        assert bars == pytest.approx([share for _, share in expected.top(5)], abs=0.01)
        remarks = " ".join(shown.locator(".remark").all_inner_texts())
        assert ("Not sure" in remarks) is not expected.sure
        assert ("Unlike the training images" in remarks) is expected.is_outlier
        shown.scroll_into_view_if_needed()
        shown.locator(".picture img").wait_for()


def test_it_says_what_to_expect_of_the_model(service: ServiceProcess, opened: Opened, ask: Asker) -> None:
    metrics = ask("GET", "/model").json["info"]["metrics"]
    low, high = metrics["accuracy_ci"]
    page = opened(service)
    assert page.inner_text("#promise") == (
        "Of 100 new images like those it was trained on, expect about "
        f"{100 * metrics['accuracy']:.0f} to be recognised ({100 * low:.0f} to {100 * high:.0f})."
    )
    assert f"{metrics['n_test']} test images" in page.inner_text("#basis")
    assert page.locator("#labels li").all_inner_texts() == ["checks", "dots", "stripes"]
    assert "EfficientNet-Lite0" in page.inner_text("#sees")
    assert page.locator("#results").is_hidden()


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        pytest.param({}, "How good it is, the model file does not say.", id="no test"),
        pytest.param(
            {"accuracy": 1.0, "accuracy_ci": [0.886, 1.0], "n_test": 30, "n_correct": 30},
            "Of 100 new images like those it was trained on, expect at least 88 to be recognised.",
            id="no mistake",
        ),
    ],
)
def test_it_promises_no_more_than_was_measured(
    model: Path, tmp_path: Path, opened: Opened, metrics: dict[str, Any], words: str
) -> None:
    with running(described(model, tmp_path / "model.onnx", metrics=metrics), tmp_path) as service:
        page = opened(service)
        assert page.inner_text("#promise") == words


def test_what_cannot_be_read_says_why(model: Path, tmp_path: Path, opened: Opened, pictures: list[Path]) -> None:
    contents = {
        "cut.jpg": pictures[0].read_bytes()[:3000],
        "notes.jpg": b"no image at all",
        "phone.heic": b"\x00\x00\x00\x18ftypheic" + bytes(200),
        "empty.png": b"",
        "large.bmp": b"BM" + bytes(1 << 20),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    with running(model, tmp_path, "--max-body", "1") as service:
        page = opened(service, expected=[415, 422])
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.url.rpartition("/")[2]))
        choose(page, [*(tmp_path / name for name in contents), pictures[-1]])
        done(page)
        assert {name: card(page, name).locator(".problem").inner_text().partition(":")[0] for name in contents} == {
            "cut.jpg": "Truncated",
            "notes.jpg": "Not an image",
            "phone.heic": "Unsupported format",
            "empty.png": "Empty",
            "large.bmp": "Too large",
        }
        assert "HEIC" in card(page, "phone.heic").inner_text()
        assert "at most 1\xa0MB" in card(page, "large.bmp").inner_text()
        assert sent.count("predict") == len(contents) - 2 + 1, "what is empty or too large is not sent"
        assert "1 image labelled" in page.inner_text("#status")
        assert "5 could not be read" in page.inner_text("#status")
        page.get_by_role("button", name="Could not be read").click()
        assert page.locator("#images li.card:visible").count() == 5
        page.get_by_role("button", name="stripes").click()
        assert page.locator("#images li.card:visible .label").all_inner_texts() == ["stripes"]


def test_names_and_labels_never_become_markup(
    model: Path, tmp_path: Path, opened: Opened, pictures: list[Path]
) -> None:
    name = f"{ATTACK}\u202ejpg.png"
    labels = (ATTACK, "__proto__", "<b>bold</b>")
    with running(described(model, tmp_path / "model.onnx", labels=labels), tmp_path) as service:
        page = opened(service)
        (tmp_path / name.replace("/", "")).write_bytes(pictures[3].read_bytes())
        choose(page, [tmp_path / name])
        done(page)
        assert page.inner_text(".card .file") == f"{ATTACK}\\u{{202e}}jpg.png"
        assert page.locator("#labels li").all_inner_texts() == list(labels)
        assert sorted(page.locator(".classes .name").all_inner_texts()) == sorted(labels)
        assert page.locator("main b, img[src=x], [onerror], [style*=onerror]").count() == 0
        assert page.title() == "model – Gingham"


def test_the_table_is_that_of_the_command(
    service: ServiceProcess, ask: Asker, opened: Opened, pictures: list[Path], tmp_path: Path
) -> None:
    hostile = Path(shutil.copy(pictures[4], tmp_path / '=1+1, "x".png'))
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no image")
    page = opened(service, expected=[415])
    choose(page, [hostile, broken, *pictures])
    done(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as CSV").click()
    assert download.value.suggested_filename == "predictions.csv"
    download.value.save_as(tmp_path / "saved.csv")
    saved = (tmp_path / "saved.csv").read_bytes()
    assert saved.startswith(b"\xef\xbb\xbfpath,label,")
    told = io.StringIO(newline="")
    readable = [Prediction.from_json(predicted(ask, file), file.name) for file in (hostile, *pictures)]
    failed = Prediction("broken.jpg", error="not_an_image: the content is that of no known image format")
    write_csv([*readable, failed], ["checks", "dots", "stripes"], told)
    assert table(saved.decode("utf-8-sig")) == table(told.getvalue())
    assert '\'=1+1, "x".png' in {row[0] for row in table(saved.decode("utf-8-sig"))}


def table(text: str) -> list[list[Any]]:
    """The rows in order of their names, numbers as numbers."""

    def cell(value: str) -> Any:
        return pytest.approx(float(value), abs=1e-5) if re.fullmatch(r"[\d.]+(e-\d+)?", value) else value

    head, *rows = csv.reader(io.StringIO(text, newline=""))
    return [head, *([cell(value) for value in row] for row in sorted(rows))]


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_the_window_in_the_colours_of_the_report(
    hundred_classes: ServiceProcess, opened: Opened, pictures: list[Path], scheme: str, width: int
) -> None:
    page = opened(
        hundred_classes, color_scheme=scheme, viewport={"width": width, "height": 800}, reduced_motion="reduce"
    )
    assert not page.evaluate("document.querySelector('#known').open"), "100 classes are not listed unasked"
    page.get_by_text("Classes that it knows").click()
    assert page.locator("#labels li:visible").count() == 100
    choose(page, pictures)
    done(page)
    first = page.locator(".card").first
    assert first.locator(".classes li").count() == 5
    first.get_by_role("button", name="Show all 100 classes").click()
    assert first.locator(".classes li").count() == 100
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    theme = LIGHT if scheme == "light" else DARK
    for name in ("paper", "raised", "ink", "muted", "line", "accent", "error", "caution"):
        assert page.evaluate(f"getComputedStyle(document.body).getPropertyValue('--{name}')") == getattr(theme, name)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (
        f"rgb{tuple(bytes.fromhex(theme.paper[1:]))}"
    )


@pytest.fixture(scope="module")
def hundred_classes(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    folder = tmp_path_factory.mktemp("hundred")
    labels = ["w" * 200, "very long words " * 12 + "of a label", *(f"class {i}" for i in range(98))]
    with running(of_classes(model, folder / "model.onnx", labels), folder) as process:
        yield process


def test_everything_has_a_name(service: ServiceProcess, opened: Opened, pictures: list[Path]) -> None:
    page = opened(service)
    choose(page, pictures[:1])
    done(page)
    tree = page.locator("main").aria_snapshot()
    for words in ("heading \"Sorts images into 3 classes\"", "button \"Choose images\"", "button \"Choose a folder\"",
                  "progressbar \"1 of 1\"", "status: \"Done", "group \"Show only\""):  # fmt: skip
        assert words in tree, tree
    assert page.get_attribute("html", "lang") == "en"


def test_a_thousand_images_stay_light(service: ServiceProcess, opened: Opened) -> None:
    page = opened(service)
    page.route("**/local/0", lambda route: route.fulfill(body=texture_bytes("dots", 1)))
    page.evaluate(TO_THE_PAGE, {"kind": "drop", "files": [[f"{i}.jpg", "local/0"] for i in range(1000)]})
    done(page)
    assert page.inner_text("#count") == "1,000 of 1,000"
    names = page.locator(".card .file").all_text_contents()
    assert names == [f"{i}.jpg" for i in range(1000)], "in the order of their numbers"
    page.locator(".picture img").first.wait_for()
    assert page.locator(".picture img").count() < 100, "only what is near is drawn"
    widths = page.locator(".picture img").evaluate_all("all => all.map(image => image.naturalWidth)")
    assert max(widths) <= 216
    card(page, "999.jpg").scroll_into_view_if_needed()
    card(page, "999.jpg").locator("img").wait_for()


def test_what_is_no_image_in_a_folder_is_left_out(
    service: ServiceProcess, opened: Opened, pictures: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / "many"
    (folder / "deep" / "er").mkdir(parents=True)
    shutil.copy(pictures[3], folder / "deep" / "er" / "a.png")
    for name in (".DS_Store", "Thumbs.db", "notes.txt", "deep/sheet.csv"):
        (folder / name).write_text("text")
    page = opened(service)
    drop_folder(page, [folder / "any"])
    done(page)
    assert page.locator(".card .file").all_inner_texts() == ["many/deep/er/a.png"]
    assert "4 files of the folder left out: no image." in page.inner_text("#status")
