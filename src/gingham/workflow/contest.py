"""Candidates measured one after the other: first a grid, then what is likely, then what a sampler proposes."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from gingham.config import Config
from gingham.errors import ConfigError
from gingham.evaluate.selection import Choice, Measured, choose, clearly_worse
from gingham.evaluate.wording import count_of, percent
from gingham.workflow.call import Call
from gingham.workflow.candidates import Bench, Candidate
from gingham.workflow.search import Search
from gingham.workflow.steps import Progress, Steps

__all__ = ["Clock", "Contest"]

MOST_FAILURES = 5
"""Candidates in a row that cannot be measured, after which something is wrong with all of them."""


class _OutOfTimeError(Exception):
    """The time to search in is over."""


class Clock:
    """Passes progress on, and ends the work in the middle once the time to search in is over.

    Parameters
    ----------
    progress : callable, optional
    """

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._end: float | None = None

    def __call__(self, step: str, done: int, total: int) -> None:
        """Pass on that ``done`` of ``total`` of a step are finished, while there is time."""
        if self._end is not None and time.perf_counter() > self._end:
            raise _OutOfTimeError
        if self._progress is not None:
            self._progress(step, done, total)

    def end_in(self, seconds: float | None) -> None:
        """End the work after so many seconds; None: never."""
        self._end = None if seconds is None else time.perf_counter() + seconds

    def say(self, line: str) -> None:
        """Pass a line on."""
        if show := getattr(self._progress, "say", None):
            show(line)


class Contest:
    """All that is known of a question's candidates, and what makes more of it known.

    Parameters
    ----------
    steps : Steps
        Of the project's own parameters, with the clock as their progress.
    place : Path
        For what was found: it holds what earlier calls found for the same question.
    clock : Clock
    call : Call

    Attributes
    ----------
    found : dict of Candidate to Measured
    measured_now : set of Candidate
        Those of `found` that this call measured.
    """

    def __init__(self, steps: Steps, place: Path, clock: Clock, call: Call) -> None:
        self._steps = steps
        self._place = place
        self._clock = clock
        self._call = call
        self._bench = Bench(steps, place)
        self.found = self._bench.kept()
        self.measured_now: set[Candidate] = set()
        if self.found:
            steps.say(f"{count_of(len(self.found), 'candidate')} measured before {_are(self.found)} kept.")

    @property
    def choice(self) -> Choice:
        """What follows from all that is known, in the order of `found`."""
        return choose(list(self.found.values()), self._steps.config.evaluation.confidence)

    @contextlib.contextmanager
    def told_when_interrupted(self) -> Iterator[None]:
        """Say what is known if Ctrl-C ends the work."""
        try:
            yield
        except KeyboardInterrupt:
            self.found = self._bench.kept()  # with what was measured in part
            if self.found:
                self._steps.say(f"{count_of(len(self.found), 'candidate')} {_are(self.found)} measured and kept:")
                told = zip(self.found.items(), self.choice.accuracy, strict=True)
                for (candidate, measured), accuracy in sorted(told, key=lambda one: -one[1]):
                    self._steps.say(f"  {candidate}: {percent(accuracy, 1)}, {measured.held_out:,} held out")
            raise

    def compare_grid(self) -> tuple[Candidate, ...]:
        """Measure the SVM on every network at every resolution; return these candidates."""
        settings = self._steps.config.tuning
        grid = [Candidate("svm", backbone, resolution, settings.views[0])  # type: ignore[arg-type]
                for backbone, resolution in itertools.product(settings.backbones, settings.resolutions)]  # fmt: skip
        for number, candidate in enumerate(grid):
            self._clock("tune", number, len(grid))
            if self._bench.known(candidate) is None:
                self._enter(candidate, self._bench.measure(candidate, 1, lambda _: False))
        self._clock("tune", len(grid), len(grid))
        return tuple(grid)

    def search(self, grid: tuple[Candidate, ...]) -> None:
        """Try views and refined networks until the time is over, or there is nothing new to try."""
        config = self._steps.config
        search = Search(self._place / "search.sqlite", config)
        for candidate in search.tried:  # in earlier calls
            if self._bench.known(candidate) is None:
                search.forget(candidate)
        for candidate, accuracy in zip(self.found, self.choice.accuracy, strict=True):
            if self._bench.known(candidate) is not None:  # whole
                search.learn(candidate, accuracy)
        for candidate in _likely({candidate: self.found[candidate] for candidate in grid}, config):
            search.propose(candidate)
        failures = 0
        self._clock.end_in(config.tuning.minutes * 60 - search.seconds_spent)
        for candidate in search:
            began = time.perf_counter()
            try:
                known = self._bench.known(candidate)
                measured = known or self._bench.measure(candidate, config.tuning.folds, self._worth_more)
            except ConfigError as error:  # such as a rate at which the training diverges
                failures += 1
                if failures == MOST_FAILURES:
                    raise
                search.fail(candidate)
                self._steps.say(f"{candidate}: left out. {error}")
            except _OutOfTimeError:
                part = self._bench.known(candidate, whole=False)
                if part is not None and part.held_out > getattr(self.found.get(candidate), "held_out", 0):
                    self._enter(candidate, part)
                more = self._call.tune_for(2 * config.tuning.minutes)
                self._steps.say(f"The time is over. `{more}` would go on from here.")
                break
            else:
                failures = 0
                if known is None:
                    self._enter(candidate, measured)
                search.tell(candidate, self.choice.accuracy[list(self.found).index(candidate)])
            finally:
                search.spend(time.perf_counter() - began)
        self._clock.end_in(None)

    def _enter(self, candidate: Candidate, measured: Measured) -> None:
        self.found[candidate] = measured
        self.measured_now.add(candidate)
        share = percent((measured.right == 1).sum() / measured.held_out, 1)
        self._steps.say(
            f"{candidate}: {share} of {measured.held_out:,} held-out images, {measured.milliseconds:.1f} ms/image"
        )

    def _worth_more(self, so_far: Measured) -> bool:
        best = list(self.found.values())[self.choice.best]
        return not clearly_worse(so_far, best, self._steps.config.evaluation.confidence)


def _likely(grid: Mapping[Candidate, Measured], config: Config) -> Iterator[Candidate]:
    """Yield what is worth a try before anything else: the defaults' refined network, then variants of the best SVM."""
    by_accuracy = sorted(grid, key=lambda candidate: -(grid[candidate].right == 1).mean())
    best, fastest = by_accuracy[0], min(grid, key=lambda candidate: grid[candidate].milliseconds)
    epochs, rate = config.refinement.epochs, config.refinement.learning_rate
    refined = dict.fromkeys(c for c in (fastest, *by_accuracy) if "+" not in c.backbone)
    for candidate in list(refined)[:2] if "dnn" in config.tuning.classifiers else []:
        yield Candidate("dnn", candidate.backbone, candidate.resolution, candidate.views, epochs, rate)
    for other in config.tuning.views[1:]:
        yield Candidate("svm", best.backbone, best.resolution, other)  # type: ignore[arg-type]


def _are(some: Mapping[Candidate, Measured]) -> str:
    return "is" if len(some) == 1 else "are"
