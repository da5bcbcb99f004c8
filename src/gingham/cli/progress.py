"""Progress on standard error: a live bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from types import TracebackType
from typing import Any

__all__ = ["ProgressBar"]

SECONDS_BETWEEN_LINES = 5.0
FEWEST_FOR_A_RATE = 3
"""Of the first one or two most of the time may be setting up."""

WORDS = {
    "scan": "Reading images",
    "split": "Splitting",
    "featurize": "Computing features",
    "tune": "Comparing",
    "activations": "Preparing views",
    "refine": "Refining",
    "train": "Training",
    "evaluate": "Evaluating",
    "report": "Writing the report",
    "export": "Checking the model file",
    "sample": "Rendering the sample",
    "predict": "Predicting",
    "explain": "Explaining",
    "curves": "Measuring learning curves",
    "measure": "Measuring images",
    "move": "Moving files",
    "links": "Reading links",
    "write": "Writing",
    "search": "Searching",
    "download": "Fetching",
}


class ProgressBar:
    """What the verbs call with (step, done, total).

    Parameters
    ----------
    quiet : bool
        Show nothing.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._live: Any = None
        self._tasks: dict[str, Any] = {}
        self._started: dict[str, tuple[float, int]] = {}
        self._last_line = time.monotonic()

    def __enter__(self) -> ProgressBar:
        if not self.quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
            )
            self._live = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, line: str) -> None:
        """Show a line above the bars."""
        if self.quiet:
            return
        if self._live is not None:
            self._live.console.print(line, highlight=False, markup=False)
        else:
            with contextlib.suppress(BrokenPipeError):
                print(line, file=sys.stderr, flush=True)  # noqa: T201

    def __call__(self, step: str, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` of a step are finished."""
        if self.quiet:
            return
        now = time.monotonic()
        began, before = self._started.setdefault(step, (now, done))  # what was done before took no time here
        elapsed, made = now - began, done - before
        rate = ""
        if elapsed > 0.5 and made >= FEWEST_FOR_A_RATE:
            rate = f"{made / elapsed:,.0f}/s" if made >= elapsed else f"{elapsed / made:,.1f} s each"
        words = WORDS.get(step, step)
        if self._live is not None:
            if step not in self._tasks:
                self._tasks[step] = self._live.add_task(words, total=total, rate="")
            self._live.update(self._tasks[step], completed=done, total=total, rate=rate)
        elif now - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = now
            left = f", {elapsed / made * (total - done):,.0f} s left" if rate else ""
            with contextlib.suppress(BrokenPipeError):  # who read it has gone; the work goes on
                print(f"{words}: {done:,} of {total:,}{', ' + rate if rate else ''}{left}", file=sys.stderr)  # noqa: T201
