"""What the tests of the page do with it in a real browser."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from gingham.export.model_file import ModelInfo, describe
from tests.serve.exchange import Asker
from tests.serve.process import ServiceProcess
from tests.textures import texture_bytes

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Route

REFUSED = re.compile(r"Failed to load resource: the server responded with a status of (\d+)")
"""What Chromium itself writes on the console about a refusal; no page can keep it from that."""
TO_THE_PAGE = """async ({ kind, files }) => {
  const transfer = new DataTransfer();
  const contents = {};
  for (const [name, path] of files) {
    contents[path] ??= await (await fetch(path)).arrayBuffer();
    transfer.items.add(new File([contents[path]], name));
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
