"""The REST service: against the engine alone, against LitServe and MLflow, at light load, and from cold.

Everything is measured in rounds, side by side, and medians are told. The clients are a process on the same machine, so
what they cost is taken from every server alike.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import numpy as np

from gingham.export import Predictor, load
from gingham.images import network_input

ROUNDS = 5
CLIENTS = 16
REQUESTS = 480
TURNS, TOGETHER, WARM_TURNS = 150, 10, 5
PYTHON = sys.executable
GINGHAM = [PYTHON, "-m", "gingham"]


def main(photos: Path) -> dict[str, Any]:
    """Measure and return the figures.

    Parameters
    ----------
    photos : Path
        Holds clothing/, 2,147 photos.
    """
    root = photos / "clothing"
    with tempfile.TemporaryDirectory() as folder:
        models = {size: _trained(root, Path(folder), size) for size in (224, 448)}
        figures: dict[str, Any] = {
            "throughput": [
                _throughput(root, models[224], "bf16"),
                _throughput(root, models[224], "f32"),
                _throughput(root, models[448], "bf16"),
            ],
            "others": _others(root, models[224], Path(folder)),
            "light": _light(root, models[224]),
            "cold_start": _cold_start(models[224]),
        }
    return figures


def _trained(root: Path, folder: Path, size: int) -> Path:
    run = [*GINGHAM, "run", str(root), "--project", str(folder / str(size)), "--features.resolution", str(size)]
    done = subprocess.run([*run, "--json", "--quiet"], check=True, capture_output=True, text=True)
    model = folder / str(size) / json.loads(done.stdout)["model"]
    return model.rename(folder / f"model{size}.onnx")


def _throughput(root: Path, model: Path, precision: str) -> dict[str, Any]:
    """Images a second: engine alone, decoding and engine without a service, the service."""
    predictor = load(model, precision)
    paths = sorted(root.glob("*/*.jpg"))[::10]
    squares = np.stack([network_input(path.read_bytes(), predictor.info.recipe) for path in paths])
    rates: dict[str, list[float]] = {"engine": [], "files": [], "service": []}
    with _gingham(model, "--precision", precision) as url:
        _load(url, root, "raw", CLIENTS, 64)
        for _ in range(ROUNDS):
            rates["engine"].append(_rate(lambda: predictor.run(squares), len(paths)))
            rates["files"].append(_rate(lambda: predictor.predict(paths), len(paths)))
            rates["service"].append(_load(url, root, "raw", CLIENTS, REQUESTS)["rate"])
    figures = {name: statistics.median(values) for name, values in rates.items()}
    return {
        "resolution": predictor.info.resolution,
        "precision": predictor.precision,
        **figures,
        "share_of_engine": figures["service"] / figures["engine"],
        "share_of_files": figures["service"] / figures["files"],
    }


def _others(root: Path, model: Path, folder: Path) -> dict[str, float]:
    """Images a second by `gingham serve` and by the others, one after the other in each round."""
    port = _free_port()
    deploy = [*GINGHAM, "deploy", "mlflow", str(model), "-o", str(folder / "mlflow")]
    subprocess.run(deploy, check=True, capture_output=True)
    mlflow = [PYTHON, "-m", "mlflow", "models", "serve", "-m", str(folder / "mlflow"), "--env-manager", "local"]
    lit = [PYTHON, "-m", "benchmarks.litserve_server"]
    servers: dict[str, tuple[list[str], int, str, str]] = {
        "litserve_onnxruntime": ([*lit, str(port), str(model), "onnxruntime"], port, "litserve", "/health"),
        "litserve_gingham": ([*lit, str(port + 1), str(model), "gingham"], port + 1, "litserve", "/health"),
        "mlflow": ([*mlflow, "-p", str(port + 2)], port + 2, "mlflow", "/ping"),
    }
    rates: dict[str, list[float]] = {name: [] for name in ("gingham", *servers)}
    with contextlib.ExitStack() as running:
        urls = {"gingham": (running.enter_context(_gingham(model)), "raw")}
        for name, (command, at, kind, health) in servers.items():
            urls[name] = (running.enter_context(_process(command, at, health)), kind)
        for url, kind in urls.values():
            _load(url, root, kind, CLIENTS, 64)
        for _ in range(ROUNDS):
            for name, (url, kind) in urls.items():
                rates[name].append(_load(url, root, kind, CLIENTS, REQUESTS // 2)["rate"])
    return {name: statistics.median(values) for name, values in rates.items()}


def _light(root: Path, model: Path) -> dict[str, float]:
    """Seconds of a request when there is no other, and of decoding and computing alone, a few of each in turn.

    The client is a plain socket that waits: what an event loop in it takes is not the service's.
    """
    predictor = load(model)
    files = [path.read_bytes() for path in sorted(root.glob("*/*.jpg"))[::10]]
    seconds: dict[str, list[float]] = {"alone": [], "request": []}
    with _gingham(model) as url, _connected(url) as (connection, head):
        for turn in range(-WARM_TURNS, TURNS):
            some = [files[(turn * TOGETHER + place) % len(files)] for place in range(TOGETHER)]
            alone = [_one(predictor, data) for data in some]
            asked = [_ask(connection, head, data) for data in some]
            if turn >= 0:
                seconds["alone"] += alone
                seconds["request"] += asked
    figures: dict[str, float] = {}
    for name, values in seconds.items():
        values.sort()
        figures |= {f"{name}_p50": values[len(values) // 2], f"{name}_p99": values[int(0.99 * len(values))]}
    return figures


def _cold_start(model: Path) -> float:
    """Seconds from the start of the process until it is ready."""
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        with _gingham(model) as url, urlopen(f"{url}/health/ready"):
            seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def _one(predictor: Predictor, data: bytes) -> float:
    began = time.perf_counter()
    predictor.run(network_input(data, predictor.info.recipe)[None])
    return time.perf_counter() - began


def _ask(connection: socket.socket, head: bytes, data: bytes) -> float:
    began = time.perf_counter()
    connection.sendall(b"%s%d\r\n\r\n%s" % (head, len(data), data))
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(1 << 16)
    start, _, body = answer.partition(b"\r\n\r\n")
    length = int(start.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
    while len(body) < length:
        body += connection.recv(1 << 16)
    took = time.perf_counter() - began
    assert start.startswith(b"HTTP/1.1 200 "), answer
    return took


def _rate(work: Any, count: int) -> float:
    began = time.perf_counter()
    work()
    return count / (time.perf_counter() - began)


def _load(url: str, root: Path, kind: str, clients: int, requests: int) -> dict[str, Any]:
    ask = [PYTHON, "-m", "benchmarks.load", url, str(root), kind, str(clients), str(requests)]
    answer: dict[str, Any] = json.loads(subprocess.run(ask, check=True, capture_output=True, text=True).stdout)
    return answer


@contextlib.contextmanager
def _gingham(model: Path, *flags: str) -> Iterator[str]:
    command = [*GINGHAM, "serve", str(model), "--port", "0", "--json", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()


@contextlib.contextmanager
def _connected(url: str) -> Iterator[tuple[socket.socket, bytes]]:
    """Connect, and return the head of a request up to the number of bytes in its body."""
    address = urlsplit(url)
    head = f"POST /predict HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: image/jpeg\r\nContent-Length: "
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connection, head.encode()


@contextlib.contextmanager
def _process(command: list[str], port: int, health: str) -> Iterator[str]:
    """Start a server, wait until it answers, and end it with all that it started."""
    quiet = subprocess.DEVNULL
    # MLflow starts uvicorn by its name.
    variables = os.environ | {"PATH": f"{Path(PYTHON).parent}{os.pathsep}{os.environ['PATH']}"}
    with subprocess.Popen(command, stdout=quiet, stderr=quiet, env=variables, start_new_session=True) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            for _ in range(600):
                time.sleep(0.1)
                with contextlib.suppress(OSError), urlopen(url + health) as answer:
                    if answer.status == 200:
                        break
            else:
                raise TimeoutError(f"{command} does not answer")
            yield url
        finally:
            os.killpg(process.pid, 15)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
