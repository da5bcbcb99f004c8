"""The verb learning-curve: which class needs more photos, and what they would buy."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gingham.config import Config
from gingham.errors import UsageError
from gingham.evaluate.learning import extrapolate
from gingham.evaluate.learning_page import render_learning
from gingham.evaluate.learning_words import verdict
from gingham.evaluate.outlook import LearningFindings, Outlook
from gingham.project import ProjectFolder, write_whole
from gingham.records import display_path
from gingham.workflow.steps import Progress, Steps

__all__ = ["LearningResult", "learning_curve"]

MOST = 100_000


@dataclass(frozen=True)
class LearningResult:
    """What more images would buy.

    Parameters
    ----------
    dataset : str
    classes : tuple of str
    findings : LearningFindings
    page : Path
        What was written, with the same as JSON beside it.
    warnings : tuple of str
    seconds : mapping of str to float
    """

    dataset: str
    classes: tuple[str, ...]
    findings: LearningFindings
    page: Path
    warnings: tuple[str, ...]
    seconds: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object."""
        found = self.findings
        return {
            "dataset": self.dataset,
            "more": found.more,
            "confidence": found.confidence,
            "ranking": [self.classes[k] for k in found.ranking],
            "classes": {
                name: _outlook_json(outlook, found.more)
                for name, outlook in zip(self.classes, found.classes, strict=True)
            },
            "overall": _outlook_json(found.overall, found.more * len(self.classes)),
            "page": display_path(str(self.page)),
            "warnings": list(self.warnings),
            "seconds": dict(self.seconds),
        }


def _outlook_json(outlook: Outlook, more: int) -> dict[str, Any]:
    return {
        "images": outlook.images,
        "accuracy": outlook.accuracy,
        "accuracy_ci": list(outlook.interval),
        "prospect": outlook.prospect.value,
        "verdict": verdict(outlook, more),
        "measured": [
            {"images": round(float(size), 1), "accuracy": float(accuracy)}
            for size, accuracy in zip(outlook.curve.sizes, outlook.curve.accuracy, strict=True)
        ],
        "with_more": [
            {
                "more": gain.more,
                "accuracy": gain.accuracy,
                "accuracy_ci": list(gain.interval),
                "gain": gain.gain,
                "gain_ci": list(gain.gain_interval),
                "class_averaged_gain": gain.averaged,
                "class_averaged_gain_ci": list(gain.averaged_interval),
            }
            for gain in outlook.gains
        ],
    }


def learning_curve(
    folder: ProjectFolder, config: Config, images: str | os.PathLike[str] | None, more: int, progress: Progress | None
) -> LearningResult:
    """Measure accuracy against the number of images, from cached features, and carry it on to more images.

    Only training images take part: the test images choose nothing, not even where to collect.

    Parameters
    ----------
    folder : ProjectFolder
    config : Config
    images : path, optional
        Instead of ``dataset``.
    more : int
        Images of a class, by whose effect the classes are ranked.
    progress : callable, optional

    Raises
    ------
    UsageError
        If ``more`` is out of range.
    DataError
        If no classifier could come of the images.
    UnavailableError
        If the backbone's weights or its engine are not here, or another process is at work in the project.
    """
    from gingham.classifiers.learning_curve import measure_learning_curves

    if not 1 <= more <= MOST:
        raise UsageError(f"--more must be from 1 to {MOST:,}, not {more}.")
    with folder.lock("learning-curve"):
        steps = Steps(folder, config, images, progress)
        head, rows, settings = steps.linear, steps.rows("train"), config.svm
        assert head.c is not None  # of an SVM
        with steps.timed("train"):
            curves = measure_learning_curves(
                steps.untrained.features[rows],
                steps.labels[rows],
                steps.groups[rows],
                len(steps.classes),
                c=head.c,
                class_weight=settings.class_weight,
                normalize=settings.normalize,
                folds=settings.folds,
                seed=config.seed,
                progress=steps.progress("curves"),
            )
        with steps.timed("evaluate"):
            findings = extrapolate(
                curves.labels,
                curves.groups,
                curves.fold,
                curves.sizes,
                curves.right,
                more=more,
                others=sorted({25, 100, 200} - {more}),
                confidence=config.evaluation.confidence,
                seed=config.seed,
            )
        name = Path(steps.name).name
        page = render_learning(findings, steps.classes, dataset=name, folds=curves.n_folds)
        report = folder.root / "learning" / name / "report.html"
        result = LearningResult(
            steps.name, steps.classes, findings, report, tuple(steps.index_warnings), steps.total_seconds()
        )
        write_whole(report, page.html)
        for figure, data in page.figures.items():
            write_whole(report.with_name(figure), data)
        write_whole(report.with_name("learning.json"), json.dumps(result.to_json(), indent=1))
        return result
