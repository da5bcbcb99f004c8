"""From `gingham serve` to the first answer, and every way in which it cannot start."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.images import makers
from tests.serve.process import ServiceProcess, alive, children_of, within


def test_it_is_ready_soon(model: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    with ServiceProcess(model, tmp_path) as service:
        assert time.monotonic() - began < 10  # 3 on a machine of its own
        assert service.get("/health/ready")[0] == 200
        assert service.post(makers.jpeg())[0] == 200


def test_json_is_one_line(model: Path, tmp_path: Path) -> None:
    with ServiceProcess(model, tmp_path) as service:
        assert service.post(makers.jpeg())[0] == 200
        assert service.end() == 0
        assert service.process.stdout is not None
        assert service.process.stdout.read() == b""  # and one had been read
        assert all(json.loads(line)["event"] for line in service.log.splitlines())


def test_the_address_that_it_tells_can_be_asked(model: Path) -> None:
    command = [sys.executable, "-m", "gingham", "serve", str(model), "--port", "0", "--host", "0.0.0.0", "--json"]
    token = {"GINGHAM_SERVICE__TOKEN": "a-token-of-the-test"}
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=quiet, env={**os.environ, **token}) as process:
        try:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            assert url.startswith("http://127.0.0.1:")
            with urlopen(f"{url}/health/ready") as answer:
                assert answer.status == 200
            process.terminate()
            assert process.wait(20) == 0
        finally:
            process.kill()


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def missing(_: Path, folder: Path) -> list[str]:
    return [str(folder / "none.onnx")]


def foreign(_: Path, folder: Path) -> list[str]:
    (folder / "text.onnx").write_text("no model")
    return [str(folder / "text.onnx")]


def half(model: Path, folder: Path) -> list[str]:
    (folder / "half.onnx").write_bytes(model.read_bytes()[:100_000])
    return [str(folder / "half.onnx")]


def open_to_all(model: Path, _: Path) -> list[str]:
    return [str(model), "--host", "0.0.0.0"]


def elsewhere(model: Path, _: Path) -> list[str]:
    return [str(model), "--host", "203.0.113.7", "--token", "sixteen-characters-or-more"]


def unknown(model: Path, _: Path) -> list[str]:
    return [str(model), "--host", "no.such.host.invalid", "--token", "sixteen-characters-or-more"]


@pytest.mark.parametrize(
    ("arguments", "status", "word"),
    [
        (missing, 4, "none.onnx"),
        (foreign, 3, "text.onnx"),
        (half, 3, "half.onnx"),
        (open_to_all, 2, "token"),
        (elsewhere, 4, "203.0.113.7"),
        (unknown, 2, "no.such.host.invalid"),
    ],
)
def test_what_cannot_be_served_is_a_sentence(
    model: Path, tmp_path: Path, arguments: Callable[[Path, Path], list[str]], status: int, word: str
) -> None:
    refused(["--port", "0", *arguments(model, tmp_path)], status, word)


def test_windows_is_told_where_it_runs() -> None:
    code = (
        "import os, gingham.errors\n"
        "os.name = 'nt'\n"
        "try:\n"
        "    import gingham.serve\n"
        "except gingham.errors.UnavailableError as error:\n"
        "    print(error)\n"
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert "Run it in WSL" in told


def test_a_port_that_is_taken_is_a_sentence(model: Path, taken: int) -> None:
    refused([str(model), "--port", str(taken)], 4, str(taken))


def refused(arguments: list[str], status: int, word: str) -> None:
    """Run it, and see that it ends with one sentence and no process left."""
    command = [sys.executable, "-m", "gingham", "serve", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    children: set[int] = set()
    while process.poll() is None:
        children.update(children_of(process.pid))
        time.sleep(0.02)
    out, error = process.communicate()
    assert process.returncode == status
    assert out == ""
    assert len(error.splitlines()) == 1
    assert error.startswith("gingham: ")
    assert word in error
    assert within(5, lambda: not any(map(alive, children)))


@pytest.mark.parametrize("redirection", ["<&-", ">&-", "2>&-", "| true"])
def test_it_serves_whatever_its_streams_are(model: Path, tmp_path: Path, redirection: str) -> None:
    """Closed ones, and a reader that has gone."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    line = f'{{ echo $BASHPID > pid; exec "$@"; }} {redirection}'
    command = ["bash", "-c", line, "-", sys.executable, "-m", "gingham", "serve", str(model), "--port", str(port)]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    service = ServiceProcess.__new__(ServiceProcess)
    service.port = port

    def answers() -> bool:
        try:
            return service.get("/health/ready")[0] == 200
        except OSError:
            return False

    try:
        assert within(20, answers)
        for _ in range(2):
            assert service.post(makers.jpeg())[0] == 200
    finally:
        pid = int((tmp_path / "pid").read_text())
        children = children_of(pid)
        os.kill(pid, 15)
        process.wait(30)
        assert within(10, lambda: not any(map(alive, [pid, *children])))
