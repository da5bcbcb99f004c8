"""What the service writes down: JSON, a line each, on standard error, and no secret in it."""

from __future__ import annotations

import datetime
import json
import sys
from typing import Any

__all__ = ["Journal"]


class Journal:
    """Writes lines.

    Parameters
    ----------
    requests : bool
        Whether each request gets one; what happens to the service itself always does.
    """

    def __init__(self, requests: bool) -> None:
        self._requests = requests

    def request(self, **fields: Any) -> None:
        """Write the line of a request."""
        if self._requests:
            self._write("request", fields)

    def event(self, event: str, **fields: Any) -> None:
        """Write a line about the service itself."""
        self._write(event, fields)

    @staticmethod
    def _write(event: str, fields: dict[str, Any]) -> None:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "event": event, **fields}) + "\n"
        try:
            sys.stderr.write(line)
            sys.stderr.flush()
        except (OSError, ValueError):  # nobody reads any more: no reason to stop answering
            pass
