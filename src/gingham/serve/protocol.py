"""HTTP on a connection, with a deadline for whoever is slow and a cap on all that is not a body."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["KEEP_ALIVE", "MAX_HEAD", "TimedProtocol", "timed_protocol"]

MAX_HEAD = 64 << 10
"""Bytes of the first line and the headers together."""
MOST_AHEAD = 32
"""Requests that a connection may send before it has the answer to the first."""
KEEP_ALIVE = 15.0
"""Seconds for which a connection may bring nothing between two requests."""
UPGRADE = re.compile(rb"\r\nupgrade[ \t]*:", re.IGNORECASE)
WAIT = 1.0
"""Seconds for which a connection is not read after a 503, whose Retry-After says as much: those who come again at once
would take the processor from those who are being answered."""
SLOWEST = 10_000
"""Bytes a second: who reads an answer slower than this runs out of time."""


class TimedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, and whoever keeps it waiting is sent away.

    A connection is in one phase at a time, and each but ``answering`` ends in so many seconds: a body that is being
    read has a deadline of its own, which grows with it, and what waits for a worker is not the client's fault.
    """

    seconds = 10.0
    """In which a head must arrive; also the rest of a body whose request has been answered already."""
    most = 1 << 16
    """Connections at once."""

    arriving = False
    in_head = True
    received = 0
    content = 0
    closing = False
    told_to_wait = False
    phase = ""
    since = 0.0
    deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin, or take the place of another where there are too many."""
        super().connection_made(transport)
        self._step()
        if len(self.connections) > self.most:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._within(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has come."""
        self.received += len(data)
        if self.in_head or not self.arriving:
            data = _without_upgrade(data)
        super().data_received(data)
        # The framing of a body in chunks, and what may follow it, may be as large as the body and no more.
        if self.received > MAX_HEAD + 2 * self.content and not self.transport.is_closing():
            self._refuse(431, "Request Header Fields Too Large", "The head of the request is too large.")

    def on_message_begin(self) -> None:
        """Note that a request begins to arrive."""
        super().on_message_begin()
        self.arriving = self.in_head = True
        self._step()

    def on_headers_complete(self) -> None:
        """Begin to answer: its head is there."""
        self.in_head = False
        super().on_headers_complete()
        if len(self.pipeline) > MOST_AHEAD:
            raise ValueError("too many requests that wait for the answers to others")  # ends the connection
        self.cycle.transport = _Lingering(self)  # type: ignore[assignment]
        self._step()

    def on_body(self, body: bytes) -> None:
        """Take a part of its body."""
        self.content += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that all of it is there."""
        super().on_message_complete()
        self.arriving = False
        self.received = self.content = 0
        if self.closing:
            self.transport.close()
        self._step()

    def on_response_complete(self) -> None:
        """Note that it has been answered; perhaps before all of it was there."""
        super().on_response_complete()
        self._unset_keepalive_if_required()  # a byte between two requests would end uvicorn's timer for good
        if self.told_to_wait:
            self.told_to_wait = False
            self.flow.pause_reading()
            self.loop.call_later(WAIT, self._read_on)
        self._step()

    def pause_writing(self) -> None:
        """Note that the client does not read its answers as fast as they come."""
        super().pause_writing()
        self._step()

    def resume_writing(self) -> None:
        """Note that it does again."""
        super().resume_writing()
        self._step()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._refuse(400, "Bad Request", msg)

    @property
    def answering(self) -> bool:
        """Whether a request is being read or worked on."""
        return self.cycle is not None and not self.cycle.response_complete

    def close_if_idle(self, seconds: float) -> None:
        """Close a connection that has been between two requests for so long, and has not just now brought one.

        It ends at once and not in the next round of the loop, in whose course a request could arrive and be lost.
        """
        resting = self.phase in ("new", "idle") and not self.transport.is_closing()
        if resting and time.monotonic() - self.since > seconds:
            with self._twin() as twin:
                if not _has_unread(twin):
                    twin.shutdown(socket.SHUT_RDWR)

    def _step(self) -> None:
        """Enter the phase in which the connection is now."""
        phase = self._phase()
        if phase != self.phase:
            self.phase = phase
            self.since = time.monotonic()
            unsent = self.transport.get_write_buffer_size()
            self._within({
                "new": self.seconds,
                "head": self.seconds,
                "answering": None,
                "discarding": self.seconds,
                "unread": self.seconds + unsent / SLOWEST,
                "idle": KEEP_ALIVE,
            }[phase])  # fmt: skip

    def _phase(self) -> str:
        if self.flow.write_paused:
            return "unread"
        if self.answering:
            return "answering"
        if self.arriving:
            return "head" if self.in_head else "discarding"
        return "new" if self.cycle is None else "idle"

    def _read_on(self) -> None:
        if not self.transport.is_closing():
            self.flow.resume_reading()

    def _within(self, seconds: float | None) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
        self.deadline = None if seconds is None else self.loop.call_later(seconds, self._too_slow)

    def _too_slow(self) -> None:
        if self.phase == "idle":
            with self._twin() as twin:
                if _has_unread(twin):
                    self._within(KEEP_ALIVE)
                    return
        self.transport.abort()

    def _twin(self) -> socket.socket:
        """Return the socket once more; the one of the transport cannot be asked."""
        one = self.transport.get_extra_info("socket")
        return socket.fromfd(one.fileno(), one.family, one.type)

    def _make_room(self) -> None:
        """Send away whose request has been longest in coming; or, where all are there, the newcomer."""
        others = (each for each in self.connections if isinstance(each, TimedProtocol) and each is not self)
        awaited = [each for each in others if each.arriving or not each.answering]
        awaited = [each for each in awaited if not each.transport.is_closing()]
        if awaited:
            min(awaited, key=lambda each: each.since).transport.abort()
        else:
            self._refuse(503, "Service Unavailable", "Too many connections. Try again in a second.")

    def _refuse(self, status: int, phrase: str, message: str) -> None:
        """Answer what never becomes a request, and hang up."""
        if self.pipeline or (self.answering and self.cycle.response_started):  # it would break into another answer
            self.transport.abort()
            return
        reason = {400: "bad_request", 431: "too_large", 503: "overloaded"}[status]
        body = json.dumps({"error": {"reason": reason, "message": message}})
        self.transport.write(
            f"HTTP/1.1 {status} {phrase}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
            f"{'retry-after: 1' + chr(13) + chr(10) if status == 503 else ''}connection: close\r\n\r\n{body}".encode()
        )
        self.transport.close()


def _without_upgrade(data: bytes) -> bytes:
    """Hide the wish for another protocol, which may be ignored; httptools would take the body for a part of that."""
    end = data.find(b"\r\n\r\n")
    head = data[: end if end >= 0 else len(data)]
    return UPGRADE.sub(b"\r\nx-upgrade:", head) + data[len(head) :] if UPGRADE.search(head) else data


class _Lingering:
    """What an answer is written to; closing it waits for the rest of the request.

    Closed with something unread in it, a connection is reset, and the client may lose the answer.
    """

    def __init__(self, protocol: TimedProtocol) -> None:
        self._protocol = protocol
        self.is_closing = protocol.transport.is_closing

    def write(self, data: bytes) -> None:
        self._protocol.told_to_wait |= data.startswith(b"HTTP/1.1 503 ")
        if not self.is_closing():
            self._protocol.transport.write(data)

    def close(self) -> None:
        if self._protocol.arriving:
            self._protocol.closing = True
        else:
            self._protocol.transport.close()


def _has_unread(connection: socket.socket) -> bool:
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def timed_protocol(seconds: float, connections: int) -> type[TimedProtocol]:
    """Return the protocol with its limits.

    Parameters
    ----------
    seconds : float
        In which the head of a request must arrive.
    connections : int
        At once; beyond, that whose request has been longest in coming is ended.
    """
    return type("LimitedProtocol", (TimedProtocol,), {"seconds": seconds, "most": connections})
