"""The verb tune: everything is tried on held-out training images, kept, gone on with, and one run meets the test."""

from __future__ import annotations

import json
import random
import re
import shlex
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gingham import Project
from gingham.config import load_config
from gingham.errors import UnavailableError
from gingham.evaluate.selection import Measured
from gingham.project import ProjectFolder
from gingham.workflow import candidates, search
from gingham.workflow.candidates import Bench, Candidate
from gingham.workflow.steps import Steps
from tests.workflow.server import serving

LITE0 = "efficientnet_lite0"
QUICK = {"tuning.backbones": [LITE0], "tuning.resolutions": [96, 128], "svm.folds": 2}
ONE = QUICK | {"tuning.resolutions": [96]}
SEARCH = ONE | {  # two times two candidates, so that it ends before the time is over
    "tuning.epochs": [1],
    "tuning.folds": 1,
    "tuning.learning_rates": [5e-4],
    "refinement.epochs": 1,
    "refinement.trainings": 1,
    "refinement.views": 1,
    "refinement.batch_size": 8,
    "refinement.precision": "f32",
}


def flags(settings: dict[str, Any]) -> list[str]:
    words = []
    for name, value in settings.items():
        words += [f"--{name}", ",".join(map(str, value)) if isinstance(value, list) else str(value)]
    return words


@pytest.fixture
def tuned(project: Path) -> Project:
    return Project(project, environment={})


