"""The page of the service in a real browser, against the real service."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from gingham.evaluate.theme import DARK, LIGHT
from gingham.export import Prediction
from gingham.export.model_file import ModelInfo, describe
from gingham.export.prediction_csv import write_csv
from tests.serve.exchange import Asker
from tests.serve.process import ServiceProcess
from tests.serve.running import running
from tests.textures import texture_bytes

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Route

ATTACK = "<img src=x onerror=document.title='taken'>"
TOKEN = "a-token-of-more-than-twenty-characters"
REFUSED = re.compile(r"Failed to load resource: the server responded with a status of (\d+)")
"""What Chromium itself writes on the console about a refusal; no page can keep it from that."""
TO_THE_PAGE = """async ({ kind, files }) => {
  const transfer = new DataTransfer();
  for (const [name, path] of files) {
    transfer.items.add(new File([await (await fetch(path)).arrayBuffer()], name));
  }
  const about = { bubbles: true, cancelable: true };
  if (kind === "drop") document.dispatchEvent(new DragEvent("drop", { ...about, dataTransfer: transfer }));
  else document.dispatchEvent(new ClipboardEvent("paste", { ...about, clipboardData: transfer }));
}"""

Opened = Callable[..., "Page"]


@pytest.fixture
def opened(chromium: Browser) -> Iterator[Opened]:
    """Open the page of a service; it must ask nothing of anybody else, and have nothing to complain about."""
    pages: list[Page] = []
    complaints: list[str] = []
    requests: list[str] = []
    refusals: list[int] = []
    origins: set[str] = set()

    def note(message: ConsoleMessage) -> None:
        refused = REFUSED.match(message.text)
        if refused:
            refusals.append(int(refused[1]))
        elif not message.text.startswith("Failed to load resource: net::"):
            complaints.append(message.text)

    def open_page(service: ServiceProcess, path: str = "/", expected: Sequence[int] = (), **options: Any) -> Page:
        page = chromium.new_page(**options)
        pages.append(page)
        origins.add(f"http://127.0.0.1:{service.port}")
        page.set_default_timeout(15_000)
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(f"http://127.0.0.1:{service.port}{path}")
        page.locator("#about:visible, #access:visible").first.wait_for()
        allowed.update(expected)
        return page

    allowed: set[int] = set()
    yield open_page
    for page in pages:
        page.close()
    assert complaints == []
    assert set(refusals) <= allowed
    assert [url for url in requests if not url.startswith((*origins, *(f"blob:{origin}" for origin in origins)))] == []


@pytest.fixture(scope="module")
def pictures(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three real photos and three textures."""
    folder = tmp_path_factory.mktemp("pictures")
    found = sorted((photos / "clothing").glob("*/*.jpg"))[::700][:3]
    copies = [Path(shutil.copy(photo, folder / f"photo {i}.jpg")) for i, photo in enumerate(found)]
    for kind in ("checks", "dots", "stripes"):
        file = folder / f"{kind}.png"
        file.write_bytes(texture_bytes(kind, 99, "PNG"))
        copies.append(file)
    return copies


def done(page: Page) -> None:
    """Wait until every image has its answer."""
    page.locator("#status", has_text="Done: ").wait_for(timeout=60_000)


def card(page: Page, name: str) -> Locator:
    """The card of an image."""
    return page.locator("#images li.card").filter(has=page.locator(".file").get_by_text(name, exact=True))


def percent(fraction: float) -> str:
    """As the page writes it."""
    rounded = round(100 * fraction)
    if rounded == 100 and fraction < 1:
        return ">\xa099\xa0%"
    return "<\xa01\xa0%" if rounded == 0 and fraction > 0 else f"{rounded}\xa0%"


def predicted(ask: Asker, file: Path) -> dict[str, Any]:
    """What the service says of a file."""
    answer = ask("POST", "/predict", file.read_bytes(), content_type="application/octet-stream")
    (prediction,) = answer.json["predictions"]
    return dict(prediction)


