"""The moment by which an image must be answered, all tries and waits included."""

from __future__ import annotations

import threading
import time

__all__ = ["CalledOffError", "Deadline", "TooLateError"]


class TooLateError(Exception):
    """The moment has passed."""


class CalledOffError(Exception):
    """Nobody waits for the answer any more."""


class Deadline:
    """A moment in the future, which may be called off.

    Parameters
    ----------
    seconds : float
        From now.
    called_off : threading.Event
        Once it is set, whoever works towards the deadline stops.
    """

    def __init__(self, seconds: float, called_off: threading.Event) -> None:
        self._end = time.monotonic() + seconds
        self._called_off = called_off

    def remaining(self) -> float:
        """Return the seconds that are left, more than 0.

        Raises
        ------
        TooLateError, CalledOffError
        """
        if self._called_off.is_set():
            raise CalledOffError
        left = self._end - time.monotonic()
        if left <= 0:
            raise TooLateError
        return left

    def wait(self, seconds: float) -> None:
        """Let some seconds pass.

        Raises
        ------
        CalledOffError
            As soon as it is called off.
        """
        if self._called_off.wait(seconds):
            raise CalledOffError
