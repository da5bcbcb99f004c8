"""Heads on features of a refined network: what is chosen, is chosen on the validation part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.svm import LinearSVC

from gingham.classifiers import validated_svm_head

GRID = (1e-4, 1e-2, 1.0, 100.0)
CLASSES = ("a", "b", "c")


def photos(noise: float, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.intp], NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    labels = np.arange(120) % 3
    features = 3 * np.eye(8)[labels] + noise * rng.normal(size=(120, 8)) + 1
    return features.astype(np.float32), labels, np.arange(120) >= 90


def head(noise: float, **changes: Any) -> Any:
    features, labels, validation = photos(noise)
    given = {"classes": CLASSES, "c_grid": GRID, "class_weight": "none", "normalize": True, "wanted_precision": 0.95}
    return validated_svm_head(features, labels, validation, **(given | changes))


def reference(noise: float) -> dict[float, tuple[float, float]]:
    """Accuracy and squared hinge loss of scikit-learn's SVMs on the validation part, by C."""
    features, labels, validation = photos(noise)
    rows = features / np.linalg.norm(features, axis=1, keepdims=True)
    found = {}
    for c in GRID:
        scores = LinearSVC(C=c).fit(rows[~validation], labels[~validation]).decision_function(rows[validation])
        signs = np.where(labels[validation][:, None] == np.arange(3), 1, -1)
        loss = float((np.maximum(0, 1 - signs * scores) ** 2).mean())
        found[c] = (float((scores.argmax(1) == labels[validation]).mean()), loss)
    return found


def test_where_every_c_gets_all_right_the_least_loss_decides() -> None:
    known = reference(0.4)
    assert {accuracy for accuracy, _ in known.values()} == {1.0}
    made = head(0.4)
    assert made.cv_accuracy == dict.fromkeys(GRID, 1.0)
    assert made.c == min(GRID, key=lambda c: known[c][1])
    assert made.c > min(GRID)  # which scores all classes nearly alike


def test_accuracy_decides_before_loss() -> None:
    known = reference(1.6)
    made = head(1.6)
    assert len(set(made.cv_accuracy.values())) > 1
    assert made.cv_accuracy == pytest.approx({c: accuracy for c, (accuracy, _) in known.items()}, abs=0.04)
    assert made.cv_accuracy[made.c] == max(made.cv_accuracy.values())


def test_without_a_validation_part_the_middle_c_is_taken() -> None:
    features, labels, _ = photos(0.4)
    made = validated_svm_head(
        features, labels, np.zeros(120, bool), classes=CLASSES, c_grid=GRID, class_weight="none", normalize=True,
        wanted_precision=0.95,
    )  # fmt: skip
    assert (made.c, made.cv_accuracy, made.held_out_accuracy, made.threshold) == (1.0, {}, None, None)