@pytest.fixture(scope="module")
def untouched_comparison(untouched_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one quick comparison of two resolutions; to be copied, never changed."""
    project = tmp_path_factory.mktemp("untouched") / "compared"
    shutil.copytree(untouched_project, project)
    Project(project, environment={}).tune(quick=True, overrides=QUICK)
    return project


@pytest.fixture
def compared(untouched_comparison: Path, tmp_path: Path) -> Project:
    """A project in which two candidates were measured, and one run made."""
    return Project(shutil.copytree(untouched_comparison, tmp_path / "compared"), environment={})


def steps_of(project: Path, **overrides: Any) -> Steps:
    return Steps(ProjectFolder(project), load_config(project / "gingham.toml", {}, overrides))


def test_quick_compares_networks_and_resolutions_and_runs_what_it_recommends(compared: Project, gingham: Any) -> None:
    page = next(compared.folder.root.glob("tuning/*/report.html"))
    assert {file.name for file in page.parent.iterdir()} == {"report.html", "accuracy_against_time.png", "tuning.json"}
    before = json.loads((page.parent / "tuning.json").read_text())
    assert (before["measured_now"], before["kept"]) == (2, 0)
    done = gingham("tune", "--project", compared.folder.root, "--quick", "--json", *flags(QUICK))
    assert done.status == 0, done.err
    found = done.json
    assert {row["name"] for row in found["candidates"]} == {f"svm, {LITE0} at 96", f"svm, {LITE0} at 128"}
    accuracies = [row["accuracy"] for row in found["candidates"]]
    assert accuracies == sorted(accuracies, reverse=True)
    assert (
        sum(row["recommended"] for row in found["candidates"]) == sum(row["best"] for row in found["candidates"]) == 1
    )
    for row in found["candidates"]:
        assert row["held_out"] == 30
        assert row["interval"][0] <= row["accuracy"] <= row["interval"][1]
        assert 0.1 < row["milliseconds"] < 1000
        assert 12 < row["megabytes"] < 15
    run = compared.show()
    assert (run.run_id, run.record.metrics["accuracy"]) == (found["run_id"], found["test"]["accuracy"])
    assert run.record.resolution == (96 if "at 96" in found["recommended"]["name"] else 128)
    assert Path(found["report"]) == page
    assert found["command"] in page.read_text("utf-8")
    assert json.loads((page.parent / "tuning.json").read_text()) == found


def test_its_command_makes_the_same_run(compared: Project, gingham: Any) -> None:
    found = compared.tune(quick=True, overrides=QUICK)
    again = gingham(*shlex.split(found.command)[1:], "--json")
    assert (again.status, again.json["run_id"]) == (0, found.run.run_id)


def test_only_the_recommended_one_meets_the_test_images(compared: Project) -> None:
    (only,) = compared.runs().runs
    assert only.record.resolution in QUICK["tuning.resolutions"]
    assert set(compared.folder.heads.glob("*")) == set(compared.folder.heads.glob("*.safetensors"))
    assert len(list(compared.folder.heads.glob("*"))) == 1  # no other head was fitted that could have met them


def test_a_smaller_comparison_keeps_what_a_larger_one_measured_and_says_so(
    compared: Project, gingham: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(compared.folder.root)
    monkeypatch.setattr(Bench, "measure", lambda *_: pytest.fail("it was known"))
    (run,) = compared.folder.runs.glob("*-*")
    copied = run.with_name("20260101-000000-abcd")  # another run on the same test images
    shutil.copytree(run, copied)
    (copied / "run.json").write_text((run / "run.json").read_text().replace(run.name, copied.name))
    done = gingham("tune", "--quick", *flags(ONE))
    assert done.status == 0, done.err
    for words in (
        f"svm, {LITE0} at 96  ",
        f"svm, {LITE0} at 128  ",
        "2 candidates: 0 measured now, 2 kept from earlier calls.",
        "1 other run of this project has met these test images.",
        "Again   gingham run --svm.folds 2 --classifier svm",
        "Report  ",
        "held out",
        "recommended",
    ):
        assert words in done.out
    assert re.search(r"Test accuracy [\d.]+ % \([\d.]+ % to [\d.]+ %\) on 12 test images", done.out)
    assert "2 candidates measured before are kept." in done.err
    assert "ms/image" not in done.err  # nothing looks as if it was measured now
    as_json = gingham("tune", "--quick", "--json", *flags(ONE)).json
    assert (len(as_json["candidates"]), as_json["test"]["other_runs"], as_json["kept"]) == (2, 1, 2)


def test_interrupted_it_lists_what_is_measured(
    compared: Project, gingham: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(bench: Bench, candidate: Candidate, *_: object) -> None:
        bench._keep(candidate, Measured(np.array([1] * 11 + [-1] * 19, np.int8), 4.0, 13.0), whole=False)
        raise KeyboardInterrupt

    monkeypatch.setattr(Bench, "measure", interrupt)
    stopped = gingham("tune", "--project", compared.folder.root, "--quick", *flags(QUICK | {"tuning.views": "flip"}))
    assert (stopped.status, stopped.out) == (130, "")
    assert "3 candidates are measured and kept:" in stopped.err  # one of them in part
    assert re.search(rf"\n  svm, {LITE0} at 128: [\d.]+ %, 30 held out\n", stopped.err)
    assert re.search(rf"\n  svm, {LITE0} at (96|128), flip: [\d.]+ %, 11 held out\n", stopped.err)


def test_the_cross_validation_is_that_of_a_run(project: Path) -> None:
    steps = steps_of(project)
    bench = Bench(steps, project / "bench")
    measured = bench.measure(Candidate("svm", LITE0, 96), 1, lambda _: False)
    run = Project(project, environment={}).run()
    accuracy = run.record.svm.cv_accuracy[str(run.record.svm.c)]
    # The mean over the folds there, over the images here.
    assert (measured.right == 1).mean() == pytest.approx(accuracy, abs=0.03)


def test_what_was_measured_for_the_same_question_is_read_back_in_part_or_whole(project: Path) -> None:
    bench = Bench(steps_of(project), project / "bench")
    part, whole = Candidate("dnn", LITE0, 96, "one", 1, 5e-4), Candidate("svm", LITE0, 96)
    for candidate in (part, whole):
        bench._keep(candidate, Measured(np.array([1, 0, -1], np.int8), 4.0, 13.0), whole=candidate is whole)
    (project / "bench" / "other.safetensors").write_bytes(b"nothing of the kind")
    assert set(bench.kept()) == {part, whole}
    assert (bench.known(part), bench.known(part, whole=False).held_out) == (None, 2)  # type: ignore[union-attr]


def test_a_new_training_image_is_a_new_question(compared: Project) -> None:
    label = next((compared.folder.root / "images/textures").iterdir())
    (label / "new.jpg").write_bytes(next(iter(sorted(label.glob("*.jpg")))).read_bytes() + b"\0")
    assert len(compared.tune(quick=True, overrides=ONE).rows) == 1
    assert len(list((compared.folder.root / "tuning").iterdir())) == 2


@pytest.mark.parametrize("damage", [b"", b"nothing of the kind" * 9])
def test_a_damaged_measurement_is_made_again(compared: Project, damage: bytes) -> None:
    first = json.loads(next(compared.folder.root.glob("tuning/*/tuning.json")).read_text())
    for file in compared.folder.tuning.rglob("*.safetensors"):
        file.write_bytes(damage)
    again = compared.tune(quick=True, overrides=QUICK)
    assert [row.accuracy for row in again.rows] == [row["accuracy"] for row in first["candidates"]]


def test_without_optuna_it_says_what_to_install_and_what_works_without(
    gingham: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = search.importlib.util.find_spec
    monkeypatch.setattr(search.importlib.util, "find_spec", lambda name: None if name == "optuna" else found(name))
    refused = gingham("tune", "--project", project)
    assert refused.status == 4
    assert 'pip install "gingham[tune]" (without it: gingham tune --quick)' in refused.err
    with pytest.raises(UnavailableError):
        search.Search.require()


@pytest.mark.train
def test_the_search_tries_views_and_refined_networks(tuned: Project) -> None:
    result = tuned.tune(minutes=5, overrides=SEARCH)
    names = {f"svm, {LITE0} at 96", f"svm, {LITE0} at 96, flip", f"dnn, {LITE0} at 96, 1 epochs, rate 0.0005"}
    assert {row.name for row in result.rows} == names | {f"dnn, {LITE0} at 96, flip, 1 epochs, rate 0.0005"}
    for row in result.rows:
        assert row.held_out == 30 if row.classifier == "svm" else 0 < row.held_out < 30
    assert len(tuned.runs().runs) == 1


@pytest.mark.train
def test_once_the_time_is_over_what_is_there_is_compared(tuned: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    tuned._progress = Listener(lines)
    monkeypatch.setattr(candidates, "refined_network", lambda steps, **_: endless(steps))
    monkeypatch.chdir(tuned.folder.root)
    result = tuned.tune("images/textures", minutes=0.05, overrides=SEARCH)
    assert [row.name for row in result.rows] == [f"svm, {LITE0} at 96"]
    (line,) = (line for line in lines if line.startswith("The time is over. "))
    assert line.startswith(f"The time is over. `gingham tune images/textures --tuning.backbones {LITE0} ")
    assert line.endswith("--refinement.precision f32 --minutes 0.1` would go on from here.")
    monkeypatch.undo()
    again = tuned.tune("images/textures", minutes=0.05, overrides=SEARCH)
    assert [row.name for row in again.rows] == [f"svm, {LITE0} at 96"]  # still over


class Listener:
    def __init__(self, lines: list[str]) -> None:
        self.say = lines.append

    def __call__(self, step: str, done: int, total: int) -> None: ...


def endless(steps: Steps) -> None:
    while True:
        time.sleep(0.1)
        report = steps.progress("refine")
        assert report is not None
        report(0, 1)


@pytest.mark.train
def test_a_network_is_tested_on_images_that_it_was_not_trained_on_and_on_others_in_the_next_fold(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = steps_of(project, **SEARCH)
    candidate = Candidate("dnn", LITE0, 96, "one", 1, 5e-4)
    parts = []

    def refined_network(*arguments: Any, **named: Any) -> Any:
        made = wrapped(*arguments, **named)
        assert all(epoch["test_error"] is None for epoch in made.about["epochs"])  # they did not meet the test images
        parts.append(made.validation)
        return made

    wrapped = candidates.refined_network
    monkeypatch.setattr(candidates, "refined_network", refined_network)
    measured = Bench(steps, project / "bench").measure(candidate, 2, lambda _: True)
    assert len(parts) == 2
    assert not parts[0] & parts[1]
    assert measured.held_out == len(parts[0] | parts[1])
    stopped = Bench(steps, project / "other").measure(candidate, 2, lambda _: False)
    assert stopped.held_out == len(parts[0])
    np.testing.assert_array_equal(stopped.right[stopped.right >= 0], measured.right[stopped.right >= 0])


def test_killed_at_any_moment_it_goes_on_and_tries_nothing_twice(project: Path, tmp_path: Path) -> None:
    space = ONE | {"tuning.classifiers": ["svm"], "tuning.views": ["one", "flip", "crops"]}
    arguments = ("tune", "--project", project, "--minutes", "5", *flags(space))
    with serving(tmp_path, "optuna") as server:
        status, _, output = server.end(server.start(*arguments), signal.SIGKILL, random.uniform(0, 4))
        assert status in (0, -signal.SIGKILL), output
        status, _, output = server.end(server.start(*arguments, "--json"))
    assert status == 0, output
    names = [row["name"] for row in json.loads(output.splitlines()[-1])["candidates"]]
    assert len(names) == len(set(names)) == 3
