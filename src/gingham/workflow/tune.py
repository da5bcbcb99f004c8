"""The verb tune: which network, resolution and classifier to take, and what it would cost to take another."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gingham import __version__
from gingham.config import Config
from gingham.evaluate.selection import Choice, Measured
from gingham.evaluate.tuning import Finding, TuningRow
from gingham.evaluate.tuning_page import render_tuning
from gingham.project import ProjectFolder, write_whole
from gingham.project.digests import digest
from gingham.workflow.call import Call, refuse_ignored
from gingham.workflow.candidates import Candidate
from gingham.workflow.contest import Clock, Contest
from gingham.workflow.history import runs_on_the_same_test
from gingham.workflow.results import RunResult
from gingham.workflow.run import run
from gingham.workflow.search import Search
from gingham.workflow.steps import Progress, Steps

__all__ = ["TuneResult", "tune"]

TUNED = {"features": {"backbone", "resolution", "views"}, "refinement": {"epochs", "learning_rate"}}
"""Parameters that are varied, and so are no part of what makes two searches the same."""


@dataclass(frozen=True)
class TuneResult:
    """What was measured, what to take, and what the test images say of that.

    Parameters
    ----------
    finding : Finding
    command : str
        What makes the run of the recommended one again.
    run : RunResult
        Of the recommended one.
    report : Path
        A page with the table and a figure.
    quick : bool
    seconds : mapping of str to float
    """

    finding: Finding
    command: str
    run: RunResult
    report: Path
    quick: bool
    seconds: Mapping[str, float]

    @property
    def rows(self) -> tuple[TuningRow, ...]:
        """All candidates, the most accurate first."""
        return self.finding.rows

    @property
    def recommended(self) -> TuningRow:
        """The fastest that may be as good as the best."""
        return self.finding.recommended

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object."""
        metrics = self.finding.metrics
        return {
            "candidates": [row.to_json() for row in self.rows],
            "measured_now": self.finding.measured_now,
            "kept": self.finding.kept,
            "recommended": self.recommended.to_json(),
            "command": self.command,
            "test": {
                **{name: metrics[name] for name in ("accuracy", "accuracy_ci", "n_test")},
                "other_runs": self.finding.other_runs,
            },
            "run_id": self.run.run_id,
            "report": str(self.report),
            "quick": self.quick,
            "seconds": dict(self.seconds),
        }


def tune(
    folder: ProjectFolder,
    config: Config,
    images: str | os.PathLike[str] | None,
    quick: bool,
    progress: Progress | None,
    environment: Mapping[str, str],
    given: Mapping[str, Any],
) -> TuneResult:
    """Compare networks, resolutions and classifiers on the training images, and run what is recommended.

    The SVM is cross-validated on every network at every resolution. Then, unless it is to be quick, views and refined
    networks are tried for as long as there is time: first what is likely, then what Optuna's sampler proposes. All of
    it is kept: the same call, or one with more time, goes on from there, and whatever was measured for the same
    question is compared. The test images take no part in that; only the run of the one that is recommended meets them.

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
    given : mapping
        The parameters among those of ``config`` that were given for this call, nested or dotted.

    Raises
    ------
    UsageError
        If some of these would have no effect.
    ConfigError
        If one of the networks cannot be had at one of the resolutions.
    DataError
        If no classifier could come of the images.
    UnavailableError
        If weights, Optuna or, to refine, torch are not here.
    """
    began = time.perf_counter()
    refuse_ignored(given, quick)
    settings = config.tuning
    if not quick:
        Search.require()
        if "dnn" in settings.classifiers:
            from gingham.features.timm_backbone import require_timm

            require_timm(settings.backbones[0])
    call = Call(folder, config, images, given)
    clock = Clock(progress)
    with folder.lock("tune"):
        steps = Steps(folder, config, images, clock)
        _ = steps.split, steps.labels, steps.classes
        place = folder.tuning / _key(steps)
        contest = Contest(steps, place, clock, call)
        with contest.told_when_interrupted():
            grid = contest.compare_grid()
            if not quick:
                contest.search(grid)
    choice = contest.choice
    recommended = list(contest.found)[choice.recommended]
    with contest.told_when_interrupted():
        finished = run(folder, recommended.applied(config), images, progress, environment)
    finding = Finding(
        rows=_rows(contest.found, choice),
        measured_now=len(contest.measured_now),
        metrics=finished.record.metrics,
        other_runs=runs_on_the_same_test(folder, finished),
    )
    report = folder.root / "tuning" / place.name[:12] / "report.html"
    command = call.run(recommended.parameters)
    page = render_tuning(
        finding,
        dataset=Path(steps.name).name,
        confidence=config.evaluation.confidence,
        command=command,
        run_report=f"../../runs/{finished.run_id}/report.html",
        warnings=finished.record.warnings,
    )
    write_whole(report, page.html)
    for name, figure in page.figures.items():
        write_whole(report.with_name(name), figure)
    seconds = {"total": round(time.perf_counter() - began, 3)}
    result = TuneResult(finding, command, finished, report, quick, seconds)
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


def _rows(found: Mapping[Candidate, Measured], choice: Choice) -> tuple[TuningRow, ...]:
    rows = [
        TuningRow(
            name=str(candidate),
            classifier=candidate.classifier,
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
    return tuple(sorted(rows, key=lambda row: (-row.accuracy, row.milliseconds, row.name)))
