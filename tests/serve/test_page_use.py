"""The page of the service in a real browser, against the real service: what one can do with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.serve.page import Opened, choose, done
from tests.serve.process import ServiceProcess
from tests.serve.running import running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

TOKEN = "a-token-of-more-than-twenty-characters"


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
    for _ in range(100):
        page.wait_for_timeout(100)
        if len(held) >= 4:
            break
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


def test_it_is_used_with_the_keyboard_alone(service: ServiceProcess, opened: Opened, pictures: list[Path]) -> None:
    page = opened(service)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    page.keyboard.press("Tab")
    ring = "getComputedStyle(document.activeElement.closest('label')).outlineStyle"
    assert page.evaluate("document.activeElement.id") == "files"
    assert page.evaluate(ring) == "solid", "where the focus is can be seen"
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")  # Enter does it too, but Playwright misses that now and then
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
