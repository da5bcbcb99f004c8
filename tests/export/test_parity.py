"""The parity gate: it holds for every guise of a real photo, and it can fail."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from gingham import DataError, Project
from gingham.export.model_file import ModelInfo, describe
from gingham.export.parity import (
    TOLERANCES,
    Expected,
    by_onnxruntime,
    by_openvino,
    check_parity,
    check_resizing,
)
from gingham.export.probes import Probe, disguises, drawn_photo, refuse_unlike_twins, squares
from gingham.export.reading import read_model
from gingham.export.rebuild import rebuild
from gingham.export.runtime import Outputs
from gingham.workflow.parity import expected_of, probes_of
from gingham.workflow.results import RunResult

CLASSES = ("dress", "hat", "shoes")


@dataclasses.dataclass(frozen=True)
class Case:
    """A run on real photos, its probes, and what its model must answer."""

    run: RunResult
    probes: Sequence[Probe]
    recorded: np.ndarray[Any, np.dtype[np.float64]]
    expected: Expected


@pytest.fixture(scope="module")
def case(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Case:
    root = tmp_path_factory.mktemp("parity") / "project"
    for label in CLASSES:
        (root / "images" / label).mkdir(parents=True)
        for photo in sorted((photos / "clothing" / label).iterdir())[:16]:
            shutil.copy(photo, root / "images" / label)
    project = Project(root, environment={})
    run = project.run(root / "images", {"evaluation.bootstrap": 200})
    probes, recorded = probes_of(project.folder, run)
    assert recorded is not None
    return Case(run, probes, recorded, expected_of(project.folder, run, probes, recorded, whole=False))


def test_every_way_agrees_on_photos_and_all_their_guises(case: Case) -> None:
    assert len(case.probes) > 25
    assert case.expected.name == "the training path"
    exact, served, recorded = check_parity(case.run.model, case.probes, case.expected)
    assert (exact.way, exact.images) == ("ONNX Runtime", len(case.probes))
    assert exact.tolerance is TOLERANCES["f32"]
    assert served.way.startswith("OpenVINO")
    assert (recorded.other, recorded.images) == ("predictions.csv of the run", len(case.recorded))


@pytest.mark.parametrize(("precision", "tolerance"), [("f32", "f32"), ("f16", "f16")])
def test_a_rebuilt_file_agrees(case: Case, tmp_path: Path, precision: str, tolerance: str) -> None:
    _, model, info = read_model(case.run.model)
    file = tmp_path / "model.onnx"
    file.write_bytes(rebuild(model, info, precision=precision, with_resize=False))
    exact, *_ = check_parity(file, case.probes, case.expected)
    assert exact.tolerance is TOLERANCES[tolerance]
    if precision == "f16":
        assert 0.49 < file.stat().st_size / case.run.model.stat().st_size < 0.52
        assert exact.features > 1e-4
        assert ModelInfo.of(onnx.load(file)).precision == "f16"


def test_a_file_that_resizes_agrees(case: Case, tmp_path: Path) -> None:
    _, model, info = read_model(case.run.model)
    file = tmp_path / "model.onnx"
    file.write_bytes(rebuild(model, info, precision="f32", with_resize=True))
    folder = Project(case.run.project, environment={}).folder
    expected = expected_of(folder, case.run, case.probes, None, whole=True)
    ways = check_resizing(file, case.probes, expected)
    assert [way.way for way in ways] == ["ONNX Runtime", "OpenVINO f32"]


def test_outputs_that_a_runtime_merges_keep_their_names(untouched_run: Path, tmp_path: Path) -> None:
    """With a calibration that changes nothing, the scores are also an inner result of the head."""
    _, model, info = read_model(next(untouched_run.glob("runs/*/model.onnx")))
    for tensor in model.graph.initializer:
        if tensor.name == "head.scale":
            tensor.CopyFrom(numpy_helper.from_array(np.float32(1), tensor.name))
    file = tmp_path / "model.onnx"
    file.write_bytes(rebuild(model, info, precision="f32", with_resize=True))
    picture = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    exact, nearly = (run(file, [picture]) for run in (by_onnxruntime, by_openvino))
    np.testing.assert_allclose(nearly.scores, exact.scores, atol=1e-2)


def scaled(name: str, factor: float) -> Callable[[onnx.ModelProto], None]:
    """Multiply the numbers of one tensor."""

    def change(model: onnx.ModelProto) -> None:
        (tensor,) = (each for each in model.graph.initializer if each.name == name)
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(factor), name))

    return change


def one_weight(model: onnx.ModelProto) -> None:
    """Change one number of the millions."""
    (tensor,) = (each for each in model.graph.initializer if each.name == "conv_stem.weight")
    weights = numpy_helper.to_array(tensor).copy()
    weights.flat[40] += 0.05
    tensor.CopyFrom(numpy_helper.from_array(weights, tensor.name))


def not_a_number(model: onnx.ModelProto) -> None:
    scaled("head.intercept", float("nan"))(model)


def described(**changes: Any) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        describe(model, ModelInfo.of(model).model_copy(update=changes))

    return change


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(scaled("conv_head.weight", 1.001), id="a layer by a thousandth"),
        pytest.param(one_weight, id="one weight"),
        pytest.param(scaled("shift", 1.01), id="the mean"),
        pytest.param(scaled("scale", 1.01), id="the standard deviation"),
        pytest.param(scaled("head.coef", 1.01), id="the head"),
        pytest.param(scaled("head.intercept", 1.01), id="the intercept"),
        pytest.param(scaled("head.scale", 1.01), id="the calibration"),
        pytest.param(scaled("head.centres", 1.001), id="the centres of the classes"),
        pytest.param(not_a_number, id="no number"),
        pytest.param(described(fit="squash"), id="squash for crop"),
        pytest.param(described(crop_fraction=0.9), id="another crop"),
        pytest.param(described(interpolation="bilinear"), id="another kernel"),
    ],
)
def test_a_tampered_file_fails(case: Case, tmp_path: Path, change: Callable[[onnx.ModelProto], None]) -> None:
    model = onnx.load(case.run.model)
    change(model)
    file = tmp_path / "model.onnx"
    file.write_bytes(model.SerializeToString())
    with pytest.raises(DataError) as refused:
        check_parity(file, case.probes, case.expected)
    words = str(refused.value)
    assert any(words.startswith(f"{probe.name}: ") for probe in case.probes), words
    assert "by ONNX Runtime" in words
    assert "by the training path: a difference of" in words
    assert "is allowed" in words


def test_labels_in_another_order_fail(case: Case, tmp_path: Path) -> None:
    model = onnx.load(case.run.model)
    described(labels=CLASSES[::-1])(model)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(
        DataError, match="has the labels shoes, hat, dress, but the training path has dress, hat, shoes"
    ):
        check_parity(tmp_path / "model.onnx", case.probes, case.expected)


def test_other_numbers_than_the_report_s_fail(case: Case) -> None:
    """The head may have been changed in the run's own file, from which what is expected is read."""
    shifted = np.roll(case.recorded, 1, axis=1)
    with pytest.raises(DataError, match=r"by predictions\.csv of the run"):
        check_parity(case.run.model, case.probes, dataclasses.replace(case.expected, recorded=shifted))


