"""The main job: the object it prints, what it records, and that it does nothing twice."""

from __future__ import annotations

import contextlib
import csv
import json
import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from gingham.project import ProjectFolder
from gingham.tracking import RunRecord
from tests.textures import CLASSES, PER_CLASS, snapshot

NUMBER = (int, float)
SHAPE = {
    "run_id": str, "classifier": str, "backbone": str, "resolution": int,
    "dataset": {"name": str, "images": int, "classes": list, "train": int, "test": int, "skipped": list,
                "fingerprint": str, "test_fingerprint": str},
    "metrics": {"train_accuracy": NUMBER, "accuracy": NUMBER, "accuracy_ci": list, "class_averaged_accuracy": NUMBER,
                "per_class_accuracy": dict, "auc": dict, "macro_auc": NUMBER, "log_loss": NUMBER,
                "expected_calibration_error": NUMBER},
    "svm": {"c": NUMBER, "cv_accuracy": dict},
    "seconds": dict.fromkeys(("scan", "split", "featurize", "train", "evaluate", "total"), NUMBER),
    "featurize": {"images": int, "from_cache": int, "images_per_second": NUMBER, "engine": str},
    "report": str, "model": str,
}  # fmt: skip


def check_shape(value: Any, shape: Any, name: str = "") -> None:
    if isinstance(shape, dict):
        assert isinstance(value, dict), name
        for key, inner in shape.items():
            assert key in value, f"{name}.{key}"
            check_shape(value[key], inner, f"{name}.{key}")
    else:
        assert isinstance(value, shape), name


def test_the_object_that_it_prints_and_the_record_of_it(gingham: Any, project: Path) -> None:
    done = gingham("run", "--project", project, "--json", "--features.precision", "auto")
    assert done.status == 0
    found = done.json
    check_shape(found, SHAPE)
    data, metrics = found["dataset"], found["metrics"]
    assert (found["classifier"], found["backbone"], found["resolution"]) == ("svm", "efficientnet_lite0", 96)
    assert data["classes"] == sorted(CLASSES)
    assert data["images"] == data["train"] + data["test"] == len(CLASSES) * PER_CLASS == found["featurize"]["images"]
    assert data["test_per_class"] == dict.fromkeys(CLASSES, round(PER_CLASS / 4 + 1e-9))
    assert data["train"] == sum(data["train_per_class"].values())
    assert data["test"] == sum(data["test_per_class"].values()) == metrics["n_test"]
    assert list(metrics["per_class_accuracy"]) == list(metrics["auc"]) == data["classes"]
    low, high = metrics["accuracy_ci"]
    assert 1 / len(CLASSES) < low < metrics["accuracy"] <= high <= 1
    assert list(found["svm"]["cv_accuracy"]) == ["0.1", "1.0", "10.0"]
    assert found["svm"]["c"] in (0.1, 1.0, 10.0)
    steps = {name: seconds for name, seconds in found["seconds"].items() if name != "total"}
    assert sum(steps.values()) <= found["seconds"]["total"] + 0.01
    assert re.fullmatch(r"(openvino|torch-cuda|torch-mps|onnxruntime)-(bf16|f32)", found["featurize"]["engine"])
    assert found["parameters"]["dataset"] == data["name"] == "images/textures"

    folder = project / "runs" / found["run_id"]
    own = {"project": str(project), "up_to_date": False}
    assert json.loads((folder / "run.json").read_text()) | own == found
    assert (project / found["report"], project / found["model"]) == (folder / "report.html", folder / "model.onnx")
    on_disk = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert on_disk == found["files"]
    assert {"figures/roc.png", "figures/confusion_matrix.png", "predictions.csv"} <= set(on_disk)
    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == data["images"]
    right = [row["correct"] == "yes" for row in rows if row["split"] == "test"]
    assert sum(right) / len(right) == metrics["accuracy"]


def test_a_project_that_moves_is_up_to_date(gingham: Any, project: Path, tmp_path: Path) -> None:
    (project / "images/textures/splits.csv").write_text(
        "path,split\n"
        + "".join(
            f"{path.parent.name}/{path.name},{'test' if i % 4 else 'train'}\n"
            for i, path in enumerate(sorted((project / "images/textures").glob("*/*.*")))
        )
    )
    first = gingham("run", "--project", project, "--json").json
    project.rename(tmp_path / "moved")
    again = gingham("run", "--project", tmp_path / "moved", "--json").json
    assert (again["up_to_date"], again["run_id"]) == (True, first["run_id"])


def test_the_report_shows_what_spoke_for_the_worst_mistakes(untouched_run: Path) -> None:
    folder = next(untouched_run.glob("runs/*"))
    with (folder / "predictions.csv").open(newline="") as table:
        wrong = [row for row in csv.DictReader(table) if (row["split"], row["correct"]) == ("test", "no")]
    assert wrong
    assert (folder / "report.html").read_text("utf-8").count('<img class="overlay"') == min(4, len(wrong))


