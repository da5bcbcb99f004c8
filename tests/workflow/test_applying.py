"""The folders are made to agree with the labels; each move can be undone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gingham import Project
from tests.textures import Outcome, texture_bytes

Gingham = Callable[..., Outcome]


@pytest.fixture
def pets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    root = tmp_path / "images" / "pets"
    for number, path in enumerate(
        ["cat/1.jpg", "cat/tom/2.jpg", "cat/3.jpg", "cat/4.jpg", "dog/1.jpg", "dog/5.jpg", "unlabelled/6.jpg"]
    ):
        image = root / path
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(texture_bytes("dots", number))
    monkeypatch.chdir(root)
    return Project(tmp_path, environment={"GINGHAM_DATASET": "images/pets"})


def paths(project: Project) -> set[str]:
    root = project.folder.root / "images" / "pets"
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("said", "gone", "come"),
    [
        pytest.param([("cat/3.jpg", "dog")], {"cat/3.jpg"}, {"dog/3.jpg"}, id="another class"),
        pytest.param([("cat/tom/2.jpg", "dog")], {"cat/tom/2.jpg"}, {"dog/tom/2.jpg"}, id="a sub-folder stays one"),
        pytest.param([("unlabelled/6.jpg", "cow")], {"unlabelled/6.jpg"}, {"cow/6.jpg"}, id="a new class"),
        pytest.param([("cat/3.jpg", "dog"), ("cat/3.jpg", "cat")], set(), set(), id="back again"),
        pytest.param([("cat/3.jpg", None)], {"cat/3.jpg"}, set(), id="excluded"),
    ],
)
def test_moves(pets: Project, said: list[tuple[str, str | None]], gone: set[str], come: set[str]) -> None:
    before = paths(pets)
    for path, label in said:
        pets.label(path, label, excluded=label is None, new_class=True)
    planned = pets.label_apply(dry_run=True)
    assert paths(pets) == before
    done = pets.label_apply()
    assert (planned.moves, done.kept) == (done.moves, ())
    assert {source for source, _ in done.moves} == gone
    assert paths(pets) == (before - gone) | come
    assert pets.label_apply().moves == ()
    assert len(pets.label_apply_undo().back) == len(gone)
    assert paths(pets) == before


def test_a_name_that_is_taken_is_not_overwritten(pets: Project) -> None:
    root = pets.folder.root / "images" / "pets"
    data, other = (root / "cat/1.jpg").read_bytes(), (root / "dog/1.jpg").read_bytes()
    pets.label("cat/1.jpg", "dog")
    ((_, target),) = pets.label_apply().moves
    assert target.startswith("dog/1-")
    assert target.endswith(".jpg")
    assert (root / target).read_bytes() == data
    assert (root / "dog/1.jpg").read_bytes() == other


def test_a_folder_that_is_emptied_goes_and_comes_back(pets: Project) -> None:
    root = pets.folder.root / "images" / "pets"
    pets.label(["dog/1.jpg", "dog/5.jpg"], "cat")
    pets.label_apply()
    assert not (root / "dog").exists()
    pets.label_apply_undo()
    assert (root / "dog" / "5.jpg").exists()


def test_a_folder_that_was_made_goes_when_it_is_undone(pets: Project) -> None:
    root = pets.folder.root / "images" / "pets"
    pets.label("dog/1.jpg", " cow ", new_class=True)
    pets.label_apply()
    assert (root / "cow" / "1.jpg").exists()
    pets.label_apply_undo()
    assert not (root / "cow").exists()


def test_the_longest_name_keeps_its_suffix(pets: Project) -> None:
    root = pets.folder.root / "images" / "pets"
    name = "é" * 125 + ".jpg"
    (root / "cat" / name).write_bytes(texture_bytes("dots", 20))
    (root / "dog" / name).write_bytes(texture_bytes("dots", 21))
    pets.label(f"cat/{name}", "dog")
    ((_, target),) = pets.label_apply().moves
    assert (root / target).read_bytes() == texture_bytes("dots", 20)
    assert target.endswith(".jpg")


def test_the_split_and_the_features_stay_as_they_were(finished: Path) -> None:
    project = Project(finished, environment={})
    moved = sorted(path.name for path in (finished / "images/textures/checks").iterdir())[0]
    project.label(f"checks/{moved}", "dots")
    before = project.split()
    project.label_apply()
    after = project.split()
    renamed = {path for path in after.sides if path not in before.sides}
    assert len(renamed) == 1
    assert after.sides[renamed.pop()] == before.sides[f"checks/{moved}"]
    assert after.dataset.fingerprint == before.dataset.fingerprint
    assert project.featurize().from_cache == 42


def test_words(pets: Project, gingham: Gingham) -> None:
    project = ["images/pets", "--project", pets.folder.root]
    assert "agree" in gingham("label", "apply", *project).out
    pets.label("cat/3.jpg", "dog")
    assert "Would move 1 file:\n  cat/3.jpg -> dog/3.jpg" in gingham("label", "apply", "--dry-run", *project).out
    assert gingham("label", "apply", "--json", *project).json["moves"] == [{"from": "cat/3.jpg", "to": "dog/3.jpg"}]
    assert "Put 1 file back." in gingham("label", "apply", "--undo", "--project", pets.folder.root).out
