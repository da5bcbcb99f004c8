"""A process of its own for whatever calls MLflow, which changes the process that it runs in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["run_apart"]

# MLflow tries for minutes and reports its use to its makers, unless told otherwise. What the user set stays.
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0.5",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}


def run_apart(
    module: str, request: Mapping[str, Any], timeout: float, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a module of this package in a process of its own, and return how it ended and what it said.

    Parameters
    ----------
    module : str
    request : mapping
        JSON, by standard input: arguments can be read by every user of the machine, and may hold a password.
    timeout : float
        Seconds.
    folder : Path, optional
        In which it runs; by default the current one.

    Raises
    ------
    subprocess.TimeoutExpired
    """
    return subprocess.run(
        [sys.executable, "-P", "-m", module],  # -P: a folder called mlflow beside the user is not MLflow
        cwd=folder,
        input=json.dumps(request),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env={**ENVIRONMENT, **os.environ},
        timeout=timeout,
        check=False,
    )
