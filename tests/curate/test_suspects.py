from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gingham.curate.suspects import doubted, pooled, suspect_labels


def blurred(truth, k, sharpness, seed=0, weak=()):
    """Probabilities of a model that mostly knows the truth; of the ``weak`` classes it knows little."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(len(truth), k))
    logits[np.arange(len(truth)), truth] += np.where(np.isin(truth, weak), 0.5, sharpness)
    p = np.exp(logits)
    return p / p.sum(axis=1, keepdims=True)


def flip(truth, k, rows, by=1):
    labels = truth.copy()
    labels[rows] = (labels[rows] + by) % k
    return labels


def raised(p, exponent):
    q = p**exponent
    return q / q.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("exponent", [pytest.param(0.3, id="timid"), 1.0, pytest.param(3.0, id="over-confident")])
@pytest.mark.parametrize(
    ("counts", "sharpness"),
    [
        pytest.param([100, 100, 100], 7, id="even"),
        pytest.param([60, 60], 8, id="two-classes"),
        pytest.param([500, 100, 20, 20], 7, id="out-of-balance"),
        pytest.param([12] * 20, 9, id="many-small-classes"),
    ],
)
def test_flipped_labels_come_first_and_are_claimed(counts, sharpness, exponent):
    k = len(counts)
    truth = np.repeat(np.arange(k), counts)
    rows = np.arange(3, len(truth), 23)
    labels = flip(truth, k, rows)
    found = suspect_labels(raised(blurred(truth, k, sharpness), exponent), labels)
    assert set(np.argsort(found.label_score)[: len(rows)]) >= set(rows[:-1])
    assert found.is_suspect[rows].mean() >= 0.75
    assert found.is_suspect.sum() <= 1.2 * len(rows)
    assert (found.suggested[rows] == truth[rows]).mean() > 0.9


def test_calibration_of_the_model_changes_the_claims_little():
    truth = np.repeat(np.arange(4), 200)
    labels = flip(truth, 4, np.arange(0, 800, 20))
    p = blurred(truth, 4, 4)
    claims = [suspect_labels(raised(p, exponent), labels).is_suspect for exponent in (0.3, 1, 3)]
    assert claims[0].sum() > 15
    assert all((claim == claims[1]).mean() > 0.999 for claim in claims)


@pytest.mark.parametrize(
    ("k", "n"), [pytest.param(2, 200, id="two-classes"), pytest.param(5, 500, id="5"), pytest.param(50, 1000, id="50")]
)
@pytest.mark.parametrize("seed", range(3))
def test_a_model_that_knows_nothing_accuses_nobody(k, n, seed):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(k), n)
    assert suspect_labels(p, rng.integers(k, size=n)).is_suspect.mean() <= 0.005


def test_few_are_claimed_where_the_model_is_weak():
    truth = np.repeat(np.arange(6), 200)
    p = blurred(truth, 6, 8, weak=(0, 1))
    wrong = p.argmax(axis=1) != truth
    assert wrong[truth < 2].mean() > 0.5
    found = suspect_labels(p, truth)
    assert found.is_suspect[truth < 2].mean() < 0.03


def test_right_labels_are_not_claimed():
    truth = np.repeat(np.arange(5), 100)
    found = suspect_labels(blurred(truth, 5, 7), truth)
    assert found.is_suspect.sum() <= 2
    assert (found.suggested == blurred(truth, 5, 7).argmax(axis=1)).all()


def test_the_wrong_one_of_two_near_duplicates_is_claimed():
    truth = np.repeat(np.arange(3), 50)
    p = blurred(truth, 3, 8)
    p = np.vstack([p, p[:1]])
    labels = np.append(truth, 2)  # the first image once more, under another label
    found = suspect_labels(p, labels)
    assert found.is_suspect[-1]
    assert found.suggested[-1] == 0
    assert not found.is_suspect[0]
    assert found.label_score[-1] < found.label_score[0]


@pytest.mark.parametrize(
    ("p", "labels", "scores", "suspects"),
    [
        pytest.param(np.empty((0, 3)), [], [], [], id="nothing"),
        pytest.param([[0.3, 0.7]], [0], [None], [False], id="one-image"),
        pytest.param([[1.0], [1.0]], [0, 0], [1.0, 1.0], [False, False], id="one-class"),
        pytest.param([[1, 0], [1, 0], [0, 1], [0, 1]], [0, 0, 1, 1], [1, 1, 1, 1], [False] * 4, id="certainty"),
        pytest.param([[1, 0]] * 9 + [[0, 1]] * 9, [0] * 9 + [1] * 8 + [0], None, [False] * 17 + [True], id="zeros"),
        pytest.param([[0.5, 0.5]] * 4, [0, 0, 1, 1], [0.5] * 4, [False] * 4, id="undecided"),
        pytest.param([[0.0, 0.0, 0.0]] * 2, [0, 1], None, [False, False], id="all-zero-rows"),
    ],
)  # fmt: skip
def test_edges(p, labels, scores, suspects):
    found = suspect_labels(np.asarray(p, float), np.asarray(labels, int))
    assert found.is_suspect.tolist() == suspects
    assert (found.label_score.dtype, found.is_suspect.dtype, found.suggested.dtype) == (np.float32, np.bool_, np.int64)
    assert ((found.label_score >= 0) & (found.label_score <= 1)).all()
    for score, expected in zip(found.label_score, scores or [], strict=False):
        assert expected is None or score == pytest.approx(expected, abs=1e-4)


@settings(deadline=None)  # the first call imports scipy
@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(1, 60))
def test_properties(seed, k, n):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(k, 0.2), n)
    labels = rng.integers(k, size=n)
    found = suspect_labels(p, labels)
    assert ((found.label_score >= 0) & (found.label_score <= 1)).all()
    assert (found.suggested[found.is_suspect] != labels[found.is_suspect]).all()
    order = rng.permutation(n)
    again = suspect_labels(p[order], labels[order])
    assert np.allclose(again.label_score, found.label_score[order], atol=1e-3)
    out = doubted(p, labels)
    assert (np.bincount(labels[out], minlength=k) <= np.bincount(labels, minlength=k) // 2).all()


def test_float32_probabilities_serve():
    truth = np.repeat(np.arange(3), 50)
    p = blurred(truth, 3, 6)
    assert np.allclose(
        suspect_labels(p.astype(np.float32), truth).label_score, suspect_labels(p, truth).label_score, atol=1e-4
    )


def test_blocks_change_nothing(monkeypatch):
    truth = np.repeat(np.arange(3), 50)
    p = blurred(truth, 3, 4)
    labels = flip(truth, 3, [0, 70])
    whole = suspect_labels(p, labels)
    monkeypatch.setattr("gingham.curate.suspects._exponent", lambda *_: 1.0)
    at_one = suspect_labels(p, labels)
    monkeypatch.setattr("gingham.curate.suspects._BLOCK_ELEMENTS", 21)
    parts = suspect_labels(p, labels)
    assert np.array_equal(parts.label_score, at_one.label_score)
    assert np.array_equal(parts.is_suspect, at_one.is_suspect)
    assert np.array_equal(parts.suggested, whole.suggested)


@pytest.mark.parametrize(
    ("p", "labels", "message"),
    [
        pytest.param(np.ones((3, 2)) / 2, np.array([0, 1]), r"not \(3, 2\) and \(2,\)", id="lengths"),
        pytest.param(np.ones(3), np.array([0, 1, 2]), r"shape \(n, k\)", id="no-columns"),
        pytest.param(np.ones((2, 2)) / 2, np.array([0, 2]), "between 0 and 1", id="label-too-large"),
        pytest.param(np.ones((2, 2)) / 2, np.array([-1, 0]), "between -1 and 0", id="label-negative"),
        pytest.param(np.array([[0.5, np.nan]]), np.array([0]), "NaN", id="nan"),
        pytest.param(np.array([[1.5, -0.5]]), np.array([0]), "negative", id="negative"),
    ],
)
@pytest.mark.parametrize("function", [suspect_labels, doubted])
def test_wrong_input(function, p, labels, message):
    with pytest.raises(ValueError, match=message):
        function(p, labels)


def test_doubted_are_those_of_which_another_class_is_clearly_likelier():
    p = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.1, 0.9], [0.1, 0.9], [0.1, 0.9], [0.9, 0.1]])
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    assert np.flatnonzero(doubted(p, labels)).tolist() == [3, 7]


def test_at_most_half_of_a_class_is_doubted_the_worst_first():
    p = np.array([[0.1, 0.9], [0.001, 0.999], [0.01, 0.99], [0.9, 0.1]] + [[0.01, 0.99]] * 96)
    labels = np.repeat([0, 1], [4, 96])
    assert np.flatnonzero(doubted(p, labels)).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("weight", "expected"),
    [
        pytest.param(0.0, [0.9, 0.1], id="model-alone"),
        pytest.param(1.0, [0.2, 0.8], id="neighbours-alone"),
        pytest.param(0.5, [0.6, 0.4], id="even"),
    ],
)
def test_pooled_is_the_weighted_geometric_mean(weight, expected):
    found = pooled(np.array([[0.9, 0.1]]), np.array([[0.2, 0.8]]), weight)
    assert found[0] == pytest.approx(expected)


def test_pooled_does_not_mind_zeros():
    assert np.isfinite(pooled(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]))).all()
