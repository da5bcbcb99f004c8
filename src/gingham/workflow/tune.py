"""The verb tune: which network, resolution and classifier to take, and what it would cost to take another."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gingham import __version__
from gingham.config import Config
from gingham.errors import ConfigError
from gingham.evaluate.selection import Choice, Measured, choose, clearly_worse
from gingham.evaluate.tuning_page import TuningRow, render_tuning
from gingham.project import ProjectFolder, write_whole
from gingham.project.digests import digest
from gingham.workflow.candidates import Bench, Candidate
from gingham.workflow.results import RunResult
from gingham.workflow.run import run
from gingham.workflow.search import Search
from gingham.workflow.steps import Progress, Steps

__all__ = ["TuneResult", "tune"]

TUNED = {"features": {"backbone", "resolution", "views"}, "refinement": {"epochs", "learning_rate"}}
"""Parameters that are varied, and so are no part of what makes two searches the same."""


@dataclass(frozen=True)
class TuneResult:
    """What was tried, what to take, and what the test images say of that.

    Parameters
    ----------
    rows : tuple of TuningRow
        The most accurate first.
    command : str
        What makes the run of the recommended one again.
    recommended : TuningRow
        The fastest that may be as good as the best.
    run : RunResult
        Of the recommended one: the only one that has met the test images.
    report : Path
        A page with the table and a figure.
    quick : bool
    seconds : mapping of str to float
    """

    rows: tuple[TuningRow, ...]
    command: str
    recommended: TuningRow
    run: RunResult
    report: Path
    quick: bool
    seconds: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object."""
        metrics = self.run.record.metrics
        return {
            "candidates": [row.to_json() for row in self.rows],
            "recommended": self.recommended.to_json(),
            "command": self.command,
            "test": {name: metrics[name] for name in ("accuracy", "accuracy_ci", "n_test")},
            "run_id": self.run.run_id,
            "report": str(self.report),
            "quick": self.quick,
            "seconds": dict(self.seconds),
        }


MOST_FAILURES = 5
"""Candidates in a row that cannot be measured, after which something is wrong with all of them."""


class _OutOfTimeError(Exception):
    """The time to search in is over."""


def tune(
    folder: ProjectFolder,
    config: Config,
    images: str | os.PathLike[str] | None,
    quick: bool,
    progress: Progress | None,
    environment: Mapping[str, str],
) -> TuneResult:
    """Compare networks, resolutions and classifiers on the training images, and run what is recommended.

    The SVM is cross-validated on every network at every resolution. Then, unless it is to be quick, views and refined
    networks are tried for as long as there is time: first what is likely, then what Optuna's sampler proposes. All of
    it is kept: the same call, or one with more time, goes on from there. The test images are met once, by the run of
    the one that is recommended.

    Parameters
    ----------
    folder : ProjectFolder
    config : Config
        ``config.tuning`` says what is tried.
    images : str or path, optional
    quick : bool
        Compare networks and resolutions with the SVM only.
    progress : callable, optional
    environment : mapping of str to str

    Raises
    ------
    ConfigError
        If one of the networks cannot be had at one of the resolutions.
    DataError
        If no classifier could come of the images.
    UnavailableError
        If weights, Optuna or, to refine, torch are not here.
    """
    began = time.perf_counter()
    settings = config.tuning
    if not quick:
        Search.require()
        if "dnn" in settings.classifiers:
            from gingham.features.timm_backbone import require_timm

            require_timm(settings.backbones[0])
    clock = _Clock(progress)
    with folder.lock("tune"):
        steps = Steps(folder, config, images, clock)
        _ = steps.split, steps.labels, steps.classes
        place = folder.tuning / _key(steps)
        bench = Bench(steps, place)
        found: dict[Candidate, Measured] = {}
        grid = [Candidate("svm", backbone, resolution, settings.views[0])  # type: ignore[arg-type]
                for backbone, resolution in itertools.product(settings.backbones, settings.resolutions)]  # fmt: skip
        for number, candidate in enumerate(grid):
            clock("tune", number, len(grid))
            found[candidate] = bench.known(candidate) or bench.measure(candidate, 1, lambda _: False)
            steps.say(_in_words(candidate, found[candidate]))
        clock("tune", len(grid), len(grid))
        if not quick:
            _search(steps, bench, found, clock, place)
    candidates, choice = list(found), choose(list(found.values()), config.evaluation.confidence)
    recommended = candidates[choice.recommended]
    finished = run(folder, recommended.applied(config), images, progress, environment)
    rows = sorted(_rows(found, choice), key=lambda row: (-row.accuracy, row.milliseconds))
    command = shlex.join(["gingham", "run", *([str(images)] if images else []), *recommended.flags.split()])
    report = folder.root / "tuning" / place.name[:12] / "report.html"
    page = render_tuning(
        rows,
        dataset=Path(steps.name).name,
        confidence=config.evaluation.confidence,
        metrics=finished.record.metrics,
        command=command,
        run_report=f"../../runs/{finished.run_id}/report.html",
        warnings=finished.record.warnings,
    )
    write_whole(report, page.html)
    for name, figure in page.figures.items():
        write_whole(report.with_name(name), figure)
    result = TuneResult(
        rows=tuple(rows),
        command=command,
        recommended=next(row for row in rows if row.recommended),
        run=finished,
        report=report,
        quick=quick,
        seconds={"total": round(time.perf_counter() - began, 3)},
    )
    write_whole(report.with_name("tuning.json"), json.dumps(result.to_json(), indent=1))
    return result


