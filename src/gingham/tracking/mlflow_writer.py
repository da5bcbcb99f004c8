"""The process that talks to MLflow: the one place that imports it. Started by `gingham.tracking.mirror` only.

Reads a request as JSON from stdin, and prints what has arrived, line by line; on a problem, the last line names it.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import re
import stat
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from gingham.tracking.mirror import INSTALL, PROBLEM_STATUS, database_file
from gingham.tracking.record import RunRecord

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

__all__ = ["artifacts", "main", "metrics", "parameters", "tags"]

RUN_ID_TAG = "gingham.run_id"
# MLflow's limits.
MAX_KEY = 250
MAX_PARAMETER = 6000
MAX_TAG = 5000
PARAMETERS_PER_CALL = 100
METRICS_PER_CALL = 1000

SINGLE_FILES = ("run.json", "report.html", "predictions.csv")
MODEL = "model.onnx"


class _ProblemError(Exception):
    """Something the user can mend; the message says how."""


def parameters(record: RunRecord) -> dict[str, str]:
    """Return the parameters with dotted names, as text within MLflow's limits."""
    leaves = _leaves(record.parameters)
    return _keyed((name, _shortened(_text(value), MAX_PARAMETER)) for name, value in leaves)


def metrics(record: RunRecord) -> dict[str, float]:
    """Return every number that came out of the run, with dotted names; intervals as ``….low`` and ``….high``."""
    blocks: dict[str, Any] = {
        **record.metrics,
        "seconds": record.seconds,
        "svm": record.svm.model_dump() if record.svm else {},
        "featurize": record.featurize.model_dump() if record.featurize else {},
        "dataset": {name: getattr(record.dataset, name) for name in ("images", "train", "test")},
    }
    if record.refinement:
        single = {"validation_error", "held_out_accuracy", "threshold", "coverage", "train", "validation"}
        blocks["refinement"] = record.refinement.model_dump(include=single)
    numbers = ((name, value) for name, value in _leaves(blocks) if isinstance(value, int | float))
    return _keyed((name, float(value)) for name, value in numbers if not isinstance(value, bool))


def curves(record: RunRecord) -> list[tuple[str, float, int]]:
    """Return what was measured after each epoch of a refinement: name, value and epoch."""
    return [
        (f"refinement.{name}", float(value), epoch.epoch)
        for epoch in (record.refinement.epochs if record.refinement else ())
        for name, value in epoch.model_dump(exclude={"epoch", "training"}).items()
        if value is not None
    ]


def tags(record: RunRecord) -> dict[str, str]:
    """Return what a run is found by: its name, fingerprints and versions."""
    words = {
        RUN_ID_TAG: record.run_id,
        "gingham.version": record.gingham_version,
        "gingham.dataset": record.dataset.name,
        "gingham.classifier": record.classifier,
        "gingham.backbone": record.backbone,
        "gingham.fingerprint.test": record.dataset.test_fingerprint,
        **{f"gingham.fingerprint.{name}": value for name, value in record.fingerprints.items()},
        **{f"gingham.versions.{name}": value for name, value in record.versions.items()},
        **({"gingham.error": record.error} if record.error else {}),
    }
    return _keyed((name, _shortened(value, MAX_TAG)) for name, value in words.items())


def artifacts(run_dir: Path) -> list[tuple[Path, str | None]]:
    """Return the files to copy and the folder each goes into; the model, the largest, last."""
    figures = sorted((run_dir / "figures").glob("*"))
    chosen = [*((run_dir / name, None) for name in SINGLE_FILES), *((figure, "figures") for figure in figures)]
    return [(path, folder) for path, folder in [*chosen, (run_dir / MODEL, None)] if _is_plain_file(path)]


def _is_plain_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)  # a link could lead out of the run
    except FileNotFoundError:
        return False


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, f"{name}.{key}" if name else str(key))
    elif name.endswith("_ci") and isinstance(value, list) and len(value) == 2:
        yield from ((f"{name}.low", value[0]), (f"{name}.high", value[1]))
    else:
        yield name, value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _keyed(items: Iterator[tuple[str, Any]]) -> dict[str, Any]:
    """Return the items under names that MLflow takes; a name that had to change ends in a digest of the whole."""
    keyed = {}
    for name, value in items:
        key = re.sub(r"[^\w.\- ]", "_", name)
        if key != name or len(key) > MAX_KEY:
            key = f"{key[: MAX_KEY - 9]}-{hashlib.blake2b(name.encode(), digest_size=4).hexdigest()}"
        keyed[key] = value
    return keyed


