"""The verb export: what it writes, what it proves first, and what it refuses."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from gingham import Project, load
from gingham.export.model_file import METADATA_KEY
from tests.textures import Outcome

Gingham = Callable[..., Outcome]


def model_of(project: Path) -> Path:
    return next(project.glob("runs/*/model.onnx"))


def test_it_writes_the_run_s_model(finished: Path, gingham: Gingham, tmp_path: Path, monkeypatch: Any) -> None:
    # What is meant for the user's own service must not reach the one that proves the file.
    monkeypatch.setenv("GINGHAM_SERVICE__TOKEN", "0123456789abcdef")
    monkeypatch.chdir(tmp_path)
    found = gingham("export", "--project", finished, "--json")
    assert found.status == 0, found.err
    answer = found.json
    assert answer["path"] == str(tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").stat().st_size == answer["bytes"]
    assert [each["way"] for each in answer["parity"]][-1] == "the service"
    assert answer["parity"][-1]["probabilities"] <= 1e-6
    assert answer["images"] == 28
    (one,) = finished.glob("runs/*")
    assert answer["run_id"] == one.name
    image = next(finished.glob("images/textures/*/*"))
    assert load("model.onnx").predict(image) == load(model_of(finished)).predict(image)


@pytest.mark.parametrize(
    ("arguments", "size", "input_name"),
    [
        pytest.param(["--precision", "f16"], (0.49, 0.52), "images", id="half"),
        pytest.param(["--with-resize"], (1.0, 1.01), "image", id="with the resizing"),
        pytest.param(["--with-resize", "--precision", "f16"], (0.49, 0.52), "image", id="both"),
    ],
)
def test_other_forms(
    finished: Path, gingham: Gingham, tmp_path: Path, arguments: list[str], size: tuple[float, float], input_name: str
) -> None:
    file = tmp_path / "deep" / "other.onnx"
    found = gingham("export", "latest", "-o", file, "--project", finished, *arguments)
    assert found.status == 0, found.err
    assert "It answers as it was trained to, on 28 images" in found.out
    low, high = size
    assert low < file.stat().st_size / model_of(finished).stat().st_size < high
    model = onnx.load(file)
    assert model.graph.input[0].name == input_name
    info = json.loads(model.metadata_props[0].value)
    assert info["input"] == input_name
    assert info["precision"] == ("f16" if "f16" in arguments else "f32")


def test_the_file_says_all_of_itself(finished: Path) -> None:
    record = json.loads(next(finished.glob("runs/*/run.json")).read_text())
    (entry,) = onnx.load(model_of(finished)).metadata_props
    assert entry.key == METADATA_KEY
    info = json.loads(entry.value)
    assert info["format_version"] == 2
    assert info["outlier_limit"] > 0
    assert info["threshold"] == record["svm"]["threshold"]
    assert info["weights_licence"] == "Apache-2.0"
    assert (info["resolution"], info["crop_fraction"], info["interpolation"]) == (96, 0.875, "bicubic")
    assert "s = 0.875 * min(W, H)" in info["recipe_in_words"]
    assert "96 x 96" in info["recipe_in_words"]
    for name in ("accuracy_ci", "class_averaged_accuracy_ci", "per_class_accuracy_ci", "auc", "macro_auc", "n_test"):
        assert info["metrics"][name] == record["metrics"][name], name
    assert info["versions"] == record["versions"]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        pytest.param(["nothing-like-it"], 4, "no run", id="an unknown run"),
        pytest.param(["-o", "model.pkl"], 2, r"an \.onnx file, not model\.pkl.*-o model\.onnx", id="another ending"),
        pytest.param(["--precision", "int8"], 2, "f32", id="another precision"),
        pytest.param(["-o", "folder.onnx"], 4, "a folder of that name", id="a folder"),
        pytest.param(["-o", "a-file/model.onnx"], 4, "a-file", id="below a file"),
    ],
)
def test_what_is_refused_before_any_work(
    finished: Path,
    gingham: Gingham,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    status: int,
    words: str,
) -> None:
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "a-file").write_text("")
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*.onnx"))
    found = gingham("export", *arguments, "--project", finished)
    assert found.status == status, found.err
    assert re.search(words, found.err), found.err
    assert sorted(tmp_path.rglob("*.onnx")) == before


def test_the_runs_themselves_are_not_changed(finished: Path, gingham: Gingham) -> None:
    found = gingham("export", "-o", model_of(finished), "--project", finished)
    assert (found.status, "lies among the runs" in found.err) == (2, True)


def test_no_run_yet(project: Path, gingham: Gingham, tmp_path: Path) -> None:
    found = gingham("export", "-o", tmp_path / "m.onnx", "--project", project)
    assert found.status == 4
    assert "`gingham run`" in found.err


@pytest.mark.parametrize("part", ["images", "backbone", "predictions"])
def test_an_old_run_of_which_much_is_gone(finished: Path, tmp_path: Path, part: str) -> None:
    """Without photos a drawn picture stands for them, without its backbone the run's own file says what is right."""
    (folder,) = finished.glob("runs/*")
    if part == "images":
        shutil.rmtree(finished / "images")
    elif part == "predictions":
        (folder / "predictions.csv").unlink()
    else:
        record = json.loads((folder / "run.json").read_text())
        record["parameters"]["features"]["backbone_weights"] = "gone.safetensors"
        (folder / "run.json").write_text(json.dumps(record))
    made = Project(finished, environment={}).export(output=tmp_path / "m.onnx")
    names = [each.other for each in made.parity]
    assert made.images == (28 if part == "backbone" else 20)
    assert names[0] == ("the run's model file" if part == "backbone" else "the training path")
    assert ("predictions.csv of the run" in names) == (part == "backbone")


