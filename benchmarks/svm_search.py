"""The search for C: Gingham against scikit-learn's GridSearchCV of LinearSVC, on features of real photos.

The features are those of random crops of the photos, so that there are as many rows as wanted; all crops of one photo
are one group and lie in one fold. Both searches get the same rows of unit length and the same folds.
"""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gingham.classifiers.svm_search import LinearSVMSearch
from gingham.features import load_backbone, open_engine
from gingham.images import decode, fit, open_bytes
from gingham.records import InputRecipe

C_GRID = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
FOLDS = 5
RESOLUTION = 224
CHECKED_CS = (0.01, 1.0, 100.0)
RUNS = 3


def main(photos: Path, rows: int) -> dict[str, Any]:
    """Time both searches and compare their answers.

    Parameters
    ----------
    photos : Path
        Holds clothing/, 2,147 photos of 10 classes.
    rows : int
        Number of training rows.
    """
    X, y, groups = crop_features(photos / "clothing", rows)
    seconds = []
    for _ in range(RUNS):
        began = time.perf_counter()
        ours = LinearSVMSearch(C_GRID, folds=FOLDS, normalize=False).fit(X, y, groups)
        seconds.append(time.perf_counter() - began)
    found = statistics.median(seconds)
    print(f"{rows:,} x {X.shape[1]}: ours {found:.1f} s", flush=True)

    grid, theirs = _grid_search(X, y, ours.fold_)
    means = dict(zip(C_GRID, grid.cv_results_["mean_test_score"].tolist(), strict=True))
    difference = max(abs(means[c] - ours.cv_accuracy_[c]) for c in C_GRID)
    excess = _objective_excess(X, y)
    print(
        f"GridSearchCV {theirs:.1f} s, ratio {theirs / found:.1f}; cross-validation accuracies differ by at most "
        f"{difference:.2%}, objectives by at most {excess:.4%}",
        flush=True,
    )
    return {
        "rows": rows,
        "features": X.shape[1],
        "classes": len(ours.classes_),
        "seconds": found,
        "grid_search_seconds": theirs,
        "ratio": theirs / found,
        "largest_accuracy_difference": difference,
        "largest_objective_excess": excess,
        "c": ours.c_,
        "grid_search_c": grid.best_params_["C"],
        "blas": os.environ.get("OPENBLAS_CORETYPE", "the machine's own"),
    }


def crop_features(folder: Path, rows: int) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Return features of unit length, labels and groups of random crops of the photos."""
    paths = sorted(folder.glob("*/*.jpg"))
    names = sorted({path.parent.name for path in paths})
    random = np.random.default_rng(0)
    chosen = np.sort(random.permutation(np.resize(np.arange(len(paths)), rows)))
    backbone = load_backbone("efficientnet_lite0")
    engine = open_engine(backbone, RESOLUTION, "openvino")
    recipe = InputRecipe(RESOLUTION, "squash")
    batches = np.array_split(chosen, -(-rows // engine.batch_size))

    def inputs(numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
        return np.stack([fit(_random_crop(decode(open_bytes(paths[n])).rgb, random), recipe) for n in numbers])

    features = np.concatenate(list(engine.features(map(inputs, batches))))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    labels = np.array([names.index(paths[n].parent.name) for n in chosen])
    order = random.permutation(rows)
    return features[order], labels[order], chosen[order]


def _random_crop(rgb: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    height, width = rgb.shape[:2]
    side = int(min(height, width) * random.uniform(0.6, 1.0))
    top, left = random.integers(0, height - side + 1), random.integers(0, width - side + 1)
    return np.ascontiguousarray(rgb[top : top + side, left : left + side])


def _grid_search(X: NDArray[np.float32], y: NDArray[np.int64], fold: NDArray[np.integer]) -> tuple[Any, float]:
    from sklearn.model_selection import GridSearchCV, PredefinedSplit
    from sklearn.svm import LinearSVC

    model = LinearSVC(class_weight="balanced", dual=False, max_iter=10_000)
    search = GridSearchCV(model, {"C": C_GRID}, cv=PredefinedSplit(fold), n_jobs=2)
    began = time.perf_counter()
    search.fit(X, y)
    return search, time.perf_counter() - began


def _objective_excess(X: NDArray[np.float32], y: NDArray[np.int64]) -> float:
    """Return by how much, at most, an objective of ours lies above that of LIBLINEAR run to a tight tolerance.

    Measured on the fit to all rows at some C, for two classes against the rest.
    """
    from sklearn.svm import LinearSVC

    worst = -np.inf
    for c in CHECKED_CS:
        ours = LinearSVMSearch((c,), folds=2, normalize=False).fit(X, y)
        for k in (0, 1):
            sign = np.where(y == k, 1.0, -1.0)
            weight = np.where(y == k, len(y) / (len(ours.classes_) * np.sum(y == k)), 1.0)
            exact = LinearSVC(C=c, dual=False, tol=1e-8, max_iter=100_000).fit(X, sign, sample_weight=weight)
            best = _objective(X, sign, c * weight, exact.coef_[0], exact.intercept_[0])
            value = _objective(X, sign, c * weight, ours.coef_[k], ours.intercept_[k])
            worst = max(worst, value / best - 1)
    return float(worst)


def _objective(X: Any, sign: Any, cost: Any, coef: Any, intercept: float) -> float:
    slack = np.maximum(0, 1 - sign * (X.astype(np.float64) @ coef + intercept))
    return float(0.5 * (coef @ coef + intercept**2) + (cost * slack**2).sum())
