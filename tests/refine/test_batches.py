"""What an epoch shows, how it is blended, and how the learning rate goes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from gingham.config import Refinement
from gingham.refine.batches import blend, epoch_rows
from gingham.refine.schedule import rate_at

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_torch_thread")]

LABELS = np.repeat([0, 1, 2], [9, 3, 4])
ROWS = np.arange(16)


@pytest.mark.parametrize(
    ("settings", "counts"),
    [
        pytest.param({}, [9, 3, 4], id="as they are"),
        pytest.param({"balance": "weights"}, [9, 3, 4], id="weights change no order"),
        pytest.param({"balance": "duplicate"}, [9, 9, 9], id="rare classes as often as frequent ones"),
    ],
)
def test_how_often_each_class_is_seen(settings: dict[str, Any], counts: list[int]) -> None:
    rows = epoch_rows(ROWS, LABELS, Refinement(**settings), seed=0, epoch=0)
    assert np.bincount(LABELS[rows]).tolist() == counts
    assert set(rows) == set(ROWS)
    assert not np.array_equal(rows, epoch_rows(ROWS, LABELS, Refinement(**settings), seed=0, epoch=1))
    assert np.array_equal(rows, epoch_rows(ROWS, LABELS, Refinement(**settings), seed=0, epoch=0))


def test_at_most_so_many_images_each_epoch_others() -> None:
    settings = Refinement(max_images_per_epoch=6)
    epochs = [epoch_rows(ROWS, LABELS, settings, seed=0, epoch=epoch) for epoch in range(20)]
    assert {len(rows) for rows in epochs} == {6}
    assert set(np.concatenate(epochs)) == set(ROWS)


@pytest.mark.parametrize("way", ["mixup", "cutmix"])
def test_a_blend_is_made_of_two_images_in_the_shares_that_it_says(way: str) -> None:
    inputs = torch.eye(6)[:, :, None, None].expand(6, 6, 10, 10).clone()
    settings, blended = Refinement(**{way: 1.0}), 0
    for seed in range(40):
        found, partner, share = blend(inputs, settings, np.random.default_rng(seed))
        expected = share * torch.eye(6) + (1 - share) * torch.eye(6)[partner]
        torch.testing.assert_close(found.mean((2, 3)), expected)
        blended += share < 1
    assert 10 < blended < 35  # every other batch or so
    assert torch.equal(inputs.mean((2, 3)), torch.eye(6))  # the batch itself is left as it is


def test_what_is_no_map_is_not_cut() -> None:
    tokens = torch.randn(4, 7, 5)
    for seed in range(10):
        found, _, share = blend(tokens, Refinement(cutmix=1.0), np.random.default_rng(seed))
        assert share == 1
        assert found is tokens


@pytest.mark.parametrize(
    ("settings", "rates"),
    [
        pytest.param({"schedule": "constant", "warm_up": 0.0}, [1, 1, 1, 1], id="constant"),
        pytest.param({"schedule": "constant", "warm_up": 0.5}, [0.001, 0.5, 1, 1], id="warm-up"),
        pytest.param({"schedule": "one-cycle", "warm_up": 0.0}, [1, 0.8535534, 0.5, 0.1464466], id="cosine"),
        pytest.param({"schedule": "one-cycle", "warm_up": 0.5}, [0.001, 0.5, 1, 0.5], id="one cycle"),
        pytest.param({"schedule": "step", "warm_up": 0.0, "steps": (0.2, 0.7)}, [1, 0.1, 0.1, 0.01], id="steps"),
    ],
)
def test_the_learning_rate(settings: dict[str, Any], rates: list[float]) -> None:
    schedule = Refinement(learning_rate=1.0, **settings)
    assert [rate_at(schedule, share) for share in (0, 0.25, 0.5, 0.75)] == pytest.approx(rates)
