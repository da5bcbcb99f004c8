from __future__ import annotations

import numpy as np
import pytest

from gingham.curate import lookalikes
from gingham.curate.lookalikes import lookalike_pairs


def brute(features, threshold):
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-30)
    cosines = unit @ unit.T
    i, j = np.nonzero(np.triu(cosines >= threshold, 1))
    return {(a, b): cosines[a, b] for a, b in zip(i.tolist(), j.tolist(), strict=True)}


def crowd(n, seed=0):
    """Vectors of any length around a few directions, some of them copies."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(7, 16))
    rows = centres[rng.integers(7, size=n)] + rng.normal(0, 0.35, (n, 16))
    rows[n // 2] = rows[0]
    return rows * rng.uniform(0.1, 10, (n, 1))


@pytest.mark.parametrize("threshold", [0.8, 0.9, 0.97])
@pytest.mark.parametrize("n", [2, 3, 50, 300])
@pytest.mark.parametrize(
    "tile", [pytest.param((8, 32), id="tiles-divide"), pytest.param((7, 19), id="tiles-do-not"), None]
)
def test_pairs_are_those_of_brute_force(n, threshold, tile, monkeypatch):
    if tile:
        monkeypatch.setattr(lookalikes, "_TALL", tile[0])
        monkeypatch.setattr(lookalikes, "_WIDE", tile[1])
    features = crowd(n)
    expected = brute(features, threshold)
    found = lookalike_pairs(features, threshold)
    assert dict(zip(map(tuple, found.pairs.tolist()), found.similarities.tolist(), strict=True)) == pytest.approx(
        expected, abs=1e-5
    )
    assert found.found == len(expected)
    assert (np.diff(found.similarities) <= 0).all()
    assert (found.pairs.dtype, found.similarities.dtype) == (np.int64, np.float32)


@pytest.mark.parametrize(
    ("features", "threshold", "pairs"),
    [
        pytest.param(np.empty((0, 4)), 0.9, [], id="nothing"),
        pytest.param(np.ones((1, 4)), 0.9, [], id="one"),
        pytest.param(np.zeros((3, 4)), 0.9, [], id="zeros-are-like-nothing"),
        pytest.param(np.array([[1.0, 0], [0, 1], [-1, 0]]), 0.01, [], id="apart"),
        pytest.param(np.tile(np.sqrt(np.arange(999.0)), (3, 1)), 1.0, [[0, 1], [0, 2], [1, 2]], id="equal-at-1"),
        pytest.param(np.array([[1.0, 0], [5, 0.1], [0, 2], [0, 1]]), 0.9, [[2, 3], [0, 1]], id="most-alike-first"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_edges(features, threshold, pairs, dtype):
    found = lookalike_pairs(features.astype(dtype), threshold)
    assert found.pairs.tolist() == pairs
    assert found.pairs.shape == (len(pairs), 2)
    assert (found.similarities <= 1).all()


@pytest.mark.parametrize("most", [0, 1, 10, 1000])
def test_of_too_many_the_most_alike_are_kept(most, monkeypatch):
    monkeypatch.setattr(lookalikes, "_TALL", 8)
    monkeypatch.setattr(lookalikes, "_WIDE", 16)
    features = crowd(200)
    whole = lookalike_pairs(features, 0.8)
    part = lookalike_pairs(features, 0.8, most)
    assert part.pairs.tolist() == whole.pairs[:most].tolist()
    assert part.found == whole.found > 1000


@pytest.mark.parametrize("threshold", [0, -0.5, 1.01, float("nan")])
def test_threshold_out_of_range(threshold):
    with pytest.raises(ValueError, match="above 0 and not above 1"):
        lookalike_pairs(np.ones((2, 2)), threshold)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_must_be_finite(value):
    features = np.ones((4, 3))
    features[2, 1] = value
    with pytest.raises(ValueError, match="row 2 is not"):
        lookalike_pairs(features)
