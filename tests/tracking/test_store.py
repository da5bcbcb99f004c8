from __future__ import annotations

import datetime
import errno
import itertools
import json
import os
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gingham.errors import UnavailableError, UsageError
from gingham.tracking import RunRecord, RunStore
from gingham.tracking.record import RUN_ID

Publish = Callable[..., RunRecord]


def names(store: RunStore) -> list[str]:
    return [run.run_id for run in store.list().runs]


def test_a_published_run_is_found_as_it_was(store: RunStore, publish: Publish) -> None:
    record = publish()
    assert RUN_ID.fullmatch(record.run_id)
    assert record.run_id.startswith("20261124-120000-")
    assert record.files == ("figures/roc.png", "report.html", "run.json")
    assert store.get(record.run_id) == record
    assert (store.folder(record.run_id) / "report.html").read_text() == "<p>fine</p>"
    (summary,) = store.list().runs
    assert (summary.run_id, summary.dataset, summary.images) == (record.run_id, "textures", 428)
    assert (summary.accuracy, summary.accuracy_ci, summary.seconds) == (0.93, (0.87, 0.97), 4.4)
    assert list(store.staging_dir.iterdir()) == []


def test_a_project_without_runs(store: RunStore, tmp_path: Path) -> None:
    assert store.list().runs == ()
    assert store.latest_finished("p1", "d1") is None
    assert list(tmp_path.iterdir()) == [], "looking makes nothing"


def test_the_list_is_newest_first_and_can_be_narrowed(store: RunStore, publish: Publish) -> None:
    first = publish(0)
    failed = publish(1, status="failed", error="disk full", metrics={})
    last = publish(2)
    # Microseconds, written or not, do not upset the order.
    tiny = publish(2, created=last.created + datetime.timedelta(microseconds=1))
    assert names(store) == [tiny.run_id, last.run_id, failed.run_id, first.run_id]
    assert [run.run_id for run in store.list(status="failed").runs] == [failed.run_id]
    assert [run.run_id for run in store.list(limit=1).runs] == [tiny.run_id]


def test_what_is_not_published_leaves_nothing(store: RunStore) -> None:
    def stop_halfway() -> None:
        with store.stage() as staged:
            (staged.path / "report.html").write_text("half")
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        stop_halfway()
    assert list(store.staging_dir.iterdir()) == []
    assert list(store.runs_dir.iterdir()) == []


def test_a_run_is_never_published_over_another(
    store: RunStore, publish: Publish, make_record: Publish, tmp_path: Path
) -> None:
    record = publish()
    (tmp_path / "other").mkdir()
    with pytest.raises(UsageError, match="there already"):
        store.publish(tmp_path / "other", make_record(record.run_id))
    assert store.get(record.run_id) == record


