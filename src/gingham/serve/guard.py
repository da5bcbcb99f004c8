"""What stands in front of every route: who may ask, and how answers leave."""

from __future__ import annotations

import contextlib
import functools
import hmac
import ipaddress
import itertools
import secrets
import time
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.requests import ClientDisconnect

from gingham.serve.journal import Journal
from gingham.serve.line import Line
from gingham.serve.metrics import Metrics
from gingham.serve.page_files import PAGE
from gingham.serve.refusal import Refusal

__all__ = ["Guard"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN = frozenset({*PAGE, "/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready"})
"""Paths that need no token: probes have none, and the page asks for it."""
PREDICTING = ("/predict", "/infer")
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy",
     b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
     b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
]  # fmt: skip


class Guard:
    """An ASGI application around another.

    It checks Host, Origin and token, turns refusals and bugs into JSON, sends away who comes while the line is full,
    counts, and writes the access log.

    Parameters
    ----------
    app : ASGI application
    token : str
        Empty: none is needed.
    hosts : sequence of str
        Further values of the Host header that are allowed.
    line : Line
    metrics : Metrics
    journal : Journal
    """

    def __init__(
        self, app: App, *, token: str, hosts: tuple[str, ...], line: Line, metrics: Metrics, journal: Journal
    ) -> None:
        self.app = app
        self.draining = False
        self._token = token.encode()
        self._hosts = frozenset(host.lower() for host in hosts)
        self._line = line
        self._metrics = metrics
        self._journal = journal
        self._prefix = secrets.token_hex(4)
        self._count = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        asked = _with_a_body(scope)
        request_id = f"{self._prefix}-{next(self._count)}"
        status = 0
        sent = 0

        async def leave(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message.get("headers", ()), *HEADERS, (b"x-request-id", request_id.encode())]
                if self.draining:
                    headers.append((b"connection", b"close"))
                message = {**message, "headers": headers}
            elif asked is scope:
                sent += len(message.get("body", b""))
            await send(message)

        self._metrics.in_flight.inc()
        try:
            try:
                self._check(scope)
                await self.app(asked, receive, leave)
            except Refusal as refusal:
                await _answer(refusal, scope, leave)
            except ClientDisconnect:
                status = 499
            except Exception:  # a bug: it costs this request, and is told
                self._journal.event("bug", id=request_id, traceback=traceback.format_exc())
                if not status:
                    await _answer(
                        Refusal(500, "bug", f"A bug in Gingham; the log says more: {request_id}."), scope, leave
                    )
        finally:
            self._metrics.in_flight.dec()
            seconds = time.perf_counter() - began
            path = _template(asked)
            self._metrics.requests.labels(path, _method(scope), status).inc()
            self._metrics.seconds.labels(path).observe(seconds)
            self._journal.request(
                id=request_id,
                client=(scope.get("client") or ("",))[0],
                method=_method(scope),
                path=path,
                status=status or None,
                seconds=round(seconds, 6),
                bytes=sent,
                **scope.get("state", {}).get("about", {}),
            )

    def _check(self, scope: Scope) -> None:
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name in headers and name in (b"host", b"origin", b"authorization", b"content-length"):
                raise Refusal(400, "bad_request", f"The header {name.decode()} comes twice.")
            headers[name] = value
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if host not in _own_names(tuple(scope.get("server") or ("", 0))) and host not in self._hosts:
            raise Refusal(
                421,
                "unknown_host",
                f"This service is not called {host[:100]!r}. Call it by the address that it listens on, or start it "
                "with --hosts NAME:PORT.",
            )
        self._check_origin(scope, headers, host)
        if self._token and scope["path"] not in OPEN and not self._knows(headers.get(b"authorization", b"")):
            raise Refusal(
                401,
                "unauthorized",
                "The token is missing or wrong. Send it as the header Authorization: Bearer TOKEN.",
                {"WWW-Authenticate": "Bearer"},
            )
        if scope["method"] == "POST" and scope["path"].endswith(PREDICTING) and self._line.full:
            raise self._line.refusal()

    def _knows(self, authorization: bytes) -> bool:
        scheme, _, token = authorization.partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._token)

    @staticmethod
    def _check_origin(scope: Scope, headers: dict[bytes, bytes], host: str) -> None:
        origin = headers.get(b"origin")
        own = (f"http://{host}".encode(), f"https://{host}".encode())
        site = headers.get(b"sec-fetch-site", b"none")
        followed_a_link = (
            scope["method"] in ("GET", "HEAD")
            and headers.get(b"sec-fetch-mode") == b"navigate"
            and headers.get(b"sec-fetch-dest") == b"document"
        )
        foreign = origin.lower() not in own if origin is not None else site not in (b"same-origin", b"none")
        if foreign and not (origin is None and followed_a_link):
            raise Refusal(403, "foreign_origin", "A page of another site may not call this service.")


@functools.lru_cache(maxsize=64)
def _own_names(server: tuple[str, int]) -> frozenset[str]:
    """Return what the Host header may say of the address at which a connection came in."""
    address, port = server
    names = {address}
    with contextlib.suppress(ValueError):
        ip = ipaddress.ip_address(address)
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:  # IPv4 that came in through an IPv6 socket
            ip = ip.ipv4_mapped
            names = {str(ip)}
        if ip.is_loopback:
            names |= {"localhost", "127.0.0.1", "::1"}
    bracketed = {f"[{name}]" if ":" in name else name for name in names}
    return frozenset({f"{name}:{port}" for name in bracketed} | (bracketed if port == 80 else set()))


def _template(scope: Scope) -> str:
    """Return the path of a route, or ``other``: a label has few values, whatever clients ask for."""
    route = scope.get("route")
    path = getattr(route, "path", None)
    if isinstance(path, str):
        return path
    return str(scope["path"]) if scope["path"] in (*OPEN, "/predict") else "other"


def _method(scope: Scope) -> str:
    method = str(scope["method"])
    return method if method in ("GET", "HEAD", "POST") else "other"


def _with_a_body(scope: Scope) -> Scope:
    """Return the request for the application: a HEAD is a GET to it, whose body the server leaves out."""
    return {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope


async def _answer(refusal: Refusal, scope: Scope, send: Send) -> None:
    body = refusal.body()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode("latin-1")) for name, value in refusal.headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
