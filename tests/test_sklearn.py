"""Gingham's parts among scikit-learn's own."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from gingham.errors import ConfigError, DataError, UnavailableError, UsageError
from gingham.sklearn import ImageFeaturizer, LinearSVMSearch
from tests.images.makers import bad_files


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def featurizer(cache: Path) -> ImageFeaturizer:
    return ImageFeaturizer(resolution=96, precision="f32", cache=cache)


@pytest.fixture(scope="module")
def images(untouched_project: Path) -> tuple[list[str], list[str]]:
    paths = sorted((untouched_project / "images/textures").glob("*/*"))
    return [str(path) for path in paths], [path.parent.name for path in paths]


def test_a_pipeline_learns_from_paths(featurizer: ImageFeaturizer, images: tuple[list[str], list[str]]) -> None:
    paths, labels = images
    pipeline = make_pipeline(featurizer, LinearSVMSearch(c_grid=(0.1, 1.0), folds=3, random_state=0))
    pipeline.fit(paths[::2], labels[::2])
    assert pipeline.score(paths[1::2], labels[1::2]) > 0.5
    assert pipeline.predict_proba(paths[:3]).shape == (3, 3)
    assert pipeline[-1].n_features_in_ == pipeline[0].n_features_out_ == 1280
    assert set(pipeline[-1].cv_accuracy_) == {0.1, 1.0}
    twin = clone(pipeline).fit(paths[::2], labels[::2])
    np.testing.assert_array_equal(twin.predict(paths), pipeline.predict(paths))


def test_its_features_are_those_of_the_workflow(
    featurizer: ImageFeaturizer, images: tuple[list[str], list[str]], finished: Path
) -> None:
    from gingham import Project

    output = finished / "features.npz"
    Project(finished, environment={}).featurize(output=output)
    mine = featurizer.fit(images[0]).transform(images[0])
    assert mine.dtype == np.float32
    np.testing.assert_array_equal(mine, np.load(output)["features"])


def test_it_stands_in_a_grid_search_with_others(
    featurizer: ImageFeaturizer, images: tuple[list[str], list[str]]
) -> None:
    search = GridSearchCV(
        make_pipeline(featurizer, LogisticRegression(max_iter=500)),
        {"imagefeaturizer__fit_images": ["crop", "squash"]},
        cv=2,
        error_score="raise",
    )
    search.fit(*images)
    assert search.best_params_["imagefeaturizer__fit_images"] in ("crop", "squash")


def test_parameters_and_clone(featurizer: ImageFeaturizer) -> None:
    parameters = featurizer.get_params()
    assert sorted(parameters) == [
        "backbone", "cache", "engine", "fit_images", "precision", "resolution", "views", "weights",
    ]  # fmt: skip
    fitted = featurizer.fit([])
    assert fitted is featurizer
    copy = clone(fitted)
    assert copy.get_params() == parameters
    with pytest.raises(NotFittedError):
        copy.transform(["a.jpg"])
    assert "resolution=96" in repr(featurizer)
    assert featurizer.set_params(resolution=128).resolution == 128
    names = fitted.get_feature_names_out()
    assert (len(names), names[3]) == (1280, "efficientnet_lite0_3")


def test_nothing_in_nothing_out(featurizer: ImageFeaturizer) -> None:
    assert featurizer.fit_transform([]).shape == (0, 1280)


@pytest.mark.parametrize(
    ("parameters", "error", "words"),
    [
        pytest.param({"backbone": "efficientnet_lite9"}, ConfigError, "efficientnet_lite", id="unknown backbone"),
        pytest.param({"weights": "nix.safetensors"}, UnavailableError, "nix.safetensors", id="missing weights"),
        pytest.param({"resolution": 100}, ConfigError, "multiple of 32", id="odd resolution"),
        pytest.param({"engine": "tensorflow"}, ConfigError, "Allowed", id="unknown engine"),
    ],
)
def test_wrong_parameters(
    parameters: dict[str, object], error: type[Exception], words: str, images: tuple[list[str], list[str]]
) -> None:
    with pytest.raises(error, match=words):
        ImageFeaturizer(**parameters).fit_transform(images[0][:1])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(np.zeros((2, 3)), id="numbers"),
        pytest.param([b"a.jpg"], id="bytes"),
        pytest.param("images/a.jpg", id="one path"),
    ],
)
def test_what_is_no_list_of_paths(featurizer: ImageFeaturizer, wrong: object) -> None:
    with pytest.raises(UsageError, match="list of paths"):
        featurizer.fit([]).transform(wrong)  # type: ignore[arg-type]


def test_an_image_that_cannot_be_read_is_named(
    featurizer: ImageFeaturizer, images: tuple[list[str], list[str]], tmp_path: Path
) -> None:
    good, bad = tmp_path / "good.jpg", tmp_path / "bad.jpg"
    shutil.copy(images[0][1], good)
    bad.write_bytes(bad_files()["half.jpg"][0])
    with pytest.raises(DataError, match=r"bad\.jpg cannot be used: truncated"):
        featurizer.fit([]).transform([good, bad])
    with pytest.raises(DataError, match=r"nix\.jpg"):
        featurizer.fit([]).transform([good, tmp_path / "nix.jpg"])
