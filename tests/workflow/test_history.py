"""The runs of a project: list, show, compare."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gingham import Project
from gingham.project import ProjectFolder
from gingham.tracking import store as tracking_store
from gingham.tracking.index import RunIndex
from gingham.workflow import history
from tests.textures import texture_bytes


@pytest.fixture(scope="module")
def untouched_pair(untouched_run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A good run, and one of nearly the same features with a C that spoils it; to be copied, never changed."""
    folder = Path(shutil.copytree(untouched_run, tmp_path_factory.mktemp("untouched") / "pair"))
    project = Project(folder, environment={})
    first = project.show().run_id
    second = project.run(overrides={"svm.c_grid": [1e-9], "preprocess.fit": "squash"}).run_id
    return folder, first, second


@pytest.fixture
def two_runs(untouched_pair: tuple[Path, str, str], tmp_path: Path) -> tuple[Path, str, str]:
    folder, first, second = untouched_pair
    return Path(shutil.copytree(folder, tmp_path / "pair")), first, second


def test_list_and_show(gingham: Any, two_runs: tuple[Path, str, str]) -> None:
    project, first, second = two_runs
    listed = gingham("runs", "list", "--project", project, "--json").json
    assert [run["run_id"] for run in listed["runs"]] == [second, first]
    assert listed["warnings"] == []
    words = gingham("runs", "list", "--project", project).out.splitlines()
    assert words[1].startswith(second)
    assert words[2].startswith(first)
    for spelling in (second, "latest", second[:-1]):
        assert gingham("runs", "show", spelling, "--project", project, "--json").json["run_id"] == second
    ambiguous = gingham("runs", "show", "20", "--project", project)
    assert ambiguous.status == 2
    assert first in ambiguous.err
    shown = gingham("runs", "show", "--project", project).out
    assert "preprocess.fit" in shown
    assert "squash" in shown


def test_compare_says_what_differs(gingham: Any, two_runs: tuple[Path, str, str]) -> None:
    project, first, second = two_runs
    found = gingham("runs", "compare", first, second, "--project", project, "--json").json
    assert found["parameters"] == {"preprocess.fit": ["crop", "squash"], "svm.c_grid": [[0.1, 1.0, 10.0], [1e-09]]}
    assert (found["a"], found["b"], found["n_test"]) == (first, second, 12)
    right = [
        {row["path"] for row in found[name]} for name in ("lost", "gained")
    ]  # fmt: skip
    assert (len(right[0]), len(right[1])) == (found["n_only_a_right"], found["n_only_b_right"])
    assert found["accuracy_b"] - found["accuracy_a"] == pytest.approx(found["difference"])
    assert found["difference"] == pytest.approx((len(right[1]) - len(right[0])) / 12)
    assert 0 < found["p_value"] <= 1
    mirrored = gingham("runs", "compare", second, "--project", project)
    assert mirrored.status == 2  # the second is `latest`, the same run
    words = gingham("runs", "compare", first, "--project", project).out
    assert f"Right in A, wrong in B: {found['n_only_a_right']}" in words
    assert "svm.c_grid" in words


def test_runs_on_other_test_images_are_not_compared(gingham: Any, finished: Path) -> None:
    first = gingham("runs", "show", "--project", finished, "--json").json["run_id"]
    for seed in range(80, 90):
        (finished / f"images/textures/dots/{seed}.jpg").write_bytes(texture_bytes("dots", seed))
    assert gingham("run", "--project", finished).status == 0
    refused = gingham("runs", "compare", first, "--project", finished, "--json")
    assert refused.status == 2
    assert "different" in refused.json["error"]["message"]


def test_what_is_no_run_is_named_and_passed_over(gingham: Any, finished: Path) -> None:
    (finished / "runs/20260101-000000-abcd").mkdir()
    (finished / "runs/my notes").mkdir()
    listed = gingham("runs", "list", "--project", finished, "--json")
    assert listed.status == 0
    assert len(listed.json["runs"]) == 1
    assert any("20260101-000000-abcd" in warning for warning in listed.json["warnings"])


def change_record(project: Path, run: str, change: Callable[[dict[str, Any]], object]) -> None:
    file = project / "runs" / run / "run.json"
    record = json.loads(file.read_text())
    change(record)
    file.write_text(json.dumps(record))


@pytest.fixture
def five_runs(finished: Path) -> ProjectFolder:
    """One run that was made, and four older ones that came to the same."""
    original = next(finished.glob("runs/*/run.json"))
    for day in range(1, 5):
        run_id = f"2020010{day}-000000-abcd"
        (finished / "runs" / run_id).mkdir()
        for name in ("run.json", "predictions.csv"):
            shutil.copy(original.with_name(name), finished / "runs" / run_id)
        created = {"run_id": run_id, "created": f"2020-01-0{day}T00:00:00Z"}
        change_record(finished, run_id, lambda record, created=created: record.update(created))
    return ProjectFolder(finished)


