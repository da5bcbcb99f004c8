"""HTTP on a connection, with a deadline for whoever is slow and a cap on the head of a request."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["MAX_HEAD", "timed_protocol"]

MAX_HEAD = 64 << 10
"""Bytes of the first line and the headers together."""


def timed_protocol(seconds: float) -> type[HttpToolsProtocol]:
    """Return a protocol that closes a connection whose request takes too long to arrive.

    Parameters
    ----------
    seconds : float
        For the head; and for the body of a request that has been answered already.
    """

    class TimedProtocol(HttpToolsProtocol):
        """uvicorn's protocol, whose own timer runs only between requests."""

        deadline: asyncio.TimerHandle | None = None
        head = 0
        in_head = True
        last_active = 0.0

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.last_active = time.monotonic()
            self._within(seconds)

        def connection_lost(self, exc: Exception | None) -> None:
            self._within(None)
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            self.last_active = time.monotonic()
            if self.in_head:
                self.head += len(data)
            super().data_received(data)
            if self.in_head and self.head > MAX_HEAD:
                self.transport.write(b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\r\n")
                self.transport.close()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._within(seconds)

        def on_headers_complete(self) -> None:
            self.in_head = False
            self._within(None)  # the body has a deadline of its own, which grows with it
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            super().on_message_complete()
            self.in_head, self.head = True, 0
            self._within(None)

        def on_response_complete(self) -> None:
            self.last_active = time.monotonic()
            super().on_response_complete()
            if not self.in_head:  # refused before its body was there: what still comes is thrown away, for a while
                self._within(seconds)

        @property
        def busy(self) -> bool:
            """Whether a request has begun to arrive or is being answered."""
            return (self.head > 0 or not self.in_head) or not (self.cycle is None or self.cycle.response_complete)

        def _within(self, seconds: float | None) -> None:
            if self.deadline is not None:
                self.deadline.cancel()
            self.deadline = None if seconds is None else self.loop.call_later(seconds, self._too_slow)

        def _too_slow(self) -> None:
            if not self.transport.is_closing():
                self.transport.abort()

    return TimedProtocol
