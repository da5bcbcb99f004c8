"""What the service writes down: JSON, a line each, on standard error, and no secret in it."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import select
from typing import Any

__all__ = ["Journal"]

LONGEST = 4000
"""Bytes of a line: less than what a pipe takes whole, so that writing where there is room never waits."""


class Journal:
    """Writes lines. Where nobody reads them, they are dropped and counted: answering does not wait for the log.

    Parameters
    ----------
    requests : bool
        Whether each request gets one; what happens to the service itself always does.
    descriptor : int
        Of the file that is written to.
    """

    def __init__(self, requests: bool, descriptor: int = 2) -> None:
        self._requests = requests
        self._descriptor = descriptor
        self._dropped = 0
        self._room = select.poll()
        self._room.register(descriptor, select.POLLOUT)

    def request(self, **fields: Any) -> None:
        """Write the line of a request."""
        if self._requests:
            self._write("request", fields)

    def event(self, event: str, **fields: Any) -> None:
        """Write a line about the service itself."""
        self._write(event, fields)

    def _write(self, event: str, fields: dict[str, Any]) -> None:
        if not self._has_room():
            self._dropped += 1
            return
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            self._write("lines_dropped", {"count": dropped})
            self._write(event, fields)
            return
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "event": event, **fields})
        if len(line) > LONGEST:  # only a bug's trace is so long, and its end says most
            line = json.dumps({"time": now, "event": event, "cut": line[-LONGEST // 2 :]})
        with contextlib.suppress(OSError):  # nobody is left to read
            os.write(self._descriptor, f"{line}\n".encode())

    def _has_room(self) -> bool:
        try:
            return bool(self._room.poll(0))
        except OSError:
            return False