def described(model: Path, to: Path, **changes: Any) -> Path:
    """The same model, with another description."""
    changed = onnx.load(model)
    describe(changed, ModelInfo(**(ModelInfo.of(changed).model_dump() | changes)))
    onnx.save(changed, to)
    return to


def of_classes(model: Path, to: Path, labels: Sequence[str]) -> Path:
    """A model of as many classes as there are labels; what it says makes no sense."""
    changed = onnx.load(model)
    for weight in changed.graph.initializer:
        values = numpy_helper.to_array(weight)
        if weight.name in ("head.coef", "head.intercept", "head.scale", "head.offsets") and values.ndim:
            weight.CopyFrom(numpy_helper.from_array(np.resize(values, (len(labels), *values.shape[1:])), weight.name))
    for output in changed.graph.output:
        if output.name in ("probabilities", "scores"):
            output.type.tensor_type.shape.dim[1].dim_value = len(labels)
    describe(changed, ModelInfo(**(ModelInfo.of(changed).model_dump() | {"labels": tuple(labels)})))
    onnx.save(changed, to)
    return to


def choose(page: Page, pictures: Sequence[Path]) -> None:
    page.set_input_files("#files", pictures)


def choose_folder(page: Page, pictures: Sequence[Path]) -> None:
    page.set_input_files("#folder", pictures[0].parent)


def drop_folder(page: Page, pictures: Sequence[Path]) -> None:
    """Drag a folder from the desktop and let it go over the page."""
    browser = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(pictures[0].parent)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        browser.send("Input.dispatchDragEvent", {"type": kind, "x": 200, "y": 300, "data": data})


def hand_over(kind: Literal["drop", "paste"]) -> Callable[[Page, Sequence[Path]], None]:
    """Drop or paste files. They come through an address that exists in this browser only."""

    def hand(page: Page, pictures: Sequence[Path]) -> None:
        def local(route: Route) -> None:
            route.fulfill(path=pictures[int(route.request.url.rpartition("/")[2])])

        page.route("**/local/*", local)
        files = [[picture.name, f"local/{number}"] for number, picture in enumerate(pictures)]
        page.evaluate(TO_THE_PAGE, {"kind": kind, "files": files})

    return hand


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


def test_the_token_is_asked_for_once_and_goes_into_no_address(
    model: Path, tmp_path: Path, opened: Opened, pictures: list[Path]
) -> None:
    with running(model, tmp_path, GINGHAM_SERVICE__TOKEN=TOKEN) as service:
        page = opened(service, expected=[401])
        addresses: list[str] = []
        page.on("request", lambda request: addresses.append(request.url))
        choose(page, pictures[:2])
        page.get_by_text("Waiting for the token.").wait_for()
        assert page.evaluate("document.activeElement.id") == "token"
        for attempt in ("wrong", "gänzlich 間違い"):
            page.keyboard.type(attempt)
            page.keyboard.press("Enter")
            page.get_by_text("That is not the token of this service.").wait_for()
        page.fill("#token", f" {TOKEN} ")
        page.keyboard.press("Enter")
        done(page)
        assert page.locator("#access").is_hidden()
        assert page.locator("#promise").is_visible()
        assert not [url for url in (*addresses, page.url) if TOKEN in url]
        assert TOKEN not in page.content()
        assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]


def test_a_busy_service_gets_every_image_in_the_end(
    model: Path, tmp_path: Path, opened: Opened, pictures: list[Path]
) -> None:
    with running(model, tmp_path, "--queue", "1", "--workers", "1") as service:
        page = opened(service, expected=[503])
        statuses: list[int] = []
        page.on("response", lambda response: statuses.append(response.status) if "predict" in response.url else None)
        choose(page, pictures * 5)
        done(page)
        assert page.locator(".card .label").count() == 30
        assert statuses.count(200) == 30
        assert statuses.count(503) > 0


