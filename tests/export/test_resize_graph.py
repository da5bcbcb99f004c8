"""The resizing inside a model file makes the pixels that the training saw, whatever the picture's size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from gingham.export.resize_graph import resize_in_graph
from gingham.images import decode, fit
from gingham.records import InputRecipe, Interpolation

Picture = np.ndarray[Any, np.dtype[np.uint8]]
SIZE = 96


def resizer(recipe: InputRecipe) -> bytes:
    """A model that does nothing but resize."""
    shape: list[str | int | None] = ["N", recipe.resolution, recipe.resolution, 3]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["images"], ["squares"])],
        "resizer",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("squares", TensorProto.UINT8, shape)],
    )
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)])
    resize_in_graph(model, recipe)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def onnxruntime(model: bytes) -> Callable[[Picture], Picture]:
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return lambda picture: np.asarray(session.run(None, {"image": picture})[0])


def openvino(model: bytes) -> Callable[[Picture], Picture]:
    import openvino

    core = openvino.Core()
    network = core.compile_model(core.read_model(model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda picture: np.asarray(network({"image": picture})["squares"])


def noise(height: int, width: int) -> Picture:
    return np.random.default_rng(height + width).integers(0, 256, (height, width, 3), np.uint8)


PICTURES = {
    "noise": noise(210, 150),
    "small": noise(31, 40),
    "1 x 1": noise(1, 1),
    "2 x 3": noise(2, 3),
    "a column": noise(20_000, 1),
    "a row": noise(1, 20_000),
    "black and white": (noise(173, 211) // 128 * 255).astype(np.uint8),
    "its own size": noise(SIZE, SIZE),
}


@pytest.mark.parametrize("interpolation", get_args(Interpolation))
@pytest.mark.parametrize("shape", ["crop", "squash"])
def test_it_is_the_fit_of_training(shape: Any, interpolation: Interpolation) -> None:
    pytest.importorskip("cykooz_resizer")  # Pillow, where it must stand in, does the rows first
    recipe = InputRecipe(SIZE, shape, 0.875, interpolation)
    model = resizer(recipe)
    exact, nearly = onnxruntime(model), openvino(model)
    for name, picture in PICTURES.items():
        expected = fit(picture, recipe).astype(int)
        # Of 20,000 pixels the sums have more digits than float32.
        assert np.abs(exact(picture)[0] - expected).max() <= (1 if max(picture.shape) > 10_000 else 0), name
        off = np.abs(nearly(picture)[0] - expected)
        if interpolation == "box":  # where a pixel lies between two outputs, float32 gives it to either
            assert (off > 1).mean() < 0.05, name
        else:
            assert off.max() <= 2, name
            assert (off > 1).mean() < 1e-3, name
            assert off.mean() < 0.1, name


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos"])
def test_photos_are_the_same_to_a_grey_level(photos: Path, interpolation: Interpolation) -> None:
    pytest.importorskip("cykooz_resizer")
    recipe = InputRecipe(224, "crop", 0.875, interpolation)
    model = resizer(recipe)
    exact, nearly = onnxruntime(model), openvino(model)
    for file in sorted((photos / "clothing" / "dress").iterdir())[:12]:
        picture = decode(file.read_bytes()).rgb
        expected = fit(picture, recipe).astype(int)
        np.testing.assert_array_equal(exact(picture)[0], expected, err_msg=file.name)
        assert np.abs(nearly(picture)[0] - expected).max() <= 1, file.name
