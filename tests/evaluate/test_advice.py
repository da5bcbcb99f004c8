"""What a reader is told where the test images contradict the training images."""

from __future__ import annotations

import numpy as np
import pytest

from gingham.evaluate.advice import warnings_about, warnings_about_transfer
from gingham.evaluate.metrics import compute_metrics


@pytest.mark.parametrize(
    ("right", "held_out", "held_out_accuracy", "threshold", "words"),
    [
        pytest.param(95, 300, 0.97, 0.5, [], id="as promised"),
        pytest.param(80, 300, 0.97, None, ["Believe the test images"], id="worse than in cross-validation"),
        pytest.param(80, 11, 1.0, None, [], id="11 held out say nothing"),
        pytest.param(98, 76, 1.0, None, [], id="one mistake may be chance"),
        pytest.param(80, 0, None, None, [], id="none held out"),
        pytest.param(80, 300, 0.80, 0.5, ["does not keep its promise", "80 % are"], id="sure, and wrong"),
        pytest.param(80, 300, 0.80, 0.9, [], id="no answer is sure enough"),
        pytest.param(80, 300, 0.97, 0.5, ["Believe", "promise"], id="both"),
    ],
)
def test_transfer(
    right: int, held_out: int, held_out_accuracy: float | None, threshold: float | None, words: list[str]
) -> None:
    truth = np.arange(100) % 2
    correct = np.arange(100) < right
    predicted = np.where(correct, truth, 1 - truth)
    probabilities = np.where(np.arange(2) == predicted[:, None], 0.8, 0.2)
    found = warnings_about_transfer(
        compute_metrics(truth, probabilities, predicted, ["a", "b"]),
        probabilities.max(axis=1),
        correct,
        held_out_accuracy=held_out_accuracy,
        held_out=held_out,
        threshold=threshold,
        wanted_precision=0.95,
    )
    assert bool(found) == bool(words)
    for word in words:
        assert word in " ".join(found)


@pytest.mark.parametrize(
    ("right", "words"),
    [
        pytest.param(95, "", id="better"),
        pytest.param(75, "cannot tell the model from one that always answers “a”", id="as guessing"),
        pytest.param(20, "are the labels of the test images right?", id="worse than guessing"),
    ],
)
def test_against_guessing(right: int, words: str) -> None:
    truth = (np.arange(100) >= 75).astype(int)
    predicted = np.where(np.arange(100) < right, truth, 1 - truth)
    probabilities = np.where(np.arange(2) == predicted[:, None], 0.8, 0.2)
    found = compute_metrics(truth, probabilities, predicted, ["a", "b"], resamples=50).warnings
    said = [text for text in found if "always answers" in text]
    assert bool(said) == bool(words)
    assert words in " ".join(said)
    if said:
        assert found[0] == said[0], "the most important comes first"


def test_a_class_of_spaces_can_be_seen() -> None:
    metrics = compute_metrics([0, 0, 1], np.full((3, 2), 0.5), [0, 1, 1], ["  ", "b"], resamples=50)
    assert "␠␠ (2)" in " ".join(warnings_about(metrics, {"  ": 1, "b": 2}))