def test_a_service_that_answers_otherwise_fails(case: Case) -> None:
    def service(file: Path, probes: Sequence[Probe], precision: str) -> Outputs:
        inputs = squares(probes, ModelInfo.of(onnx.load(file)).recipe)
        inputs[3] = inputs[3].transpose(1, 0, 2)  # turned, as by a service that does not know EXIF
        from gingham.export import Predictor

        return Predictor(file, precision).run(inputs)

    with pytest.raises(DataError, match="by the service, but") as refused:
        check_parity(case.run.model, case.probes, case.expected, service)
    assert str(refused.value).startswith(case.probes[3].name)


def test_the_same_pixels_are_read_alike(case: Case) -> None:
    recipe = ModelInfo.of(onnx.load(case.run.model)).recipe
    for probes in (case.probes, disguises("drawn", drawn_photo())):
        inputs = squares(probes, recipe)
        refuse_unlike_twins(probes, inputs)
        twins = [row for row, probe in enumerate(probes) if probe.twin.endswith("colour")]
        assert len(twins) == 11
        inputs[twins[-1], 0, 0, 0] ^= 1
        with pytest.raises(DataError, match="hold the same pixels, but are read with a difference of 1 grey levels"):
            refuse_unlike_twins(probes, inputs)


def test_a_jpeg_answers_nearly_as_the_png(case: Case) -> None:
    names = [probe.name for probe in case.probes]
    png, jpeg = (next(i for i, name in enumerate(names) if name.endswith(kind)) for kind in ("as PNG", "as JPEG"))
    probabilities = case.expected.exact.probabilities
    assert 0 < np.abs(probabilities[png] - probabilities[jpeg]).max() < 0.05


def test_a_drawn_picture_is_always_the_same() -> None:
    assert drawn_photo() == drawn_photo()


def test_a_run_whose_file_answers_otherwise_is_not_published(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import gingham.export

    build = gingham.export.build_model

    def wrong(*arguments: Any) -> bytes:
        model = onnx.load_model_from_string(build(*arguments))
        scaled("head.coef", 1.1)(model)
        return bytes(model.SerializeToString())

    monkeypatch.setattr(gingham.export, "build_model", wrong)
    with pytest.raises(DataError, match="by ONNX Runtime, but"):
        Project(project, environment={}).run()
    assert not list(project.glob("runs/*"))
    monkeypatch.undo()
    assert Project(project, environment={}).run().model.is_file()
