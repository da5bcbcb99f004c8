"""Moved files can be put back, byte for byte, whenever the process that moves them is killed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from gingham.project import Move, Moves
from gingham.project import moves as module


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for n in range(3):
        photo = tmp_path / "images" / "cat" / f"{n}.jpg"
        photo.parent.mkdir(parents=True, exist_ok=True)
        photo.write_bytes(bytes([n]) * 100)
    (tmp_path / "removed").mkdir()
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def moves(project: Path) -> Moves:
    return Moves(project / "removed" / "journal.sqlite", project)


def planned(project: Path) -> list[Move]:
    images = sorted((project / "images").rglob("*.jpg"))
    return [Move(image, project / "removed" / "1" / image.relative_to(project / "images")) for image in images]


def test_what_is_moved_comes_back_with_its_times(project: Path) -> None:
    before, times = contents(project / "images"), (project / "images/cat/0.jpg").stat().st_mtime_ns
    with moves(project) as journal:
        assert journal.move("dedupe", planned(project)) == []
        assert contents(project / "images") == {}
        assert journal.count("dedupe") == 3
        assert journal.undo("other").back == ()
        undone = journal.undo("dedupe")
    assert (len(undone.back), undone.kept) == (3, ())
    assert contents(project / "images") == before
    assert (project / "images/cat/0.jpg").stat().st_mtime_ns == times
    assert [path.name for path in (project / "removed").iterdir()] == ["journal.sqlite"]


def test_the_project_may_move_in_between(project: Path, tmp_path: Path) -> None:
    before = contents(project / "images")
    with moves(project) as journal:
        journal.move("dedupe", planned(project))
    elsewhere = Path(shutil.copytree(project, tmp_path / "elsewhere"))
    with moves(elsewhere) as journal:
        journal.undo("dedupe")
    assert contents(elsewhere / "images") == before


def test_nothing_is_overwritten(project: Path) -> None:
    first, *others = planned(project)
    first.target.parent.mkdir(parents=True)
    first.target.write_bytes(b"mine")
    with moves(project) as journal:
        assert [move for move, reason in journal.move("dedupe", [first, *others])] == [first]
        assert first.target.read_bytes() == b"mine"
        assert first.source.exists()
        others[0].source.parent.mkdir(exist_ok=True)
        others[0].source.write_bytes(b"a new one")
        undone = journal.undo("dedupe")
        assert [path for path, _ in undone.kept] == [others[0].source]
        assert others[0].source.read_bytes() == b"a new one"
        assert others[0].target.read_bytes() == bytes([1]) * 100
        others[0].source.unlink()
        assert journal.undo("dedupe").back == (others[0].source,)


@pytest.mark.parametrize("undoing", [False, True], ids=["while moving", "while putting back"])
@pytest.mark.parametrize("done", range(4))
def test_a_kill_between_two_moves_leaves_all_that_can_be_put_back(
    project: Path, monkeypatch: pytest.MonkeyPatch, undoing: bool, done: int
) -> None:
    class KilledError(BaseException):
        pass

    before = contents(project / "images")
    real = module._carry
    carried: list[Path] = []

    def carry(source: Path, target: Path) -> str:
        if len(carried) == done:
            raise KilledError
        carried.append(source)
        return real(source, target)

    with moves(project) as journal:
        if undoing:
            journal.move("dedupe", planned(project))
        monkeypatch.setattr(module, "_carry", carry)
        monkeypatch.setattr(journal, "_find_out", lambda: None)  # a killed process settles nothing
        try:
            journal.undo("dedupe") if undoing else journal.move("dedupe", planned(project))
        except KilledError:
            assert len(carried) == done
    monkeypatch.undo()
    with moves(project) as journal:
        assert journal.count("dedupe") == (3 - done if undoing else done)
        journal.undo("dedupe")
    assert contents(project / "images") == before


@pytest.mark.parametrize(
    "name",
    [os.fsdecode(b"\xff\xfe.jpg"), "a\nb.jpg", "n" * 251 + ".jpg", "=cmd().jpg", "é.jpg", "e\u0301.jpg"],
    ids=["not UTF-8", "newline", "255 bytes", "formula", "composed", "decomposed"],
)
def test_any_name_comes_back(project: Path, name: str) -> None:
    image = project / "images" / "cat" / name
    image.write_bytes(b"strange")
    with moves(project) as journal:
        journal.move("dedupe", [Move(image, project / "removed" / "1" / name)])
        assert not image.exists()
        assert journal.undo("dedupe").back == (image,)
    assert image.read_bytes() == b"strange"


def test_another_disk_is_crossed_whole(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(project / "images")
    times = (project / "images/cat/0.jpg").stat().st_mtime_ns
    real = Path.rename

    def rename(self: Path, target: Path) -> Path:
        if not self.name.endswith(".partial"):
            raise OSError(18, "Invalid cross-device link")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    with moves(project) as journal:
        assert journal.move("dedupe", planned(project)) == []
        assert contents(project / "images") == {}
        journal.undo("dedupe")
    assert contents(project / "images") == before
    assert (project / "images/cat/0.jpg").stat().st_mtime_ns == times


def test_a_lost_journal_says_what_it_kept(project: Path) -> None:
    with moves(project) as journal:
        journal.move("dedupe", planned(project))
    (project / "removed" / "journal.sqlite").write_bytes(b"no database" * 1000)
    with moves(project) as journal:
        assert journal.warning is not None
        assert "0 moves" in journal.warning
        assert str(project / "removed") in journal.warning
