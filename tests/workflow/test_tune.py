"""The verb tune: everything is tried on held-out training images, kept, gone on with, and one run meets the test."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gingham import Project
from gingham.config import load_config
from gingham.errors import UnavailableError
from gingham.project import ProjectFolder
from gingham.workflow import candidates, search
from gingham.workflow.candidates import Bench, Candidate
from gingham.workflow.steps import Steps
from tests.textures import run_process, start_process

LITE0 = "efficientnet_lite0"
QUICK = {"tuning.backbones": [LITE0], "tuning.resolutions": [96, 128], "svm.folds": 2}
ONE = QUICK | {"tuning.resolutions": [96]}
SEARCH = ONE | {  # two times two candidates, so that it ends before the time is over
    "tuning.epochs": [1],
    "tuning.folds": 1,
    "tuning.learning_rates": [5e-4],
    "refinement.epochs": 1,
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


def steps_of(project: Path, **overrides: Any) -> Steps:
    return Steps(ProjectFolder(project), load_config(project / "gingham.toml", {}, overrides))


def test_quick_compares_networks_and_resolutions_and_runs_what_it_recommends(gingham: Any, project: Path) -> None:
    done = gingham("tune", "--project", project, "--quick", "--json", *flags(QUICK))
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
    run = Project(project, environment={}).show()
    assert (run.run_id, run.record.metrics["accuracy"]) == (found["run_id"], found["test"]["accuracy"])
    assert run.record.resolution == (96 if "at 96" in found["recommended"]["name"] else 128)
    page = Path(found["report"])
    assert found["command"] == f"gingham run {found['recommended']['flags']}"
    assert found["command"] in page.read_text("utf-8")
    assert {file.name for file in page.parent.iterdir()} == {"report.html", "accuracy_against_time.png", "tuning.json"}
    assert json.loads((page.parent / "tuning.json").read_text()) == found


def test_only_the_recommended_one_meets_the_test_images(tuned: Project) -> None:
    result = tuned.tune(quick=True, overrides=QUICK)
    (only,) = tuned.runs().runs
    assert only.record.run_id == result.run.run_id
    assert set(tuned.folder.heads.glob("*")) == set(tuned.folder.heads.glob("*.safetensors"))
    assert len(list(tuned.folder.heads.glob("*"))) == 1  # no other head was fitted that could have met them


def test_the_words_that_it_prints(gingham: Any, project: Path) -> None:
    done = gingham("tune", "--project", project, "--quick", *flags(ONE))
    assert done.status == 0, done.err
    for words in ("recommended", "Test accuracy", "Again   gingham run --classifier svm", "Report  ", "held out"):
        assert words in done.out
    assert f"svm, {LITE0} at 96: " in done.err


def test_the_cross_validation_is_that_of_a_run(project: Path) -> None:
    steps = steps_of(project)
    bench = Bench(steps, project / "bench")
    measured = bench.measure(Candidate("svm", LITE0, 96), 1, lambda _: False)
    run = Project(project, environment={}).run()
    accuracy = run.record.svm.cv_accuracy[str(run.record.svm.c)]
    # The mean over the folds there, over the images here.
    assert (measured.right == 1).mean() == pytest.approx(accuracy, abs=0.03)


def test_what_was_measured_is_not_measured_again(tuned: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tuned.tune(quick=True, overrides=ONE)
    monkeypatch.setattr(Bench, "measure", lambda *_: pytest.fail("it was known"))
    again = tuned.tune(quick=True, overrides=ONE)
    assert [row.to_json() for row in again.rows] == [row.to_json() for row in first.rows]
    assert again.run.run_id == first.run.run_id


def test_a_new_training_image_is_a_new_question(tuned: Project) -> None:
    tuned.tune(quick=True, overrides=ONE)
    label = next((tuned.folder.root / "images/textures").iterdir())
    (label / "new.jpg").write_bytes(next(iter(sorted(label.glob("*.jpg")))).read_bytes() + b"\0")
    tuned.tune(quick=True, overrides=ONE)
    assert len(list((tuned.folder.root / "tuning").iterdir())) == 2


@pytest.mark.parametrize("damage", [b"", b"nothing of the kind" * 9])
def test_a_damaged_measurement_is_made_again(tuned: Project, damage: bytes) -> None:
    first = tuned.tune(quick=True, overrides=ONE)
    for file in tuned.folder.tuning.rglob("*.safetensors"):
        file.write_bytes(damage)
    again = tuned.tune(quick=True, overrides=ONE)
    assert [row.accuracy for row in again.rows] == [row.accuracy for row in first.rows]


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
        assert row.held_out == 30 if row.name.startswith("svm") else 0 < row.held_out < 30
    assert len(tuned.runs().runs) == 1


@pytest.mark.train
def test_once_the_time_is_over_what_is_there_is_compared(tuned: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    tuned._progress = Listener(lines)
    monkeypatch.setattr(candidates, "refined_network", lambda steps, **_: endless(steps))
    result = tuned.tune(minutes=0.05, overrides=SEARCH)
    assert [row.name for row in result.rows] == [f"svm, {LITE0} at 96"]
    assert any("The time is over. `gingham tune --minutes 0.1` would go on" in line for line in lines)
    monkeypatch.undo()
    assert [row.name for row in tuned.tune(minutes=0.05, overrides=SEARCH).rows] == [
        f"svm, {LITE0} at 96"
    ]  # still over


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


def test_killed_at_any_moment_it_goes_on_and_tries_nothing_twice(project: Path) -> None:
    space = ONE | {"tuning.classifiers": ["svm"], "tuning.views": ["one", "flip", "crops"]}
    arguments = ("tune", "--project", project, "--minutes", "5", *flags(space))
    with start_process(*arguments) as process:
        time.sleep(random.uniform(2, 6))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    done = run_process(*arguments, "--json")
    assert done.status == 0, done.err
    names = [row["name"] for row in done.json["candidates"]]
    assert len(names) == len(set(names)) == 3
