"""Copy a run to MLflow, in a process of its own: whatever the tracking server does, the run does not wait for it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

from gingham.tracking.masking import mask_secrets, secrets_of
from gingham.tracking.record import RunRecord

__all__ = ["mirror_run"]

INSTALL = 'Install it with `pip install "gingham[mlflow]"`.'

# MLflow tries for minutes and reports its use to its makers, unless told otherwise. What the user set stays.
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0.5",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}


def mirror_run(
    record: RunRecord, run_dir: Path, tracking_uri: str, experiment: str, *, timeout: float = 30.0
) -> str | None:
    """Copy a published run to MLflow: parameters, metrics, tags, and the report, figures, tables and model.

    The same run is copied once: a second call finds it by its tag ``gingham.run_id``, and does nothing, or goes on
    where an interrupted copy stopped.

    Parameters
    ----------
    record : RunRecord
    run_dir : Path
        Where its files lie.
    tracking_uri : str
        A server (``http://…``), or a database (``sqlite:///…``, relative to the current folder).
    experiment : str
        Made where there is none.
    timeout : float
        Seconds after which the copy is broken off, included the start of MLflow (1–5 s) and, once,
        the making of a new database (5 s).

    Returns
    -------
    str or None
        What went wrong, in a sentence for the user and without secrets; None where all was copied.
    """
    about = f"Run {record.run_id} was not copied to MLflow at {mask_secrets(tracking_uri)}"
    if importlib.util.find_spec("mlflow") is None:
        return f"{about}: MLflow is not installed. {INSTALL}"
    request = {
        "record": record.to_dict(),
        "run_dir": str(run_dir.absolute()),
        "uri": tracking_uri,
        "experiment": experiment,
        "deadline": timeout,
    }
    try:
        # The request goes by stdin: arguments can be read by every user of the machine, and the URI may hold a
        # password. -P: a folder called mlflow in the user's current folder is not MLflow.
        child = subprocess.run(
            [sys.executable, "-P", "-m", "gingham.tracking.mlflow_writer"],
            input=json.dumps(request),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env={**ENVIRONMENT, **os.environ},
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as expired:
        arrived = _last_line(expired.stdout)
        so_far = f" Arrived so far: {arrived}." if arrived else ""
        return f"{about}: no end after {timeout:g} s.{so_far} The run itself is complete in {run_dir}."
    except OSError as error:
        return f"{about}: {error.strerror or error}. The run itself is complete in {run_dir}."
    if child.returncode == 0:
        return None
    problem = _last_line(child.stdout if child.returncode == PROBLEM_STATUS else child.stderr)
    return f"{about}: {_sentence(problem, tracking_uri)} The run itself is complete in {run_dir}."


PROBLEM_STATUS = 9  # the writer's last line of output says what went wrong


def _last_line(output: str | bytes | None) -> str:
    text = output.decode("utf-8", "replace") if isinstance(output, bytes) else output or ""
    return text.strip().rpartition("\n")[2]


def _sentence(problem: str, tracking_uri: str) -> str:
    text = mask_secrets(problem or "it ended without a word", _secrets(tracking_uri))
    return text[:400].rstrip(". ") + "."


def _secrets(tracking_uri: str) -> set[str]:
    """Return what must not be seen in a message."""
    environment = {os.environ.get(name, "") for name in ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")}
    return environment | secrets_of(tracking_uri)