@pytest.mark.parametrize("name", ["head.coef", "blocks.3.0.conv_pw.weight"])
def test_a_run_s_file_that_was_changed_is_not_exported(
    finished: Path, gingham: Gingham, tmp_path: Path, name: str
) -> None:
    file = model_of(finished)
    model = onnx.load(file)
    (tensor,) = (each for each in model.graph.initializer if each.name == name)
    tensor.CopyFrom(numpy_helper.from_array(np.roll(numpy_helper.to_array(tensor), 1, axis=0), name))
    file.write_bytes(model.SerializeToString())
    found = gingham("export", "-o", tmp_path / "m.onnx", "--project", finished)
    assert found.status == 3, found.err
    assert "does not answer as it was trained to, so it was not written" in found.err
    assert not list(tmp_path.glob("*.onnx"))


@pytest.mark.parametrize("arguments", [[], ["--with-resize", "--precision", "f16"]], ids=["plain", "other"])
def test_several_networks_on_several_views_are_one_file_that_answers_alike_everywhere(
    composed: Path, gingham: Gingham, tmp_path: Path, arguments: list[str]
) -> None:
    file = tmp_path / "m.onnx"
    found = gingham("export", "-o", file, "--project", composed, "--json", *arguments)
    assert found.status == 0, found.err
    info = load(model_of(composed)).info
    assert (info.backbone, info.views) == ("efficientnet_lite0+efficientnet_lite1", "crops")
    assert (info.resolution, info.view_resolution) == (128, 96)
    assert len(info.weights_sha256) == 129
    if not arguments:
        assert [each["way"] for each in found.json["parity"]][-1] == "the service"
        predicted = load(file, "f32").predict(next(composed.glob("images/textures/*/*")))
        assert predicted[0].label in info.labels


@pytest.fixture(scope="module")
def composed(untouched_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("composed") / "project"
    shutil.copytree(untouched_project, project)
    backbone = "efficientnet_lite0+efficientnet_lite1"
    Project(project, environment={}).run(overrides={"features.backbone": backbone, "features.views": "crops"})
    return project
