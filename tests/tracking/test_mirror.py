"""Against a real MLflow store and a real MLflow server on the loopback."""

from __future__ import annotations

import ast
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import gingham
from gingham.tracking import RunRecord, RunStore, mirror_run

MakeRecord = Callable[..., RunRecord]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def call(address: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        content = answer.read()
    return json.loads(content) if "json" in answer.headers["Content-Type"] else content


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An MLflow server that hands artifacts on, so that the client needs no access to where they lie."""
    folder = tmp_path_factory.mktemp("mlflow-server")
    port = free_port()
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
                "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--workers", "1",
                "--artifacts-destination", str(folder / "files"),
            ],
            cwd=folder, stdout=log, stderr=log, start_new_session=True,
            env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"},
        )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                call(f"{address}/health")
                break
            except (urllib.error.URLError, ConnectionError):
                assert process.poll() is None, (folder / "log.txt").read_text()
                time.sleep(0.2)
        else:
            pytest.fail((folder / "log.txt").read_text())
        yield address
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # on SIGTERM it takes ten seconds over its goodbyes
        process.wait()


EPOCH = ("train_loss", "validation_loss", "validation_error", "test_error")
SPEED = {"learning_rate": 5e-4, "images_per_second": 100.0, "seconds": 6.0}


@pytest.fixture
def published(store: RunStore, make_record: MakeRecord, noon: Any) -> tuple[RunRecord, Path]:
    """A run with everything that is hard to copy: names in any script, long values, numbers that are none."""
    names = ["dotted", "Leopard / big", "格子", "a:b%c", "x" * 300, "y" * 300, "under_score", "under:score"]
    with store.stage(noon) as staged:
        (staged.path / "figures").mkdir()
        (staged.path / "figures" / "roc.png").write_bytes(b"png")
        (staged.path / "figures" / "link.png").symlink_to("/etc/passwd")
        for name in ("report.html", "predictions.csv", "model.onnx", "notes.txt"):
            (staged.path / name).write_text(name)
        record = make_record(
            staged.run_id,
            metrics={
                "accuracy": 0.93,
                "accuracy_ci": [0.87, 0.97],
                "macro_auc": None,
                "confusion_matrix": [[1, 2], [3, 4]],
                "per_class_accuracy": {name: index / 10 for index, name in enumerate(names)},
            },
            parameters={
                "seed": 0,
                "svm": {"folds": 5, "c_grid": [0.1, 1.0], "class_weight": "balanced"},
                "splits": {"groups": None, "pattern": "z" * 9000},
                "features": dict.fromkeys(names, True),
                "tracking": {"uri": "http://ann:s3cret@127.0.0.1/"},
            },
            refinement={
                "depth": "last-3-stages",
                "device": "cpu",
                "precision": "bf16",
                "train": 90,
                "validation": 10,
                "trained_parameters": 1,
                "parameters": 2,
                "kept_epochs": (1, 2),
                "validation_error": 0.15,
                "epochs": [
                    dict.fromkeys(EPOCH, None) | {"epoch": 1 + i, "train_error": error} | SPEED
                    for i, error in enumerate((0.2, 0.1))
                ],
            },
        )
        record = store.publish(staged.path, record)
    return record, store.folder(record.run_id)


@pytest.mark.timeout(180)
def test_a_run_is_copied_to_a_server_once(server: str, published: tuple[RunRecord, Path]) -> None:
    record, folder = published
    environment = dict(os.environ)
    for _ in range(2):
        assert mirror_run(record, folder, server, "fabrics", timeout=60) is None
    assert dict(os.environ) == environment

    api = f"{server}/api/2.0/mlflow"
    experiment = call(f"{api}/experiments/get-by-name?experiment_name=fabrics")["experiment"]
    (run,) = call(f"{api}/runs/search", {"experiment_ids": [experiment["experiment_id"]]})["runs"]
    assert run["info"]["status"] == "FINISHED"
    assert run["info"]["run_name"] == record.run_id
    assert run["info"]["end_time"] - run["info"]["start_time"] == 4400

    metrics = {metric["key"]: metric["value"] for metric in run["data"]["metrics"]}
    assert metrics["accuracy"] == 0.93
    assert (metrics["accuracy_ci.low"], metrics["accuracy_ci.high"]) == (0.87, 0.97)
    assert metrics["per_class_accuracy.格子"] == 0.2
    assert metrics["svm.cv_accuracy.0.1"] == 0.9
    assert metrics["seconds.total"] == 4.4
    assert metrics["dataset.test"] == 107
    history = call(f"{api}/metrics/get-history?run_id={run['info']['run_id']}&metric_key=refinement.train_error")[
        "metrics"
    ]
    assert [(point["step"], point["value"]) for point in history] == [(1, 0.2), (2, 0.1)]
    assert "refinement.test_error" not in metrics
    assert metrics["refinement.validation_error"] == 0.15
    assert sum(key.startswith("per_class_accuracy.") for key in metrics) == 8, "no two names fell together"
    assert "macro_auc" not in metrics

    parameters = {parameter["key"]: parameter["value"] for parameter in run["data"]["params"]}
    assert parameters["svm.folds"] == "5"
    assert parameters["svm.c_grid"] == "[0.1, 1.0]"
    assert parameters["svm.class_weight"] == "balanced"
    assert parameters["splits.groups"] == "null"
    assert len(parameters["splits.pattern"]) == 6000
    assert sum(key.startswith("features.") for key in parameters) == 8
    assert "s3cret" not in json.dumps(run)

    tags = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}
    assert tags["gingham.run_id"] == record.run_id
    assert tags["gingham.fingerprint.parameters"] == "p1"
    assert tags["gingham.fingerprint.test"] == "t1"
    assert tags["gingham.versions.python"] == "3.11.7"

    def copied(path: str = "") -> set[str]:
        run_id = run["info"]["run_id"]
        files = call(f"{api}/artifacts/list?run_id={run_id}&path={path}")["files"]
        return {file["path"] for file in files if not file.get("is_dir")}

    assert copied() == {"report.html", "predictions.csv", "run.json", "model.onnx"}
    assert copied("figures") == {"figures/roc.png"}
    assert call(f"{server}/get-artifact?path=report.html&run_uuid={run['info']['run_id']}") == b"report.html"


@pytest.mark.timeout(180)
def test_an_interrupted_copy_to_a_database_is_finished_the_next_time(
    published: tuple[RunRecord, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, folder = published
    # What the user's current folder holds is not taken for a package, and nothing is written into it.
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "mlflow").mkdir(parents=True)
    (elsewhere / "mlflow" / "__init__.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(elsewhere)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    assert mirror_run(record, folder, uri, "fabrics", timeout=60) is None
    reports = list((tmp_path / "mlartifacts").rglob("report.html"))
    assert len(reports) == 1
    assert [path.name for path in elsewhere.iterdir()] == ["mlflow"]

    def rows(question: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection, connection:
            return connection.execute(question).fetchall()

    metrics = rows("SELECT key, value, timestamp, step FROM metrics ORDER BY key")
    reports[0].unlink()
    rows("UPDATE runs SET status = 'RUNNING'")
    assert mirror_run(record, folder, uri, "fabrics", timeout=60) is None
    assert rows("SELECT status FROM runs") == [("FINISHED",)]
    assert rows("SELECT key, value, timestamp, step FROM metrics ORDER BY key") == metrics
    assert reports[0].read_text() == "report.html"

    rows("UPDATE experiments SET lifecycle_stage = 'deleted' WHERE name = 'fabrics'")
    warning = mirror_run(record, folder, uri, "fabrics", timeout=60)
    assert warning is not None
    assert "mlflow experiments restore --experiment-id" in warning


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The requests to processes that are said to have copied a run, but were not started."""
    requests: list[dict[str, Any]] = []

    def start(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        requests.append(json.loads(options["input"]))
        return subprocess.CompletedProcess(command, 9 if "down" in requests[-1]["uri"] else 0, "no answer", "")

    monkeypatch.setattr(subprocess, "run", start)
    return requests


SERVER = "http://ann:s3cret@host/"


@pytest.mark.parametrize(
    ("first", "second", "starts"),
    [
        pytest.param((SERVER, "fabrics"), (SERVER, "fabrics"), 1, id="the same again"),
        pytest.param((SERVER, "fabrics"), ("http://ann:t0ken@host/", "fabrics"), 1, id="another password"),
        pytest.param((SERVER, "fabrics"), (SERVER, "leaves"), 2, id="another experiment"),
        pytest.param((SERVER, "fabrics"), ("http://other/", "fabrics"), 2, id="another server"),
        pytest.param(("http://down/", "fabrics"), ("http://down/", "fabrics"), 2, id="the first went wrong"),
        pytest.param(("x:///?d=s3cret", "fabrics"), ("x:///?d=s3cret", "fabrics"), 2, id="all of it masked"),
        pytest.param(("sqlite:///here.db", "fabrics"), ("sqlite:///here.db", "fabrics"), 1, id="database"),
        pytest.param(("sqlite:///gone.db", "fabrics"), ("sqlite:///gone.db", "fabrics"), 2, id="database deleted"),
    ],
)
def test_a_copy_that_is_noted_starts_no_process(
    make_record: MakeRecord,
    tmp_path: Path,
    started: list[dict[str, Any]],
    first: tuple[str, str],
    second: tuple[str, str],
    starts: int,
) -> None:
    (tmp_path / "here.db").touch()
    record, notes = make_record(), tmp_path / ".gingham" / "mirrored"
    for uri, experiment in (first, second):
        warning = mirror_run(record, tmp_path, uri, experiment, relative_to=tmp_path, notes=notes)
        assert (warning is not None) == ("down" in uri)
    assert len(started) == starts
    assert all("s3cret" not in file.read_text() for file in notes.glob("*"))
    other = make_record("20261124-130000-ab12")
    mirror_run(other, tmp_path, *first, relative_to=tmp_path, notes=notes)
    assert len(started) == starts + 1, "each run has a note of its own"


def no_note(notes: Path) -> None:
    (notes / "20261124-120000-ab12").unlink()


def damaged_note(notes: Path) -> None:
    (notes / "20261124-120000-ab12").write_bytes(b"\xff\n[")


def no_place_for_notes(notes: Path) -> None:
    no_note(notes)
    notes.rmdir()
    notes.touch()


@pytest.mark.parametrize("harm", [no_note, damaged_note, no_place_for_notes], ids=lambda harm: harm.__name__)
def test_without_a_note_mlflow_is_asked(
    make_record: MakeRecord, tmp_path: Path, started: list[dict[str, Any]], harm: Callable[[Path], None]
) -> None:
    notes = tmp_path / "mirrored"
    assert mirror_run(make_record(), tmp_path, SERVER, "fabrics", notes=notes) is None
    harm(notes)
    assert mirror_run(make_record(), tmp_path, SERVER, "fabrics", notes=notes) is None
    assert len(started) == 2


@pytest.mark.parametrize(
    ("uri", "resolved"),
    [
        pytest.param("sqlite:///x.db", "sqlite:///{project}/x.db", id="file"),
        pytest.param("sqlite:///a/x.db?timeout=5", "sqlite:///{project}/a/x.db?timeout=5", id="with a parameter"),
        pytest.param("sqlite:////data/x.db", "sqlite:////data/x.db", id="absolute"),
        pytest.param("sqlite:///:memory:", "sqlite:///:memory:", id="in memory"),
        pytest.param("sqlite://", "sqlite://", id="no file"),
        pytest.param("http://host/x", "http://host/x", id="server"),
    ],
)
def test_a_relative_database_lies_in_the_given_folder(
    make_record: MakeRecord, tmp_path: Path, started: list[dict[str, Any]], uri: str, resolved: str
) -> None:
    mirror_run(make_record(), tmp_path, uri, "fabrics", relative_to=tmp_path / "project")
    mirror_run(make_record(), tmp_path, uri, "fabrics")
    assert [request["uri"] for request in started] == [
        resolved.format(project=tmp_path / "project"),
        resolved.format(project=Path.cwd()),
    ]


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes every connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_server_that_never_answers_costs_a_warning_in_time(
    make_record: MakeRecord, tmp_path: Path, silent: int
) -> None:
    begun = time.monotonic()
    warning = mirror_run(make_record(), tmp_path, f"http://ann:s3cret@127.0.0.1:{silent}", "fabrics", timeout=3)
    assert time.monotonic() - begun < 6
    assert warning is not None
    assert "no end after 3 s" in warning
    assert str(tmp_path) in warning
    assert "s3cret" not in warning


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        pytest.param("http://ann:s3cret@127.0.0.1:{dead}", "no server answers there", id="dead port"),
        pytest.param("{tmp}/s3cret-less/mlruns", "sqlite:///mlflow.db", id="plain folder"),
        pytest.param("file://{tmp}/mlruns", "sqlite:///mlflow.db", id="plain folder as an address"),
        pytest.param("sqlite://", "Name a file", id="database in memory"),
        pytest.param("nosuch://ann:s3cret@host/x", "nosuch://***@host/x", id="unknown scheme"),
        pytest.param("http://[ann:s3cret@", "not copied", id="no address at all"),
    ],
)
def test_what_cannot_be_used_costs_a_warning(
    make_record: MakeRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    warning = mirror_run(make_record(), tmp_path, uri.format(dead=free_port(), tmp=tmp_path), "fabrics")
    assert warning is not None
    assert sentence in warning
    assert "ann:s3cret" not in warning
    assert "\n" not in warning
    assert list(tmp_path.iterdir()) == []


def test_without_mlflow_the_warning_says_how_to_get_it(
    make_record: MakeRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    warning = mirror_run(make_record(), tmp_path, "http://ann:s3cret@127.0.0.1:1", "fabrics")
    assert warning is not None
    assert 'pip install "gingham[mlflow]"' in warning
    assert "s3cret" not in warning


def test_a_part_of_mlflow_missing_is_told_apart(
    make_record: MakeRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sqlalchemy").mkdir()
    (tmp_path / "sqlalchemy" / "__init__.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'sqlalchemy'\", name='sqlalchemy')"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    warning = mirror_run(make_record(), tmp_path, f"sqlite:///{tmp_path}/mlflow.db", "fabrics")
    assert warning is not None
    assert "No module named 'sqlalchemy'" in warning
    assert 'pip install "gingham[mlflow]"' in warning


def test_mlflow_is_told_not_to_report_and_to_give_up_soon_but_the_user_decides(
    make_record: MakeRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "__init__.py").write_text(
        "import os\nraise ValueError({k: v for k, v in os.environ.items() if k.startswith(('MLFLOW_', 'DO_NOT'))})"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "s3cret")
    for name in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        monkeypatch.delenv(name, raising=False)
    warning = mirror_run(make_record(), tmp_path, "http://127.0.0.1:1", "fabrics")
    assert warning is not None
    assert "'MLFLOW_DISABLE_TELEMETRY': 'true'" in warning
    assert "'DO_NOT_TRACK': 'true'" in warning
    assert "'MLFLOW_HTTP_REQUEST_MAX_RETRIES': '1'" in warning
    assert "'MLFLOW_HTTP_REQUEST_TIMEOUT': '77'" in warning
    assert "s3cret" not in warning


def test_mlflow_is_imported_in_one_place_and_only_inside_functions() -> None:
    package = Path(gingham.__file__).parent
    importing: dict[str, bool] = {}
    for file in package.rglob("*.py"):
        tree = ast.parse(file.read_text())
        at_once = {id(node) for node in tree.body}
        for node in ast.walk(tree):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if any(module.partition(".")[0] == "mlflow" for module in modules):
                name = file.relative_to(package).as_posix()
                importing[name] = importing.get(name, False) or id(node) in at_once
    # The last is no module of ours but code that MLflow runs.
    assert importing == {
        "tracking/mlflow_writer.py": False,
        "tracking/pyfunc_writer.py": False,
        "tracking/pyfunc_model.py": True,
    }
