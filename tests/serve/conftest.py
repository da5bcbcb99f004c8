"""One model file for all tests of the service, and one service for all that do it no harm."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gingham.export import Predictor
from tests.serve.exchange import Asker
from tests.serve.page import opened, pictures  # noqa: F401  (fixtures of the tests of the page)
from tests.serve.process import ServiceProcess
from tests.serve.running import running


@pytest.fixture(scope="session")
def model(untouched_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model file of a finished run, ``model.onnx``; to be copied, never changed."""
    (found,) = untouched_run.glob("runs/*/model.onnx")
    return Path(shutil.copy(found, tmp_path_factory.mktemp("model") / "model.onnx"))


@pytest.fixture(scope="session")
def predictor(model: Path) -> Predictor:
    """The same model in this process, computed as the service computes it."""
    return Predictor(model)


@pytest.fixture(scope="session")
def service(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A service as it is by default; at the end it must stop in good order, with no bug in its log."""
    with running(model, tmp_path_factory.mktemp("service")) as process:
        yield process


@pytest.fixture
def ask(service: ServiceProcess) -> Asker:
    """Send a request to that service and read the answer."""
    return Asker(service.port)
