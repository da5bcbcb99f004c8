from __future__ import annotations

import numpy as np
import pytest

from gingham.classifiers.held_out import held_out_probabilities
from gingham.sklearn import LinearSVMSearch


def clusters(per_class, k, seed=0, spread=1.2):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(k), per_class)
    return rng.normal(size=(k, 12))[labels] + rng.normal(0, spread, (len(labels), 12)), labels


@pytest.mark.parametrize("k", [2, 4])
def test_a_label_that_was_left_out_does_not_speak_for_itself(k):
    features, truth = clusters(40, k, spread=0.4)
    labels = truth.copy()
    wrong = np.arange(0, len(truth), 9)
    labels[wrong] = (labels[wrong] + 1) % k
    search = LinearSVMSearch(c_grid=(10.0,)).fit(features, labels)
    first = search.calibration_.apply(search.oof_scores_)
    second = held_out_probabilities(search, features, labels, labels != truth)
    assert second.shape == (len(labels), k)
    assert second.sum(axis=1) == pytest.approx(1)
    with_all = held_out_probabilities(search, features, labels, np.zeros(len(labels), bool))
    assert second[wrong, truth[wrong]].mean() > with_all[wrong, truth[wrong]].mean()
    assert (second.argmax(axis=1) == truth).mean() >= (first.argmax(axis=1) == truth).mean()
    assert (second.argmax(axis=1) == truth).mean() > 0.97


def test_each_image_is_judged_by_a_model_that_has_not_seen_it():
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(60, 200)), np.arange(60) % 3  # any model of all of these knows them by heart
    search = LinearSVMSearch(c_grid=(10.0,)).fit(features, labels)
    found = held_out_probabilities(search, features, labels, np.zeros(60, bool))
    assert (found.argmax(axis=1) == labels).mean() < 0.6


@pytest.mark.parametrize(
    ("labels", "left_out"),
    [
        pytest.param([0] * 20 + [1] * 20 + [2], [40], id="the-only-image-of-a-class"),
        pytest.param([0] * 20 + [1] * 20 + [2] * 3, [40, 41, 42], id="all-images-of-a-class"),
        pytest.param([0] * 20 + [1], [], id="one-image-against-the-rest"),
        pytest.param([0] * 20 + [1] * 2, [20], id="two-against-the-rest-one-left-out"),
    ],
)
def test_small_classes(labels, left_out):
    labels = np.array(labels)
    features = np.random.default_rng(0).normal(size=(len(labels), 8))
    mask = np.zeros(len(labels), bool)
    mask[left_out] = True
    search = LinearSVMSearch(c_grid=(1.0,)).fit(features, labels)
    found = held_out_probabilities(search, features, labels, mask)
    assert found.shape == (len(labels), labels.max() + 1)
    assert np.isfinite(found).all()
    assert found.sum(axis=1) == pytest.approx(1)
