"""Killed, interrupted, doubled, out of room: what was finished stays, and the next run goes on from there."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from safetensors import safe_open

from gingham.tracking import RunRecord
from tests.textures import FULL, snapshot, start_process
from tests.workflow.server import Server, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="module")
def calm(untouched_project: Path, tmp_path_factory: pytest.TempPathFactory, server: Server) -> tuple[Path, float]:
    """A project with an undisturbed run, and the seconds that it took."""
    project = Path(shutil.copytree(untouched_project, tmp_path_factory.mktemp("calm") / "project"))
    status, seconds, output = server.run(project)
    assert status == 0, output
    return project, seconds


def check_whole(project: Path) -> int:
    """Read every file that has a final name; return the number of runs."""
    runs = [path for path in project.glob("runs/*") if not path.name.startswith(".")]
    for run in runs:
        record = RunRecord.from_json((run / "run.json").read_text())
        assert record.run_id == run.name
        found = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
        assert found == set(record.files)
        onnx.checker.check_model(onnx.load(run / "model.onnx"))
        assert (run / "report.html").read_text().rstrip().endswith("</html>")
        rows = (run / "predictions.csv").read_text().splitlines()
        assert len(rows) == 1 + record.dataset.images
        for figure in (run / "figures").iterdir():
            assert figure.read_bytes()[-8:-4] == b"IEND"
    for path in project.glob(".gingham/**/*"):
        if ".staging" in path.parts or "staging" in path.parts or path.name.startswith("."):
            continue
        if path.suffix == ".safetensors":
            with safe_open(path, framework="np") as file:
                assert all(np.isfinite(file.get_tensor(name)).all() for name in file.keys())  # noqa: SIM118
        elif path.suffix == ".json" or path.name == "lock.owner":
            json.loads(path.read_text())
    return len(runs)


def check_swept(project: Path) -> None:
    """Find nothing that a killed process left behind."""
    names = [path.relative_to(project).as_posix() for path in project.rglob("*")]
    assert [name for name in names if name.endswith(".partial") or ".probe" in name] == []
    assert [name for name in names if "staging/" in name] == []
    assert ".gingham/lock.owner" not in names


def let_probes_age(project: Path) -> None:
    """Make probing folders old enough not to be another process's."""
    for probe in project.rglob(".probe-*"):
        os.utime(probe, (0, 0))


def result_of(project: Path) -> tuple[Any, ...]:
    (path,) = project.glob("runs/*/run.json")
    record = RunRecord.from_json(path.read_text())
    predictions = (path.parent / "predictions.csv").read_bytes()
    return record.metrics, record.svm, record.dataset, predictions


PROJECTS, MOMENTS = (8, 10) if FULL else (1, 3)


@pytest.mark.timeout(900)
def test_kill_9_at_random_moments(
    untouched_project: Path, tmp_path: Path, server: Server, calm: tuple[Path, float]
) -> None:
    """Four kills to a project, each of which a later run goes on from; then it ends like an undisturbed one."""
    undisturbed, duration = calm
    expected = result_of(undisturbed)
    random = np.random.default_rng(2026)
    killed = 0
    for number in range(PROJECTS):
        project = Path(shutil.copytree(untouched_project, tmp_path / f"disturbed {number}"))
        for _ in range(8):
            moment = random.uniform(0, duration)
            status, _, output = server.run(project, signal.SIGKILL, moment)
            assert status in (0, -signal.SIGKILL), output
            if status == 0:
                duration = min(duration, moment)  # it was over by then: aim the next kills earlier
            killed += status != 0
            runs = check_whole(project)
            if runs:
                shutil.rmtree(project / "runs")
            if killed == 4 * (number + 1):
                break
        let_probes_age(project)
        status, _, output = server.run(project)
        assert status == 0, output
        assert check_whole(project) == 1
        check_swept(project)
        assert result_of(project) == expected
    assert killed == 4 * PROJECTS


