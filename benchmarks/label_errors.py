"""Wrong labels: those of 5 % of the photos exchanged, how well are they found? Against cleanlab on the same features.

``python -m benchmarks.label_errors``, with ``GINGHAM_TEST_DATA`` set and cleanlab installed (group ``bench``).
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gingham import Project
from gingham.classifiers.held_out import held_out_probabilities
from gingham.curate.neighbours import neighbour_votes
from gingham.curate.suspects import Suspects, doubted, pooled, suspect_labels
from gingham.sklearn import LinearSVMSearch

DATASETS = ("grocery", "clothing")
KINDS = ("at random", "to the most similar class")
SEEDS = range(10)
SHARE = 0.05
CLEANLAB_METHODS = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")

Floats = NDArray[np.floating[Any]]
Labels = NDArray[np.int64]


def main(photos: Path) -> list[dict[str, Any]]:
    """Exchange labels of each set in both ways with each seed, and compare the rankings; returns a row for each."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for dataset in DATASETS:
            file = Path(folder) / f"{dataset}.npz"
            Project(folder, environment={}).featurize(photos / dataset, output=file)
            with np.load(file) as saved:
                features, names = saved["features"], saved["labels"]
            labels = np.unique(names, return_inverse=True)[1]
            for kind in KINDS:
                found = [measure(features, labels, kind, seed) for seed in SEEDS]
                means = {name: statistics.mean(row[name] for row in found) for name in found[0]}
                rows.append({"dataset": dataset, "exchanged": kind, "seeds": len(SEEDS), **means})
                for name, value in rows[-1].items():
                    print(f"{name:48} {value:.4f}" if isinstance(value, float) else f"{name:48} {value}", flush=True)
    return rows


def measure(features: Floats, labels: Labels, kind: str, seed: int) -> dict[str, float]:
    """Exchange labels once; return the average precision of each ranking, and what is claimed."""
    from sklearn.metrics import average_precision_score

    noisy = exchanged(features, labels, kind, seed)
    wrong = noisy != labels
    start = time.perf_counter()
    first, last, suspects = ours(features, noisy, seed)
    figures = {"seconds": time.perf_counter() - start}
    start = time.perf_counter()
    logistic = logistic_regression(features, noisy)
    figures["cleanlab_seconds"] = time.perf_counter() - start

    def precision(score: Floats) -> float:
        return float(average_precision_score(wrong, -score))

    figures["ours"] = precision(suspects.label_score)
    figures["ours, of the SVM's probabilities alone"] = precision(suspect_labels(first, noisy).label_score)
    figures["ours, of logistic regression"] = precision(suspect_labels(logistic, noisy).label_score)
    sources = {"the SVM": first, "logistic regression": logistic, "our last probabilities": last}
    for source, probabilities in sources.items():
        for method in CLEANLAB_METHODS:
            figures[f"cleanlab {method}, of {source}"] = precision(cleanlab_score(method, noisy, probabilities))
    claims = {"ours": suspects.is_suspect, "cleanlab": cleanlab_claims(noisy, logistic)}
    for name, claimed in claims.items():
        figures[f"{name}: claimed"] = float(claimed.mean())
        figures[f"{name}: of those wrong"] = float(wrong[claimed].mean()) if claimed.any() else 1.0
        figures[f"{name}: of the wrong found"] = float(claimed[wrong].mean())
    return figures


def exchanged(features: Floats, labels: Labels, kind: str, seed: int) -> Labels:
    """Return the labels with a share of them wrong."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(labels), round(SHARE * len(labels)), replace=False)
    k = int(labels.max()) + 1
    noisy = labels.copy()
    if kind == "at random":
        noisy[rows] = (labels[rows] + rng.integers(1, k, len(rows))) % k
        return noisy
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    centres = np.stack([unit[labels == c].mean(axis=0) for c in range(k)])
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    alike = centres @ centres.T
    np.fill_diagonal(alike, -1)
    noisy[rows] = alike.argmax(axis=1)[labels[rows]]
    return noisy


def ours(features: Floats, labels: Labels, seed: int) -> tuple[Floats, Floats, Suspects]:
    """Return the SVM's out-of-fold probabilities, those that Gingham judges by, and the judgement."""
    search = LinearSVMSearch(random_state=seed).fit(features, labels)
    first = search.calibration_.apply(search.oof_scores_)
    second = held_out_probabilities(search, features, labels, doubted(first, labels))
    last = pooled(second, neighbour_votes(features, labels, int(labels.max()) + 1))
    return first, last, suspect_labels(last, labels)


def logistic_regression(features: Floats, labels: Labels) -> Floats:
    """Return out-of-fold probabilities as cleanlab's guides make them."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it stops after 100 iterations
        found: Floats = cross_val_predict(LogisticRegression(), features, labels, cv=5, method="predict_proba")
    return found


def cleanlab_score(method: str, labels: Labels, probabilities: Floats) -> Floats:
    """Return cleanlab's ranking; self-confidence is the default of ``find_label_issues`` and of ``Datalab``."""
    from cleanlab.rank import get_label_quality_scores

    score: Floats = get_label_quality_scores(labels, probabilities, method=method)
    return score


def cleanlab_claims(labels: Labels, probabilities: Floats) -> NDArray[np.bool_]:
    """Return which labels cleanlab claims to be wrong, by default."""
    from cleanlab.filter import find_label_issues

    found: NDArray[np.bool_] = find_label_issues(labels, probabilities, n_jobs=1)
    return found


if __name__ == "__main__":
    main(Path(os.environ["GINGHAM_TEST_DATA"]))
