from __future__ import annotations

import numpy as np
import pytest

from gingham.curate import neighbours
from gingham.curate.neighbours import NEIGHBOURS, neighbour_votes


def clusters(per_class, k, seed=0, spread=0.2):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(k), per_class)
    return rng.normal(size=(k, 32))[labels] + rng.normal(0, spread, (len(labels), 32)), labels


def test_the_class_around_an_image_wins():
    features, labels = clusters(30, 4)
    wrong = labels.copy()
    wrong[5] = 3
    votes = neighbour_votes(features, wrong, 4)
    assert (votes.argmax(axis=1) == labels).all()
    assert votes.sum(axis=1) == pytest.approx(1)
    assert votes.dtype == np.float64


def test_votes_are_the_weighted_shares_of_the_nearest():
    features, labels = clusters(12, 3, spread=2.0)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -np.inf)
    votes = neighbour_votes(features, labels, 3)
    for row in range(len(features)):
        nearest = np.argsort(-cosines[row])[:NEIGHBOURS]
        weights = np.exp(20 * cosines[row, nearest])
        expected = np.bincount(labels[nearest], weights, minlength=3) / weights.sum() + 0.2 / NEIGHBOURS
        assert votes[row] == pytest.approx(expected / expected.sum(), abs=1e-5)


def test_images_of_one_group_do_not_vote_on_each_other():
    features, labels = clusters(20, 2)
    features = np.vstack([features, features[:1]])
    labels = np.append(labels, 1)  # a near-duplicate under another label
    alone = neighbour_votes(features, labels, 2)[0, 1]
    grouped = neighbour_votes(features, labels, 2, np.append(np.arange(40), 0))[0, 1]
    assert grouped < alone
    assert grouped == pytest.approx(neighbour_votes(features[:-1], labels[:-1], 2)[0, 1], abs=1e-4)


@pytest.mark.parametrize(
    ("n", "groups"),
    [
        pytest.param(1, None, id="alone"),
        pytest.param(5, np.zeros(5, int), id="all-of-one-group"),
    ],
)
def test_without_voters_all_classes_are_equal(n, groups):
    votes = neighbour_votes(np.ones((n, 3)), np.zeros(n, int), 4, groups)
    assert votes == pytest.approx(np.full((n, 4), 0.25))


def test_rows_of_zeros_do_no_harm():
    features, labels = clusters(10, 2)
    features[3] = 0
    assert np.isfinite(neighbour_votes(features, labels, 2)).all()


def test_tiles_change_nothing(monkeypatch):
    features, labels = clusters(20, 3)
    whole = neighbour_votes(features, labels, 3)
    monkeypatch.setattr(neighbours, "_TILE_ELEMENTS", 7 * len(labels))
    assert np.allclose(neighbour_votes(features, labels, 3), whole, atol=1e-6)


def test_of_many_images_only_some_vote(monkeypatch):
    monkeypatch.setattr(neighbours, "MOST_VOTERS", 60)
    features, labels = clusters(100, 3)
    assert (neighbour_votes(features, labels, 3).argmax(axis=1) == labels).all()


def test_no_images():
    assert neighbour_votes(np.empty((0, 4)), np.empty(0, int), 3).shape == (0, 3)
