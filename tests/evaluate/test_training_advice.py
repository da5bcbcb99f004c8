"""What the curves of a training say: only what the numbers show."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gingham.evaluate.training_advice import diagnose_training
from gingham.records import Epoch


def epochs(train: list[float], validation: list[float] | None = None) -> list[Epoch]:
    held_out = validation or [None] * len(train)
    return [
        Epoch(number, 1.0, error, None if other is None else 1.0, other, 0.5, 5e-4, 100.0, 6.0)
        for number, (error, other) in enumerate(zip(train, held_out, strict=True), 1)
    ]


def again(curves: list[Epoch]) -> list[Epoch]:
    """Return them as those of a second training, after a first one as long."""
    return [replace(epoch, epoch=epoch.epoch + len(curves), training=2) for epoch in curves]


@pytest.mark.parametrize(
    ("curves", "n_validation", "words"),
    [
        pytest.param(epochs([0.2, 0.1, 0.02], [0.1, 0.06, 0.05]), 200, [], id="all is well"),
        pytest.param(epochs([0.01, 0.0], [0.0, 0.0]), 90, [], id="nothing is wrong at all"),
        pytest.param(epochs([0.5, 0.4, 0.39]), 0, ["39 % at the end: raise the learning rate"], id="it does not learn"),
        pytest.param(epochs([0.5, 0.4, 0.1]), 0, ["10 % at the end: it was still falling"], id="it still learns"),
        pytest.param(epochs([0.2, 0.01, 0.0], [0.15, 0.13, 0.12]), 300, ["12 points above training error"], id="a gap"),
        pytest.param(epochs([0.2, 0.01, 0.0], [0.2, 0.15, 0.125]), 8, ["12 points above"], id="one of eight"),
        pytest.param(epochs([0.3, 0.1, 0.04], [0.4, 0.2, 0.2]), 5, [], id="a gap that may be chance"),
        pytest.param(
            epochs([0.04] * 5, [0.2, 0.05, 0.08, 0.12, 0.13]), 400,
            ["lowest after epoch 2 and has risen since: fewer epochs would do (--refinement.epochs 2)"], id="too long",
        ),
        pytest.param(epochs([0.04] * 5, [0.2, 0.05, 0.06, 0.06, 0.06]), 100, [], id="a rise that may be chance"),
        pytest.param(
            epochs([0.5, 0.4, 0.01]) + again(epochs([0.5, 0.4, 0.39])), 0, ["39 % at the end: raise"],
            id="the last of two",
        ),
        pytest.param(
            epochs([0.04] * 5) + again(epochs([0.04] * 5, [0.2, 0.05, 0.08, 0.12, 0.13])), 400,
            ["lowest after epoch 7 and has risen since: fewer epochs would do (--refinement.epochs 2)"],
            id="two that are too long",
        ),
        pytest.param([], 0, [], id="no epoch"),
    ],
)  # fmt: skip
def test_it_says_what_the_curves_show(curves: list[Epoch], n_validation: int, words: list[str]) -> None:
    said = diagnose_training(curves, n_validation)
    assert len(said) == len(words), said
    for sentence, part in zip(said, words, strict=True):
        assert part in sentence
