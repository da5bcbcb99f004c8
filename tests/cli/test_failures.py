"""What goes wrong ends in a sentence and the right exit status, before any work, and never in a traceback."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gingham import workflow
from tests.images.makers import bad_files
from tests.textures import run_process, texture_bytes

Change = Callable[[Path], object]


def toml(text: str) -> Change:
    return lambda project: (project / "gingham.toml").write_text(text)


def only(*names: str) -> Change:
    """Leave only these files and folders in the class `dots`."""

    def change(project: Path) -> None:
        for path in (project / "images/textures/dots").iterdir():
            if path.name not in names:
                path.unlink()

    return change


def only_bad(project: Path) -> None:
    only()(project)
    for name in ("empty.jpg", "half.jpg", "page.jpg"):
        (project / "images/textures/dots" / name).write_bytes(bad_files()[name][0])


def one_image_twice(project: Path) -> None:
    only()(project)
    for name in ("a.jpg", "b.jpg"):
        (project / "images/textures/dots" / name).write_bytes(texture_bytes("dots", 0))


def one_class(project: Path) -> None:
    for name in ("dots", "stripes"):
        shutil.rmtree(project / "images/textures" / name)


def flat(project: Path) -> None:
    one_class(project)
    shutil.rmtree(project / "images/textures/checks")
    (project / "images/textures/a.jpg").write_bytes(texture_bytes("dots", 0))


def nothing(_: Path) -> None:
    """Change nothing."""


def splits(text: str) -> Change:
    return lambda project: (project / "images/textures/splits.csv").write_text(text)


WRONG_USAGE = [
    pytest.param(["run", "--svm.fold", "3"], nothing, "Did you mean `folds`?", id="misspelt flag"),
    pytest.param(["run", "--svm.fold=3"], nothing, "Did you mean `folds`?", id="misspelt flag with ="),
    pytest.param(["run", "--folds", "3"], nothing, "--svm.folds", id="flag without its table"),
    pytest.param(["serve", "--port", "99999"], nothing, "`service.port` cannot be '99999'", id="flag of one table"),
    pytest.param(["run"], toml("[svm]\nfold = 3"), "Did you mean `folds`?", id="misspelt key"),
    pytest.param(["run"], toml("[svn]\nfolds = 3"), "Did you mean `svm`?", id="misspelt table"),
    pytest.param(["run"], toml("[svm"), "not valid TOML", id="broken file"),
    pytest.param(
        ["tune", "--quick", "--preset", "balanced"],
        nothing,
        "--tuning.backbones efficientnet_lite0+efficientnet_lite1 ",
        id="tune with a preset",
    ),
    pytest.param(["tune", "--quick", "--minutes", "3"], nothing, "one or the other", id="tune quickly for minutes"),
    pytest.param(["tune", "--classifier", "dnn"], nothing, "--tuning.classifiers dnn", id="tune one classifier"),
    pytest.param(["rnu"], nothing, 'Did you mean "run"?', id="unknown command"),
    pytest.param(["run", "a", "b"], nothing, "That is too much: b", id="too many folders"),
    pytest.param(["run", "--resolution", "320"], nothing, "--features.resolution", id="flag that looks like a table"),
    pytest.param(["run", "--splits.group-csv", "g.csv"], nothing, "--splits.group_by csv", id="flag without effect"),
    pytest.param(["run", "--svm.folds", "1"], nothing, "from 2", id="bad value by flag"),
    pytest.param(["run", "--svm.folds", "many"], nothing, "many", id="wrong type by flag"),
    pytest.param(["run"], toml("[svm]\nfolds = 1"), "from 2", id="bad value by file"),
    pytest.param(["run", "--features.resolution", "100"], nothing, "divisible by 32", id="odd resolution"),
    pytest.param(["run", "--classifier", "tree"], nothing, "svm", id="unknown choice"),
    pytest.param(["run", "--features.backbone", "resnet19"], nothing, "resnet18", id="unknown backbone"),
    pytest.param(
        ["run", "--splits.file", "a.csv", "--splits.test-files", "b.txt"], nothing, "not both", id="two split files"
    ),
    pytest.param(["run", "--splits.file", "a.csv"], nothing, "a.csv", id="missing split file"),
    pytest.param(["run", "--splits.group-by", "regex", "--splits.group-regex", "("], nothing, "regex", id="bad regex"),
    pytest.param(["init"], nothing, "is there already", id="init where there is a file"),
    pytest.param(["runs", "compare", "a", "b", "c"], nothing, "--help", id="compare three"),
]
UNUSABLE_DATA = [
    pytest.param(["run", "images/texture"], nothing, "Did you mean `textures`?", id="missing folder"),
    pytest.param(["run", "--dataset", "images/texture"], nothing, "does not exist", id="missing folder by flag"),
    pytest.param(["run", "gingham.toml"], nothing, "is a file", id="file instead of a folder"),
    pytest.param(["run"], one_class, "one sub-folder, checks", id="one class"),
    pytest.param(["run"], flat, "no sub-folder", id="no class"),
    pytest.param(["run"], only(), "the class dots", id="empty class"),
    pytest.param(["run"], only("03.jpg"), "only one readable image", id="class with a single image"),
    pytest.param(["run"], only_bad, "1 skipped as truncated", id="class with bad files only"),
    pytest.param(["run"], splits("path,split\ndots/01.jpg,tset\n"), "tset", id="split that is no split"),
    pytest.param(["run"], splits("path,split\ndots/nix.jpg,test\n"), "nix.jpg", id="split of no file"),
    pytest.param(["split"], one_class, "at least two classes", id="split, too"),
    pytest.param(["featurize"], one_class, "at least two classes", id="featurize, too"),
    pytest.param(["train"], only(), "the class dots", id="train, too"),
    pytest.param(["evaluate"], only(), "the class dots", id="evaluate, too"),
]
NOT_FOUND = [
    pytest.param(["runs", "show"], nothing, "gingham run", id="show without runs"),
    pytest.param(["runs", "compare", "a", "b"], nothing, "gingham run", id="compare without runs"),
    pytest.param(["runs", "show", "2026"], nothing, "no run `2026`", id="unknown run"),
    pytest.param(
        ["run", "--features.backbone", "resnet18", "--features.backbone-weights", "nix.safetensors"],
        nothing,
        "nix.safetensors",
        id="missing weights file",
    ),
]


@pytest.fixture(autouse=True)
def in_the_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)


def check(gingham: Any, project: Path, arguments: list[str], change: Change, words: str, status: int) -> None:
    change(project)
    given = [*arguments, "--project", project]
    spoken = gingham(*given)
    assert (spoken.status, spoken.out) == (status, ""), spoken
    assert spoken.err.startswith("gingham: ")
    assert words in " ".join(spoken.err.split())
    assert "Traceback" not in spoken.err
    as_json = gingham(*given, "--json")
    error = as_json.json["error"]
    assert (as_json.status, error["exit_status"], list(as_json.json)) == (status, status, ["error"])
    assert f"gingham: {error['message']}\n" == as_json.err
    assert not (project / ".gingham/features").exists()
    assert not list(project.glob("runs/*"))


@pytest.mark.parametrize(("arguments", "change", "words"), WRONG_USAGE)
def test_wrong_usage(gingham: Any, project: Path, arguments: list[str], change: Change, words: str) -> None:
    check(gingham, project, arguments, change, words, 2)


@pytest.mark.parametrize(("arguments", "change", "words"), UNUSABLE_DATA)
def test_data_that_cannot_be_used(
    gingham: Any, project: Path, arguments: list[str], change: Change, words: str
) -> None:
    check(gingham, project, arguments, change, words, 3)


@pytest.mark.parametrize(("arguments", "change", "words"), NOT_FOUND)
def test_what_is_not_here(gingham: Any, project: Path, arguments: list[str], change: Change, words: str) -> None:
    check(gingham, project, arguments, change, words, 4)


def test_a_class_that_is_one_picture_twice_cannot_be_tested(gingham: Any, project: Path) -> None:
    one_image_twice(project)
    made = gingham("split", "--project", project, "--json")
    assert made.status == 0
    assert any("dots" in warning for warning in made.json["dataset"]["warnings"])


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        pytest.param("GINGHAM_SVM__FOLDS", "1", "`svm.folds` cannot be '1'", id="bad value"),
        pytest.param("GINGHAM_SVM__FOLD", "3", "Did you mean `folds`?", id="misspelt"),
        pytest.param("GINGHAM_DATSET", "x", "Did you mean `dataset`?", id="misspelt at the top"),
    ],
)
def test_a_wrong_variable(
    gingham: Any, project: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)
    refused = gingham("run", "--project", project)
    assert refused.status == 2
    assert words in refused.err
    assert "the environment" in refused.err


def test_a_project_that_is_a_file(gingham: Any, project: Path) -> None:
    refused = gingham("run", "--project", project / "gingham.toml", "--json")
    assert refused.status == 2
    assert "not a folder" in refused.json["error"]["message"]


def test_a_bug_says_that_it_is_one(gingham: Any, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflow, "split", lambda *_: 1 / 0)
    failed = gingham("split", "--project", project, "--json")
    assert failed.status == 1
    assert "bug in Gingham" in failed.json["error"]["message"]
    assert "Traceback" in failed.err


def test_an_interruption_that_a_library_reports_as_its_own_error_is_one(
    gingham: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise ImportError("initialization failed") from error

    monkeypatch.setattr(workflow, "split", interrupted)
    stopped = gingham("split", "--project", project)
    assert (stopped.status, stopped.err) == (130, "")


LOST = """
import os, signal, sys, time, weakref
from gingham import workflow
from gingham.cli.execute import execute

def interrupted_in_a_callback(*_):
    thing = set("a")
    reference = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.SIGTERM))
    del thing
    time.sleep(20)

workflow.split = interrupted_in_a_callback
sys.exit(execute(["split"]))
"""


def test_an_interruption_that_python_would_drop_is_repeated() -> None:
    began = time.monotonic()
    child = subprocess.run([sys.executable, "-c", LOST], capture_output=True, text=True, check=False)
    assert (child.returncode, child.stdout) == (130, "")
    assert "Traceback" not in child.stderr
    assert time.monotonic() - began < 15


@pytest.mark.train
def test_weights_that_cannot_be_had(project: Path) -> None:
    offline = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "1", "TORCH_HOME": str(project / "torch")}
    refused = run_process(
        "run", "--features.backbone", "resnet18", "--project", project, "--json", HF_HOME=str(project / "hf"), **offline
    )
    assert refused.status == 4
    assert "--features.backbone_weights model.safetensors" in refused.json["error"]["message"]
    assert "Traceback" not in refused.err


def test_a_real_process_ends_with_the_status(project: Path) -> None:
    refused = run_process("run", "--svm.fold", "3", "--project", project)
    assert (refused.status, refused.out) == (2, "")
    assert "Did you mean `folds`?" in refused.err
