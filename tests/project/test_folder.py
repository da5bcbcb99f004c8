"""The project's lock and its files, against a real second process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from gingham import workflow
from gingham.config import Config
from gingham.errors import UnavailableError, UsageError
from gingham.project import ProjectFolder, write_whole

HOLDER = """
import sys, time
from gingham.project import ProjectFolder
with ProjectFolder(sys.argv[1]).lock("train"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_writer_is_told_who_holds_the_lock_and_kill_frees_it(tmp_path: Path) -> None:
    folder = ProjectFolder(tmp_path)
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UnavailableError, match=rf"process {holder.pid} \(gingham train, since"), folder.lock("run"):
            pass
        holder.send_signal(signal.SIGKILL)
    with folder.lock("run"):
        assert f'"pid": {holder.pid}' not in (folder.state / "lock.owner").read_text()


def test_a_file_is_no_project(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(UsageError, match="not a folder"):
        ProjectFolder(file)


def test_leftovers_of_killed_writers_are_swept(tmp_path: Path) -> None:
    folder = ProjectFolder(tmp_path)
    folder.prepare()
    leftovers = [tmp_path / ".gingham-0a1b2c3d.partial", folder.state / ".gingham-0a1b2c3d.partial"]
    for leftover in leftovers:
        leftover.write_text("half")
    with folder.lock("run"):
        assert [leftover.exists() for leftover in leftovers] == [False, False]


def test_what_a_user_calls_like_a_leftover_is_left_alone(tmp_path: Path) -> None:
    folder = ProjectFolder(tmp_path)
    (tmp_path / ".download.partial").write_text("the user's")
    for place in (tmp_path / ".gingham-folder00.partial", folder.state / ".folder.partial"):
        place.mkdir(parents=True)
    with folder.lock("run"):
        pass
    assert (tmp_path / ".download.partial").read_text() == "the user's"


@pytest.mark.parametrize(
    "owner",
    [
        pytest.param({"pid": 2**22 + 1, "command": "run", "since": "09:00:00"}, id="a process that was killed"),
        pytest.param({"pid": 2**99, "command": "run", "since": "09:00:00"}, id="no number of a process"),
        pytest.param({"pid": 0, "command": "run", "since": "09:00:00"}, id="zero"),
        pytest.param(["?"], id="something else"),
    ],
)
def test_only_a_living_process_is_named_as_holder(tmp_path: Path, owner: object) -> None:
    folder = ProjectFolder(tmp_path)
    folder.prepare()
    (folder.state / "lock.owner").write_text(json.dumps(owner))
    refused = pytest.raises(UnavailableError, match="is in use by another process")
    with FileLock(folder.state / "lock"), refused, folder.lock("split"):
        pass


def test_a_written_file_is_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    write_whole(tmp_path / "deep" / "file.txt", "content")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["file.txt"]
    assert (tmp_path / "deep" / "file.txt").read_text() == "content"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("n" * 251 + ".npz", id="ASCII"),
        pytest.param("図" * 83 + ".npz", id="three bytes a letter"),
    ],
)
def test_a_name_may_be_as_long_as_the_file_system_takes(tmp_path: Path, name: str) -> None:
    write_whole(tmp_path / name, b"new")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_write_that_fails_names_the_path_and_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "taken"
    target.mkdir()
    (target / "inside").touch()
    with pytest.raises(UnavailableError, match=r"Cannot write .*/taken: "):
        write_whole(target, b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    from gingham.project.files import disk_errors

    refused = pytest.raises(UnavailableError, match="No space left on device")
    with Path("/dev/full").open("wb", buffering=0) as full, refused, disk_errors(tmp_path / "x"):
        full.write(b"x")


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(lambda _, path: ProjectFolder(path), id="project"),
        pytest.param(lambda folder, path: folder.dataset(path), id="dataset"),
        pytest.param(lambda folder, path: workflow.split(folder, Config(), path, None), id="images"),
        pytest.param(lambda folder, path: workflow.featurize(folder, Config(), None, path, None), id="output"),
        pytest.param(lambda folder, path: workflow.sample(folder, Config(), path, None), id="sample"),
    ],
)
def test_a_user_who_does_not_exist_is_named(tmp_path: Path, use: Callable[[ProjectFolder, Path], object]) -> None:
    with pytest.raises(UsageError, match=r"there is no user nouser\. For a folder that is itself called ~nouser"):
        use(ProjectFolder(tmp_path), Path("~nouser/x.npz"))


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        pytest.param("images/a", "images/a", id="inside, relative"),
        pytest.param("../elsewhere", None, id="outside, absolute name"),
    ],
)
def test_datasets_are_named_relative_to_the_project(tmp_path: Path, dataset: str, name: str | None) -> None:
    folder = ProjectFolder(tmp_path / "project")
    path = folder.dataset(dataset)
    assert folder.name_of(path) == (name or str(tmp_path / "elsewhere"))
