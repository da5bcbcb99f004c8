"""What is called an outlier: few images like those of the training, nearly all of another kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gingham import Project
from gingham.classifiers.folds import stratified_group_folds
from gingham.classifiers.outliers import class_centres, outlier_distances, outlier_limit
from tests.classifiers.makers import backbone_like


@pytest.fixture(scope="module")
def features(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, np.ndarray]]:
    """Features, labels and sides of the photos of both datasets."""
    folder = tmp_path_factory.mktemp("outliers")
    project = Project(folder, environment={})
    found = {}
    for name in ("clothing", "grocery"):
        project.featurize(photos / name, output=folder / f"{name}.npz")
        with np.load(folder / f"{name}.npz") as arrays:
            found[name] = dict(arrays)
    return found


@pytest.mark.parametrize(("known", "unknown"), [("clothing", "grocery"), ("grocery", "clothing")])
def test_photos_of_another_kind_are_outliers(
    features: dict[str, dict[str, np.ndarray]], known: str, unknown: str
) -> None:
    from sklearn.metrics import roc_auc_score

    rows, others = features[known], features[unknown]["features"]
    classes, labels = np.unique(rows["labels"], return_inverse=True)
    train, test = rows["splits"] == "train", rows["splits"] == "test"
    seen, label = rows["features"][train], labels[train]
    limit = outlier_limit(seen, label, stratified_group_folds(label, None, 5, 0))
    centres = class_centres(seen, label, len(classes))
    inside, outside = (outlier_distances(part, centres) for part in (rows["features"][test], others))
    truth = np.repeat([0, 1], [len(inside), len(outside)])
    assert roc_auc_score(truth, np.concatenate([inside, outside])) > 0.998
    assert (inside > limit).mean() <= 0.02
    assert (outside > limit).mean() >= 0.95


def test_the_limit_comes_from_images_that_were_held_out() -> None:
    """Of small classes, the distances from means that an image itself is part of are far too small."""
    X, y = backbone_like(60, 64, 20)
    X = X + np.random.default_rng(0).normal(size=X.shape)
    fold = stratified_group_folds(y, None, 3, 0)
    limit = outlier_limit(X, y, fold)
    expected = []
    for held_out in range(3):
        seen = fold != held_out
        centres = class_centres(X[seen], y[seen], 20)
        expected += outlier_distances(X[~seen], centres[np.unique(y[seen])]).tolist()
    assert limit == pytest.approx(max(expected), rel=1e-5)
    in_sample = outlier_distances(X, class_centres(X, y, 20))
    assert limit > 1.2 * in_sample.max()


@pytest.mark.parametrize(
    ("X", "y", "fold"),
    [
        pytest.param([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], [0, 0, 1, 1], [0, 1, 0, 1], id="two classes of two images"),
        pytest.param([[1, 0], [1, 0], [0, 1], [0, 1]], [0, 0, 1, 1], [0, 1, 0, 1], id="copies"),
        pytest.param([[1, 0], [1, 0], [0, 1], [0, 1]], [0, 0, 1, 1], [0, 0, 1, 1], id="a class held out whole"),
        pytest.param([[0, 0], [0, 0], [0, 1], [0, 1]], [0, 0, 1, 1], [0, 1, 0, 1], id="black images"),
    ],
)
def test_few_images_have_a_limit(X: list[list[float]], y: list[int], fold: list[int]) -> None:
    features = np.array(X, np.float32)
    limit = outlier_limit(features, np.array(y), np.array(fold))
    assert 0 < limit <= 2
    assert (outlier_distances(features, class_centres(features, np.array(y), 2)) <= max(limit, 1)).all()


def test_a_row_of_zeros_is_far_from_everything() -> None:
    centres = class_centres(np.eye(3, dtype=np.float32), np.arange(3), 3)
    np.testing.assert_array_equal(outlier_distances(np.zeros((1, 3), np.float32), centres), [1])
    np.testing.assert_allclose(outlier_distances(-np.eye(3, dtype=np.float32)[:1], centres[:1]), [2], atol=1e-6)
