"""The report in a real browser: no request, no error, names as text, nothing wider than the window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from gingham.evaluate.report import render_report
from gingham.evaluate.report_data import ReportData

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ATTACK = "<img src=x onerror=document.title='taken'>.jpg"
LONG = "striped/" + "w" * 247 + ".jpg"


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_report(
    chromium: Browser,
    report_data: Callable[..., ReportData],
    tmp_path: Path,
    scheme: Literal["light", "dark"],
    width: int,
) -> None:
    file = tmp_path / "report.html"
    paths = [ATTACK, LONG, "new\nline.jpg", *(f"{i}.jpg" for i in range(57))]
    data = report_data(60, ["dotted", "<b>leopard</b>", "s" * 200], paths=paths, signal=0.5, images_shown=60)
    file.write_text(render_report(data).html, encoding="utf-8")
    requests: list[str] = []
    complaints: list[str] = []
    page = chromium.new_page(color_scheme=scheme, viewport={"width": width, "height": 900})
    try:
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(file.as_uri())
        assert page.title().startswith("Garment patterns")
        for name in (ATTACK, LONG, r"new\nline.jpg"):
            assert page.get_by_text(name, exact=True).count() == 1
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        # In CSS a source is chosen by scheme: compare what is shown with what each scheme offers.
        shown: list[dict[str, Any]] = page.evaluate(
            "[...document.querySelectorAll('picture')].map(p => ({"
            "dark: p.querySelector('img').currentSrc === p.querySelector('source').srcset,"
            "wide: (p.scrollIntoView(), p.querySelector('img').naturalWidth)}))"
        )
        assert [picture["dark"] for picture in shown] == [scheme == "dark"] * 4
        assert all(picture["wide"] > 100 for picture in shown)
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(18, 21, 22)")
    finally:
        page.close()
    assert [url for url in requests if not url.startswith(("data:", "file:"))] == []
    assert sum(url.startswith("file:") for url in requests) == 1
    assert complaints == []


def test_on_a_phone_what_is_too_wide_scrolls_in_a_readable_size(
    chromium: Browser, report_data: Callable[..., ReportData], tmp_path: Path
) -> None:
    file = tmp_path / "report.html"
    data = report_data(90, [f"class{i}" for i in range(45)], parameters={"seed": 1}, defaults={"seed": 0})
    file.write_text(render_report(data).html, encoding="utf-8")
    page = chromium.new_page(viewport={"width": 390, "height": 900})
    try:
        page.goto(file.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.evaluate("document.querySelector('.figure img').getBoundingClientRect().width") >= 760
        assert page.evaluate("getComputedStyle(document.querySelector('.parameters td')).display") == "block"
        page.get_by_text("5 more classes").click()
        assert page.evaluate("document.querySelectorAll('.classes tbody tr').length") == 45
        page.get_by_role("link", name="How to go on").focus()
        page.keyboard.press("Enter")
        assert page.evaluate("document.querySelector('#next').getBoundingClientRect().top") < 900
    finally:
        page.close()