def test_the_folders_are_looked_over_once_however_many_runs(
    five_runs: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[object] = []
    real = RunIndex._reconcile
    monkeypatch.setattr(RunIndex, "_reconcile", lambda self, index: looked.append(self) or real(self, index))
    assert len(history.runs(five_runs).runs) == 5
    assert len(looked) == 1


def test_a_run_that_vanishes_while_they_are_read_is_passed_over_and_named(
    five_runs: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    history.runs(five_runs)  # they are in the index
    lost = five_runs.runs / "20200103-000000-abcd"
    real = tracking_store.read_record

    def read(folder: Path) -> Any:
        shutil.rmtree(lost, ignore_errors=True)
        return real(folder)

    monkeypatch.setattr(tracking_store, "read_record", read)
    found = history.runs(five_runs)
    assert [run.run_id[:8] for run in found.runs[1:]] == ["20200104", "20200102", "20200101"]
    (warning,) = found.warnings
    assert lost.name in warning
    assert "removed" in warning


def test_metrics_that_only_a_newer_gingham_knows_are_left_out(gingham: Any, five_runs: ProjectFolder) -> None:
    run, project = "20200103-000000-abcd", five_runs.root
    change_record(project, run, lambda record: record["metrics"].update(f1_score=0.9))
    assert gingham("runs", "show", run, "--project", project).status == 0
    assert run in gingham("runs", "list", "--project", project).out
    assert gingham("runs", "compare", run, "--project", project).status == 0


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda record: record["metrics"].update(accuracy="good"), id="damaged"),
        pytest.param(lambda record: record["metrics"].pop("accuracy"), id="missing"),
    ],
)
def test_metrics_that_are_not_whole_cost_one_run_and_are_named(
    gingham: Any, five_runs: ProjectFolder, change: Callable[[dict[str, Any]], object]
) -> None:
    run = "20200103-000000-abcd"
    change_record(five_runs.root, run, lambda record: record.update(gingham_version="9.8"))
    change_record(five_runs.root, run, change)
    refused = gingham("runs", "show", run, "--project", five_runs.root)
    assert refused.status == 4
    listed = gingham("runs", "list", "--project", five_runs.root, "--json").json
    assert len(listed["runs"]) == 4
    for text in (refused.err, *listed["warnings"]):
        assert all(word in text for word in (run, "accuracy", "Gingham 9.8", "pip install --upgrade"))


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        pytest.param(lambda file: file.write_bytes(file.read_bytes() + b"\xff\xfex"), "0xff is no UTF-8", id="bytes"),
        pytest.param(lambda file: file.write_bytes(file.read_bytes()[:-40]), "line 43 has", id="cut"),
        pytest.param(lambda file: (file.unlink(), file.mkdir()), "directory", id="a folder"),
        pytest.param(lambda file: (file.unlink(), file.symlink_to(file)), "symbolic links", id="a link to itself"),
    ],
)
def test_predictions_that_cannot_be_read_are_named(
    gingham: Any, five_runs: ProjectFolder, harm: Callable[[Path], object], reason: str
) -> None:
    run = "20200103-000000-abcd"
    file = five_runs.runs / run / "predictions.csv"
    harm(file)
    refused = gingham("runs", "compare", run, "--project", five_runs.root)
    assert refused.status == 4
    for words in (str(file), f"so {run} cannot be compared", reason):
        assert words in refused.err


def test_the_previous_run_is_the_one_before_that_finished(gingham: Any, five_runs: ProjectFolder) -> None:
    def previous_of(run: str) -> Any:
        return gingham("runs", "compare", "previous", run, "--project", five_runs.root, "--json").json

    assert previous_of("20200103")["a"] == "20200102-000000-abcd"
    change_record(five_runs.root, "20200102-000000-abcd", lambda record: record.update(status="failed", metrics={}))
    assert previous_of("20200103")["a"] == "20200101-000000-abcd"
    assert "No run before" in previous_of("20200101")["error"]["message"]


def test_a_comparison_without_predictions_says_so(gingham: Any, two_runs: tuple[Path, str, str]) -> None:
    project, first, second = two_runs
    (project / "runs" / first / "predictions.csv").unlink()
    refused = gingham("runs", "compare", first, second, "--project", project)
    assert refused.status == 4
    assert "predictions.csv" in refused.err


def test_compare_says_that_the_images_differ(gingham: Any, finished: Path) -> None:
    first = gingham("runs", "show", "--project", finished, "--json").json["run_id"]
    sides = gingham("split", "--project", finished, "--json").json["sides"]
    gone = next(path for path, side in sides.items() if side == "train")
    (finished / "images/textures" / gone).unlink()
    gingham("run", "--project", finished)
    found = gingham("runs", "compare", first, "latest", "--project", finished, "--json").json
    assert found["data"]["training images"] == [30, 29]
    assert found["data"]["fingerprint"][0] != found["data"]["fingerprint"][1]
    assert "training images" in gingham("runs", "compare", first, "latest", "--project", finished).out


def test_intervals_bear_their_own_level(gingham: Any, finished: Path) -> None:
    assert "95 % interval" in gingham("runs", "list", "--project", finished).out
    assert "90 % interval" in gingham("run", "--project", finished, "--evaluation.confidence", "0.9").out
    mixed = gingham("runs", "list", "--project", finished).out.splitlines()[0]
    assert mixed.endswith("interval")
    assert "%" not in mixed
