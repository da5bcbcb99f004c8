"""A bug costs the request that met it, is answered as every error is, and is written down."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import MutableMapping
from typing import Any

from gingham.export import Predictor
from gingham.serve.app import build_app
from gingham.serve.bodies import Bodies
from gingham.serve.guard import Guard
from gingham.serve.journal import Journal
from gingham.serve.line import Line
from gingham.serve.metrics import Metrics
from gingham.serve.served_model import ServedModel
from gingham.serve.service import Service
from gingham.serve.workers import Workers

SCOPE = {
    "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
    "path": "/model", "raw_path": b"/model", "query_string": b"", "root_path": "", "client": ("127.0.0.1", 1),
    "server": ("127.0.0.1", 8000), "headers": [(b"host", b"127.0.0.1:8000")],
}  # fmt: skip


class Broken(ServedModel):
    """A model of which nothing can be said."""

    @property
    def name(self) -> str:
        """Fail."""
        raise ZeroDivisionError("it is a test")


def test_it_is_answered_in_json_and_written_down(predictor: Predictor) -> None:
    reader, writer = os.pipe()
    workers = Workers(1, 1000, 1.0)
    line, metrics, journal = Line(workers, 1), Metrics(lambda: 0, lambda: 0, lambda: 0), Journal(False, writer)
    sent: list[MutableMapping[str, Any]] = []

    async def ask() -> None:
        service = Service(Broken(predictor.path), line, Bodies(9, 9, 1), metrics, max_images=1, max_pixels=1)
        guard = Guard(build_app(service), token="", hosts=(), line=line, metrics=metrics, journal=journal)

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        await guard(dict(SCOPE), receive, send)

    asyncio.run(ask())
    start, *bodies = sent
    assert start["status"] == 500
    error = json.loads(b"".join(each["body"] for each in bodies))["error"]
    assert error["reason"] == "bug"
    written = json.loads(os.read(reader, 1 << 16))
    assert (written["event"], "ZeroDivisionError" in json.dumps(written)) == ("bug", True)
    os.close(reader)
    os.close(writer)
