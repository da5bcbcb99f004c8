"""The predictor: good and bad files, good and bad models."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

import gingham
from gingham import DataError, GinghamError, Predictor, UnavailableError
from tests.images.makers import bad_files, good_files


@pytest.fixture(scope="module")
def model(untouched_run: Path) -> Path:
    return next(untouched_run.glob("runs/*/model.onnx"))


@pytest.fixture(scope="module")
def predictor(model: Path) -> Predictor:
    return gingham.load(model)


def test_it_answers_in_order(predictor: Predictor, untouched_run: Path) -> None:
    images = sorted((untouched_run / "images/textures").glob("*/*"))
    answers = predictor.predict(images)
    assert [answer.path for answer in answers] == [str(image) for image in images]
    right = [answer.label == image.parent.name for answer, image in zip(answers, images, strict=True)]
    assert sum(right) > 0.85 * len(right)
    for answer in answers:
        assert answer.error is None
        assert answer.probabilities is not None
        assert list(answer.probabilities) == list(predictor.labels) == ["checks", "dots", "stripes"]
        assert answer.probability == max(answer.probabilities.values()) == answer.probabilities[str(answer.label)]
        assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert predictor.predict([]) == []
    assert repr(predictor) == f"Predictor({str(predictor.path)!r}, labels=['checks', 'dots', 'stripes'])"


def test_a_bad_file_costs_only_its_own_answer(predictor: Predictor, tmp_path: Path) -> None:
    expected = {}
    for name, data in good_files().items():
        (tmp_path / name).write_bytes(data)
        expected[str(tmp_path / name)] = ""
    for name, (data, reason) in bad_files().items():
        (tmp_path / f"bad {name}").write_bytes(data)
        expected[str(tmp_path / f"bad {name}")] = reason
    expected |= {str(tmp_path / "nix.jpg"): "vanished", str(tmp_path): "not_a_file"}
    found = predictor.predict(expected)
    assert {answer.path: (answer.error or "").partition(":")[0] for answer in found} == expected
    for answer in found:
        assert (answer.label is None) == (answer.error is not None)
        assert answer.error is None or not answer.sure


def test_below_the_threshold_it_is_not_sure(model: Path, untouched_run: Path, tmp_path: Path) -> None:
    images = sorted((untouched_run / "images/textures").glob("*/*"))
    for threshold in (None, 0.0, 0.7, 1.1):
        changed = onnx.load(model)
        info = json.loads(changed.metadata_props[0].value) | {"threshold": threshold}
        changed.metadata_props[0].value = json.dumps(info)
        onnx.save(changed, tmp_path / "changed.onnx")
        for answer in gingham.load(tmp_path / "changed.onnx").predict(images):
            assert answer.probability is not None
            assert answer.sure == (threshold is None or answer.probability >= threshold)


def test_a_missing_model(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"no model file .*nix\.onnx.*gingham run"):
        gingham.load(tmp_path / "nix.onnx")


def foreign() -> bytes:
    value = helper.make_tensor_value_info
    node = helper.make_node("Identity", ["x"], ["y"])
    shape = value("x", TensorProto.FLOAT, [1]), value("y", TensorProto.FLOAT, [1])
    return bytes(helper.make_model(helper.make_graph([node], "g", [shape[0]], [shape[1]])).SerializeToString())


def external(whole: bytes) -> bytes:
    """The same model, one of whose weights is said to lie in another file."""
    model = onnx.load_model_from_string(whole)
    tensor = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    tensor.data_location = TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
    tensor.external_data.add(key="location", value="/etc/passwd")
    return bytes(model.SerializeToString())


def changed_description(text: str) -> Callable[[bytes], bytes]:
    def change(whole: bytes) -> bytes:
        model = onnx.load_model_from_string(whole)
        model.metadata_props[0].value = text
        return bytes(model.SerializeToString())

    return change


def without_weights(whole: bytes) -> bytes:
    model = onnx.load_model_from_string(whole)
    del model.graph.initializer[:]
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(lambda _: b"", "", id="empty"),
        pytest.param(lambda _: b"\x89PNG\r\n\x1a\n" + bytes(100), "not an ONNX file", id="a picture"),
        pytest.param(lambda _: b"\x80\x04\x95\x0b\0\0\0\0\0\0\0\x8c\x07builtins", "", id="a pickle"),
        pytest.param(lambda whole: whole[: len(whole) // 2], "", id="truncated"),
        pytest.param(lambda whole: whole[:-20], "", id="truncated a little"),
        pytest.param(lambda _: foreign(), "not written by Gingham", id="foreign"),
        pytest.param(external, "another file", id="external data"),
        pytest.param(changed_description("{"), "damaged", id="description is no JSON"),
        pytest.param(changed_description("{}"), "damaged", id="description is empty"),
        pytest.param(without_weights, "cannot be run", id="without weights"),
    ],
)
def test_what_is_no_model_of_ours_is_refused(
    model: Path, tmp_path: Path, change: Callable[[bytes], bytes], words: str
) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(change(model.read_bytes()))
    with pytest.raises(DataError, match=words or None) as refused:
        gingham.load(file)
    assert isinstance(refused.value, GinghamError)
    assert refused.value.exit_status == 3


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(GinghamError, match="folder|directory"):
        gingham.load(tmp_path)


def test_serving_needs_no_training_packages(model: Path, untouched_run: Path) -> None:
    import subprocess
    import sys

    image = next((untouched_run / "images/textures").glob("*/*"))
    code = (
        "import sys, gingham\n"
        f"answer: object = gingham.load({str(model)!r}).predict([{str(image)!r}])[0]\n"
        "assert answer.error is None\n"
        "found = {'torch', 'timm', 'sklearn', 'mlflow', 'matplotlib'} & set(sys.modules)\n"
        "assert not found, found\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_paths_of_any_kind(predictor: Predictor, untouched_run: Path) -> None:
    image: Any = next((untouched_run / "images/textures").glob("*/*"))
    first, second = predictor.predict([image, str(image)])
    assert first == second
