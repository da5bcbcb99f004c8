"""What the images themselves say of their labels: probabilities by models that have not seen the image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from gingham.curate.suspects import Suspects
    from gingham.workflow.steps import Steps

__all__ = ["Opinions", "out_of_fold_opinions"]


@dataclass(frozen=True)
class Opinions:
    """What is thought of the labelled images, train and test alike.

    Parameters
    ----------
    rows : intp array of shape (m,)
        Positions of the images in ``steps.files``; not among them are pictures under two labels, lost files, and the
        only image of a class.
    probabilities : float64 array of shape (m, n_classes)
        Out of fold, pooled with the neighbours' votes.
    suspects : Suspects
        Of these rows.
    c : float
        Of the SVM, by cross-validation.
    """

    rows: NDArray[np.intp]
    probabilities: NDArray[np.float64]
    suspects: Suspects
    c: float


def out_of_fold_opinions(steps: Steps) -> Opinions:
    """Judge every label by SVMs on the pretrained network's features and by the image's neighbours.

    The SVMs are trained twice, the second time without the images that the first doubted. That test images take part
    chooses nothing: no classifier comes of this.
    """
    from gingham.classifiers.held_out import held_out_probabilities
    from gingham.classifiers.svm_search import LinearSVMSearch
    from gingham.curate.neighbours import neighbour_votes
    from gingham.curate.suspects import doubted, pooled, suspect_labels

    made = steps.features_of(steps.files)
    usable = made.ok.copy()
    usable[[row for conflict in steps.conflicts for row in conflict.indices]] = False
    counts = np.bincount(steps.labels[usable], minlength=len(steps.classes))
    rows = np.flatnonzero(usable & (counts[steps.labels] > 1))
    features, labels, groups = made.features[rows], steps.labels[rows], steps.groups[rows]
    settings = steps.config.svm
    with steps.timed("train"):
        present, codes = np.unique(labels, return_inverse=True)
        search = LinearSVMSearch(
            c_grid=settings.c_grid,
            folds=settings.folds,
            class_weight=None if settings.class_weight == "none" else settings.class_weight,
            normalize=settings.normalize,
            random_state=steps.config.seed,
            progress=steps.progress("train"),
        ).fit(features, codes, groups)
        first = search.calibration_.apply(search.oof_scores_)
        second = held_out_probabilities(search, features, codes, doubted(first, codes))
        votes = neighbour_votes(features, codes, len(present), groups)
        opinion = pooled(second, votes)
        suspects = suspect_labels(opinion, codes)
    return Opinions(
        rows,
        _spread(opinion, present, len(steps.classes)),
        _renumbered(suspects, present),
        float(search.c_),
    )


def _spread(columns: NDArray[np.float64], present: NDArray[Any], n_classes: int) -> NDArray[np.float64]:
    """Give a class of which no image is left a column of zeros."""
    if len(present) == n_classes:
        return columns
    wide = np.zeros((len(columns), n_classes))
    wide[:, present] = columns
    return wide


def _renumbered(suspects: Suspects, present: NDArray[Any]) -> Suspects:
    return replace(suspects, suggested=present[suspects.suggested])
