"""Small sets of features to fit, each with a difficulty of its own; and the same problem put to scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.svm import LinearSVC

from gingham.classifiers.problems import Rows

Set = tuple[NDArray[Any], NDArray[Any]]


def blobs(n: int, d: int, classes: int, *, noise: float = 1.0, seed: int = 0) -> Set:
    """Return n rows of d features around a centre for each class; noise 1 leaves the classes mixed at their edges."""
    random = np.random.default_rng(seed)
    label = random.permutation(np.arange(n) % classes)
    centres = random.normal(size=(classes, d)) / np.sqrt(d)
    return centres[label] + noise * random.normal(size=(n, d)) / np.sqrt(d), label


def backbone_like(n: int, d: int, classes: int, *, seed: int = 0) -> Set:
    """Return features like a network's: positive, skewed, correlated, of unit length."""
    random = np.random.default_rng(seed)
    X, label = blobs(n, 24, classes, noise=0.9, seed=seed)
    X = np.maximum(X @ random.normal(size=(24, d)) + 0.3 * random.normal(size=(n, d)) + 0.3, 0)
    return (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32), label


def uneven() -> Set:
    X, label = blobs(240, 12, 4)
    kept = (label < 2) | (np.arange(240) % 12 == 0)
    return X[kept], label[kept]


def two_uneven_classes() -> Set:
    X, label = blobs(240, 12, 2)
    kept = (label < 1) | (np.arange(240) % 8 == 1)
    return X[kept], label[kept]


def constant_features() -> Set:
    X, label = blobs(120, 8, 3)
    X[:, 2:5] = 0.25
    return X, label


def duplicated_columns() -> Set:
    X, label = blobs(120, 8, 3)
    return np.hstack([X, X, X]), label


def zero_rows() -> Set:
    X, label = blobs(120, 8, 3)
    X[::7] = 0
    return X, label


def only_zeros() -> Set:
    return np.zeros((60, 8)), np.arange(60) % 3


def badly_scaled() -> Set:
    X, label = blobs(150, 8, 3)
    return X * np.logspace(-3, 1, 8), label


SETS: dict[str, Callable[[], Set]] = {
    "two classes": lambda: blobs(150, 10, 2),
    "two uneven classes": two_uneven_classes,
    "many rows": lambda: blobs(1500, 10, 3),
    "few rows": lambda: blobs(40, 200, 4),
    "as many rows as features": lambda: blobs(100, 100, 3),
    "separable": lambda: blobs(120, 30, 4, noise=0.05),
    "all noise": lambda: blobs(150, 10, 3, noise=50),
    "single precision": lambda: backbone_like(300, 64, 5),
    "uneven classes": uneven,
    "constant features": constant_features,
    "duplicated columns": duplicated_columns,
    "zero rows": zero_rows,
    "nothing but zeros": only_zeros,
    "badly scaled": badly_scaled,
}


def as_rows(X: NDArray[Any], label: NDArray[Any], folds: int) -> Rows:
    """Return the rows as the solver takes them: with a column of ones, and dealt to folds in turn within a class."""
    place = np.empty(len(label), dtype=int)
    for k in np.unique(label):
        place[label == k] = np.arange(np.sum(label == k))
    return Rows(np.hstack([X, np.ones((len(X), 1), X.dtype)]), label, place % folds)


def liblinear(X: NDArray[Any], y: NDArray[Any], c: float, **parameters: Any) -> LinearSVC:
    """Return scikit-learn's solution, nearly exact."""
    exact: dict[str, Any] = {"dual": False, "loss": "squared_hinge", "intercept_scaling": 1, "max_iter": 100_000}
    return LinearSVC(C=c, **exact, **{"class_weight": "balanced", "tol": 1e-10, **parameters}).fit(X, y)


def objective(X: NDArray[Any], sign: NDArray[Any], cost: NDArray[Any], weights: NDArray[Any]) -> float:
    """Return |w|²/2 + Σ cost max(0, 1 - y x·w)², X with its column of ones."""
    slack = np.maximum(0, 1 - sign * (X.astype(np.float64) @ weights))
    return float(0.5 * weights @ weights + cost @ slack**2)
