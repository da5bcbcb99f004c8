"""Fetch one address: redirects by hand, one deadline, caps on what is read, and every fault under its name."""

from __future__ import annotations

import asyncio
import contextlib
import http
import logging
import random
import re
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gingham.collect.answers import asked_pause, has_no_ai, looks_like_html, status_of
from gingham.collect.faults import FetchError, as_fetch_error
from gingham.collect.records import FAULTS_THAT_MAY_PASS, Status
from gingham.config import Collection

if TYPE_CHECKING:
    import aiohttp
    from yarl import URL

__all__ = ["MAX_REDIRECTS", "FetchError", "Fetched", "fetch"]

MAX_REDIRECTS = 5

_REDIRECTS = {301, 302, 303, 307, 308}
_HEADERS = {"Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity"}
logging.getLogger("stamina").addHandler(logging.NullHandler())  # or Python prints its notes on retries to stderr

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 20.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """What an address answered.

    Parameters
    ----------
    data : bytes
        The whole body, decompressed.
    final_url : str
        After all redirects.
    code : int
        Of the answer.
    """

    data: bytes
    final_url: str
    code: int


async def fetch(
    session: aiohttp.ClientSession,
    url: str,
    settings: Collection,
    *,
    each_try: AbstractAsyncContextManager[object] | None = None,
) -> Fetched:
    """Fetch what is expected to be an image.

    A try has ``settings.timeout`` seconds from the first connection to the last byte, whatever the number of
    redirects. After a fault that may pass it is repeated ``settings.retries`` times, after pauses that grow
    exponentially with jitter, or after the pause that the server asks for.

    Parameters
    ----------
    session : aiohttp.ClientSession
        From :func:`gingham.collect.network.open_session`.
    url : str
    settings : Collection
    each_try : asynchronous context manager, optional
        Entered for each try and left after it, to limit how many run at once; pauses lie outside.

    Raises
    ------
    FetchError
        With one of all statuses but ``ok``, ``duplicate``, ``bad_label`` and those of decoding.
    """
    import stamina

    def pause_before_next(error: Exception) -> bool | float:
        if not isinstance(error, FetchError) or error.status not in FAULTS_THAT_MAY_PASS:
            return False
        if error.pause is None:
            return True
        if error.pause > settings.max_wait:
            return False
        return error.pause + random.uniform(0, _FIRST_PAUSE)  # noqa: S311  so that not all come back at once

    async for attempt in stamina.retry_context(
        on=pause_before_next,
        attempts=settings.retries + 1,
        timeout=None,
        wait_initial=_FIRST_PAUSE,
        wait_max=_LONGEST_PAUSE,
        wait_jitter=_FIRST_PAUSE,
    ):
        with attempt:
            async with each_try or contextlib.nullcontext():
                return await _try(session, url, settings)
    raise AssertionError("unreachable")


async def _try(session: aiohttp.ClientSession, url: str, settings: Collection) -> Fetched:
    at = ""
    try:
        async with asyncio.timeout(settings.timeout):
            address = _checked(url)
            for _ in range(MAX_REDIRECTS + 1):
                at = str(address)
                async with session.get(address, headers=_HEADERS, allow_redirects=False) as answer:
                    target = answer.headers.get("Location")
                    if answer.status not in _REDIRECTS or not target:
                        return await _read(answer, settings)
                address = _checked(target, address)
            raise FetchError(Status.REDIRECTS, f"more than {MAX_REDIRECTS} redirects")
    except Exception as error:
        fault = as_fetch_error(error, settings)
        fault.final_url = fault.final_url or at
        raise fault from error


def _checked(text: str, base: URL | None = None) -> URL:
    """Return an address that may be asked."""
    from yarl import URL

    whose = "the address" if base is None else "a redirect's address"
    try:
        url = URL(text) if base is None else base.join(URL(text))
        scheme, host, user = url.scheme, url.host, url.user or url.password
        readable = url.port != 0 and not re.search(r"\s", host or "")
    except Exception:  # strangers' text makes it raise anything
        readable = False
    if not readable:
        raise FetchError(Status.BAD_URL, f"{whose} cannot be read as one")
    if scheme not in ("http", "https"):
        raise FetchError(Status.BAD_URL, f"{whose} must begin with http:// or https://")
    if not host:
        raise FetchError(Status.BAD_URL, f"{whose} names no server")
    if user:
        raise FetchError(Status.BAD_URL, f"{whose} holds a user name or a password")
    return url


async def _read(answer: aiohttp.ClientResponse, settings: Collection) -> Fetched:
    code = answer.status
    if not 200 <= code < 300:
        pause = asked_pause(answer.headers.get("Retry-After", ""))
        raise FetchError(status_of(code, pause), _code_in_words(code, pause, settings), code=code, pause=pause)
    if settings.noai and has_no_ai(answer.headers.getall("X-Robots-Tag", [])):
        raise FetchError(Status.NOAI, "its X-Robots-Tag says noai or noimageai", code=code)
    if answer.content_type in ("text/html", "application/xhtml+xml"):
        raise FetchError(Status.HTML, "a web page, not an image", code=code)
    too_large = FetchError(Status.TOO_LARGE, f"more than {settings.max_bytes:,} bytes", code=code)
    if (answer.content_length or 0) > settings.max_bytes:
        raise too_large
    parts: list[bytes] = []
    size = 0
    async for part in answer.content.iter_any():
        size += len(part)
        if size > settings.max_bytes:
            raise too_large
        parts.append(part)
    data = b"".join(parts)
    if not data:
        raise FetchError(Status.EMPTY, "the answer has no content", code=code)
    if looks_like_html(data):
        raise FetchError(Status.HTML, "a web page, not an image", code=code)
    return Fetched(data, str(answer.url), code)


def _code_in_words(code: int, pause: float | None, settings: Collection) -> str:
    """Name a code by the standard's phrase; the server's own words are not repeated."""
    with contextlib.suppress(ValueError):
        phrase = http.HTTPStatus(code).phrase
        if pause is not None and pause > settings.max_wait:
            return f"{code} {phrase}; it asks for a pause of {pause:.0f} s, allowed are {settings.max_wait:.0f} s"
        return f"{code} {phrase}"
    return str(code)
