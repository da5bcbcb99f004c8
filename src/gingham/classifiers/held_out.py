"""A second out-of-fold opinion, of models that were not trained on what the first one doubted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gingham.classifiers.calibration import fit_calibration
from gingham.classifiers.head import two_sided
from gingham.classifiers.svm_search import LinearSVMSearch

__all__ = ["held_out_probabilities"]


def held_out_probabilities(
    search: LinearSVMSearch,
    features: NDArray[np.floating[Any]],
    labels: NDArray[np.integer[Any]],
    left_out: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Train on every fold's complement once more, without some images, and judge them all.

    Parameters
    ----------
    search : LinearSVMSearch
        Fitted to these features and labels; its folds and its C are used.
    features : float array of shape (n, d)
    labels : integer array of shape (n,)
        0 … K - 1.
    left_out : bool array of shape (n,)
        What no model is trained on, unless a class has nothing else. Where all that is not held out is of one class,
        the search's own scores serve.

    Returns
    -------
    float64 array of shape (n, K)
        Calibrated probabilities of each image by the model that has not seen its fold.
    """
    K = len(search.classes_)
    scores = np.empty((len(labels), K))
    for fold in range(search.n_folds_):
        held_out = search.fold_ == fold
        kept = ~held_out & ~left_out
        kept |= ~held_out & ~np.isin(labels, labels[kept])
        if len(np.unique(labels[kept])) < 2:
            scores[held_out] = two_sided(search.oof_scores_[held_out])
            continue
        model = LinearSVMSearch(
            c_grid=(search.c_,), folds=2, class_weight=search.class_weight, normalize=search.normalize
        ).fit(features[kept], labels[kept])
        found = two_sided(model.decision_function(features[held_out]))
        rows = np.full((len(found), K), found.min(axis=1, keepdims=True))  # a class that only this fold has
        rows[:, model.classes_] = found
        scores[held_out] = rows
    decision = scores[:, 1] - scores[:, 0] if K == 2 else scores
    return fit_calibration(decision, labels).apply(decision)
