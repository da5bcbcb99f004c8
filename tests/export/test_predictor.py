"""The predictor: good and bad files, good and bad models."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import gingham
from gingham import DataError, GinghamError, Predictor, UnavailableError, UsageError
from gingham.images import network_input, open_bytes
from tests.images.makers import bad_files, good_files


@pytest.fixture(scope="module")
def model(untouched_run: Path) -> Path:
    return next(untouched_run.glob("runs/*/model.onnx"))


@pytest.fixture(scope="module")
def predictor(model: Path) -> Predictor:
    return gingham.load(model)


@pytest.fixture(scope="module")
def textures(untouched_run: Path) -> list[Path]:
    return sorted((untouched_run / "images/textures").glob("*/*"))


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


def test_a_path_that_is_mistyped_is_no_file(predictor: Predictor, tmp_path: Path) -> None:
    (answer,) = predictor.predict([tmp_path / "nix.jpg"])
    assert answer.error == "vanished: there is no such file or folder"


def test_features_where_they_are_asked_for(predictor: Predictor, textures: list[Path]) -> None:
    plain, full = predictor.predict(textures[:9]), predictor.predict(textures[:9], features=True)
    outputs = predictor.run(np.stack([network_input(open_bytes(path), predictor.info.recipe) for path in textures[:9]]))
    for row, (without, answer) in enumerate(zip(plain, full, strict=True)):
        assert without.features is None
        assert answer.features == tuple(outputs.features[row].tolist())
        assert dataclasses.replace(answer, features=None) == without
    names = [str(path) for path in textures[:9]]
    assert predictor.predictions(names, outputs) == plain
    assert predictor.predictions(names, outputs, features=True) == full


def test_progress_is_told(predictor: Predictor, textures: list[Path]) -> None:
    seen: list[tuple[int, int]] = []
    predictor.predict(textures, progress=lambda *step: seen.append(step))
    assert seen == sorted(set(seen))
    assert len(seen) > 2
    assert seen[-1] == (len(textures), len(textures))
    predictor.predict([], progress=lambda *_: pytest.fail("there is nothing to tell"))


def test_the_order_is_kept_whatever_takes_long(predictor: Predictor, textures: list[Path], tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (3000, 4000, 3), np.uint8)).save(tmp_path / "slow.png")
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    mixed = [path for texture in textures[:6] for path in (tmp_path / "slow.png", texture, tmp_path / "bad.jpg")]
    answers = predictor.predict(mixed)
    assert [answer.path for answer in answers] == [str(path) for path in mixed]
    assert answers[1::3] == predictor.predict(textures[:6])
    assert {answer.error for answer in answers[2::3]} == {"not_an_image: the content is that of no known image format"}
    assert len({(answer.label, answer.probability) for answer in answers[::3]}) == 1


def relabelled(model: Path, folder: Path, **changes: object) -> Path:
    """The same model, which says something else of itself."""
    changed = onnx.load(model)
    (entry,) = (entry for entry in changed.metadata_props if entry.key == "gingham")
    entry.value = json.dumps(json.loads(entry.value) | changes)
    onnx.save(changed, folder / "changed.onnx")
    return folder / "changed.onnx"


def test_what_is_unlike_the_training_images_is_said(
    model: Path, predictor: Predictor, textures: list[Path], tmp_path: Path
) -> None:
    squares = np.stack([network_input(open_bytes(path), predictor.info.recipe) for path in textures[:8]])
    distances = predictor.run(squares).distances
    assert distances is not None
    middle = float(np.median(distances))
    for answer, distance in zip(
        gingham.load(relabelled(model, tmp_path, outlier_limit=middle)).predict(textures[:8]), distances, strict=True
    ):
        assert answer.outlier_score == pytest.approx(distance / (distance + middle), abs=1e-6)
        assert answer.is_outlier == (distance > middle) == (answer.outlier_score > 0.5)
    for answer in gingham.load(relabelled(model, tmp_path, outlier_limit=None)).predict(textures[:8]):
        assert (answer.outlier_score, answer.is_outlier) == (None, False)


def test_a_flat_picture_is_less_like_the_training_images_than_they_are(
    predictor: Predictor, textures: list[Path], tmp_path: Path
) -> None:
    Image.new("RGB", (200, 200), (0, 90, 0)).save(tmp_path / "flat.png")
    (flat,) = predictor.predict(tmp_path / "flat.png")
    usual = [answer.outlier_score for answer in predictor.predict(textures)]
    assert flat.outlier_score is not None
    assert flat.outlier_score > max(score for score in usual if score is not None)


def test_below_the_threshold_it_is_not_sure(model: Path, untouched_run: Path, tmp_path: Path) -> None:
    images = sorted((untouched_run / "images/textures").glob("*/*"))
    for threshold in (None, 0.0, 0.7, 1.0):
        changed = onnx.load(model)
        info = json.loads(changed.metadata_props[0].value) | {"threshold": threshold}
        changed.metadata_props[0].value = json.dumps(info)
        onnx.save(changed, tmp_path / "changed.onnx")
        for answer in gingham.load(tmp_path / "changed.onnx").predict(images):
            assert answer.probability is not None
            assert answer.sure == (threshold is not None and answer.probability >= threshold)


def test_a_missing_model(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"no model file .*nix\.onnx.*gingham run"):
        gingham.load(tmp_path / "nix.onnx")


def foreign() -> bytes:
    value = helper.make_tensor_value_info
    node = helper.make_node("Identity", ["x"], ["y"])
    shape = value("x", TensorProto.FLOAT, [1]), value("y", TensorProto.FLOAT, [1])
    return bytes(helper.make_model(helper.make_graph([node], "g", [shape[0]], [shape[1]])).SerializeToString())


def outside(tensor: TensorProto) -> TensorProto:
    """The same tensor, said to lie in another file."""
    tensor.data_location = TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
    tensor.external_data.add(key="location", value="/etc/passwd")
    return tensor


def an_external(place: Callable[[onnx.ModelProto, TensorProto], None]) -> Callable[[bytes], bytes]:
    """Put a tensor that lies in another file at some place of a model."""

    def change(whole: bytes) -> bytes:
        model = onnx.load_model_from_string(whole)
        place(model, outside(numpy_helper.from_array(np.zeros(3, np.float32), "elsewhere")))
        return bytes(model.SerializeToString())

    return change


def in_a_weight(model: onnx.ModelProto, _: TensorProto) -> None:
    outside(max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data)))


def constant(tensor: TensorProto) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [tensor.name], value=tensor)


def in_a_node(model: onnx.ModelProto, tensor: TensorProto) -> None:
    """Instead of the weight that it is."""
    (place,) = (i for i, weight in enumerate(model.graph.initializer) if weight.name == "head.intercept")
    del model.graph.initializer[place]
    tensor.name = "head.intercept"
    model.graph.node.insert(0, constant(tensor))


def in_a_subgraph(model: onnx.ModelProto, tensor: TensorProto) -> None:
    branch = helper.make_graph([constant(tensor)], "branch", [], [])
    model.graph.node.append(helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch))


def in_a_weight_of_a_subgraph(model: onnx.ModelProto, tensor: TensorProto) -> None:
    branch = helper.make_graph([], "branch", [], [], initializer=[tensor])
    model.graph.node.append(helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch))


def in_a_function(model: onnx.ModelProto, tensor: TensorProto) -> None:
    function = helper.make_function("own", "f", [], [tensor.name], [constant(tensor)], model.opset_import)
    model.functions.append(function)


def in_a_sparse_weight(model: onnx.ModelProto, tensor: TensorProto) -> None:
    where = numpy_helper.from_array(np.arange(3), "where")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(tensor, where, [9]))


def changed_description(text: str) -> Callable[[bytes], bytes]:
    def change(whole: bytes) -> bytes:
        model = onnx.load_model_from_string(whole)
        model.metadata_props[0].value = text
        return bytes(model.SerializeToString())

    return change


def described(**changes: Any) -> Callable[[bytes], bytes]:
    def change(whole: bytes) -> bytes:
        info = json.loads(onnx.load_model_from_string(whole).metadata_props[0].value)
        return changed_description(json.dumps(info | changes))(whole)

    return change


def renamed(old: str, new: str) -> Callable[[bytes], bytes]:
    def change(whole: bytes) -> bytes:
        model = onnx.load_model_from_string(whole)
        for output in model.graph.output:
            output.name = output.name.replace(old, new)
        for node in model.graph.node:
            node.output[:] = [name.replace(old, new) for name in node.output]
        return bytes(model.SerializeToString())

    return change


def of_floats(whole: bytes) -> bytes:
    """The same model, for images of another type."""
    model = onnx.load_model_from_string(whole)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT
    return bytes(model.SerializeToString())


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
        pytest.param(an_external(in_a_weight), "another file", id="external data"),
        pytest.param(an_external(in_a_node), "another file", id="external data in a node"),
        pytest.param(an_external(in_a_subgraph), "another file", id="external data in a subgraph"),
        pytest.param(an_external(in_a_weight_of_a_subgraph), "another file", id="external weight of a subgraph"),
        pytest.param(an_external(in_a_function), "another file", id="external data in a function"),
        pytest.param(an_external(in_a_sparse_weight), "another file", id="external data in a sparse weight"),
        pytest.param(changed_description("{"), "damaged", id="description is no JSON"),
        pytest.param(changed_description("{}"), "damaged", id="description is empty"),
        pytest.param(described(labels=["a", "b"]), r"2 labels .*probabilities", id="too few labels"),
        pytest.param(described(labels=list("abcd")), r"4 labels .*probabilities", id="too many labels"),
        pytest.param(described(labels=list("aba")), "labels: .*a label comes twice", id="a label twice"),
        pytest.param(described(labels="abc"), "labels: ", id="labels are one text"),
        pytest.param(described(resolution=256), "a resolution of 256 .*images", id="another resolution"),
        pytest.param(described(resolution=0), "resolution: .*greater", id="no resolution"),
        pytest.param(described(fit="stretch"), "fit: .*'crop' or 'squash'", id="unknown fit"),
        pytest.param(described(interpolation="sinc"), "interpolation: .*'bicubic'", id="unknown interpolation"),
        pytest.param(described(crop_fraction=0), "crop_fraction: .*greater", id="no crop"),
        pytest.param(described(crop_fraction=1.5), "crop_fraction: .*less", id="more than the image"),
        pytest.param(described(threshold=1.1), "threshold: .*less", id="a threshold above 1"),
        pytest.param(described(threshold=-0.1), "threshold: .*greater", id="a threshold below 0"),
        pytest.param(described(threshold=float("nan")), "threshold: ", id="a threshold that is no number"),
        pytest.param(renamed("probabilities", "chances"), "no probabilities", id="without its output"),
        pytest.param(of_floats, "f32, not u8|cannot be run", id="of floats"),
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
    assert first.error is None
    with os.scandir(os.fsencode(image.parent)) as entries:
        entry: Any = next(each for each in entries if each.name == os.fsencode(image.name))
    assert predictor.predict([entry]) == [first], "a path of bytes, as os.scandir has them, is a path all the same"
    assert predictor.predict(image) == predictor.predict(str(image)) == predictor.predict(iter([image])) == [first]


def test_the_bytes_of_a_file_are_answered_as_the_file_is(predictor: Predictor, untouched_run: Path) -> None:
    image = next((untouched_run / "images/textures").glob("*/*"))
    (by_path,) = predictor.predict(image)
    by_bytes, again, empty, bad = predictor.predict([image.read_bytes(), image, b"", b"no image"])
    assert by_bytes == dataclasses.replace(by_path, path="")
    assert again == by_path
    assert predictor.predict(image.read_bytes()) == [by_bytes]
    assert (empty.path, empty.error) == ("", "empty: the file has no content")
    assert bad.error is not None
    assert bad.error.startswith("not_an_image: ")


@pytest.mark.parametrize(
    ("images", "kind"),
    [
        pytest.param(Image.new("RGB", (8, 8)), "Image", id="a picture"),
        pytest.param([Image.new("RGB", (8, 8))], "Image", id="a list of pictures"),
        pytest.param(np.zeros((96, 96, 3), np.uint8), "ndarray", id="an array"),
        pytest.param(np.zeros(()), "ndarray", id="a number as an array"),
        pytest.param(["a.jpg", None], "NoneType", id="nothing among paths"),
        pytest.param(7, "int", id="a number"),
    ],
)
def test_what_is_no_file_is_refused(predictor: Predictor, images: Any, kind: str) -> None:
    with pytest.raises(UsageError, match=rf"takes image files, one or many, .* not {kind}: .*\(n, 96, 96, 3\)"):
        predictor.predict(images)


@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param(np.zeros((2, 95, 96, 3), np.uint8), id="another size"),
        pytest.param(np.zeros((96, 96, 3), np.uint8), id="one picture"),
        pytest.param(np.zeros((2, 96, 96, 3)), id="floats"),
        pytest.param(["a.jpg"], id="paths"),
    ],
)
def test_squares_of_another_kind_are_refused(predictor: Predictor, inputs: Any) -> None:
    with pytest.raises(UsageError, match=r"takes uint8 of shape \(n, 96, 96, 3\), not "):
        predictor.predict_proba(inputs)


def test_threads_may_share_it(predictor: Predictor) -> None:
    inputs = np.random.default_rng(0).integers(0, 256, (4, 5, 96, 96, 3), np.uint8)
    expected = [predictor.predict_proba(part) for part in inputs]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for found, alone in zip(pool.map(predictor.predict_proba, inputs), expected, strict=True):
                np.testing.assert_array_equal(found, alone)


def test_threads_may_predict_at_once(predictor: Predictor, textures: list[Path]) -> None:
    expected = predictor.predict(textures[:20])
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(predictor.predict, [textures[:20]] * 6)) == [expected] * 6


@pytest.mark.photos
def test_real_photos_one_by_one_and_together(predictor: Predictor, photos: Path) -> None:
    files = sorted((photos / "clothing" / "hat").iterdir())[:30]
    assert predictor.predict(files) == [predictor.predict(file)[0] for file in files]


@pytest.mark.parametrize(
    ("trained_in", "precision", "expected"),
    [
        pytest.param("f32", "auto", "f32", id="as in training"),
        pytest.param("f32", "f32", "f32", id="f32"),
        pytest.param("bf16", "f32", "f32", id="f32 although trained in bf16"),
    ],
)
def test_it_computes_as_in_training(
    model: Path, tmp_path: Path, trained_in: str, precision: str, expected: str
) -> None:
    (tmp_path / "changed.onnx").write_bytes(described(trained_in=trained_in)(model.read_bytes()))
    assert gingham.load(tmp_path / "changed.onnx", precision).precision == expected


def test_a_run_says_what_it_was_trained_in(untouched_run: Path, model: Path) -> None:
    (record,) = untouched_run.glob("runs/*/run.json")
    engine = json.loads(record.read_text())["featurize"]["engine"]
    assert gingham.load(model).info.trained_in == engine.rpartition("-")[2] == gingham.load(model).precision


@pytest.mark.parametrize("distance", [-0.0039, -1e-4, -6e-8, 0.0, 1e-4, 0.5, 2.0])
def test_an_outlier_score_is_a_share_whatever_rounding_did(predictor: Predictor, distance: float) -> None:
    size = predictor.info.resolution
    outputs = predictor.run(np.zeros((1, size, size, 3), np.uint8))
    changed = dataclasses.replace(outputs, distances=np.array([distance], np.float32))
    (answer,) = predictor.predictions(["a.jpg"], changed)
    assert answer.outlier_score is not None
    assert 0 <= answer.outlier_score <= 1
    assert answer.is_outlier == (answer.outlier_score > 0.5)
