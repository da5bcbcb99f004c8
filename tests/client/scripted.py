"""A server on this machine that answers as a test says."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from gingham import Prediction

CHANCES = {"cat": 0.25, "dog": 0.75}
GOOD: dict[str, Any] = {
    "path": None, "label": "dog", "probability": 0.75, "probabilities": CHANCES, "sure": True,
    "outlier_score": 0.2, "is_outlier": False, "error": None,
}  # fmt: skip
MODEL = {"name": "pets", "id": "5b1f", "info": {
    "labels": ["cat", "dog"], "resolution": 96, "fit": "crop", "crop_fraction": 0.875, "interpolation": "bicubic",
    "backbone": "efficientnet_lite0", "run_id": "20261127-063146-cba2"},
}  # fmt: skip


def expected(path: str) -> Prediction:
    return Prediction.from_json(GOOD, path)


class Request(BaseHTTPRequestHandler):
    """One request, and the means to answer it."""

    protocol_version = "HTTP/1.1"
    content = b""

    def do_GET(self) -> None:
        self._do()

    def do_POST(self) -> None:
        self._do()

    def _do(self) -> None:
        self.content = b""
        server: Any = self.server
        step = server.scripted.next_step(self)
        step(self)

    def read(self) -> bytes:
        self.content = self.content or self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return self.content

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in ({"Content-Length": str(len(body))} | named).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


Step = Callable[[Request], None]


@dataclass
class Scripted:
    """The server: each request takes the next step of the script; the last one is repeated."""

    url: str
    script: list[Step]
    seen: list[Request] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next_step(self, request: Request) -> Step:
        with self._lock:
            self.seen.append(request)
            return self.script[min(len(self.seen), len(self.script)) - 1]

    @property
    def connections(self) -> int:
        return len({request.client_address for request in self.seen})


def text(status: int, body: str | bytes, **headers: str) -> Step:
    def step(request: Request) -> None:
        request.read()
        request.answer(status, body.encode() if isinstance(body, str) else body, **headers)

    return step


def says(**changes: object) -> Step:
    """Answer 200 with a good prediction, in which some fields are different."""
    return text(
        200, json.dumps({"model": {"id": "5b1f", "run_id": ""}, "predictions": [GOOD | changes], "seconds": {}})
    )


def refuses(status: int, reason: str, message: str, **headers: str) -> Step:
    return text(status, json.dumps({"error": {"reason": reason, "message": message}}), **headers)


def busy(**headers: str) -> Step:
    return refuses(503, "overloaded", "The queue is full.", **headers)


def after(seconds: float, step: Step) -> Step:
    def late(request: Request) -> None:
        time.sleep(seconds)
        step(request)

    return late


def drops(request: Request) -> None:
    """Close the connection without an answer."""
    request.read()
    request.close_connection = True


def answers_and_drops(request: Request) -> None:
    """Answer, then close the connection without having said so."""
    says()(request)
    request.close_connection = True


def breaks_off(request: Request) -> None:
    """Close the connection inside the answer."""
    request.read()
    request.answer(200, b'{"model": ', Content_Length="500")
    request.close_connection = True


def breaks_off_in_chunks(request: Request) -> None:
    """Close the connection inside an answer whose length is not said before."""
    request.read()
    request.answer(200, b'5\r\n{"mod', Transfer_Encoding="chunked")
    request.close_connection = True


def drips(request: Request) -> None:
    """Send the answer a byte at a time, without end."""
    request.read()
    with contextlib.suppress(OSError):
        request.answer(200, b" ", Content_Length="100000")
        for _ in range(200):
            request.wfile.write(b" ")
            time.sleep(0.05)
    request.close_connection = True


def drips_headers(request: Request) -> None:
    """Send the head of the answer a byte at a time, without end."""
    request.read()
    with contextlib.suppress(OSError):
        request.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        for _ in range(200):
            request.wfile.write(b"x")
            time.sleep(0.05)
    request.close_connection = True


def refuses_and_leaves(request: Request) -> None:
    """Refuse the body before it is there, and close the connection on what still comes."""
    body = b'{"error": {"reason": "too_large", "message": "The body has more than 1,000 bytes."}}'
    request.answer(413, body, Connection="close")
    request.close_connection = True


def refuses_unread(request: Request) -> None:
    """Refuse the body before it is there, close, and let what still comes run off."""
    body = b'{"error": {"reason": "too_large", "message": "The body has more than 1,000 bytes."}}'
    request.answer(413, body, Connection="close")
    request.connection.shutdown(socket.SHUT_WR)
    while request.rfile.read(1 << 16):
        pass
    request.close_connection = True


@contextlib.contextmanager
def running(*script: Step, tls: ssl.SSLContext | None = None) -> Iterator[Scripted]:
    """Run a server for as long as the context lasts."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Request)
    server.daemon_threads = True
    server.block_on_close = False
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # a client that leaves is no news
    server.scripted = Scripted(f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}", list(script))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.scripted
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
