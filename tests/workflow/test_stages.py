"""The verbs that stop part of the way, and those that begin a project."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gingham import Project
from gingham.config import Config, load_config
from tests.textures import snapshot


def test_featurize_hands_over_matrix_paths_labels_and_sides(gingham: Any, finished: Path, tmp_path: Path) -> None:
    output = tmp_path / "new folder" / "features.npz"
    made = gingham("featurize", "--project", finished, "--json", "--output", output).json
    assert made["output"] == str(output)
    assert made["featurize"]["n_features"] == 1280
    with np.load(output) as file:  # allow_pickle is off
        arrays = dict(file)
    assert sorted(arrays) == ["features", "labels", "paths", "splits"]
    assert arrays["features"].dtype == np.float32
    assert arrays["features"].shape == (42, 1280)
    assert np.isfinite(arrays["features"]).all()
    assert [path.partition("/")[0] for path in arrays["paths"].tolist()] == arrays["labels"].tolist()
    sides = gingham("split", "--project", finished, "--json").json["sides"]
    assert dict(zip(arrays["paths"].tolist(), arrays["splits"].tolist(), strict=True)) == sides
    assert [path.name for path in output.parent.iterdir()] == ["features.npz"]


@pytest.mark.parametrize(
    ("output", "status", "words"),
    [
        pytest.param("features.csv", 2, "--output features.npz", id="another kind"),
        pytest.param("folder.npz", 4, "there is a folder of that name", id="a folder"),
        pytest.param("file/features.npz", 4, "Cannot write", id="below a file"),
    ],
)
def test_an_output_that_cannot_be_is_refused_before_the_work(
    gingham: Any, project: Path, output: str, status: int, words: str
) -> None:
    (project / "folder.npz").mkdir()
    (project / "file").touch()
    refused = gingham("featurize", "--project", project, "--output", project / output)
    assert refused.status == status
    assert words in refused.err
    assert not (project / ".gingham").exists()


def test_the_stages_agree_with_the_run(gingham: Any, finished: Path) -> None:
    run = json.loads(next(finished.glob("runs/*/run.json")).read_text())
    trained = gingham("train", "--project", finished, "--json").json
    measured = gingham("evaluate", "--project", finished, "--json").json
    assert trained["svm"] == run["svm"]
    assert measured["metrics"] == run["metrics"]
    assert measured["dataset"]["test_fingerprint"] == run["dataset"]["test_fingerprint"]
    assert len(list(finished.glob("runs/*"))) == 1


def test_a_stage_brings_up_to_date_what_it_needs(gingham: Any, project: Path) -> None:
    assert gingham("evaluate", "--project", project, "--json").json["metrics"]["n_test"] == 12
    heads = snapshot(project / ".gingham/heads")
    assert len(heads) == 1
    gingham("train", "--project", project)
    assert snapshot(project / ".gingham/heads") == heads


def test_a_damaged_head_is_trained_again(gingham: Any, finished: Path) -> None:
    before = gingham("train", "--project", finished, "--json").json["svm"]
    (head,) = (finished / ".gingham/heads").iterdir()
    whole = head.read_bytes()
    for damage in (b"", whole[: len(whole) // 2], b"nonsense"):
        head.write_bytes(damage)
        assert gingham("train", "--project", finished, "--json").json["svm"] == before
        assert head.read_bytes() == whole


def test_precision_bf16_or_f32_hardly_matters(gingham: Any, finished: Path) -> None:
    with_f32 = gingham("evaluate", "--project", finished, "--json").json["metrics"]
    with_auto = gingham("evaluate", "--project", finished, "--json", "--features.precision", "auto").json["metrics"]
    assert abs(with_f32["n_correct"] - with_auto["n_correct"]) <= 1


def test_the_environment_sets_the_precision(gingham: Any, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GINGHAM_FEATURES__PRECISION", "f32")
    made = gingham("featurize", "--project", finished, "--json").json["featurize"]
    assert made["engine"].endswith("-f32")
    assert made["from_cache"] == 42


def test_init_writes_a_file_and_never_over_another(gingham: Any, tmp_path: Path) -> None:
    project = tmp_path / "new" / "project"
    made = gingham("init", "--project", project, "--json", "--dataset", "images/mine", "--svm.folds", "3")
    assert made.json == {"path": str(project / "gingham.toml"), "dataset": "images/mine"}
    assert load_config(project / "gingham.toml") == load_config(
        Path("none"), {}, {"dataset": "images/mine", "svm.folds": 3}
    )
    before = snapshot(project)
    assert gingham("init", "--project", project).status == 2
    assert snapshot(project) == before
    assert Project(project, environment={}).parameters() != Config()


def test_init_takes_a_folder(gingham: Any, project: Path, tmp_path: Path) -> None:
    for images in (project / "images/textures", "images/textures"):
        (project / "gingham.toml").unlink()
        assert "Its images are those in images/textures;" in gingham("init", images, "--project", project).out
        assert Project(project, environment={}).parameters().dataset == "images/textures"
    refused = gingham("init", tmp_path / "nix", "--project", tmp_path)
    assert refused.status == 2
    assert "is not a folder" in refused.err
    assert not (tmp_path / "gingham.toml").exists()


def test_init_writes_no_secret_of_the_environment(
    gingham: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GINGHAM_TRACKING__URI", "http://ann:s3cret@127.0.0.1:9/")
    gingham("init", "--project", tmp_path)
    assert "s3cret" not in (tmp_path / "gingham.toml").read_text()


def test_the_command_after_a_sample_can_be_typed_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "the sample"
    monkeypatch.setattr("gingham.collect.sample.render_sample", lambda *_, **__: SimpleNamespace(images={}, size=0))
    command = Project(tmp_path / "a project").sample(target).command
    assert shlex.split(command) == ["gingham", "run", str(target), "--project", str(tmp_path / "a project")]


def test_doctor_says_what_is_missing_and_loads_no_network(gingham: Any, tmp_path: Path) -> None:
    well = gingham("doctor", "--project", tmp_path, "--json").json
    assert well["problems"] == []
    assert well["weights"]["features"] == 1280
    assert {"numpy", "openvino", "gingham"} <= set(well["packages"])
    assert "efficientnet_lite2" in well["weights"]["come with Gingham"]
    both = "efficientnet_lite0+efficientnet_lite1"
    joined = gingham("doctor", "--project", tmp_path, "--json", "--features.backbone", both).json
    assert (joined["weights"]["backbone"], joined["weights"]["features"]) == (both, 2560)
    ill = gingham("doctor", "--project", tmp_path, "--json", "--features.backbone-weights", "nix.safetensors")
    assert ill.status == 0
    assert "nix.safetensors" in ill.json["problems"][0]
    assert not (tmp_path / ".gingham").exists()