def main() -> int:
    """Carry out the request on stdin; return the exit status."""
    request = json.loads(sys.stdin.read())
    # Should the process that started this one be killed, this one still ends.
    watchdog = threading.Timer(request["deadline"] + 5, os._exit, (1,))
    watchdog.daemon = True
    watchdog.start()
    replies, sys.stdout = sys.stdout, sys.stderr  # MLflow prints addresses of its own
    try:
        record = RunRecord.model_validate(request["record"])
        for arrived in _copy(record, Path(request["run_dir"]), request["uri"], request["experiment"]):
            print(arrived, file=replies, flush=True)
    except Exception as error:  # the boundary of the process: whatever went wrong becomes its last line
        print(_explanation(error, request["uri"]), file=replies, flush=True)
        return PROBLEM_STATUS
    return 0


def _copy(record: RunRecord, run_dir: Path, uri: str, experiment: str) -> Iterator[str]:
    """Copy a run, yielding after each part what has arrived."""
    from mlflow.tracking import MlflowClient

    location = _beside_database(uri, experiment)
    client = MlflowClient(tracking_uri=uri)
    run = _find_or_create(client, _experiment_id(client, experiment, location), record)
    if run.info.status in ("FINISHED", "FAILED"):
        return
    _log_values(client, run.info.run_id, record)
    yield "parameters and metrics"
    files = artifacts(run_dir)
    for count, (path, folder) in enumerate(files, start=1):
        client.log_artifact(run.info.run_id, str(path), folder)
        yield f"parameters, metrics and {count} of {len(files)} files"
    status = "FINISHED" if record.status == "finished" else "FAILED"
    client.set_terminated(run.info.run_id, status, _milliseconds(record.finished))


def _experiment_id(client: MlflowClient, name: str, location: str | None) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except MlflowException:
            found = client.get_experiment_by_name(name)  # another process made it meanwhile
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        raise _ProblemError(
            f"the experiment `{name}` is deleted there. Give another with --tracking.experiment, "
            f"or type `mlflow experiments restore --experiment-id {found.experiment_id}`"
        )
    return str(found.experiment_id)


def _beside_database(uri: str, experiment: str) -> str | None:
    """Return a folder beside an SQLite file for its artifacts; MLflow would take the current folder."""
    file = database_file(uri)
    if file is None:
        return None
    if file in ("", ":memory:"):
        raise _ProblemError("a database in memory is gone at once. Name a file: `sqlite:///mlflow.db`")
    return (Path(file).absolute().parent / "mlartifacts" / quote(experiment, safe=" ")).as_uri()


def _find_or_create(client: MlflowClient, experiment_id: str, record: RunRecord) -> Run:
    found = client.search_runs([experiment_id], f"tags.`{RUN_ID_TAG}` = '{record.run_id}'", max_results=1)
    if found:
        return found[0]
    return client.create_run(experiment_id, _milliseconds(record.created), tags=tags(record), run_name=record.run_id)


def _log_values(client: MlflowClient, mlflow_run_id: str, record: RunRecord) -> None:
    from mlflow.entities import Metric, Param

    # The time is the record's, so that logging again after an interruption changes nothing.
    moment = _milliseconds(record.finished)
    numbers = [Metric(name, value, moment, 0) for name, value in metrics(record).items()]
    numbers += [Metric(name, value, moment, epoch) for name, value, epoch in curves(record)]
    for start in range(0, len(numbers), METRICS_PER_CALL):
        client.log_batch(mlflow_run_id, metrics=numbers[start : start + METRICS_PER_CALL])
    texts = [Param(name, value) for name, value in parameters(record).items()]
    for start in range(0, len(texts), PARAMETERS_PER_CALL):
        client.log_batch(mlflow_run_id, params=texts[start : start + PARAMETERS_PER_CALL])


def _milliseconds(time: datetime.datetime) -> int:
    return round(time.timestamp() * 1000)


def _explanation(error: Exception, uri: str) -> str:
    """Return one line for the user: what is wrong, and what to type."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, _ProblemError):
        return text
    if isinstance(error, ImportError):
        ours = error.name in ("mlflow", "sqlalchemy", "alembic")
        return f"{text}. {INSTALL if ours else f'Install the package that provides `{error.name}`'}"
    if urlsplit(uri).scheme in ("", "file"):
        return (
            "MLflow no longer writes to a plain folder. Give a database file, "
            'such as `--tracking.uri "sqlite:///mlflow.db"`, or the address of a server'
        )
    if _is_unreachable(error):
        return "no server answers there. Start it, or leave `tracking.uri` and MLFLOW_TRACKING_URI empty"
    return f"{type(error).__name__}: {text}"


def _is_unreachable(error: BaseException | None) -> bool:
    from requests.exceptions import ConnectionError as Unreachable
    from requests.exceptions import Timeout

    while error is not None:
        if isinstance(error, Unreachable | Timeout):
            return True
        error = error.__cause__ or error.__context__
    return False


if __name__ == "__main__":
    sys.exit(main())
