"""One model file, and one deployment of each kind that needs no MLflow, for all tests that do not change them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from gingham.deploy import Deployment, Kind, deploy


@pytest.fixture(scope="session")
def model(untouched_run: Path) -> Path:
    """The model file of a finished run; never changed."""
    (found,) = untouched_run.glob("runs/*/model.onnx")
    return found


@pytest.fixture(scope="session")
def deployed(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[Kind, Deployment]:
    """Deployments for containers, by kind; never changed."""
    folder = tmp_path_factory.mktemp("deployed")
    kinds: tuple[Kind, ...] = ("docker", "compose", "kubernetes")
    return {kind: deploy(kind, model, folder / kind) for kind in kinds}
