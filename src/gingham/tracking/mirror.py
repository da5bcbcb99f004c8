"""Copy a run to MLflow, in a process of its own: whatever the tracking server does, the run does not wait for it."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
from pathlib import Path

from gingham.errors import UnavailableError
from gingham.project.files import write_whole
from gingham.tracking.masking import MASK, mask_secrets, secrets_of
from gingham.tracking.mlflow_process import run_apart
from gingham.tracking.record import RunRecord

__all__ = ["mirror_run"]

INSTALL = 'Install it with `pip install "gingham[mlflow]"`.'


def mirror_run(
    record: RunRecord,
    run_dir: Path,
    tracking_uri: str,
    experiment: str,
    *,
    relative_to: Path | None = None,
    notes: Path | None = None,
    timeout: float = 30.0,
) -> str | None:
    """Copy a published run to MLflow: parameters, metrics, tags, and the report, figures, tables and model.

    The same run is copied once. Where a note says that it has been, nothing is started; else a second call finds it
    by its tag ``gingham.run_id``, and does nothing, or goes on where an interrupted copy stopped.

    Parameters
    ----------
    record : RunRecord
    run_dir : Path
        Where its files lie.
    tracking_uri : str
        A server (``http://…``), or a database (``sqlite:///…``).
    experiment : str
        Made where there is none.
    relative_to : Path, optional
        The folder in which a relative ``sqlite:///…`` lies; by default the current one.
    notes : Path, optional
        Folder for the notes on finished copies, a file a run; it may be deleted, and holds no secrets.
    timeout : float
        Seconds after which the copy is broken off, included the start of MLflow (1–5 s) and, once,
        the making of a new database (5 s).

    Returns
    -------
    str or None
        What went wrong, in a sentence for the user and without secrets; None where all was copied.
    """
    uri = _resolved(tracking_uri, relative_to or Path())
    place = _place(uri, experiment)
    note = notes / record.run_id if notes and place else None
    file = database_file(uri)
    deleted = file is not None and not Path(file).exists()  # and the copy with it
    if note and place in _lines(note) and not deleted:
        return None
    problem = _copy(record, run_dir, uri, experiment, timeout)
    if note and place and problem is None:
        with contextlib.suppress(UnavailableError):  # without a note, the next call asks MLflow
            write_whole(note, "".join(f"{line}\n" for line in sorted({*_lines(note), place})))
    return problem


def database_file(tracking_uri: str) -> str | None:
    """Return the file of an SQLite address as it stands there; None where it is no such address.

    >>> database_file("sqlite:///mlflow.db?timeout=5"), database_file("sqlite:////data/mlflow.db"), database_file("x://h")
    ('mlflow.db', '/data/mlflow.db', None)
    """
    scheme, _, place = tracking_uri.partition("://")
    return place.removeprefix("/").partition("?")[0] if scheme == "sqlite" else None


def _resolved(tracking_uri: str, folder: Path) -> str:
    file = database_file(tracking_uri)
    if not file or file == ":memory:":
        return tracking_uri
    return f"sqlite:///{folder.absolute() / file}{''.join(tracking_uri.partition('?')[1:])}"


def _place(uri: str, experiment: str) -> str | None:
    """Return the line by which a copy is noted; None where no note could be relied on."""
    shown = mask_secrets(uri)
    if MASK in shown.partition("?")[2]:  # what is masked may be all that tells one place from another
        return None
    return json.dumps([shown, experiment])


def _lines(note: Path) -> list[str]:
    try:
        return note.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def _copy(record: RunRecord, run_dir: Path, tracking_uri: str, experiment: str, timeout: float) -> str | None:
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
        child = run_apart("gingham.tracking.mlflow_writer", request, timeout)
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
