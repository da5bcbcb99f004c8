"""Write a model as MLflow's platforms take it, in a process of its own: MLflow changes the one that it runs in."""

from __future__ import annotations

import importlib.util
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gingham.errors import UnavailableError
from gingham.tracking.mlflow_process import run_apart

__all__ = ["CODE", "MODEL", "WRITTEN", "pyfunc_files"]

MODEL = "model.onnx"
CODE = Path(__file__).with_name("pyfunc_model.py")
WRITTEN = "written"
SECONDS = 600
NEEDED = ("mlflow", "pandas")
INSTALL = "This needs all of MLflow, more than the extra `mlflow` brings: pip install mlflow"
"""The extra `mlflow` is the lean one, which keeps a history and serves no models."""


def pyfunc_files(
    model: bytes, package: Mapping[str, bytes], requirements: Sequence[str], about: Mapping[str, Any]
) -> dict[str, bytes]:
    """Return the files of a folder that ``mlflow.pyfunc.load_model`` loads, by their paths in it.

    Parameters
    ----------
    model : bytes
        A model file.
    package : mapping of str to bytes
        The files of Gingham itself, ``gingham/…``.
    requirements : sequence of str
        What it needs, without MLflow.
    about : mapping
        JSON that MLflow shows beside the model.

    Raises
    ------
    UnavailableError
        If MLflow is not installed, or only its lean variant.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UnavailableError(f"An MLflow model is written by MLflow, and {missing[0]} is not installed. {INSTALL}")
    with tempfile.TemporaryDirectory(prefix="gingham-") as name:
        folder = Path(name)
        for path, content in {MODEL: model, CODE.name: CODE.read_bytes(), **package}.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        _write(folder, {"requirements": list(requirements), "about": dict(about)})
        written = folder / WRITTEN
        return {
            path.relative_to(written).as_posix(): path.read_bytes()
            for path in sorted(written.rglob("*"))
            if path.is_file()
        }


def _write(folder: Path, request: Mapping[str, Any]) -> None:
    # Names that are relative to the folder keep the paths of this machine out of what MLflow writes.
    try:
        child = run_apart("gingham.tracking.pyfunc_writer", request, SECONDS, folder)
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"MLflow did not write the model within {SECONDS} seconds.") from None
    if child.returncode:
        said = child.stderr.strip().rpartition("\n")[2]
        raise UnavailableError(f"MLflow could not write the model: {said}")
