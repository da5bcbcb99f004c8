"""A web server on loopback with every fault that servers have, and count of what it was asked."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import email.utils
import gzip
import itertools
import socket
import ssl
import threading
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from aiohttp.abc import AbstractResolver, ResolveResult

from tests.images import makers

PHOTO = makers.jpeg()
PAGE = b"<!DOCTYPE html><html><body>Sign in to see this image</body></html>"

Answer = Callable[["FaultyServer", asyncio.StreamWriter], Awaitable[bool | None]]
"""Writes an answer; returns True where the connection can be used again."""


def numbered(number: int, side: int = 96) -> bytes:
    """A small JPEG that differs from those of all other numbers."""
    return makers.jpeg(np.random.default_rng(number).integers(0, 255, (side, side, 3), np.uint8), quality=50)


def says(code: int = 200, body: bytes = PHOTO, **headers: str) -> Answer:
    """A whole answer; ``X_Robots_Tag`` is the header X-Robots-Tag."""

    async def answer(_: FaultyServer, writer: asyncio.StreamWriter) -> bool:
        writer.write(head(code, **{"Content-Length": str(len(body)), "Content-Type": "image/jpeg", **headers}) + body)
        return True

    return answer


def head(code: int, *more: str, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {code} Whatever", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, *more, "", ""]).encode()


def leads_to(target: str, code: int = 302) -> Answer:
    return says(code, b"", Location=target)


def in_turn(*answers: Answer) -> Answer:
    """The first answer to the first request, and so on; the last to all that follow."""
    following = itertools.chain(answers, itertools.repeat(answers[-1]))

    async def answer(server: FaultyServer, writer: asyncio.StreamWriter) -> bool | None:
        return await next(following)(server, writer)

    return answer


def raw(*parts: bytes, pause: float = 0.0) -> Answer:
    """Exactly these bytes, then the end of the connection."""

    async def answer(_: FaultyServer, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)

    return answer


async def hangs(server: FaultyServer, _: asyncio.StreamWriter) -> None:
    await server.closing.wait()


async def drips(server: FaultyServer, writer: asyncio.StreamWriter) -> None:
    writer.write(head(200, Content_Type="image/jpeg"))
    while not server.closing.is_set():
        writer.write(b"\xff")
        await writer.drain()
        await asyncio.sleep(0.02)


async def drips_headers(server: FaultyServer, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while not server.closing.is_set():
        writer.write(b"X: 1\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)


async def floods(server: FaultyServer, writer: asyncio.StreamWriter) -> None:
    """Sends without end, as fast as it is read."""
    writer.write(head(200, Content_Type="image/jpeg"))
    while not server.closing.is_set():
        writer.write(b"\xff\xd8" * 2**15)
        server.sent += 2**16
        await writer.drain()


async def resets(_: FaultyServer, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


def bomb(size: int = 256 * 2**20) -> bytes:
    """Gzip of so many zeros, about a thousandth of them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = bytes(2**20)
    return b"".join(packer.compress(block) for _ in range(size // 2**20)) + packer.flush()


def date_in(seconds: float) -> str:
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return email.utils.format_datetime(until, usegmt=True)


def robots(*tags: str) -> Answer:
    lines = [f"X-Robots-Tag: {tag}" for tag in tags]
    return raw(head(200, *lines, Content_Length=str(len(PHOTO)), Content_Type="image/jpeg") + PHOTO)


SQUEEZED = gzip.compress(PHOTO)

FAULTS: dict[str, Answer] = {
    "/ok": says(),
    "/no-length": raw(head(200) + PHOTO),
    "/chunked": raw(head(200, Transfer_Encoding="chunked") + b"%x\r\n%b\r\n0\r\n\r\n" % (len(PHOTO), PHOTO)),
    "/gzip": says(body=SQUEEZED, Content_Encoding="gzip"),
    "/401": says(401, PAGE),
    "/403": says(403, PAGE),
    "/404": says(404, PAGE),
    "/410": says(410, PAGE),
    "/418": says(418, PAGE),
    "/451": says(451, PAGE),
    "/500": says(500, PAGE),
    "/503": says(503, PAGE),
    "/503-once": in_turn(says(503, PAGE), says()),
    "/429-seconds": in_turn(says(429, PAGE, Retry_After="1"), says()),
    "/429-date": in_turn(says(429, PAGE, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"), says()),
    "/429-always": says(429, PAGE),
    "/429-long": says(429, PAGE, Retry_After="86400"),
    "/503-long": says(503, PAGE, Retry_After="86400"),
    "/html": says(body=PAGE, Content_Type="text/html; charset=utf-8"),
    "/html-as-jpeg": says(body=b"\n<!-- hello -->" + PAGE),
    "/loop": leads_to("/loop"),
    "/five": leads_to("/four", 301),
    "/four": leads_to("/three", 303),
    "/three": leads_to("two", 307),
    "/two": leads_to("/one", 308),
    "/one": leads_to("/ok"),
    "/six": leads_to("/five"),
    "/to-nowhere": says(302, b""),
    "/to-file": leads_to("file:///etc/passwd"),
    "/to-data": leads_to("data:image/png;base64,iVBORw0KGgo="),
    "/to-user": leads_to("http://me:secret@127.0.0.1/"),
    "/to-nonsense": leads_to("http://[::1"),
    "/short": raw(head(200, Content_Length=str(len(PHOTO) + 1000)) + PHOTO),
    "/short-once": in_turn(raw(head(200, Content_Length=str(len(PHOTO) + 1000)) + PHOTO), says()),
    "/short-chunk": raw(head(200, Transfer_Encoding="chunked") + b"ffff\r\n" + PHOTO),
    "/bomb": says(body=bomb(), Content_Encoding="gzip"),
    "/bad-gzip": says(body=b"\x1f\x8b" + PHOTO, Content_Encoding="gzip"),
    "/long": says(body=bytes(3 * 2**20)),
    "/flood": floods,
    "/hang": hangs,
    "/drip": drips,
    "/drip-headers": drips_headers,
    "/reset": resets,
    "/silent": raw(),
    "/not-http": raw(b"220 mail.example.org ESMTP\r\n"),
    "/empty": says(body=b""),
    "/204": raw(head(204)),
    "/noai": robots("noai"),
    "/noimageai": robots("noindex, NoImageAI"),
    "/noai-second": robots("noindex", "all", "noimageai"),
    "/noai-for-us": robots("gingham: noai"),
    "/noai-for-all": robots("otherbot: noindex, *: noai"),
    "/noai-for-other": robots("otherbot: noindex, noai"),
    "/noai-no": robots("noaix, unavailable_after: 25 Jun 2027 15:00:00 PST", "max-snippet: 20"),
    "/text": says(body=b"hello"),
    "/svg": says(body=b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>'),
    "/half": says(body=PHOTO[: len(PHOTO) // 2]),
    "/tiny": says(body=makers.jpeg(makers.scene(40, 30))),
    "/secret": says(404, b"SECRET-OF-THE-SERVER", X_Hint="SECRET-OF-THE-SERVER"),
}


class FaultyServer:
    """Runs in a thread of its own, on a free port.

    ``/image/<n>`` is a small photo, a different one for each n, after ``delay`` seconds; the faults are in ``FAULTS``.
    """

    def __init__(
        self,
        answers: dict[str, Answer] | None = None,
        *,
        host: str = "127.0.0.1",
        delay: float = 0.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.answers = FAULTS if answers is None else answers
        self.requests: Counter[str] = Counter()
        self.headers: list[str] = []
        self.connections = 0
        self.most_at_once = 0
        self.sent = 0
        self.port = 0
        self.closing = asyncio.Event()
        self._at_once = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._host, self._delay, self._tls = host, delay, tls
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)

    def url(self, path: str, host: str = "") -> str:
        return f"{'https' if self._tls else 'http'}://{host or self._host}:{self.port}{path}"

    def wait_idle(self) -> None:
        """Wait until no client is connected, so that all requests of a client that is gone are counted."""
        while asyncio.run_coroutine_threadsafe(self._connected_now(), self._loop).result():
            time.sleep(0.01)

    async def _connected_now(self) -> int:
        await self._rounds()
        return len(self._writers)

    def __enter__(self) -> FaultyServer:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *exception: object) -> None:
        self._loop.call_soon_threadsafe(self.closing.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, self._host, 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self.closing.wait()
        await self._rounds()  # what was just accepted gets its transport, which a closed server would not give it
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        await self._rounds()

    async def _rounds(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0.001)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        task = asyncio.create_task(self._talk(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            again: bool | None = True
            while again:
                first = await reader.readexactly(1)
                if first == b"\x16":  # a client that speaks TLS
                    writer.write(head(400))
                    break
                again = await self._answer((first + await reader.readuntil(b"\r\n\r\n")).decode(), writer)
                await writer.drain()
        with contextlib.suppress(ConnectionError):
            writer.close()
        self._writers.discard(writer)

    async def _answer(self, request: str, writer: asyncio.StreamWriter) -> bool | None:
        path = request.split(" ")[1]
        self.requests[path] += 1
        self.headers.append(request)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            if path.startswith("/image/"):
                await asyncio.sleep(self._delay)
                return await says(body=numbered(int(path.rpartition("/")[2])))(self, writer)
            return await self.answers.get(path, says(404, b""))(self, writer)
        finally:
            self._at_once -= 1


def certificate(folder: Path) -> ssl.SSLContext:
    """TLS for a server, with a certificate that nobody trusts."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gingham")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "certificate.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


class Names(AbstractResolver):
    """Knows some names, each with its addresses, of which the next ones are given at each question; asks nobody."""

    def __init__(self, names: Mapping[str, Sequence[Sequence[str]]] | None = None) -> None:
        self._names = {
            name: itertools.chain(answers, itertools.repeat(answers[-1])) for name, answers in (names or {}).items()
        }
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_UNSPEC) -> list[ResolveResult]:
        self.asked.append(host)
        if host in self._names:
            addresses = next(self._names[host])
        else:
            flags = socket.AI_NUMERICHOST  # numbers as the system reads them, but no question to anyone
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
            addresses = [str(peer[0]) for *_, peer in found]
        return [
            ResolveResult(
                hostname=host, host=address, port=port, proto=0, flags=socket.AI_NUMERICHOST,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
            )
            for address in addresses
        ]  # fmt: skip

    async def close(self) -> None:
        """Nothing is held."""


class Canary:
    """A listener that nobody must connect to; counts who does."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family)
        self._socket.setblocking(False)  # on loopback a connection is there as soon as it was made
        self.port = self._socket.getsockname()[1]

    def __enter__(self) -> Canary:
        return self

    def __exit__(self, *exception: object) -> None:
        self._socket.close()

    def visits(self) -> int:
        """Connections made since it was last asked."""
        count = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.accept()[0].close()
                count += 1
        return count
