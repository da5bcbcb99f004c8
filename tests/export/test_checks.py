"""A model file that does more than compute, or not what it says, is refused with a reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import gingham
from gingham import DataError
from gingham.export.checks import OPERATORS
from gingham.export.model_file import ModelInfo
from gingham.export.reading import read_model
from gingham.export.rebuild import rebuild


@pytest.fixture(scope="module")
def file(untouched_run: Path) -> Path:
    return next(untouched_run.glob("runs/*/model.onnx"))


def with_operator(operator: str, domain: str = "") -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node.append(helper.make_node(operator, ["features"], ["more"], domain=domain))
        if domain:
            model.opset_import.append(helper.make_opsetid(domain, 1))

    return change


def with_function(model: onnx.ModelProto) -> None:
    relu = helper.make_node("Relu", ["x"], ["y"])
    model.functions.append(helper.make_function("own", "Sneaky", ["x"], ["y"], [relu], model.opset_import))


def with_other_dimensions(model: onnx.ModelProto) -> None:
    next(tensor for tensor in model.graph.initializer if tensor.name == "head.coef").dims[0] = 2**40


def with_fewer_bytes(model: onnx.ModelProto) -> None:
    tensor = max(model.graph.initializer, key=lambda each: len(each.raw_data))
    tensor.raw_data = tensor.raw_data[:-4]


def with_a_name_twice(model: onnx.ModelProto) -> None:
    model.graph.node.append(model.graph.node[-1])


def without(output: str) -> Callable[[onnx.ModelProto], None]:
    """Keep one of its outputs to itself."""

    def change(model: onnx.ModelProto) -> None:
        kept = [each for each in model.graph.output if each.name != output]
        del model.graph.output[:]
        model.graph.output.extend(kept)

    return change


def without_distances(model: onnx.ModelProto) -> None:
    del model.graph.output[3]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(with_operator("RandomNormalLike"), "operator RandomNormalLike", id="chance"),
        pytest.param(with_operator("Loop"), "operator Loop", id="a loop"),
        pytest.param(with_operator("PyOp", "ai.onnx.contrib"), "operator ai.onnx.contrib.PyOp", id="Python inside"),
        pytest.param(with_operator("Relu", "com.microsoft"), "operator com.microsoft.Relu", id="a vendor's operator"),
        pytest.param(with_function, "a function, Sneaky", id="a function"),
        pytest.param(with_other_dimensions, "damaged", id="a weight that claims to be huge"),
        pytest.param(with_fewer_bytes, "damaged", id="a weight cut short"),
        pytest.param(with_a_name_twice, "damaged", id="two nodes of one output"),
        pytest.param(without("scores"), "no scores", id="without scores"),
        pytest.param(without("features"), "no features", id="without features"),
        pytest.param(without_distances, "no distances", id="a limit without distances"),
    ],
)
def test_it_is_refused(file: Path, tmp_path: Path, change: Callable[[onnx.ModelProto], None], words: str) -> None:
    model = onnx.load(file)
    change(model)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(DataError, match=words):
        gingham.load(tmp_path / "model.onnx")


def test_a_file_that_resizes_is_not_for_prediction(file: Path, tmp_path: Path) -> None:
    _, model, info = read_model(file)
    (tmp_path / "model.onnx").write_bytes(rebuild(model, info, precision="f32", with_resize=True))
    with pytest.raises(DataError, match=r"resizes pictures itself.*gingham export -o model\.onnx"):
        gingham.load(tmp_path / "model.onnx")


HEAD_OF_DISTANCES = ("distances", "head.distance", "head.nearest", "head.cosines")


def test_a_file_of_an_earlier_gingham_loads(file: Path, tmp_path: Path) -> None:
    """It has no distances, and says less of itself."""
    _, model, info = read_model(file)
    without_distances(model)
    for node in [node for node in model.graph.node if node.output[0] in HEAD_OF_DISTANCES]:
        model.graph.node.remove(node)
    old = {"format_version", "input", "precision", "outlier_limit", "recipe_in_words"}
    model.metadata_props[0].value = info.model_dump_json(exclude=old)
    (tmp_path / "old.onnx").write_bytes(model.SerializeToString())
    predictor = gingham.load(tmp_path / "old.onnx")
    assert (predictor.info.format_version, predictor.info.outlier_limit) == (1, None)
    outputs = predictor.run(np.zeros((1, 96, 96, 3), np.uint8))
    assert outputs.distances is None
    assert predictor.predictions(["black"], outputs)[0].outlier_score is None


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        pytest.param("mobilenetv3_small_050", {}, id="mobilenetv3_small_050"),
        pytest.param("vit_tiny_patch16_224", {"depth": 2}, id="vit_tiny_patch16_224"),  # its blocks are all alike
    ],
)
def test_networks_of_timm_use_no_other_operator(name: str, settings: dict[str, int]) -> None:
    timm = pytest.importorskip("timm")
    from gingham.features.pixel_input import convert_to_onnx

    network = timm.create_model(name, pretrained=False, num_classes=0, **settings)
    half = (0.5, 0.5, 0.5)
    model = onnx.load_model_from_string(convert_to_onnx(network, 224, half, half))
    assert {node.op_type for node in model.graph.node} <= OPERATORS
    assert {node.domain for node in model.graph.node} == {""}
    assert not model.functions


def test_weights_are_numbers_that_are_there(file: Path) -> None:
    model = onnx.load(file)
    assert all(np.isfinite(numpy_helper.to_array(tensor)).all() for tensor in model.graph.initializer)
    assert ModelInfo.of(model).format_version == 2
