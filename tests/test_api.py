"""The public names, and a project as Python sees it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gingham
from gingham import ConfigError, Project
from tests.textures import environment

PUBLIC = [
    "Client",
    "Config",
    "ConfigError",
    "DataError",
    "GinghamError",
    "ImageError",
    "Prediction",
    "Predictor",
    "Project",
    "UnavailableError",
    "UsageError",
    "load",
]


def test_the_public_names_are_these() -> None:
    assert gingham.__all__ == PUBLIC
    assert dir(gingham) == sorted([*PUBLIC, "__version__"])


@pytest.mark.parametrize("name", PUBLIC)
def test_each_can_be_imported_and_says_what_it_is(name: str) -> None:
    thing = getattr(gingham, name)
    assert thing.__name__ == name
    assert thing.__module__.startswith("gingham.")
    assert thing.__doc__


def test_other_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="it has Client"):
        gingham.Projekt  # noqa: B018


def test_star_import(tmp_path: Path) -> None:
    code = f"from gingham import *\nassert {PUBLIC!r} == sorted(n for n in dir() if not n.startswith('__'))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_errors_form_one_tree_with_one_status_each() -> None:
    statuses = {"UsageError": 2, "ConfigError": 2, "DataError": 3, "ImageError": 3, "UnavailableError": 4}
    for name, status in statuses.items():
        error = getattr(gingham, name)
        assert issubclass(error, gingham.GinghamError)
        assert error.exit_status == status


def test_the_whole_way_in_python(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.parent)
    ours = gingham.Project("project")
    seen: list[tuple[str, int, int]] = []
    watched = Project("project", progress=lambda *step: seen.append(step))
    run = watched.run("project/images/textures")
    low, high = run.metrics.accuracy_ci
    assert low <= run.metrics.accuracy <= high
    assert run.report.is_file()
    assert run.report.is_absolute()
    assert {"scan", "featurize"} <= {step for step, _, _ in seen}
    assert all(0 <= done <= total for _, done, total in seen)
    model = gingham.load(run.model)
    images = sorted((project / "images/textures/dots").iterdir())[:2]
    answers = model.predict([str(image) for image in images])
    assert [type(answer) for answer in answers] == [gingham.Prediction] * 2
    assert ours.run().run_id == ours.show().run_id == run.run_id
    assert [each.run_id for each in ours.runs().runs] == [run.run_id]
    other = ours.run(overrides={"seed": 3})
    assert not other.up_to_date
    assert other.record.parameters["seed"] == 3
    assert run == watched.show(run.run_id)


def test_stages_return_values(finished: Path) -> None:
    project = Project(finished, environment={})
    split, features = project.split(), project.featurize(output=finished / "f.npz")
    assert split.dataset == features.dataset
    assert features.from_cache == 42
    assert np.load(features.output)["features"].shape == (42, 1280)  # type: ignore[arg-type]
    assert project.train().c in (0.1, 1.0, 10.0)
    assert project.evaluate().metrics == project.show().metrics


def test_parameters_come_from_file_environment_and_call(project: Path) -> None:
    ours = Project(project, environment={"GINGHAM_SVM__FOLDS": "4", "OTHER": "x"})
    assert (ours.parameters().svm.folds, ours.parameters().features.resolution) == (4, 96)
    assert ours.parameters({"svm.folds": 2}).svm.folds == 2
    with pytest.raises(ConfigError, match="Did you mean `folds`"):
        ours.run(overrides={"svm.fold": 2})
    assert not (project / ".gingham").exists()


def test_values_cannot_be_changed(project: Path) -> None:
    split = Project(project, environment={}).split()
    with pytest.raises(AttributeError):
        split.seconds = {}  # type: ignore[misc]
    with pytest.raises(ValueError, match="frozen"):
        Project(project, environment={}).parameters().seed = 1  # type: ignore[misc]


def test_a_module_run_is_the_command() -> None:
    child = subprocess.run(
        [sys.executable, "-m", "gingham", "--version"], capture_output=True, text=True, env=environment(), check=True
    )
    assert child.stdout.strip() == gingham.__version__