def test_kill_9_before_each_file_gets_its_name(untouched_run: Path, project: Path, server: Server) -> None:
    """One kill after the other in one project, in the order of the writing, each at what the one before prevented."""
    operations = [
        r"os.rename .*\.gitignore$",
        r"os.rename .*lock\.owner",
        r"os.rename .*probe",
        r"os.rename .*key\.json",
        r"os.rename .*features/.*safetensors",
        r"os.rename .*heads/.*safetensors",
        r"os.rename .*predictions\.csv",
        r"os.rename .*roc\.png",
        r"os.rename .*report\.html",
        r"os.rename .*model\.onnx",
        r"open .*run\.json",
        r"os.rename .*/staging/[0-9a-f-]+ -> ",
        r"os.remove .*/staging/.*\.lock",  # while it sweeps what the one before left
    ]
    for operation in operations:
        status, _, output = server.run(project, kill_before=operation)
        assert status == -signal.SIGKILL, f"{operation} was not met: {output}"
        assert check_whole(project) == 0
    let_probes_age(project)
    status, _, output = server.run(project, kill_before=r"os.remove .*lock\.owner")  # the run is complete by then
    assert status == -signal.SIGKILL, output
    assert check_whole(project) == 1
    status, _, output = server.run(project)
    assert (status, json.loads(output)["up_to_date"]) == (0, True)
    check_swept(project)
    assert result_of(project) == result_of(untouched_run)


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_run_ends_soon_and_goes_on_later(
    kind: signal.Signals, project: Path, server: Server, calm: tuple[Path, float]
) -> None:
    undisturbed, duration = calm
    random = np.random.default_rng(kind)
    stopped = 0
    for _ in range(4 * MOMENTS):
        moment = (0.05 + 0.85 * (stopped + random.uniform()) / MOMENTS) * duration  # once in each part of the run
        status, seconds, output = server.run(project, kind, moment)
        assert status in (0, 130), output
        assert "Traceback" not in output
        if status == 130:
            stopped += 1
            assert "Stopped." in output
            assert seconds < 10  # on a quiet machine, a tenth of a second
        else:
            duration = min(duration, moment)  # it was over by then
            shutil.rmtree(project / "runs")
        check_whole(project)
        if stopped == MOMENTS:
            break
    assert stopped == MOMENTS
    let_probes_age(project)
    assert server.run(project)[0] == 0
    check_swept(project)
    assert result_of(project) == result_of(undisturbed)


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_a_real_process_is_interrupted(kind: signal.Signals, project: Path) -> None:
    with start_process("run", "--project", project, "--json") as process:
        wait_for(lambda: (project / ".gingham/lock.owner").exists())
        process.send_signal(kind)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err == "\nStopped. What was finished is kept; the same command goes on from there.\n"


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_the_second_of_two_runs_says_who_is_at_work(gingham: Any, project: Path) -> None:
    with start_process("run", "--project", project, "--json") as first:
        wait_for(lambda: (project / ".gingham/lock.owner").exists())
        first.send_signal(signal.SIGSTOP)
        try:
            refused = gingham("run", "--project", project)
            history = gingham("runs", "list", "--project", project, "--json")
        finally:
            first.send_signal(signal.SIGCONT)
        out, err = first.communicate(timeout=120)
    assert refused.status == 4
    assert f"process {first.pid} (gingham run, since" in refused.err
    assert history.json["runs"] == []
    assert first.returncode == 0, err
    again = gingham("run", "--project", project, "--json").json
    assert (again["up_to_date"], again["run_id"]) == (True, json.loads(out)["run_id"])


def test_leftovers_of_killed_runs_are_swept(gingham: Any, project: Path) -> None:
    for name in (".gingham/staging/20260101-000000-abcd/figures", "runs/.probe-0123456789abcdef"):
        (project / name).mkdir(parents=True)
    for name in (
        ".gingham/staging/20260101-000000-abcd/run.json",
        ".gingham/heads/.x.partial",
        ".gingham-0a1b2c3d.partial",
    ):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text("half")
    let_probes_age(project)
    assert gingham("run", "--project", project).status == 0
    check_swept(project)