def _key(steps: Steps) -> str:
    """Return a digest of all that the measurements depend on besides the candidate."""
    from gingham.features import describe_engine

    config = steps.config
    rows = steps.rows("train")
    engine = describe_engine(config.features.engine, config.features.precision)
    content = [(steps.files[row].content, int(steps.labels[row]), int(steps.groups[row])) for row in rows]
    parameters = [
        config.preprocess.model_dump(),
        config.svm.model_dump(),
        config.features.model_dump(exclude=TUNED["features"]),
        config.refinement.model_dump(exclude=TUNED["refinement"]),
        config.seed,
        engine.name,
        __version__,
    ]
    return digest([content, parameters])


def _search(steps: Steps, bench: Bench, found: dict[Candidate, Measured], clock: _Clock, place: Path) -> None:
    """Try views and refined networks until the time is over, or there is nothing new to try."""
    config = steps.config
    search = Search(place / "search.sqlite", config)
    confidence = config.evaluation.confidence
    likely = list(_likely(found, config))
    for candidate in search.tried:  # in earlier calls
        if (known := bench.known(candidate)) is None:
            search.forget(candidate)
        else:
            found[candidate] = known
    for candidate, accuracy in zip(found, choose(list(found.values()), confidence).accuracy, strict=True):
        search.learn(candidate, accuracy)
    for candidate in likely:
        search.propose(candidate)

    def go_on(so_far: Measured) -> bool:
        best = list(found.values())[choose(list(found.values()), confidence).best]
        return not clearly_worse(so_far, best, confidence)

    failures = 0
    clock.end_in(config.tuning.minutes * 60 - search.seconds_spent)
    for candidate in search:
        began = time.perf_counter()
        try:
            measured = bench.known(candidate) or bench.measure(candidate, config.tuning.folds, go_on)
        except ConfigError as error:  # such as a rate at which the training diverges
            failures += 1
            if failures == MOST_FAILURES:
                raise
            search.fail(candidate)
            steps.say(f"{candidate}: left out. {error}")
        except _OutOfTimeError:
            if (part := bench.known(candidate, whole=False)) is not None:
                found[candidate] = part
            steps.say(
                f"The time is over. `gingham tune --minutes {2 * config.tuning.minutes:g}` would go on from here."
            )
            break
        else:
            failures = 0
            found[candidate] = measured
            place_of = list(found).index(candidate)
            search.tell(candidate, choose(list(found.values()), confidence).accuracy[place_of])
            steps.say(_in_words(candidate, measured))
        finally:
            search.spend(time.perf_counter() - began)
    clock.end_in(None)


def _likely(found: Mapping[Candidate, Measured], config: Config) -> Iterator[Candidate]:
    """Yield what is worth a try before anything else: the defaults' refined network, then variants of the best SVM."""
    by_accuracy = sorted(found, key=lambda candidate: -(found[candidate].right == 1).mean())
    best, fastest = by_accuracy[0], min(found, key=lambda candidate: found[candidate].milliseconds)
    epochs, rate = config.refinement.epochs, config.refinement.learning_rate
    refined = dict.fromkeys(c for c in (fastest, *by_accuracy) if "+" not in c.backbone)
    for candidate in list(refined)[:2] if "dnn" in config.tuning.classifiers else []:
        yield Candidate("dnn", candidate.backbone, candidate.resolution, candidate.views, epochs, rate)
    for other in config.tuning.views[1:]:
        yield Candidate("svm", best.backbone, best.resolution, other)  # type: ignore[arg-type]


def _rows(found: Mapping[Candidate, Measured], choice: Choice) -> list[TuningRow]:
    return [
        TuningRow(
            name=str(candidate),
            flags=candidate.flags,
            accuracy=choice.accuracy[place],
            interval=choice.interval[place],
            held_out=measured.held_out,
            milliseconds=measured.milliseconds,
            megabytes=measured.megabytes,
            pareto=choice.pareto[place],
            as_good=choice.as_good[place],
            best=place == choice.best,
            recommended=place == choice.recommended,
        )
        for place, (candidate, measured) in enumerate(found.items())
    ]


def _in_words(candidate: Candidate, measured: Measured) -> str:
    share = (measured.right == 1).sum() / measured.held_out
    return (
        f"{candidate}: {share:.1%} of {measured.held_out:,} held-out images, {measured.milliseconds:.1f} ms/image"
    ).replace("%", " %")


class _Clock:
    """Passes progress on, and ends the work in the middle once the time to search in is over.

    Parameters
    ----------
    progress : callable, optional
    """

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._end: float | None = None

    def __call__(self, step: str, done: int, total: int) -> None:
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