def test_a_refusal_is_followed_by_the_wait_it_asks_for(
    service: ServiceProcess, opened: Opened, pictures: list[Path]
) -> None:
    page = opened(service, expected=[503])
    times: list[float] = []

    def refuse_twice(route: Route) -> None:
        times.append(page.evaluate("performance.now()") / 1000)
        if len(times) > 2:
            route.continue_()
        else:
            route.fulfill(status=503, headers={"Retry-After": "2"}, json={"error": {"reason": "overloaded"}})

    page.route("**/predict", refuse_twice)
    choose(page, pictures[:1])
    page.get_by_text("The service is busy. Trying again in 2 seconds.").wait_for()
    done(page)
    assert len(times) == 3
    assert min(times[1] - times[0], times[2] - times[1]) >= 1.9


def test_it_can_be_stopped_and_goes_on(service: ServiceProcess, opened: Opened, pictures: list[Path]) -> None:
    page = opened(service)
    held: list[Route] = []
    page.route("**/predict", lambda route: held.append(route))
    choose(page, pictures * 2)
    page.get_by_text("0 of 12").wait_for()
    page.wait_for_timeout(300)
    assert len(held) == 4, "four at a time"
    page.get_by_role("button", name="Stop").focus()
    page.keyboard.press("Enter")
    page.get_by_text("Stopped. 12 images left.").wait_for()
    page.unroute("**/predict")
    assert page.evaluate("document.activeElement.textContent") == "Continue"
    page.keyboard.press("Enter")
    done(page)
    assert page.inner_text("#count") == "12 of 12"
    assert page.evaluate("document.activeElement.textContent") == "Save as CSV"
    page.get_by_role("button", name="Clear").click()
    page.locator("#results").wait_for(state="hidden")
    assert page.locator(".card").count() == 0
    assert page.evaluate("document.activeElement.id") == "files"


def test_a_service_that_has_gone_is_told_and_asked_again(
    service: ServiceProcess, opened: Opened, pictures: list[Path]
) -> None:
    page = opened(service)
    page.route("**/predict", lambda route: route.abort("connectionrefused"))
    choose(page, pictures)
    page.get_by_text("The service does not answer. Is it running?").wait_for()
    assert page.locator(".card .problem").count() == 0
    page.unroute("**/predict")
    page.get_by_role("button", name="Try again").click()
    done(page)
    assert page.locator(".card .label").count() == len(pictures)


def test_it_works_below_a_path_of_a_proxy(
    service: ServiceProcess, opened: Opened, pictures: list[Path], chromium: Browser
) -> None:
    page = chromium.new_page()
    try:
        page.route("**/*", lambda route: route.continue_(url=route.request.url.replace("/behind/a/proxy/", "/")))
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"http://127.0.0.1:{service.port}/behind/a/proxy/")
        choose(page, pictures[:1])
        done(page)
        assert all("/behind/a/proxy/" in url for url in asked if url.startswith("http")), asked
    finally:
        page.close()


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


def test_it_is_used_with_the_keyboard_alone(service: ServiceProcess, opened: Opened, pictures: list[Path]) -> None:
    page = opened(service)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    page.keyboard.press("Tab")
    ring = "getComputedStyle(document.activeElement.closest('label')).outlineStyle"
    assert page.evaluate("document.activeElement.id") == "files"
    assert page.evaluate(ring) == "solid", "where the focus is can be seen"
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(pictures)
    done(page)
    reached = []
    for _ in range(5):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.innerText.split('\\n')[0]"))
    assert reached[:4] == ["folder", "save", "clear", "All"]
    page.keyboard.press("Enter")
    page.locator("#filters [aria-pressed=true]", has_text=reached[4]).wait_for()
    assert page.evaluate("document.activeElement.ariaPressed") == "true", "the focus stays where it was"


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
