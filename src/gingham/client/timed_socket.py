"""A socket on which nothing outlasts a deadline."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable
from typing import Any

from gingham.client.deadline import Deadline

__all__ = ["TimedSocket"]

SLICE = 0.25
"""Seconds after which a wait looks whether it has been called off."""


class TimedSocket:
    """What ``http.client.HTTPResponse`` needs of a socket, bounded in time however slowly the other side drips.

    Parameters
    ----------
    connected : socket.socket
    deadline : Deadline
        Of the exchange that goes on; the next exchange sets its own.
    """

    def __init__(self, connected: socket.socket, deadline: Deadline) -> None:
        self.deadline = deadline
        self._socket = connected

    def sendall(self, data: bytes) -> None:
        """Send everything."""
        left = memoryview(data)
        while left:
            left = left[self._in_slices(self._socket.send, left) :]

    def receive_into(self, buffer: Any) -> int:
        """Receive what is there, and return how much it is; 0 at the end."""
        return self._in_slices(self._socket.recv_into, buffer)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return a stream of what is received; closing it leaves the socket open."""
        return io.BufferedReader(_Received(self), 1 << 16)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _in_slices(self, call: Callable[[Any], int], buffer: Any) -> int:
        while True:
            self._socket.settimeout(min(SLICE, self.deadline.remaining()))
            try:
                return call(buffer)
            except TimeoutError:
                continue


class _Received(io.RawIOBase):
    def __init__(self, source: TimedSocket) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._source.receive_into(buffer)
