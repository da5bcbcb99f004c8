from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from gingham.deploy.bundle import MANIFEST, Bundle
from gingham.errors import UnavailableError, UsageError

FILES = {"a.txt": b"one", "deep/b.txt": b"two"}
SECRETS = {".env": b"TOKEN=first"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a deployment."""
    write(tmp_path / "out")
    return tmp_path / "out"


def write(folder: Path, files: dict[str, bytes] = FILES, *, force: bool = False, token: bytes = b"TOKEN=first"):
    bundle = Bundle(folder)
    bundle.refuse_foreign(force)
    return bundle.write({"kind": "docker"}, files, {".env": token})


def contents(folder: Path) -> dict[str, bytes]:
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    found.pop(MANIFEST, None)
    return found


def test_a_folder_is_made_and_says_what_is_in_it(tmp_path: Path) -> None:
    written = write(tmp_path / "new" / "out")
    assert written.files == (".env", "a.txt", "deep/b.txt", MANIFEST)
    assert contents(tmp_path / "new" / "out") == FILES | SECRETS
    assert set(json.loads((tmp_path / "new" / "out" / MANIFEST).read_text())["files"]) == set(FILES)


def test_a_secret_is_for_its_owner_alone_and_stays(folder: Path) -> None:
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
    assert write(folder, token=b"TOKEN=second").kept == (".env",)
    assert write(folder, token=b"TOKEN=second", force=True).kept == (".env",)
    assert (folder / ".env").read_bytes() == b"TOKEN=first"


def test_a_deployment_is_brought_up_to_date(folder: Path) -> None:
    (folder / "notes.txt").write_text("the user's")
    written = write(folder, {"a.txt": b"new", "c.txt": b"three"})
    assert written.removed == ("deep/b.txt",)
    assert contents(folder) == {"a.txt": b"new", "c.txt": b"three", "notes.txt": b"the user's"} | SECRETS


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        pytest.param(lambda out: (out / "mine.txt").write_text("mine"), "such as mine.txt", id="another file"),
        pytest.param(lambda out: (out / "a.txt").write_text("mine"), "such as a.txt", id="a file of the same name"),
        pytest.param(lambda out: (out / MANIFEST).write_text("[]"), "such as gingham-deploy.json", id="another list"),
    ],
)
def test_a_foreign_folder_is_refused_and_left_as_it_was(
    prepare: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    prepare(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UsageError, match=message):
        write(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_force_writes_beside_foreign_files_and_deletes_none(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    write(tmp_path, force=True)
    assert contents(tmp_path) == FILES | SECRETS | {"mine.txt": b"mine"}


def test_a_file_that_was_changed_is_replaced_by_force_only(folder: Path) -> None:
    (folder / "deep" / "b.txt").write_text("changed")
    with pytest.raises(UsageError, match=r"deep/b.txt has been changed since.*--force"):
        write(folder, {"a.txt": b"new"})
    assert (folder / "a.txt").read_bytes() == b"one"
    assert write(folder, {"a.txt": b"new"}, force=True).removed == ()
    assert (folder / "deep" / "b.txt").read_bytes() == b"changed"


def test_a_deployment_that_was_cut_off_is_completed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gingham.deploy import bundle

    def full(path: Path, data: bytes | str) -> None:
        if path.name == "b.txt":
            raise UnavailableError("disk full")
        path.write_bytes(data.encode() if isinstance(data, str) else data)

    new = {"a.txt": b"1", "deep/b.txt": b"2", "z.txt": b"3"}
    with monkeypatch.context() as patch:
        patch.setattr(bundle, "write_whole", full)
        with pytest.raises(UnavailableError, match="disk full"):
            write(folder, new)
    (folder / ".gingham-12345678.partial").write_bytes(b"left behind by kill -9")
    write(folder, new)
    assert new.items() <= contents(folder).items()


def test_a_list_that_names_files_elsewhere_deletes_none(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / MANIFEST).write_text(json.dumps({"files": {"../precious": [empty], "gone": [empty]}}))
    assert write(tmp_path / "out").removed == ()
    assert (tmp_path / "precious").exists()


def test_a_file_where_the_folder_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UnavailableError, match="out"):
        write(tmp_path / "out")
