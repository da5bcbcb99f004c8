"""A service of a model file, started for a moment and asked over HTTP."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from gingham.config import Service
from gingham.errors import DataError, UnavailableError
from gingham.export.model_file import ModelInfo
from gingham.export.probes import Probe
from gingham.export.runtime import Outputs
from gingham.records import display_path

__all__ = ["ask_service", "running_service"]

SECONDS = 60


@contextmanager
def running_service(file: Path, precision: str = "auto", largest: int = 0) -> Iterator[str]:
    """Serve a model file on a free port of this machine; yields the address.

    Parameters
    ----------
    file : Path
    precision : {"auto", "bf16", "f32"}
    largest : int
        Bytes of the largest image that it is to take, where that is more than by default.

    Raises
    ------
    UnavailableError
        If the service does not start; with its own words.
    """
    # What a user has set for their own service, a token or a wider address, is not meant for this one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GINGHAM_")}
    command = [sys.executable, "-P", "-m", "gingham", "serve", str(file.absolute()), "--json", "--quiet"]
    place = [f"--project={file.parent}", "--host=127.0.0.1", "--port=0", "--workers=1"]
    limit = max(Service().max_body, math.ceil(largest / (1 << 20)))
    command += [*place, "--no-access-log", f"--precision={precision}", f"--max-body={limit}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        hung = threading.Timer(SECONDS, process.kill)
        try:
            assert process.stdout is not None
            hung.start()
            line = process.stdout.readline()
            hung.cancel()
            if b'"url"' not in line:
                process.terminate()
                said = process.communicate(timeout=SECONDS)[1].decode(errors="replace").strip()
                raise UnavailableError(f"The service that should prove the model file does not start. {said}")
            yield json.loads(line)["url"]
        finally:
            hung.cancel()
            process.terminate()
            try:
                process.communicate(timeout=SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def ask_service(file: Path, probes: Sequence[Probe], precision: str, *, info: ModelInfo) -> Outputs:
    """Return what a service of a model file answers for probes.

    Raises
    ------
    UnavailableError
        If the service does not start, or does not answer.
    DataError
        If it refuses a probe; names it.
    """
    with running_service(file, precision, max(len(probe.data) for probe in probes)) as url:
        answers = [_ask(url, probe) for probe in probes]
    probabilities = [[answer["probabilities"][label] for label in info.labels] for answer in answers]
    distances = None
    if info.outlier_limit is not None:
        scores = np.array([answer["outlier_score"] for answer in answers])
        distances = (info.outlier_limit * scores / (1 - scores)).astype(np.float32)
    return Outputs(
        np.array(probabilities, np.float32),
        np.empty((len(probes), 0), np.float32),  # a service keeps its scores to itself
        np.array([answer["features"] for answer in answers], np.float32),
        distances,
    )


def _ask(url: str, probe: Probe) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310  (an address of this machine)
        f"{url}/predict?return_features=true", probe.data, {"Content-Type": "application/octet-stream"}
    )
    try:
        with _OPENER.open(request, timeout=SECONDS) as response:
            (answer,) = json.load(response)["predictions"]
    except urllib.error.HTTPError as error:
        said = error.read().decode(errors="replace")[:500]
        raise DataError(f"{display_path(probe.name)}: the service refuses it ({error.code}): {said}") from error
    except OSError as error:
        raise UnavailableError(f"The service that should prove the model file does not answer: {error}.") from error
    return dict(answer)


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy stands before this machine
