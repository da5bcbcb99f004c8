"""Refined networks as runs: the same verbs, report, model file and gate; made once, gone on with after any end."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gingham import Project, load
from tests.serve.process import alive
from tests.textures import CLASSES, FULL, start_process, write_textures
from tests.workflow.server import serving

pytestmark = pytest.mark.train

QUICK = (
    "--refinement.epochs", "2", "--refinement.batch_size", "8", "--refinement.precision", "f32",
    "--refinement.trainings", "2",
)  # fmt: skip
KILLS = 30 if FULL else 2


@pytest.fixture(scope="module")
def refined_once(untouched_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a finished run of the SVM, and one of a refined network."""
    project = tmp_path_factory.mktemp("refined") / "project"
    shutil.copytree(untouched_run, project)
    overrides = {name.lstrip("-"): value for name, value in zip(QUICK[::2], QUICK[1::2], strict=True)}
    Project(project, environment={}).run(overrides={"classifier": "dnn"} | overrides)
    return project


@pytest.fixture
def refined(refined_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(refined_once, tmp_path / "refined"))


def test_the_object_that_it_prints(gingham: Any, refined: Path) -> None:
    found = gingham("run", "--project", refined, "--json", "--classifier", "dnn", *QUICK).json
    assert found["up_to_date"]
    made = found["refinement"]
    assert (found["classifier"], found["svm"], made["depth"], made["device"]) == ("dnn", None, "last-3-stages", "cpu")
    assert made["train"] + made["validation"] == found["dataset"]["train"]
    assert 0 < made["validation"] < made["train"]
    assert [(epoch["training"], epoch["epoch"]) for epoch in made["epochs"]] == [(1, 1), (1, 2), (2, 3), (2, 4)]
    assert made["epochs"][-1]["test_error"] is not None
    assert len(made["kept_epochs"]) == 2
    assert made["stopped"] == ""
    assert 0 < made["trained_parameters"] < made["parameters"]
    assert {"refine", "featurize", "train"} <= found["seconds"].keys()


def test_the_report_shows_how_it_learned(gingham: Any, refined: Path) -> None:
    run = Project(refined, environment={}).show()
    page = run.report.read_text("utf-8")
    assert "How the network learned" in page
    assert "The model is the mean of the weights of 2 trainings from the same start." in page
    assert "Choosing C" not in page
    shown = gingham("runs", "show", "--project", refined).out
    held_back = f"({run.record.refinement.validation} of them only to choose and calibrate)"  # type: ignore[union-attr]
    assert held_back in page
    assert held_back in shown
    assert (run.report.parent / "figures" / "learning_curves.png").stat().st_size > 10_000


def test_the_model_file_answers_as_the_run_was_tested(gingham: Any, refined: Path, tmp_path: Path) -> None:
    run = Project(refined, environment={}).show()
    model = load(run.model)
    assert (model.info.classifier, model.info.weights_licence) == ("dnn", "Apache-2.0")
    path = sorted((refined / "images" / "textures").rglob("*.jpg"))[0]
    assert model.predict([path])[0].label in CLASSES
    exported = gingham("export", "--project", refined, "-o", tmp_path / "m.onnx", "--json")
    assert exported.status == 0, exported.err
    ways = [way["other"] for way in exported.json["parity"]]
    assert any(way.startswith("the training path") for way in ways), ways


def test_it_is_compared_with_the_svm(gingham: Any, refined: Path) -> None:
    compared = gingham("runs", "compare", "--project", refined)
    assert compared.status == 0
    assert re.search(r"classifier +svm +dnn", compared.out)


def test_nothing_is_trained_twice(gingham: Any, refined: Path) -> None:
    weights = gingham("refine", "--project", refined, "--json", *QUICK).json
    assert "refine" not in weights["seconds"]
    assert Path(weights["weights"]).is_file()
    svm = gingham("run", "--project", refined, "--json", "--classifier", "svm-refined", *QUICK).json
    assert "refine" not in svm["seconds"]
    assert svm["featurize"]["from_cache"] == svm["featurize"]["images"]
    assert set(svm["svm"]["cv_accuracy"]) == {"0.1", "1.0", "10.0"}
    assert svm["refinement"]["held_out_accuracy"] == svm["svm"]["cv_accuracy"][str(svm["svm"]["c"])]


