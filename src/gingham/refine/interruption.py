"""Being stopped between two steps, never within one: the weights on disk are those of a whole step."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from gingham.refine.ranks import Ranks

__all__ = ["Interruption"]


class Interruption:
    """While it is open, the first Ctrl-C or SIGTERM is only noted; a second one acts at once.

    In other threads than the main one, where no signals arrive, it does nothing.

    Attributes
    ----------
    signal : int or None
        The signal that came.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    @property
    def by_ctrl_c(self) -> bool:
        """Whether it was Ctrl-C, not a request to end the process."""
        return self.signal == signal.SIGINT

    def shared(self, ranks: Ranks) -> bool:
        """Tell whether a signal came to one of the processes; each then takes it as its own, and all end alike."""
        own = self.signal
        ctrl_c, end = ranks.sum(own == signal.SIGINT, own == signal.SIGTERM)
        if ctrl_c or end:
            self.signal = signal.SIGTERM if end else signal.SIGINT
        return bool(ctrl_c or end)

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.signal = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
