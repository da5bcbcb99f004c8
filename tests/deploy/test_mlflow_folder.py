"""The MLflow model, loaded and served by MLflow."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gingham import Prediction
from gingham.deploy import Deployment, deploy
from gingham.export import Predictor

LOADED = """
import sys, warnings; warnings.simplefilter("ignore")
import mlflow, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
images = [open(path, "rb").read() for path in sys.argv[2:]]
table = model.predict(pandas.DataFrame({"image": images}))
import gingham
print(gingham.__file__)
print(table.to_json(orient="records", double_precision=15))
"""
ENVIRONMENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


@pytest.fixture(scope="module")
def written(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    return deploy("mlflow", model, tmp_path_factory.mktemp("mlflow") / "out")


@pytest.fixture(scope="module")
def images(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Real photos, and one file that is none in their midst."""
    broken = tmp_path_factory.mktemp("images") / "broken.jpg"
    broken.write_bytes(b"not an image")
    real = sorted((photos / "grocery").glob("*/*.jpg"))[::50]
    return [*real[:10], broken, *real[10:20]]


@pytest.fixture(scope="module")
def expected(model: Path, images: list[Path]) -> list[Prediction]:
    return Predictor(model).predict(images)


@pytest.fixture(scope="module")
def served(written: Deployment) -> Iterator[str]:
    """The address of ``mlflow models serve``."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    scripts = Path(sys.executable).parent
    command = [scripts / "mlflow", *written.command.partition("&& mlflow ")[2].replace("8001", str(port)).split()]
    environment = {**os.environ, **ENVIRONMENT, "PATH": f"{scripts}:{os.environ['PATH']}"}
    with subprocess.Popen(
        command, cwd=written.folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            address = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + 120
            while not answers(f"{address}/ping"):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.5)
            yield address
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 15)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False


def assert_same(told: list[dict[str, Any]], expected: list[Prediction]) -> None:
    assert len(told) == len(expected)
    for answer, prediction in zip(told, expected, strict=True):
        assert answer["label"] == prediction.label
        assert answer["sure"] == prediction.sure
        assert answer["is_outlier"] == prediction.is_outlier
        assert answer["error"] == prediction.error
        for name in ("probability", "outlier_score", "probabilities"):
            assert answer[name] == pytest.approx(getattr(prediction, name), abs=1e-6), name


def test_it_is_code_and_a_model_file_and_no_pickle(written: Deployment) -> None:
    assert not [name for name in written.files if name.endswith((".pkl", ".pickle", ".pyc"))]
    assert "code/gingham/export/predictor.py" in written.files
    about = yaml.safe_load((written.folder / "MLmodel").read_text())
    assert about["metadata"]["model_id"] == written.model_id
    assert json.loads(about["signature"]["inputs"]) == [{"type": "binary", "name": "image", "required": True}]
    outputs = [column["name"] for column in json.loads(about["signature"]["outputs"])]
    assert outputs == ["label", "probability", "probabilities", "sure", "outlier_score", "is_outlier", "error"]
    requirements = (written.folder / "requirements.txt").read_text().splitlines()
    assert requirements[0].startswith("mlflow==")
    assert all("==" in line for line in requirements)


def test_loaded_in_another_process_it_predicts_with_the_code_beside_it(
    written: Deployment, images: list[Path], expected: list[Prediction], tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, written.folder, *images],
        cwd=tmp_path, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    code, table = done.stdout.splitlines()
    assert code == str(written.folder / "code" / "gingham" / "__init__.py")
    assert_same(json.loads(table), expected)


def test_what_its_readme_says_is_so(
    written: Deployment, images: list[Path], expected: list[Prediction], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(written.folder, tmp_path / "copy"))
    shutil.copy(images[0], folder / "photo.jpg")
    text = (folder / "README.md").read_text()
    assert written.command.partition("&& ")[2] in text
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", block],
        cwd=folder, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert expected[0].label is not None
    assert expected[0].label in done.stdout
    names = re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
    assert {"MLmodel", "code/gingham"} <= set(names)
    for name in names:
        assert (folder / name).exists(), name


def test_served_it_answers_as_the_predictor_does(served: str, images: list[Path], expected: list[Prediction]) -> None:
    rows = [[base64.b64encode(image.read_bytes()).decode()] for image in images]
    told = invoke(served, json.dumps({"dataframe_split": {"columns": ["image"], "data": rows}}).encode())
    assert_same(told, expected)


def test_the_example_that_lies_in_the_folder_is_answered(served: str, written: Deployment) -> None:
    (answer,) = invoke(served, (written.folder / "serving_input_example.json").read_bytes())
    assert set(answer["probabilities"]) == set(written.labels)


def invoke(address: str, body: bytes) -> list[dict[str, Any]]:
    request = urllib.request.Request(f"{address}/invocations", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return list(json.loads(answer.read())["predictions"])


def test_without_mlflow_it_says_how_to_install_it(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    from gingham.errors import UnavailableError

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "mlflow" else real(name))
    with pytest.raises(UnavailableError, match="pip install mlflow"):
        deploy("mlflow", model, tmp_path / "out")
    assert not (tmp_path / "out").exists()