def test_what_validates_is_seen_neither_by_the_network_nor_by_its_start(
    gingham: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gingham.classifiers as classifiers
    import gingham.refine as room

    fit_head, refine, seen = classifiers.fit_head, room.refine, {}

    def fit(features: np.ndarray, *arguments: Any, **others: Any) -> Any:
        seen["start"] = features
        return fit_head(features, *arguments, **others)

    def train(backbone: Any, files: Any, parts: Any, *arguments: Any, **others: Any) -> Any:
        seen["parts"] = parts
        return refine(backbone, files, parts, *arguments, **others)

    monkeypatch.setattr(classifiers, "fit_head", fit)
    monkeypatch.setattr(room, "refine", train)
    made = gingham("refine", "--project", project, "--json", *QUICK).json["refinement"]
    parts = seen["parts"]
    assert len(seen["start"]) == len(parts.train) == made["train"]
    assert len(parts.validation) == made["validation"] > 0
    assert not set(parts.train) & set(parts.validation)
    assert not set(parts.test) & (set(parts.train) | set(parts.validation))


def test_settings_of_the_refinement_make_no_run_of_the_svm_anew(gingham: Any, refined: Path) -> None:
    again = gingham("run", "--project", refined, "--json", "--refinement.epochs", "99")
    assert again.json["up_to_date"]


def test_damaged_weights_are_made_again(gingham: Any, refined: Path) -> None:
    (file,) = (refined / ".gingham" / "refined").glob("*/weights.safetensors")
    before = file.read_bytes()
    file.write_bytes(before[:-4] + b"\0\0\0\1")
    made = gingham("refine", "--project", refined, "--json", *QUICK)
    assert made.status == 0
    assert "refine" in made.json["seconds"]
    assert file.read_bytes() == before


@pytest.mark.parametrize("classifier", ["dnn", "svm-refined"])
def test_two_classes_of_which_one_has_two_training_images(gingham: Any, tmp_path: Path, classifier: str) -> None:
    write_textures(tmp_path / "images", per_class=8)
    shutil.rmtree(tmp_path / "images" / "stripes")
    for path in sorted((tmp_path / "images" / "dots").iterdir())[3:]:
        path.unlink()
    arguments = ("--project", tmp_path / "p", "--features.resolution", "96", "--classifier", classifier, *QUICK)
    done = gingham("run", tmp_path / "images", "--json", *arguments, "--refinement.validation_fraction", "0.4")
    assert done.status == 0, done.err
    assert done.json["dataset"]["train_per_class"]["dots"] == 2
    model = load(tmp_path / "p" / done.json["model"])
    answers = model.predict(sorted((tmp_path / "images").rglob("*.jpg")))
    for answer in answers:
        assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_without_torch_it_says_what_to_install(project: Path) -> None:
    with start_process_without("torch", "run", "--project", project, "--classifier", "dnn") as process:
        _, err = process.communicate(timeout=120)
    assert process.returncode == 4
    assert 'To train a network takes torch, not installed here. Type: pip install "gingham[train]". The SVM' in err
    assert "Traceback" not in err


def start_process_without(module: str, *arguments: object) -> Any:
    import subprocess
    import sys

    code = (
        f"import sys, importlib.util as u; f = u.find_spec; sys.modules[{module!r}] = None\n"
        f"u.find_spec = lambda name, *a: None if name.split('.')[0] == {module!r} else f(name, *a)\n"
        "from gingham.cli.execute import execute; sys.exit(execute(sys.argv[1:]))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def weights_of(project: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    (folder,) = [path.parent for path in (project / ".gingham" / "refined").glob("*/last.safetensors")]
    return load_file(folder / "weights.safetensors") | load_file(folder / "last.safetensors")


def assert_equal(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found[name], tensor, err_msg=name)


@pytest.mark.timeout(1200 if FULL else 300)
def test_after_kill_9_at_any_moment_it_ends_with_the_same_weights(refined: Path, project: Path, tmp_path: Path) -> None:
    expected, luck = weights_of(refined), random.Random(0)
    command = ("refine", "--project", project, "--json", *QUICK)
    with serving(tmp_path, "gingham.refine", "timm") as server:
        for _ in range(KILLS):
            child = server.start(*command)
            deadline = time.monotonic() + 60
            # From where activations are computed on.
            while not (project / ".gingham" / "activations").exists() and time.monotonic() < deadline and alive(child):
                time.sleep(0.02)
            status, _, output = server.end(child, signal.SIGKILL, luck.uniform(0, 4))
            assert status in (0, -signal.SIGKILL), output
            state = project / ".gingham" / "refined"
            if any(state.glob("*/last.safetensors")):
                assert_equal(weights_of(project), expected)
                shutil.rmtree(state)  # so that every kill meets a training
            shutil.rmtree(project / ".gingham" / "activations", ignore_errors=True)
        status, _, output = server.end(server.start(*command))
    assert status == 0, output
    assert_equal(weights_of(project), expected)
    assert json.loads(output.splitlines()[-1])["refinement"]["epochs"][-1]["epoch"] == 4
    assert not list((project / ".gingham").rglob("checkpoint*.safetensors"))


def test_ctrl_c_makes_a_run_of_the_best_so_far_and_the_next_run_goes_on(project: Path) -> None:
    arguments = ("run", "--project", project, "--json", "--classifier", "dnn", "--refinement.epochs", "40", *QUICK[2:])
    process = start_process(*arguments)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("Epoch 2 of 80"):
            os.kill(process.pid, signal.SIGINT)
            break
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    stopped = json.loads(out)
    assert stopped["refinement"]["stopped"] == "interrupted"
    assert 2 <= len(stopped["refinement"]["epochs"]) < 40
    shorter = start_process(*arguments)
    assert shorter.stderr is not None
    said = []
    for line in shorter.stderr:
        said.append(line)
        if line.startswith("Epoch"):
            os.kill(shorter.pid, signal.SIGTERM)
            break
    shorter.communicate(timeout=60)
    assert shorter.returncode == 130
    assert any(line.startswith("Going on in epoch") for line in said), said


def test_refine_says_what_it_did(gingham: Any, refined: Path) -> None:
    done = gingham("refine", "--project", refined, *QUICK)
    assert done.status == 0
    assert "last-3-stages" in done.out
    assert re.search(
        r"Kept the mean of the weights after epochs \d and \d of 4: training error [\d.]+ % and [\d.]+ %, "
        r"validation error [\d.]+ %\.",
        done.out,
    )
    assert "`gingham run --classifier dnn`" in done.out


def test_more_views_use_the_same_network_and_are_averaged(refined: Path) -> None:
    project = Project(refined, environment={})
    before = project.show()
    overrides = {name.lstrip("-"): value for name, value in zip(QUICK[::2], QUICK[1::2], strict=True)}
    flipped = project.run(overrides={"classifier": "dnn", "features.views": "flip"} | overrides)
    assert flipped.record.refinement is not None
    assert before.record.refinement is not None
    assert flipped.record.refinement.key == before.record.refinement.key
    assert flipped.record.seconds.get("refine", 0) < 1
    assert load(flipped.model).info.views == "flip"
    one, two = (load(run.model, "f32") for run in (before, flipped))
    path = sorted((refined / "images" / "textures").rglob("*.jpg"))[0]
    (square,) = [explanation.square for explanation in one.explain([path])]
    pair = np.stack([square, square[:, ::-1]])
    np.testing.assert_allclose(two.run(square[None]).features[0], one.run(pair).features.mean(0), atol=1e-3)


@pytest.mark.parametrize("classifier", ["dnn", "svm-refined"])
def test_several_networks_are_not_refined(gingham: Any, project: Path, classifier: str) -> None:
    refused = gingham("run", "--project", project, "--classifier", classifier, "--preset", "balanced")
    assert refused.status == 2
    assert "One network is refined" in refused.err
    assert "--features.backbone efficientnet_lite0, and no --preset but fast" in refused.err
