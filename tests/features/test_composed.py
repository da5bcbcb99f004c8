"""Composed backbones: the mean over views, several networks side by side, the same in every engine."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import onnx
import pytest

from gingham.errors import ConfigError
from gingham.features import feature_key, load_backbone, load_composed, open_engine
from gingham.records import View, Views, views_of

LITE0, BOTH = "efficientnet_lite0", "efficientnet_lite0+efficientnet_lite1"
VIEWS: tuple[Views, ...] = get_args(Views)


def features_of(backbone, squares: np.ndarray, engine: str = "onnxruntime") -> np.ndarray:
    runner = open_engine(backbone, squares.shape[1], engine, "f32")
    return np.concatenate(list(runner.features([squares])))


def squares(side: int, count: int = 2) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("views", "expected"),
    [
        ("one", [View(0, 0)]),
        ("flip", [View(0, 0), View(0, 0, True)]),
        ("crops", [View(16, 16), View(0, 0), View(32, 0), View(0, 32), View(32, 32)]),
    ],
)
def test_the_views(views: Views, expected: list[View]) -> None:
    assert list(views_of(views, 128 if views == "crops" else 96, 96)) == expected


def test_ten_views_are_the_five_and_their_mirror_images() -> None:
    five = views_of("crops", 256, 224)
    assert views_of("crops-and-flips", 256, 224) == (*five, *(View(v.left, v.top, True) for v in five))


@pytest.mark.parametrize("views", VIEWS)
def test_the_features_are_the_mean_over_the_views(views: Views) -> None:
    composed, plain = load_composed(LITE0, None, 96, views), load_backbone(LITE0)
    images = squares(composed.recipe(96).resolution)
    parts = []
    for view in views_of(views, images.shape[1], 96):
        part = images[:, view.top : view.top + 96, view.left : view.left + 96]
        parts.append(features_of(plain, np.ascontiguousarray(part[:, :, ::-1] if view.mirrored else part)))
    np.testing.assert_allclose(features_of(composed, images), np.mean(parts, 0), atol=2e-5)


def test_of_several_networks_each_has_unit_length() -> None:
    images = squares(96)
    sides = [features_of(load_backbone(name), images) for name in BOTH.split("+")]
    expected = np.hstack([side / np.linalg.norm(side, axis=1, keepdims=True) for side in sides])
    np.testing.assert_allclose(features_of(load_composed(BOTH, None, 96, "one"), images), expected, atol=2e-6)


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_every_engine_computes_the_same(engine: str) -> None:
    backbone = load_composed(BOTH, None, 96, "crops-and-flips")
    images = squares(128)
    np.testing.assert_allclose(features_of(backbone, images, engine), features_of(backbone, images), atol=1e-5)


@pytest.mark.parametrize(
    ("resolution", "views", "outer", "share"),
    [
        (224, "one", 224, 0.875),
        (224, "flip", 224, 0.875),
        (224, "crops", 256, 1.0),
        (320, "crops", 352, 0.9625),
        (96, "crops", 128, 1.0),
    ],
)
def test_a_crop_shows_things_as_large_as_the_network_alone_would_see_them(
    resolution: int, views: Views, outer: int, share: float
) -> None:
    recipe = load_composed(LITE0, None, resolution, views).recipe(resolution)
    assert (recipe.resolution, recipe.crop_fraction) == (outer, pytest.approx(share))


def test_a_graph_is_whole_and_says_its_shapes() -> None:
    model = load_composed(BOTH, None, 96, "crops").onnx_model(128)
    onnx.checker.check_model(model, full_check=True)
    assert [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim[1:]] == [128, 128, 3]
    assert model.graph.output[0].type.tensor_type.shape.dim[1].dim_value == 2560


def test_every_composition_has_a_cache_of_its_own() -> None:
    keys = set()
    for names in (LITE0, BOTH):
        for views in VIEWS:
            backbone = load_composed(names, None, 96, views)
            recipe = backbone.recipe(96)
            keys.add(tuple(sorted(feature_key(open_engine(backbone, recipe.resolution), recipe).items())))
    assert len(keys) == 8


def test_a_single_network_with_one_view_is_left_as_it_is() -> None:
    assert type(load_composed(LITE0, None, 96, "one")) is type(load_backbone(LITE0))


@pytest.mark.parametrize(
    ("names", "weights", "resolution", "views", "says"),
    [
        (f"{LITE0}+{LITE0}", None, 96, "one", "names one twice. Type: --features.backbone efficientnet_lite0"),
        (BOTH, Path("w.safetensors"), 96, "one", "is one file, and features.backbone, .*, names 2 networks"),
        (f"{LITE0}+", None, 96, "one", "is no name of a backbone"),
        (LITE0, None, 1024, "crops", "can be at most 896, not 1024. Type: --features.views flip"),
    ],
)
def test_what_cannot_be_composed(names: str, weights: Path | None, resolution: int, views: Views, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_composed(names, weights, resolution, views)
