"""What a report is made of: the workflow fills it in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from gingham.evaluate.metrics import Metrics
from gingham.evaluate.predictions import PredictionTable
from gingham.records import Epoch, Skipped

__all__ = ["ReportData", "images_to_show", "least_sure_hits", "worst_mistakes"]

SURE = 0.9
"""The confidence from which a right answer counts as sure where no answer threshold was found."""


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """Everything that ``report.html`` and the figures show of one run.

    Parameters
    ----------
    title : str
        The heading: usually the name of the dataset.
    run_id : str
    created : datetime
    classifier, backbone : str
    resolution : int
        Side of the network's input, in pixels.
    n_images : int
        Images used, of training and test.
    metrics : Metrics
    predictions : PredictionTable
        The test images, with probabilities. Rows of other splits are left out.
    cv_accuracy : mapping of float to float
        C to mean cross-validation accuracy; empty without a search.
    c : float or None
        The chosen C.
    validation : int
        Training images that the network was not trained on: they only chose what is kept, and calibrated.
    epochs : sequence of Epoch
        Of the network's refinement; empty where it was not trained.
    kept_epochs : sequence of int
        After which the weights were taken; those of several trainings were averaged.
    training_advice : sequence of str
        What their curves say.
    thumbnails : mapping of str to bytes
        Path to a small JPEG, of the images that `images_to_show` names.
    overlays : mapping of str to bytes
        Path of a mistake to a small grey JPEG with what spoke for the wrong answer in colour; empty where that cannot
        be told.
    images_shown : int
        At most so many mistakes, and so many unsure hits.
    skipped : sequence of Skipped
    duplicate_groups : sequence of sequence of str
        Paths of images that are the same, or nearly.
    conflicts : sequence of (paths, labels)
        Images that lie under several labels; they neither train nor test.
    split : str
        What assigned the sides: ``stratified`` where they were drawn, or the name of the file.
    leaks : sequence of str
        Test images of which the training set holds a duplicate or a near one.
    answer_threshold, wanted_precision : float or None
        Least confidence at which the model answers, and the precision for which it was chosen.
    warnings : sequence of str
        Beyond those of ``metrics``, the most important first.
    parameters, defaults : mapping of str to object
        All parameters of the run, and their defaults, by dotted name; ``dataset`` names the folder.
    versions : mapping of str to str
    seconds : mapping of str to float
        Time of each step, and ``total`` of all before the report.
    fingerprints : mapping of str to str
    """

    title: str
    run_id: str
    created: datetime
    classifier: str
    backbone: str
    resolution: int
    n_images: int
    metrics: Metrics
    predictions: PredictionTable
    cv_accuracy: Mapping[float, float] = field(default_factory=dict)
    c: float | None = None
    validation: int = 0
    epochs: Sequence[Epoch] = ()
    kept_epochs: Sequence[int] = ()
    training_advice: Sequence[str] = ()
    thumbnails: Mapping[str, bytes] = field(default_factory=dict)
    overlays: Mapping[str, bytes] = field(default_factory=dict)
    images_shown: int = 24
    skipped: Sequence[Skipped] = ()
    duplicate_groups: Sequence[Sequence[str]] = ()
    conflicts: Sequence[tuple[Sequence[str], Sequence[str]]] = ()
    split: str = "stratified"
    leaks: Sequence[str] = ()
    answer_threshold: float | None = None
    wanted_precision: float | None = None
    warnings: Sequence[str] = ()
    parameters: Mapping[str, object] = field(default_factory=dict)
    defaults: Mapping[str, object] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)


def worst_mistakes(table: PredictionTable, most: int) -> list[int]:
    """Return the rows of the wrong answers, most confident first."""
    wrong = np.flatnonzero(~table.correct)
    order = np.argsort(-table.confidence[wrong], kind="stable")
    return [int(i) for i in wrong[order][:most]]


def least_sure_hits(table: PredictionTable, most: int | None, threshold: float | None = None) -> list[int]:
    """Return the rows of the right answers below ``threshold`` (None: 0.9), least confident first."""
    right = np.flatnonzero(table.correct & (table.confidence < (SURE if threshold is None else threshold)))
    order = np.argsort(table.confidence[right], kind="stable")
    return [int(i) for i in right[order][:most]]


def images_to_show(table: PredictionTable, most: int, threshold: float | None = None) -> tuple[str, ...]:
    """Return the paths of the images whose thumbnails a report shows.

    Parameters
    ----------
    table : PredictionTable
        Rows of other splits than ``test`` are left out.
    most : int
        Mistakes, and unsure hits, at most so many of each.
    threshold : float or None
        Confidence below which a hit is unsure; None: 0.9.
    """
    test = table.of_split("test")
    return tuple(test.paths[i] for i in (*worst_mistakes(test, most), *least_sure_hits(test, most, threshold)))
