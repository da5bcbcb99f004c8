"""The model file answers as the pipeline does, whoever runs it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from gingham import Project, load
from gingham.config import Config
from gingham.export.model_file import METADATA_KEY
from gingham.images import network_input, open_bytes
from gingham.project import ProjectFolder
from gingham.workflow.steps import Steps

Images = np.ndarray[Any, np.dtype[np.uint8]]
Probabilities = np.ndarray[Any, np.dtype[np.floating[Any]]]
CLOSE = 1e-4


def openvino(model: Path, images: Images) -> Probabilities:
    import openvino

    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.concatenate([compiled({"images": image[None]})["probabilities"] for image in images])


def onnxruntime(model: Path, images: Images) -> Probabilities:
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["probabilities"], {"images": images})[0])


def pipeline(project: Path, config: Config) -> tuple[Images, Probabilities]:
    """Return every image as the network sees it, and the probabilities behind ``predictions.csv``."""
    steps = Steps(ProjectFolder(project), config)
    images = [network_input(open_bytes(steps.root / file.path), steps.recipe) for file in steps.files]
    return np.stack(images), steps.probabilities


@pytest.fixture(scope="module", params=["three classes", "two classes", "lengths kept"])
def case(
    request: pytest.FixtureRequest, untouched_run: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Images, Probabilities]:
    """A model file, images, and what the pipeline says of them."""
    root = Path(shutil.copytree(untouched_run, tmp_path_factory.mktemp("export") / "project"))
    overrides: dict[str, Any] = {"svm.normalize": False} if request.param == "lengths kept" else {}
    if request.param == "two classes":
        shutil.rmtree(root / "images/textures/checks")
    project = Project(root, environment={})
    run = project.run(overrides=overrides)
    images, probabilities = pipeline(root, project.parameters(overrides))
    assert probabilities.shape == (len(images), 2 if request.param == "two classes" else 3)
    assert np.ptp(probabilities) > 0.5
    return run.model, images, probabilities


@pytest.mark.parametrize("runner", [openvino, onnxruntime])
def test_the_file_gives_the_probabilities_of_the_pipeline(
    case: tuple[Path, Images, Probabilities], runner: Callable[[Path, Images], Probabilities]
) -> None:
    model, images, expected = case
    found = runner(model, images)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() <= CLOSE
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


def test_the_predictor_gives_them_too(case: tuple[Path, Images, Probabilities]) -> None:
    """Within the precision that the processor computes in, bf16 where it has it."""
    model, images, expected = case
    found = load(model).predict_proba(images)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 0.1
    assert np.abs(found - expected).mean() < 0.01


def test_the_answer_does_not_depend_on_the_company(case: tuple[Path, Images, Probabilities]) -> None:
    model, images, _ = case
    predictor = load(model)
    alone = np.concatenate([predictor.predict_proba(image[None]) for image in images[:3]])
    np.testing.assert_array_equal(predictor.predict_proba(images)[:3], alone)
    assert predictor.predict_proba(images[:0]).shape == (0, len(predictor.labels))


def test_the_file_describes_itself(finished: Path) -> None:
    record = json.loads(next(finished.glob("runs/*/run.json")).read_text())
    model = onnx.load(finished / record["model"])
    metadata = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert list(metadata) == [METADATA_KEY]
    info = metadata[METADATA_KEY]
    assert info["labels"] == record["dataset"]["classes"]
    assert (info["resolution"], info["fit"]) == (96, "crop")
    assert (info["run_id"], info["fingerprint"]) == (record["run_id"], record["dataset"]["fingerprint"])
    assert info["metrics"]["accuracy"] == record["metrics"]["accuracy"]
    assert len(info["weights_sha256"]) == 64
    (entry,) = model.graph.input
    assert entry.name == "images"
    assert entry.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [output.name for output in model.graph.output] == ["probabilities", "scores", "features", "distances"]
    assert all(tensor.data_location != onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer)
