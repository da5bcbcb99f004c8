"""Learning curves: each point is a classifier trained on what stays, tested on what was held out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from gingham.classifiers import learning_curve
from gingham.classifiers.learning_curve import LearningCurves, _nested_draws, measure_learning_curves
from gingham.classifiers.svm_search import LinearSVMSearch
from gingham.errors import DataError
from tests.classifiers import makers

SHARES = (0.1, 0.3, 1.0)


def measured(X: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None, **options: Any) -> LearningCurves:
    given = {
        "c": 1.0, "class_weight": "balanced", "normalize": True, "folds": 3, "seed": 0, "draws": 2, "shares": SHARES
    }  # fmt: skip
    groups = np.arange(len(y)) if groups is None else groups
    return measure_learning_curves(X.astype(np.float32), y, groups, int(y.max()) + 1, **(given | options))


SETS = [
    pytest.param(makers.blobs(240, 12, 4), {}, id="four classes"),
    pytest.param(makers.blobs(120, 12, 2), {}, id="two classes"),
    pytest.param(makers.uneven(), {}, id="uneven"),
    pytest.param(makers.two_uneven_classes(), {}, id="two uneven classes"),
    pytest.param(makers.uneven(), {"class_weight": "none"}, id="not weighed"),
    pytest.param(makers.blobs(120, 8, 3), {"normalize": False, "c": 0.1}, id="not normalised"),
    pytest.param(makers.backbone_like(90, 200, 3), {"c": 10.0}, id="more features than images"),
]


@pytest.mark.parametrize(("data", "options"), SETS)
def test_with_all_images_it_is_the_search_s_cross_validation(data: makers.Set, options: dict[str, Any]) -> None:
    X, y = data
    found = measured(X, y, **options)
    weight = None if options.get("class_weight") == "none" else "balanced"
    search = LinearSVMSearch(
        c_grid=(options.get("c", 1.0),), folds=3, class_weight=weight, normalize=options.get("normalize", True)
    ).fit(X.astype(np.float32), y)
    np.testing.assert_array_equal(found.fold, search.fold_)
    scores = search.oof_scores_
    predicted = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)
    for right in found.right[:, -1].reshape(-1, len(y)):
        assert (right != (predicted == y)).mean() <= 0.01


@pytest.mark.parametrize(("data", "options"), SETS)
def test_with_fewer_it_is_what_linearsvc_learns_of_them(data: makers.Set, options: dict[str, Any]) -> None:
    X, y = data
    found = measured(X, y, **options)
    X = X.astype(np.float32)
    if options.get("normalize", True):
        X = X / np.linalg.norm(X, axis=1, keepdims=True)
    differ = []
    for held_out in range(3):
        seen, test = np.flatnonzero(found.fold != held_out), np.flatnonzero(found.fold == held_out)
        keep = _nested_draws(y[seen], seen, SHARES, 2, np.random.default_rng((0, held_out)))
        for k in range(found.n_classes + 1):
            stays = seen[keep[0, 1] | (y[seen] != k) & (k < found.n_classes)]
            weight = None if options.get("class_weight") == "none" else "balanced"
            model = LinearSVC(C=options.get("c", 1.0), class_weight=weight, dual=False, tol=1e-6).fit(
                X[stays], y[stays]
            )
            differ.append((model.predict(X[test]) == y[test]) != found.right[k, 0, 1, test])
    assert np.concatenate(differ).mean() <= 0.01


@pytest.mark.parametrize(
    ("groups", "share", "kept"),
    [
        pytest.param(range(10), 0.5, {5}, id="half of ten"),
        pytest.param(range(10), 0.01, {1}, id="one at least"),
        pytest.param(range(10), 1.0, {10}, id="all"),
        pytest.param([0] * 10, 0.1, {10}, id="one group"),
        pytest.param([0, 0, 0, 0, 0, 1, 1, 1, 1, 1], 0.3, {5}, id="two groups"),
        pytest.param(np.arange(10) // 2, 0.4, {4}, id="pairs"),
    ],
)
def test_what_stays_is_near_the_share_in_whole_groups(groups: Any, share: float, kept: set[int]) -> None:
    labels = np.repeat([0, 1], [10, 4])
    groups = np.concatenate([np.asarray(groups), [20, 21, 22, 23]])
    keep = _nested_draws(labels, groups, (share,), 20, np.random.default_rng(0))[0]
    assert set(keep[:, labels == 0].sum(axis=1).tolist()) == kept
    for group in np.unique(groups):
        assert set(keep[:, groups == group].mean(axis=1)) <= {0.0, 1.0}


def test_what_stays_at_a_share_stays_at_every_larger_one_and_draws_differ() -> None:
    labels = np.repeat([0, 1, 2], 30)
    keep = _nested_draws(labels, np.arange(90) // 2, (0.1, 0.2, 0.5, 1.0), 5, np.random.default_rng(0))
    assert (np.diff(keep.astype(int), axis=0) >= 0).all()
    assert keep[-1].all()
    assert len(np.unique(keep[0], axis=0)) > 3


def test_sizes_are_those_of_the_training_part() -> None:
    X, y = makers.blobs(240, 12, 4)
    found = measured(X, y, shares=(0.1, 0.5, 1.0))
    np.testing.assert_allclose(found.sizes[:-1], [[4, 20, 40]] * 4)
    np.testing.assert_allclose(found.sizes[-1], [16, 80, 160])


def test_counts_add_up() -> None:
    X, y = makers.uneven()
    found = measured(X, y)
    for k in range(found.n_classes):
        assert found.held_out(k).sum() == (y == k).sum()
        recognised = found.recognised(k)
        assert recognised.shape == (3, 2, 3)
        np.testing.assert_array_equal(recognised.sum(axis=2), found.right[k][..., y == k].sum(axis=2))
        assert (recognised <= found.held_out(k)).all()


def test_fewer_images_of_a_class_hurt_that_class() -> None:
    X, y = makers.blobs(400, 12, 4)
    found = measured(X, y, shares=(0.05, 0.2, 1.0))
    for k in range(4):
        counts = found.recognised(k).sum(axis=2).mean(axis=1)
        assert counts[0] < counts[1] < counts[2]
    assert (np.diff(found.right[-1].mean(axis=(1, 2))) > 0).all()


def test_copies_are_held_out_together() -> None:
    X, y = makers.blobs(60, 8, 3)
    groups = np.tile(np.arange(60), 2)
    found = measured(np.vstack([X, X]), np.tile(y, 2), groups)
    np.testing.assert_array_equal(found.fold[:60], found.fold[60:])


def test_a_class_of_one_group_is_never_seen_when_it_is_held_out() -> None:
    X, y = makers.blobs(90, 8, 3)
    groups = np.where(y == 2, 1000, np.arange(90))
    found = measured(X, y, groups)
    assert (found.sizes[2] == 0).all()
    assert found.recognised(2).sum() == 0


def test_the_seed_decides_and_bundles_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = makers.uneven()
    first, again, other = (measured(X, y, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.right, again.right)
    assert (first.fold != other.fold).any()
    monkeypatch.setattr(learning_curve, "_SCORE_BYTES", 1)
    assert (measured(X, y).right != first.right).mean() < 0.002


def test_where_it_is_much_work_one_draw_must_do(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = makers.blobs(60, 8, 3)
    assert measured(X, y, draws=None).right.shape == (4, 3, 3, 60)
    monkeypatch.setattr(learning_curve, "MUCH_WORK", 60 * 3 * 4 - 1)
    assert measured(X, y, draws=None).right.shape == (4, 3, 1, 60)


def test_progress_rises_to_all_of_it() -> None:
    X, y = makers.blobs(60, 8, 3)
    told: list[tuple[int, int]] = []
    measured(X, y, progress=lambda done, total: told.append((done, total)))
    assert told == [(i + 1, 6) for i in range(6)]


@pytest.mark.parametrize(
    ("labels", "groups", "n_classes", "words"),
    [
        pytest.param([0, 0, 0], [0, 1, 2], 1, "only one class", id="one class"),
        pytest.param([0, 0, 2], [0, 1, 2], 3, "No training image is left of class 1", id="a class without images"),
        pytest.param([0, 1, 1], [5, 5, 5], 2, "All images are of one group", id="one group"),
    ],
)
def test_what_cannot_be_measured_is_refused(labels: list[int], groups: list[int], n_classes: int, words: str) -> None:
    with pytest.raises(DataError, match=words):
        measure_learning_curves(
            np.eye(3, dtype=np.float32), np.array(labels), np.array(groups), n_classes,
            c=1.0, class_weight="balanced", normalize=True, folds=3, seed=0,
        )  # fmt: skip
