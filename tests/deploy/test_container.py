"""What a builder and a container would do with a Dockerfile, in a virtual environment instead of an image."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gingham.deploy import Deployment, Kind
from gingham.export import Predictor
from tests.deploy.dockerfile import Dockerfile
from tests.textures import texture_bytes

TOKEN = "a-token-for-tests-only"
NOT_TO_SERVE = {"torch", "torchvision", "timm", "sklearn", "scipy", "matplotlib", "mlflow", "onnxruntime", "pandas"}
LARGEST = 550
"""Megabytes of the packages, pip included."""


class Container:
    """A virtual environment made by the steps of a Dockerfile, and the folder that they were made in."""

    def __init__(self, folder: Path, context: Path) -> None:
        self.dockerfile = Dockerfile(context / "Dockerfile")
        self.work = folder / "work"
        self.work.mkdir()
        self.venv = folder / "venv"
        subprocess.run([sys.executable, "-m", "venv", self.venv], check=True, timeout=120)
        self.path = f"{self.venv / 'bin'}:/usr/bin:/bin"
        outside = {
            name: value for name, value in os.environ.items() if name.startswith("PIP_") or "proxy" in name.lower()
        }
        for name, argument in self.dockerfile.instructions:
            if name == "COPY":
                _, source, _ = shlex.split(argument)
                (self.work / source).write_bytes((context / source).read_bytes())
            if name == "RUN":
                environment = {**outside, "PATH": self.path, "HOME": os.environ.get("HOME", "/")}
                done = subprocess.run(
                    ["sh", "-ec", argument], cwd=self.work, env=environment, capture_output=True, text=True, timeout=280
                )
                assert done.returncode == 0, done.stdout + done.stderr

    def environment(self, **variables: str) -> dict[str, str]:
        """What a process in the container sees."""
        return {"PATH": self.path, **self.dockerfile.environment, **variables}

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the container."""
        return subprocess.run(
            [self.venv / "bin" / command[0], *command[1:]],
            cwd=self.work,
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            timeout=120,
        )

    @contextmanager
    def started(self, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run what the image runs."""
        command, *arguments = self.dockerfile.command
        process = subprocess.Popen(
            [self.venv / "bin" / command, *arguments],
            cwd=self.work,
            env=self.environment(**variables),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def container(deployed: Mapping[Kind, Deployment], tmp_path_factory: pytest.TempPathFactory) -> Container:
    return Container(tmp_path_factory.mktemp("container"), deployed["docker"].folder)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(texture_bytes("dots", 99))
    return path


def ask(url: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
    request = urllib.request.Request(url, body, {name.replace("_", "-"): value for name, value in headers.items()})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.status, json.loads(answer.read())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_what_training_needs_is_not_there_and_it_is_small(container: Container) -> None:
    (packages,) = container.venv.glob("lib/python*/site-packages")
    assert not NOT_TO_SERVE & {path.name for path in packages.iterdir()}
    megabytes = sum(path.stat().st_size for path in container.venv.rglob("*") if not path.is_symlink()) / 1e6
    print(f"{megabytes:.0f} MB")  # noqa: T201
    assert megabytes < LARGEST


def test_what_the_libraries_link_to_is_in_the_base_image(container: Container) -> None:
    in_slim = {"libc", "libm", "libdl", "librt", "libpthread", "libgcc_s", "libstdc++", "libz", "ld-linux-x86-64"}
    in_slim |= {"ld-linux-aarch64"}
    elsewhere: dict[str, str] = {}
    for library in container.venv.rglob("*.so*"):
        if library.is_symlink() or "gpu" in library.name:  # OpenVINO loads what is for a GPU where there is one
            continue
        linked = subprocess.run(["ldd", library], capture_output=True, text=True, timeout=60).stdout
        for name, path in re.findall(r"^\s*(\S+) => (.*?)(?: \(0x|$)", linked, flags=re.MULTILINE):
            if not path.startswith(str(container.venv)) and re.split(r"\.so", name)[0] not in in_slim:
                elsewhere[name] = str(library)
    assert elsewhere == {}


def test_it_predicts_as_this_machine_does(container: Container, model: Path, photo: Path) -> None:
    done = container.run("gingham", "predict", "model.onnx", str(photo), "--json")
    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)["predictions"]
    (here,) = Predictor(model).predict(photo)
    assert told["label"] == here.label
    assert told["probabilities"] == pytest.approx(here.probabilities, abs=1e-6)


def test_a_photo_that_cannot_be_read_is_told_there_too(container: Container, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"broken")
    done = container.run("gingham", "predict", "model.onnx", str(tmp_path / "broken.jpg"), "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["predictions"][0]["error"].startswith("not_an_image")


def test_its_command_answers_is_well_and_ends_in_good_order(container: Container, model: Path, photo: Path) -> None:
    port = str(free_port())
    given = {"GINGHAM_SERVICE__PORT": port, "GINGHAM_SERVICE__TOKEN": TOKEN}
    unwell = container.run(*container.dockerfile.healthcheck, **given)
    assert unwell.returncode != 0
    with container.started(**given) as process:
        deadline = time.monotonic() + 60
        while container.run(*container.dockerfile.healthcheck, **given).returncode:
            assert process.poll() is None
            assert time.monotonic() < deadline
        assert ask(f"http://127.0.0.1:{port}/health/ready")[0] == 200
        status, told = ask(
            f"http://127.0.0.1:{port}/predict",
            photo.read_bytes(),
            Content_Type="image/jpeg",
            Authorization=f"Bearer {TOKEN}",
        )
        assert status == 200
        (here,) = Predictor(model).predict(photo)
        assert told["predictions"][0]["probabilities"] == pytest.approx(here.probabilities, abs=1e-6)
        process.terminate()
        assert process.wait(30) == 0


def test_without_a_token_it_says_which_variable_is_missing(container: Container) -> None:
    done = container.run(*container.dockerfile.command, GINGHAM_SERVICE__PORT="0")
    assert done.returncode == 2
    assert "GINGHAM_SERVICE__TOKEN" in done.stderr


def test_an_ordinary_installation_makes_the_same_wheel(container: Container) -> None:
    code = "import sys; from gingham.deploy.wheel import installed_wheel as w; sys.stdout.buffer.write(w().content)"
    made = subprocess.run(
        [container.venv / "bin" / "python", "-c", code], cwd=container.work, capture_output=True, timeout=60
    )
    (wheel,) = container.work.glob("*.whl")
    assert made.stdout == wheel.read_bytes(), made.stderr
