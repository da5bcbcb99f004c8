"""The project's lock and its files, against a real second process."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

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
    leftover = folder.state / ".lock.owner.0000.partial"
    leftover.write_text("half")
    with folder.lock("run"):
        assert not leftover.exists()


def test_a_written_file_is_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    write_whole(tmp_path / "deep" / "file.txt", "content")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["file.txt"]
    assert (tmp_path / "deep" / "file.txt").read_text() == "content"


def test_a_write_that_fails_names_the_path_and_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "taken"
    target.mkdir()
    (target / "inside").touch()
    with pytest.raises(UnavailableError, match="taken"):
        write_whole(target, b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    from gingham.project.files import disk_errors

    refused = pytest.raises(UnavailableError, match="No space left on device")
    with Path("/dev/full").open("wb", buffering=0) as full, refused, disk_errors(tmp_path / "x"):
        full.write(b"x")


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