def test_a_second_run_does_nothing(gingham: Any, finished: Path) -> None:
    first = RunRecord.from_json(next(finished.glob("runs/*/run.json")).read_text())
    gingham("run", "--project", finished)  # the files were copied, so that their times have changed
    state = snapshot(finished)
    again = gingham("run", "--project", finished, "--json")
    assert again.json["up_to_date"] is True
    assert again.json["run_id"] == first.run_id
    assert gingham("run", "--project", finished).out.startswith(f"Run {first.run_id}: nothing has changed")
    assert snapshot(finished) == state


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--evaluation.confidence", "0.9"], id="a parameter"),
        pytest.param(["--seed", "5"], id="the seed"),
    ],
)
def test_a_changed_parameter_is_a_new_run_on_the_same_features(
    gingham: Any, finished: Path, arguments: list[str]
) -> None:
    made = gingham("run", "--project", finished, "--json", *arguments).json
    assert made["up_to_date"] is False
    assert made["featurize"] | {"engine": ""} == {
        "images": 42, "from_cache": 42, "recomputed": 0, "images_per_second": None, "engine": "",
    }  # fmt: skip
    assert len(list(finished.glob("runs/*"))) == 2


def test_a_run_whose_files_are_gone_is_made_again(gingham: Any, finished: Path) -> None:
    first = RunRecord.from_json(next(finished.glob("runs/*/run.json")).read_text())
    (finished / str(first.report)).unlink()
    made = gingham("run", "--project", finished, "--json").json
    assert made["run_id"] != first.run_id
    assert made["metrics"] == first.metrics


def test_all_that_can_be_made_again_may_be_deleted(gingham: Any, finished: Path) -> None:
    first = RunRecord.from_json(next(finished.glob("runs/*/run.json")).read_text())
    shutil.rmtree(finished / ".gingham")
    assert gingham("run", "--project", finished, "--json").json["run_id"] == first.run_id
    shutil.rmtree(finished / ".gingham")
    made = gingham("run", "--project", finished, "--json", "--evaluation.report-images", "5").json
    assert made["featurize"]["from_cache"] == 0
    assert made["metrics"] == first.metrics
    assert made["dataset"] == first.to_dict()["dataset"]


def test_same_data_and_seed_give_the_same_in_another_project_and_other_seeds_do_not(
    gingham: Any, untouched_project: Path, untouched_run: Path, tmp_path: Path
) -> None:
    first = RunRecord.from_json(next(untouched_run.glob("runs/*/run.json")).read_text())
    folder = ProjectFolder(tmp_path / "other")
    folder.root.mkdir()
    folder.config_file.write_text((untouched_project / "gingham.toml").read_text())
    images = untouched_project / "images/textures"
    same = gingham("run", images, "--project", folder.root, "--json").json
    assert same["metrics"] == first.metrics
    assert same["dataset"]["test_fingerprint"] == first.dataset.test_fingerprint
    assert same["dataset"]["name"] == str(images)
    table, other = (next(root.glob("runs/*/predictions.csv")).read_bytes() for root in (folder.root, untouched_run))
    assert table == other
    reseeded = gingham("split", images, "--project", folder.root, "--json", "--seed", "1").json
    assert reseeded["dataset"]["fingerprint"] == first.dataset.fingerprint
    assert reseeded["dataset"]["test_fingerprint"] != first.dataset.test_fingerprint


def test_the_dataset_may_be_named_from_the_current_folder_or_from_the_project(
    gingham: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project / "images")
    here = gingham("split", "textures", "--project", project, "--json").json["dataset"]
    there = gingham("split", "images/textures", "--project", project, "--json").json["dataset"]
    assert here == there
    assert here["name"] == "images/textures"


def test_a_dead_tracking_server_costs_a_warning(gingham: Any, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GINGHAM_TRACKING__URI", "http://user:s3cret@127.0.0.1:9")
    made = gingham("run", "--project", finished, "--json", "--evaluation.report-images", "5")
    assert made.status == 0
    warning = made.json["warnings"][-1]
    assert "was not copied to MLflow" in warning
    assert "s3cret" not in made.out + made.err
    assert Path(finished, made.json["report"]).is_file()
    assert [path for path in finished.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()] == []
    again = gingham("run", "--project", finished, "--json", "--evaluation.report-images", "5").json
    assert again["up_to_date"] is True
    assert "was not copied to MLflow" in again["warnings"][-1]  # it is tried again


def test_a_run_is_copied_to_mlflow_later_and_only_once(gingham: Any, finished: Path) -> None:
    for _ in range(2):
        done = gingham("run", "--project", finished, "--json", "--tracking.uri", "sqlite:///runs.db").json
        assert done["up_to_date"] is True
        assert not any("MLflow" in warning for warning in done["warnings"])
    with contextlib.closing(sqlite3.connect(finished / "runs.db")) as database:
        rows = database.execute("SELECT value FROM tags WHERE key = 'gingham.run_id'").fetchall()
    assert rows == [(done["run_id"],)]
