"""What is typed: commands that a shell understands, and flags that a comparison refuses."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from gingham.config import load_config
from gingham.errors import UsageError
from gingham.project import ProjectFolder
from gingham.workflow.call import Call, refuse_ignored
from gingham.workflow.candidates import Candidate


def call(root: Path, given: dict[str, Any], images: str | None = "my photos") -> Call:
    return Call(ProjectFolder(root), load_config(root / "gingham.toml", {}, given), images, given)


def test_it_goes_on_with_the_same_images_and_parameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = {
        "tuning": {"backbones": ["a + b", "c"], "minutes": 8},
        "svm.normalize": False,
        "tracking.uri": "https://ann:s3cret@mlflow.example/",
        "service.token": "s3cret",
    }
    command = call(tmp_path, given).tune_for(16)
    assert command == (
        "gingham tune 'my photos' --tuning.backbones a+b,c --svm.normalize=false "
        "--tracking.uri 'https://***@mlflow.example/' --minutes 16"
    )


@pytest.mark.parametrize(("place", "project"), [(".", []), ("..", ["--project", "inner"]), ("../other", ["--project"])])
def test_it_names_the_project_where_it_is_another_folder(
    place: str, project: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("inner", "other"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "inner" / place)
    words = shlex.split(call(tmp_path / "inner", {}, None).tune_for(1))
    assert words == ["gingham", "tune", *project, *([str(tmp_path / "inner")] if place == "../other" else []),
                     "--minutes", "1"]  # fmt: skip


def test_a_run_gets_the_candidate_and_what_else_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"seed": 3, "tuning.minutes": 8, "refinement.epochs": 4}
    parameters = Candidate("dnn", "a", 224, "one", 8, 5e-4).parameters
    assert call(tmp_path, given).run(parameters) == (
        "gingham run 'my photos' --seed 3 --refinement.epochs 8 --classifier dnn --features.backbone a "
        "--features.resolution 224 --features.views one --refinement.learning_rate 0.0005"
    )


def test_the_flags_of_a_candidate_can_be_typed() -> None:
    assert "--features.backbone 'a b' " in Candidate("svm", "a b", 224).flags


@pytest.mark.parametrize(
    ("given", "quick", "instead"),
    [
        ({"features": {"backbone": "x"}}, False, "--tuning.backbones x"),
        ({"features.resolution": 320, "features.views": "flip"}, True, "--tuning.resolutions 320 --tuning.views flip"),
        ({"classifier": "dnn"}, False, "--tuning.classifiers dnn"),
        ({"classifier": "dnn"}, True, "--tuning.classifiers dnn, without --quick"),
        ({"classifier": "svm-refined"}, False, "--tuning.classifiers dnn"),
        (
            {"preset": "balanced"},
            True,
            "--tuning.backbones efficientnet_lite0+efficientnet_lite1 --tuning.resolutions 224 --tuning.views one",
        ),
        ({"tuning.minutes": 3}, True, "--minutes would have no effect"),
        ({"tuning": {"classifiers": ["svm", "dnn"]}}, True, "--tuning.classifiers would have no effect"),
        ({"refinement": {"epochs": 3}}, True, "--refinement.epochs would have no effect"),
    ],
)
def test_what_would_have_no_effect_is_refused(given: dict[str, Any], quick: bool, instead: str) -> None:
    with pytest.raises(UsageError) as refused:
        refuse_ignored(given, quick)
    assert instead in str(refused.value)


@pytest.mark.parametrize(
    ("given", "quick"),
    [
        ({"tuning.minutes": 3, "refinement.epochs": 3}, False),
        ({"tuning.classifiers": ["svm"], "preset": "", "features.precision": "f32", "svm.folds": 3}, True),
    ],
)
def test_what_has_an_effect_is_not(given: dict[str, Any], quick: bool) -> None:
    refuse_ignored(given, quick)
