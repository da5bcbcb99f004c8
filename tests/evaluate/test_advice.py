"""What a reader is told where the test images contradict the training images."""

from __future__ import annotations

import numpy as np
import pytest

from gingham.evaluate.advice import warnings_about_transfer
from gingham.evaluate.metrics import compute_metrics


@pytest.mark.parametrize(
    ("right", "cv_accuracy", "threshold", "words"),
    [
        pytest.param(95, 0.97, 0.5, [], id="as promised"),
        pytest.param(80, 0.97, None, ["Believe the test images"], id="worse than in cross-validation"),
        pytest.param(80, 0.80, 0.5, ["does not keep its promise", "80 % are"], id="sure, and wrong"),
        pytest.param(80, 0.80, 0.9, [], id="no answer is sure enough"),
        pytest.param(80, 0.97, 0.5, ["Believe", "promise"], id="both"),
    ],
)
def test_transfer(right: int, cv_accuracy: float, threshold: float | None, words: list[str]) -> None:
    truth = np.arange(100) % 2
    correct = np.arange(100) < right
    predicted = np.where(correct, truth, 1 - truth)
    probabilities = np.where(np.arange(2) == predicted[:, None], 0.8, 0.2)
    found = warnings_about_transfer(
        compute_metrics(truth, probabilities, predicted, ["a", "b"]),
        probabilities.max(axis=1),
        correct,
        cv_accuracy=cv_accuracy,
        threshold=threshold,
        wanted_precision=0.95,
    )
    assert bool(found) == bool(words)
    for word in words:
        assert word in " ".join(found)
