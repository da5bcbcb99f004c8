from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gingham.tracking import RunRecord, RunStore, index

Publish = Callable[..., RunRecord]


def names(store: RunStore) -> list[str]:
    return [run.run_id for run in store.list().runs]


def index_files(store: RunStore) -> list[Path]:
    return [Path(f"{store.index_path}{suffix}") for suffix in ("", "-wal", "-shm")]


def delete(store: RunStore) -> None:
    for file in index_files(store):
        file.unlink(missing_ok=True)


def garbage(store: RunStore) -> None:
    delete(store)
    store.index_path.write_bytes(os.urandom(8192))


def damaged_page(store: RunStore) -> None:
    with closing(sqlite3.connect(store.index_path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(store.index_path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    store.index_path.write_bytes(content)


def cut(store: RunStore) -> None:
    content = store.index_path.read_bytes()
    delete(store)
    store.index_path.write_bytes(content[: len(content) // 2 + 100])


def other_version(store: RunStore) -> None:
    with closing(sqlite3.connect(store.index_path)) as connection:
        connection.executescript("DROP TABLE runs; CREATE TABLE runs (x); PRAGMA user_version = 7;")


@pytest.mark.parametrize("harm", [delete, garbage, damaged_page, cut, other_version], ids=lambda harm: harm.__name__)
def test_the_index_is_made_anew(store: RunStore, publish: Publish, harm: Callable[[RunStore], None]) -> None:
    published = [publish(minute).run_id for minute in range(3)]
    harm(store)
    assert names(store) == published[::-1]
    with closing(sqlite3.connect(store.index_path)) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (3,), "made anew, not done without"


def test_another_database_in_its_place_is_not_touched(store: RunStore, publish: Publish) -> None:
    run_id = publish().run_id
    delete(store)
    with closing(sqlite3.connect(store.index_path)) as connection:
        connection.executescript("CREATE TABLE annotations (x); INSERT INTO annotations VALUES (1);")
    assert names(store) == [run_id]
    with closing(sqlite3.connect(store.index_path)) as connection:
        assert connection.execute("SELECT x FROM annotations").fetchall() == [(1,)]
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (1,)


def test_an_index_that_cannot_be_opened_is_done_without(store: RunStore, publish: Publish) -> None:
    run_id = publish().run_id
    delete(store)
    store.index_path.mkdir()
    assert names(store) == [run_id]


def test_an_index_that_another_process_holds_for_long_is_done_without(
    store: RunStore, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(0)
    monkeypatch.setattr(index, "BUSY_SECONDS", 0.1)
    with closing(sqlite3.connect(store.index_path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        publish(1)
        assert len(names(store)) == 2
        other.execute("ROLLBACK")
    assert len(names(store)) == 2


def test_it_follows_the_folders(store: RunStore, publish: Publish, tmp_path: Path) -> None:
    first, second = publish(0), publish(1)
    shutil.rmtree(store.folder(first.run_id))
    assert names(store) == [second.run_id]

    changed = store.get(second.run_id).model_copy(update={"backbone": "resnet18"})
    (store.folder(second.run_id) / "run.json").write_text(changed.to_json())
    assert store.list().runs[0].backbone == "resnet18"

    copied = store.folder("20261124-130000-cccc")
    shutil.copytree(store.folder(second.run_id), copied)
    (copied / "run.json").write_text(changed.model_copy(update={"run_id": copied.name}).to_json())
    assert set(names(store)) == {second.run_id, copied.name}

    shutil.rmtree(store.runs_dir)
    assert names(store) == []


def test_a_current_index_spares_reading_the_runs(
    store: RunStore, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    for minute in range(3):
        publish(minute)
    read: list[str] = []
    real = index.read_record
    monkeypatch.setattr(index, "read_record", lambda folder: read.append(folder.name) or real(folder))
    assert len(names(store)) == 3
    assert read == []
    delete(store)
    assert len(names(store)) == 3
    assert len(read) == 3, "the means of this test work"


def nothing(folder: Path, _: RunRecord) -> None:
    folder.mkdir()


def empty(folder: Path, _: RunRecord) -> None:
    folder.mkdir()
    (folder / "run.json").touch()


def half(folder: Path, record: RunRecord) -> None:
    folder.mkdir()
    text = record.to_json()
    (folder / "run.json").write_text(text[: len(text) // 2])


def foreign(folder: Path, _: RunRecord) -> None:
    folder.mkdir()
    (folder / "run.json").write_text('{"name": "something else"}')


def binary(folder: Path, _: RunRecord) -> None:
    folder.mkdir()
    (folder / "run.json").write_bytes(b"\xff\xfe\x00")


def nested(folder: Path, _: RunRecord) -> None:
    folder.mkdir()
    (folder / "run.json").write_text('{"metrics":' * 100_000)


def pipe(folder: Path, _: RunRecord) -> None:
    folder.mkdir()
    os.mkfifo(folder / "run.json")


def a_folder(folder: Path, _: RunRecord) -> None:
    (folder / "run.json").mkdir(parents=True)


def copy_of_another(folder: Path, record: RunRecord) -> None:
    shutil.copytree(folder.parent / record.run_id, folder)


def loop(folder: Path, _: RunRecord) -> None:
    folder.symlink_to(folder.name)


@pytest.mark.parametrize("name", ["20261124-150000-abcd", "my notes", os.fsdecode(b"caf\xe9\n")])
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(nothing, "holds no run.json", id="no record"),
        pytest.param(empty, "damaged", id="empty record"),
        pytest.param(half, "damaged", id="half a record"),
        pytest.param(foreign, "damaged", id="another program's"),
        pytest.param(binary, "damaged", id="binary"),
        pytest.param(nested, "damaged", id="nested without end"),
        pytest.param(pipe, "not a file", id="a pipe"),
        pytest.param(a_folder, "not a file", id="a folder"),
        pytest.param(loop, "cannot be read", id="a link to itself"),
        pytest.param(copy_of_another, "is that of", id="a copy under another name"),
    ],
)
def test_a_folder_that_is_no_run_is_passed_over_and_named(
    store: RunStore, publish: Publish, make: Callable[[Path, RunRecord], None], reason: str, name: str
) -> None:
    record = publish()
    make(store.runs_dir / name, record)
    for _ in range(2):
        listing = store.list()
        assert [run.run_id for run in listing.runs] == [record.run_id]
        (warning,) = listing.warnings
        assert reason in warning
        assert warning.isprintable()
        warning.encode()


def test_a_run_that_breaks_leaves_the_list(store: RunStore, publish: Publish) -> None:
    kept, broken = publish(0), publish(1)
    (store.folder(broken.run_id) / "run.json").write_text("{}")
    assert names(store) == [kept.run_id]


def test_stray_files_are_of_no_interest(store: RunStore, publish: Publish) -> None:
    record = publish()
    (store.runs_dir / ".DS_Store").touch()
    (store.runs_dir / "README.txt").touch()
    listing = store.list()
    assert [run.run_id for run in listing.runs] == [record.run_id]
    assert listing.warnings == ()


def test_numbers_that_are_none_do_not_reach_the_list(store: RunStore, publish: Publish) -> None:
    publish(0, metrics={"accuracy": "good", "accuracy_ci": [None, 1.0]})
    (summary,) = store.list().runs
    assert (summary.accuracy, summary.accuracy_ci) == (None, None)
