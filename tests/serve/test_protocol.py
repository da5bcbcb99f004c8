"""A connection between and within requests, on an application that does nothing."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from gingham.serve import protocol
from gingham.serve.protocol import timed_protocol

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
REQUEST = b"GET /200 HTTP/1.1\r\nHost: here\r\n\r\n"
BUSY = b"GET /503 HTTP/1.1\r\nHost: here\r\n\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the status that the path names, after a moment."""
    await asyncio.sleep(0.01)
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": int(scope["path"][1:]), "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


def talk(conversation: Talk, connections: int = 10) -> None:
    """Run a server for one conversation."""

    async def main() -> None:
        config = uvicorn.Config(app, http=timed_protocol(0.5, connections), ws="none", lifespan="off", log_config=None)
        config.load()
        state = ServerState()

        def connected() -> asyncio.Protocol:
            return config.http_protocol_class(config=config, server_state=state, app_state={})  # type: ignore[call-arg, return-value]

        server = await asyncio.get_running_loop().create_server(connected, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            async with asyncio.timeout(20):
                await conversation(reader, writer)
            writer.close()
            await asyncio.sleep(0.05)
            assert not state.connections
            assert not state.tasks

    asyncio.run(main())


async def answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    assert await reader.readexactly(2) == b"ok"
    return int(head[9:12])


async def ended(reader: asyncio.StreamReader) -> bool:
    """Wait for the end of the connection, whatever comes before it."""
    with contextlib.suppress(ConnectionResetError):
        await reader.read()
    return True


@pytest.mark.parametrize("drop", [b"", b"\r\n"], ids=["silence", "blank lines"])
def test_between_two_requests_it_waits_so_long(monkeypatch: pytest.MonkeyPatch, drop: bytes) -> None:
    monkeypatch.setattr(protocol, "KEEP_ALIVE", 0.6)

    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(3):
            writer.write(REQUEST)
            assert await answer(reader) == 200
            await asyncio.sleep(0.4)
        began = time.monotonic()
        end = asyncio.create_task(ended(reader))
        while not end.done():
            writer.write(drop)
            await asyncio.sleep(0.05)
        assert end.result()
        assert time.monotonic() - began < 1

    talk(conversation)


def test_requests_may_be_sent_ahead() -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(REQUEST * 20)
        assert [await answer(reader) for _ in range(20)] == [200] * 20

    talk(conversation)


def test_requests_may_not_be_sent_far_ahead() -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(REQUEST * 4000)
        assert await ended(reader)

    talk(conversation)


def test_after_a_503_nothing_is_read_for_a_second() -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(BUSY)
        assert await answer(reader) == 503
        began = time.monotonic()
        writer.write(REQUEST)
        assert await answer(reader) == 200
        assert 0.9 < time.monotonic() - began < 1.5

    talk(conversation)


def test_a_pause_outlives_its_connection() -> None:
    """The client goes in the meantime, or its time is over."""

    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        failures: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
        writer.write(BUSY + REQUEST[:10])
        assert await answer(reader) == 503
        writer.transport.abort()
        await asyncio.sleep(1.3)
        assert failures == []

    talk(conversation)


CHUNKED = b"POST /200 HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_a_body_may_come_in_chunks() -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + b"64\r\n" + b"a" * 100 + b"\r\n")
        for _ in range(100):
            writer.write((b"64\r\n" + b"a" * 100 + b"\r\n") * 100)
            await asyncio.sleep(0)
        writer.write(b"0\r\n\r\n" + REQUEST)
        assert [await answer(reader), await answer(reader)] == [200, 200]

    talk(conversation)


def test_a_body_may_not_be_framing_for_the_most_part() -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        began = time.monotonic()
        writer.write(CHUNKED + b"1\r\na\r\n" * 200_000)
        assert await ended(reader)
        assert time.monotonic() - began < 0.5  # after which it would be too slow

    talk(conversation)