# --- no room, no permission


def may_mount() -> bool:
    status = Path("/proc/self/status")
    if os.geteuid() != 0 or not status.exists():
        return False
    (capabilities,) = (line for line in status.read_text().splitlines() if line.startswith("CapEff"))
    return bool(int(capabilities.split()[1], 16) >> 21 & 1)


@contextlib.contextmanager
def mounted(place: Path, *options: str) -> Iterator[None]:
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", *options, str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize(
    ("most_bytes", "kept"),
    [
        pytest.param(60_000, 0, id="features do not fit"),
        pytest.param(1_000_000, 42, id="model does not fit"),
    ],
)
def test_a_file_that_may_not_grow_is_named_and_the_rest_is_kept(
    gingham: Any, project: Path, most_bytes: int, kept: int
) -> None:
    """What happens on a full disk, by the kernel's limit on a file's size."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        failed = gingham("run", "--project", project, "--json")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert failed.status == 4
    message = failed.json["error"]["message"]
    assert str(project / ".gingham") in message
    assert "File too large" in message
    assert check_whole(project) == 0
    check_swept(project)
    made = gingham("run", "--project", project, "--json").json
    assert made["featurize"]["from_cache"] == kept


if may_mount():  # elsewhere the test above has to do

    @pytest.mark.parametrize(
        ("kilobytes", "kept"),
        [
            pytest.param(100, 0, id="features do not fit"),
            pytest.param(3000, 42, id="model does not fit"),
        ],
    )
    def test_a_full_disk_is_named_and_the_rest_is_kept(
        gingham: Any, untouched_project: Path, tmp_path: Path, kilobytes: int, kept: int
    ) -> None:
        disk = tmp_path / "disk"
        images = untouched_project / "images/textures"
        with mounted(disk, "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs"):
            shutil.copy(untouched_project / "gingham.toml", disk)
            failed = gingham("run", images, "--project", disk, "--json")
            assert failed.status == 4
            message = failed.json["error"]["message"]
            assert str(disk) in message
            assert re.search("No space left|disk is full", message)
            assert check_whole(disk) == 0
            subprocess.run(["mount", "-o", "remount,size=100m", str(disk)], check=True)
            made = gingham("run", images, "--project", disk, "--json")
            assert made.status == 0
            assert made.json["featurize"]["from_cache"] == kept
            check_swept(disk)


@contextlib.contextmanager
def read_only(folder: Path, place: Path) -> Iterator[Path]:
    """Give a path under which a folder can be read only; as root, for whom permissions mean nothing, by a mount."""
    if may_mount():
        with mounted(place, "--bind", "-o", "ro", str(folder)):
            yield place
        return
    assert os.geteuid() != 0, "root needs the right to mount for this test"
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    for path in folders:
        path.chmod(0o555)
    try:
        yield folder
    finally:
        for path in folders:
            path.chmod(0o755)


@pytest.mark.parametrize("state", ["new", "finished"])
def test_a_read_only_project_is_refused_before_work(
    gingham: Any, project: Path, finished: Path, tmp_path: Path, state: str
) -> None:
    folder = project if state == "new" else finished
    before = snapshot(folder)
    with read_only(folder, tmp_path / "read-only") as place:
        refused = gingham("run", "--project", place, "--json", "--seed", "3")
        looked = gingham("runs", "list", "--project", place, "--json")
    assert refused.status == 4
    message = refused.json["error"]["message"]
    assert str(place) in message
    assert re.search("read-only|permission denied", message, re.IGNORECASE)
    assert snapshot(folder) == before
    assert (looked.status, len(looked.json["runs"])) == (0, state == "finished")
