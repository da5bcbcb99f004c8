"""Strange names and bad files through all that checks, corrects and moves images: shown as text, nothing lost."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from gingham import Project
from gingham.records import display_path
from tests.images.makers import bad_files, odd_files
from tests.textures import texture_bytes
from tests.workflow.test_strange_files import NAMES, Texts

PATHS = [str(name.values[0]) for name in NAMES]


@pytest.fixture(scope="module")
def strange(untouched_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A dataset with every strange name, each picture twice, and with bad and odd files."""
    import shutil

    project = Path(shutil.copytree(untouched_project, tmp_path_factory.mktemp("strange") / "project"))
    root = project / "images" / "textures"
    for number, path in enumerate(PATHS):
        for place in (path, f"{path.partition('/')[0]}/copies/{number}.jpg"):
            file = root / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(texture_bytes("dots", 500 + number))
    for name, (data, _) in {**bad_files(), **odd_files()}.items():
        (root / "checks" / f"odd {name}").write_bytes(data)
    os.mkfifo(root / "dots" / "fifo.jpg")
    (root / "dots" / "circle").symlink_to(root / "dots", target_is_directory=True)
    return Project(project, environment={})


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def images(project: Project) -> Path:
    return project.folder.root / "images" / "textures"


def test_check_tells_and_shows_every_name_as_text(strange: Project) -> None:
    before = files(images(strange))
    result = strange.check()
    assert files(images(strange)) == before
    paths = {file.path for file in result.table.files}
    assert set(PATHS) <= paths
    with result.csv.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    assert len(rows) == len(paths) + 1
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for row in rows for cell in row)
    page = Texts(result.page.read_text(encoding="utf-8"))
    assert page.handlers == []
    assert all(source.startswith("data:") for source in page.images)
    assert "checks/odd empty.jpg" in page.text
    assert {item.reason.value for item in result.skipped} >= {"not_a_file", "truncated", "empty", "too_large"}


def test_dedupe_moves_and_puts_back_every_name(strange: Project) -> None:
    before = files(images(strange))
    result = strange.dedupe(apply=True)
    assert result.may_go >= len(PATHS)
    assert result.kept == ()
    assert len(files(images(strange))) == len(before) - result.may_go
    strange.dedupe_undo()
    assert files(images(strange)) == before


def test_every_name_can_be_annotated_exported_imported_and_applied(strange: Project, tmp_path: Path) -> None:
    before = files(images(strange))
    strange.label(PATHS, "stripes")
    exported = strange.label_export(tmp_path / "annotations.csv")
    assert exported.images == len(PATHS)
    strange.label_undo()
    assert strange.label_import(exported.file).changed == len(PATHS)
    applied = strange.label_apply()
    assert applied.kept == ()
    moved = dict(applied.moves)
    assert set(PATHS) <= set(moved)
    assert all(moved[path].startswith("stripes/") for path in PATHS)
    strange.label_apply_undo()
    assert files(images(strange)) == before
    strange.label_undo()


def test_next_takes_every_name(strange: Project) -> None:
    result = strange.next(count=200)
    page = Texts(result.page.read_text(encoding="utf-8"))
    assert page.handlers == []
    assert all(display_path(each.path) == each.to_json()["path"] for each in result.images)
