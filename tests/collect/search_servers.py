"""Providers on loopback that speak the documented shapes of Openverse, Wikimedia Commons and Flickr."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

import aiohttp
from aiohttp import web

from gingham.collect.providers import Found, Manners, Provider
from gingham.collect.providers.flickr import Flickr
from gingham.collect.providers.openverse import Openverse
from gingham.collect.providers.wikimedia import Wikimedia
from gingham.config import Collection

Result = TypeVar("Result")
Reply = Callable[[web.Request], web.StreamResponse | Awaitable[web.StreamResponse]]
AGENT = "gingham/0 (tester@example.org) aiohttp/3"
FAST = Manners(pause=0)
KEYS = {"FLICKR_API_KEY": "secret-key"}


def run(main: Coroutine[Any, Any, Result]) -> Result:
    return asyncio.run(asyncio.wait_for(main, 20))


def settings(**changes: Any) -> Collection:
    return Collection(**({"contact": "tester@example.org", "retries": 2, "timeout": 5} | changes))


class FakeProvider:
    """A server that answers `script` first, one reply a request, and then as documented."""

    path = "/"

    def __init__(self, items: list[dict[str, Any]] | None = None, script: list[Reply] | None = None) -> None:
        self.items = items or []
        self.script = list(script or [])
        self.asked: list[dict[str, str]] = []
        self.base = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(dict(request.query))
        if self.script:
            reply = self.script.pop(0)(request)
            return reply if isinstance(reply, web.StreamResponse) else await reply
        return self.documented(dict(request.query), request)

    def documented(self, query: dict[str, str], request: web.Request) -> web.Response:
        raise NotImplementedError

    def provider(self, **changes: Any) -> Provider:
        raise NotImplementedError

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[aiohttp.ClientSession]:
        """Serve on a free port of loopback; give a session to ask it with."""
        app = web.Application()
        app.router.add_get("/{path:.*}", self.answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            async with aiohttp.ClientSession(headers={"User-Agent": AGENT}) as session:
                yield session
        finally:
            await runner.cleanup()

    def search(
        self, query: str = "red fox", count: int = 5, licences: tuple[str, ...] = (), **changes: Any
    ) -> list[Found]:
        """Return what one search finds."""

        async def main() -> list[Found]:
            async with self.serve() as session:
                provider = self.provider(**changes)
                async with contextlib.aclosing(provider.search(query, count, licences, session)) as found:
                    return [each async for each in found]

        return run(main())


class FakeOpenverse(FakeProvider):
    """Without a key: 20 images a page, 12 pages; no `next`; errors as Django REST framework writes them."""

    def documented(self, query: dict[str, str], request: web.Request) -> web.Response:
        assert request.path == "/v1/images/"
        size, page = int(query.get("page_size", 20)), int(query.get("page", 1))
        if size > 20:
            return web.json_response(
                {"detail": "page_size must be between 1 & 20 for unauthenticated requests."}, status=401
            )
        wanted = query["license"].split(",") if "license" in query else []
        if unknown := set(wanted) - {"by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd", "cc0", "pdm"}:
            message = f"License '{unknown.pop()}' does not exist."
            return web.json_response({"detail": {"license": [message]}}, status=400)
        items = [item for item in self.items if not wanted or item["license"] in wanted]
        count = min(len(items), 240)
        headers = {"X-RateLimit-Limit-anon_burst": "20/min", "X-RateLimit-Available-anon_burst": "19"}
        body = {
            "result_count": count,
            "page_count": -(-count // size),
            "page_size": size,
            "page": page,
            "results": items[(page - 1) * size : page * size],
        }
        return web.json_response(body, headers=headers)

    def provider(self, **changes: Any) -> Provider:
        manners = changes.pop("manners", FAST)
        return Openverse(settings(**changes), {}, base=self.base, manners=manners)


class FakeWikimedia(FakeProvider):
    """Refuses programs without a contact; pages by `continue`; its pages come in any order."""

    def documented(self, query: dict[str, str], request: web.Request) -> web.Response:
        assert request.path == "/w/api.php"
        if "@" not in request.headers["User-Agent"]:
            return web.Response(status=403, text="Please set a user-agent and respect our robot policy")
        assert (query["maxlag"], query["formatversion"], query["gsrnamespace"]) == ("5", "2", "6")
        start, size = int(query.get("gsroffset", 0)), int(query["gsrlimit"])
        assert size <= 50
        assert start == 0 or query["continue"] == "gsroffset||"
        pages = [
            {**item, "index": start + number} for number, item in enumerate(self.items[start : start + size], start=1)
        ]
        answer: dict[str, Any] = {"batchcomplete": True}
        if start + size < len(self.items):
            answer["continue"] = {"gsroffset": start + size, "continue": "gsroffset||"}
        if pages:  # an empty answer has no `query`
            answer["query"] = {"pages": pages[::-1]}
        return web.json_response(answer)

    def provider(self, **changes: Any) -> Provider:
        return Wikimedia(settings(**changes), {}, base=self.base, manners=FAST)


class FakeFlickr(FakeProvider):
    """Its errors come with status 200; numbers are sometimes texts."""

    def documented(self, query: dict[str, str], request: web.Request) -> web.Response:
        assert request.path == "/services/rest/"
        assert (query["method"], query["format"], query["nojsoncallback"]) == ("flickr.photos.search", "json", "1")
        if query["api_key"] != KEYS["FLICKR_API_KEY"]:
            return web.json_response({"stat": "fail", "code": 100, "message": "Invalid API Key (Key not found)"})
        size, page = int(query["per_page"]), int(query["page"])
        wanted = query["license"].split(",")
        items = [item for item in self.items if str(item.get("license")) in wanted]
        photos = {
            "page": page,
            "pages": -(-len(items) // size),
            "perpage": size,
            "total": str(len(items)),
            "photo": items[(page - 1) * size : page * size],
        }
        return web.json_response({"photos": photos, "stat": "ok"})

    def provider(self, **changes: Any) -> Provider:
        keys = changes.pop("keys", KEYS)
        return Flickr(settings(**changes), keys, base=self.base, manners=FAST)


@contextlib.contextmanager
def serving(*providers: FakeProvider) -> Iterator[None]:
    """Let providers answer, in a thread of their own."""
    ready, over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with contextlib.AsyncExitStack() as stack:
            for provider in providers:
                await stack.enter_async_context(provider.serve())
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    try:
        yield
    finally:
        over.set()
        thread.join()


def openverse_item(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"0000-{number}",
        "title": f"Fox {number}",
        "foreign_landing_url": f"https://example.org/photos/{number}",
        "url": f"https://example.org/files/{number}.jpg",
        "creator": "Ann",
        "creator_url": "https://example.org/people/ann",
        "license": "by",
        "license_version": "2.0",
        "license_url": "https://creativecommons.org/licenses/by/2.0/",
        "provider": "flickr",
        "source": "flickr",
        "filesize": None,
        "attribution": f'"Fox {number}" by Ann is licensed under CC BY 2.0.',
        "mature": False,
        "height": 800,
        "width": 1024,
    } | changes


def wikimedia_item(number: int, info: dict[str, Any] | None = None, **about: Any) -> dict[str, Any]:
    metadata = {
        "License": "cc-by-sa-4.0",
        "LicenseShortName": "CC BY-SA 4.0",
        "LicenseUrl": "https://creativecommons.org/licenses/by-sa/4.0",
        "Artist": '<a href="//commons.wikimedia.org/wiki/User:Ann" title="User:Ann">Ann</a>',
        "AttributionRequired": "true",
    } | about
    return {
        "pageid": number,
        "ns": 6,
        "title": f"File:Fox {number}.jpg",
        "imagerepository": "local",
        "imageinfo": [
            {
                "size": 842601,
                "width": 2400,
                "height": 1011,
                "thumburl": f"https://example.org/thumb/1280px-{number}.jpg",
                "thumbwidth": 1280,
                "thumbheight": 539,
                "url": f"https://example.org/full/{number}.jpg",
                "descriptionurl": f"https://example.org/wiki/File:Fox_{number}.jpg",
                "mime": "image/jpeg",
                "extmetadata": {
                    key: {"value": value, "source": "commons-desc-page"} for key, value in metadata.items()
                },
            }
            | (info or {})
        ],
    }


def flickr_item(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": str(number),
        "owner": "12345@N00",
        "secret": "f00",
        "server": "65535",
        "farm": 66,
        "title": f"Fox {number}",
        "ispublic": 1,
        "license": "4",
        "ownername": "Ann",
        "url_z": f"https://example.org/{number}_z.jpg",
        "height_z": 427,
        "width_z": 640,
        "url_l": f"https://example.org/{number}_l.jpg",
        "height_l": "683",
        "width_l": "1024",
        "url_o": f"https://example.org/{number}_o.jpg",
        "height_o": 4000,
        "width_o": 6000,
    } | changes


def status(code: int, body: str = "", **headers: str) -> Reply:
    """Reply with a status, a body and headers (`Retry_After` for Retry-After)."""
    return lambda _: web.Response(
        status=code, text=body, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