def test_everything_is_on_the_disk_before_it_has_its_name(
    store: RunStore, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    sync, rename = os.fsync, os.rename

    def noting_sync(descriptor: int) -> None:
        steps.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        sync(descriptor)

    def noting_rename(source: Path, target: Path) -> None:
        if RUN_ID.fullmatch(Path(target).name):
            steps.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", noting_sync)
    monkeypatch.setattr(os, "rename", noting_rename)
    record = publish()
    moment = steps.index("rename")
    assert set(steps[:moment]) == {"run.json", "report.html", "figures", "roc.png", record.run_id}
    assert "runs" in steps[moment:]


KILLED_AT_EVERY_WRITE = """
import os, signal, sys
from pathlib import Path
import filelock, sqlite3
from gingham.tracking import RunRecord, RunStore

template, base = RunRecord.from_json(sys.stdin.read()), Path(sys.argv[1])

def publish_one(project):
    store = RunStore(project / "runs", project / ".gingham" / "runs.sqlite")
    with store.stage(template.created) as staged:
        for name in ("report.html", "predictions.csv", "model.onnx"):
            (staged.path / name).write_bytes(b"whole")
        store.publish(staged.path, template.model_copy(update={"run_id": staged.run_id}))

for moment in range(1, 1000):
    project = base / f"{moment:03}"
    project.mkdir()
    child = os.fork()
    if child == 0:
        seen = 0
        def kill(event, arguments):
            global seen
            writes = event == "open" and (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if writes or event in ("os.rename", "os.mkdir", "os.rmdir", "os.remove", "sqlite3.connect"):
                seen += 1
                if seen == moment:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(kill)
        publish_one(project)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        sys.exit(0)
sys.exit("never got through")
"""


def test_kill_9_at_every_write_leaves_the_whole_run_or_none(
    make_record: Callable[..., RunRecord], tmp_path: Path
) -> None:
    subprocess.run(
        [sys.executable, "-c", KILLED_AT_EVERY_WRITE, str(tmp_path)],
        input=make_record().to_json(), encoding="utf-8", check=True, timeout=120,
    )  # fmt: skip
    projects = sorted(tmp_path.iterdir())
    assert len(projects) > 12, "the last one lived, each of the others died at another write"
    outcomes = set()
    for project in projects:
        store = RunStore(project / "runs", project / ".gingham" / "runs.sqlite")
        runs = [path for path in store.runs_dir.glob("*") if not path.name.startswith(".")]
        for run in runs:
            assert {path.name for path in run.iterdir()} == {
                "run.json", "report.html", "predictions.csv", "model.onnx",
            }  # fmt: skip
            assert all((run / name).read_bytes() == b"whole" for name in ("report.html", "model.onnx"))
        assert names(store) == [run.name for run in runs]
        assert store.list().warnings == ()
        with store.stage() as staged:
            assert {path.name for path in store.staging_dir.iterdir() if RUN_ID.match(path.name)} == {
                staged.run_id,
                f"{staged.run_id}.lock",
            }, "the leftovers are gone"
        outcomes.add(len(runs))
    assert outcomes == {0, 1}


def test_cleaning_spares_what_a_living_process_holds(store: RunStore, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from gingham.tracking import RunStore\n"
        "with RunStore(Path(sys.argv[1]), Path(sys.argv[2])).stage() as staged:\n"
        "    (staged.path / 'half').write_text('x'); print(staged.run_id, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, store.runs_dir, store.index_path],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        run_id = other.stdout.readline().strip()
        assert store.clean_leftovers() == ()
        assert (store.staging_dir / run_id / "half").exists()
        other.kill()
    assert store.clean_leftovers() == (run_id,)
    assert list(store.staging_dir.iterdir()) == []


def test_names_are_unique_when_many_are_drawn_at_once(
    store: RunStore, noon: datetime.datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Four candidates for four threads: they must keep running into each other's.
    candidates, real = itertools.cycle(["0000", "0001", "0002", "0003"]), secrets.token_hex
    monkeypatch.setattr(secrets, "token_hex", lambda size: next(candidates) if size == 2 else real(size))
    barrier = threading.Barrier(4, timeout=20)

    def stage(_: int) -> str:
        barrier.wait()
        with store.stage(noon) as staged:
            barrier.wait()
            return staged.run_id

    with ThreadPoolExecutor(4) as pool:
        drawn = sorted(pool.map(stage, range(4)))
    assert drawn == [f"20261124-120000-000{digit}" for digit in range(4)]


def test_a_name_that_is_published_after_it_was_drawn_is_not_used(
    store: RunStore, publish: Publish, noon: datetime.datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, free = publish().run_id, "20261124-120000-0b0b"
    drawn = iter([taken, free])
    monkeypatch.setattr(store, "new_run_id", lambda now: next(drawn))
    with store.stage(noon) as staged:
        assert staged.run_id == free
        assert {path.name for path in store.staging_dir.iterdir()} == {free, f"{free}.lock"}


def test_a_name_that_a_run_has_is_not_drawn_again(
    store: RunStore, publish: Publish, noon: datetime.datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = publish().run_id
    tokens = iter([taken[-4:], taken[-4:], "0b0b"])
    monkeypatch.setattr(secrets, "token_hex", lambda size: next(tokens))
    assert store.new_run_id(noon) == "20261124-120000-0b0b"


def test_staging_moves_into_runs_where_a_rename_cannot_cross(
    store: RunStore, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = os.rename

    def rename_within(source: Path, target: Path) -> None:
        if store.staging_dir in Path(source).parents:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        rename(source, target)

    monkeypatch.setattr(os, "rename", rename_within)
    record = publish()
    assert names(store) == [record.run_id]
    assert store.list().warnings == ()


@pytest.mark.parametrize(
    ("asked", "error", "sentence"),
    [
        pytest.param("20261124-12", UsageError, "2 runs begin with `20261124-12`: .*Type more", id="ambiguous"),
        pytest.param("2026112", UsageError, "3 runs begin", id="ambiguous, shorter"),
        pytest.param("20251124-120000-0000", UnavailableError, "Did you mean `2026.*gingham runs list", id="near"),
        pytest.param("xyz", UnavailableError, "no run `xyz`.*gingham runs list", id="unknown"),
        pytest.param("", UnavailableError, "gingham runs list", id="empty"),
        pytest.param("../runs", UnavailableError, "gingham runs list", id="a path"),
    ],
)
def test_asking_for_a_run_that_is_not_there(
    store: RunStore, publish: Publish, asked: str, error: type[Exception], sentence: str
) -> None:
    publish(0)
    publish(1)
    publish(-24 * 60)
    with pytest.raises(error, match=sentence):
        store.get(asked)


def test_asking_where_there_are_none(store: RunStore) -> None:
    for asked in ("latest", "2026"):
        with pytest.raises(UnavailableError, match="gingham run"):
            store.get(asked)


def test_a_run_is_found_by_the_beginning_of_its_name_and_as_the_latest(store: RunStore, publish: Publish) -> None:
    first, second = publish(0), publish(1)
    publish(2, status="failed", error="stopped")
    assert store.get(first.run_id[:13]) == first
    assert store.get("latest") == second, "the latest that finished"


def test_a_broken_run_says_so_when_asked_for(store: RunStore, publish: Publish) -> None:
    record = publish()
    (store.folder(record.run_id) / "run.json").write_text("{")
    with pytest.raises(UnavailableError, match="damaged"):
        store.get(record.run_id)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        pytest.param({}, True, id="same"),
        pytest.param({"fingerprints": {"parameters": "p2", "data": "d1"}}, False, id="other parameters"),
        pytest.param({"fingerprints": {"parameters": "p1", "data": "d2"}}, False, id="other data"),
        pytest.param({"fingerprints": {}}, False, id="no fingerprints"),
        pytest.param({"status": "failed"}, False, id="failed"),
    ],
)
def test_nothing_has_changed(store: RunStore, publish: Publish, change: dict[str, object], found: bool) -> None:
    record = publish(0, **change)
    assert store.latest_finished("p1", "d1") == (record if found else None)


def test_a_run_with_a_file_missing_is_not_up_to_date(store: RunStore, publish: Publish) -> None:
    whole, thinned = publish(0), publish(1)
    assert store.latest_finished("p1", "d1") == thinned
    (store.folder(thinned.run_id) / "report.html").unlink()
    assert store.latest_finished("p1", "d1") == whole
    shutil.rmtree(store.folder(whole.run_id))
    assert store.latest_finished("p1", "d1") is None


def test_run_json_is_for_anyone_to_read(store: RunStore, publish: Publish) -> None:
    record = publish()
    assert json.loads((store.folder(record.run_id) / "run.json").read_text())["metrics"]["accuracy"] == 0.93
