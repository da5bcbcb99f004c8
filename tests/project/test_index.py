"""The index remembers, forgets, and is made again when it is damaged."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gingham.errors import UnavailableError
from gingham.project import Index, KnownFile
from gingham.records import ImageFile, Skipped, SkipReason

GOOD = ImageFile("cat/a.jpg", "cat", "c0", 30, 40, "JPEG", b"\x01" * 32, ("animated",))


@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param(GOOD, id="image"),
        pytest.param(ImageFile("cat/b.png", "cat", "c1", 1, 1, "PNG"), id="image without hash"),
        pytest.param(Skipped("cat/c.jpg", SkipReason.TRUNCATED, "cut"), id="skipped"),
        pytest.param(ImageFile(os.fsdecode(b"cat/\xff\n.jpg"), "cat", "c2", 1, 1, "PNG"), id="name that is not UTF-8"),
        pytest.param(ImageFile("cat/" + "n" * 255, "cat", "c3", 1, 1, "PNG"), id="255-byte name"),
    ],
)
def test_what_is_written_is_read_back_by_another_connection(tmp_path: Path, outcome: ImageFile | Skipped) -> None:
    known = {outcome.path: KnownFile("stamp", outcome)}
    with Index(tmp_path / "index.sqlite") as index:
        index.update_files("photos", known)
    with Index(tmp_path / "index.sqlite") as index:
        assert index.known_files("photos") == known
        assert index.known_files("others") == {}


def test_composed_and_decomposed_names_stay_apart(tmp_path: Path) -> None:
    names = ["cat/é.jpg", "cat/e\u0301.jpg"]
    with Index(tmp_path / "index.sqlite") as index:
        index.update_files("d", {n: KnownFile("s", ImageFile(n, "cat", n, 1, 1, "PNG")) for n in names})
        assert sorted(index.known_files("d")) == sorted(names)


def test_files_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    with Index(tmp_path / "index.sqlite") as index:
        index.update_files("d", {GOOD.path: KnownFile("s", GOOD)})
        index.update_files("d", {}, gone=[GOOD.path])
        assert index.known_files("d") == {}


def test_a_side_once_assigned_stays(tmp_path: Path) -> None:
    with Index(tmp_path / "index.sqlite") as index:
        index.extend_split("k", {"a": "train", "b": "test"})
        index.extend_split("k", {"a": "test", "c": "train"})
        assert index.split("k") == {"a": "test", "b": "test", "c": "train"}
        assert index.split("other") == {}


@pytest.mark.parametrize("damage", [b"this is no database" * 100, b""], ids=["foreign bytes", "emptied"])
def test_a_damaged_index_is_made_again(tmp_path: Path, damage: bytes) -> None:
    file = tmp_path / "index.sqlite"
    with Index(file) as index:
        index.update_files("d", {GOOD.path: KnownFile("s", GOOD)})
    file.write_bytes(damage)
    with Index(file) as index:
        assert index.known_files("d") == {}
        index.update_files("d", {GOOD.path: KnownFile("s", GOOD)})
        assert GOOD.path in index.known_files("d")


@pytest.mark.parametrize("first", ["read files", "write files", "read split", "write split"])
def test_a_page_found_damaged_puts_the_index_aside_and_says_whether_the_split_is_lost(
    tmp_path: Path, first: str
) -> None:
    file, aside = tmp_path / "index.sqlite", tmp_path / "index.sqlite.damaged"
    images = [ImageFile(f"cat/{n:03}.jpg", "cat", f"{n:032}", 1, 1, "PNG") for n in range(150)]
    known = {image.path: KnownFile("stamp", image) for image in images}
    sides = {image.content: "train" for image in images}
    actions: dict[str, Callable[[Index], object]] = {
        "read files": lambda index: index.known_files("d"),
        "write files": lambda index: index.update_files("d", known),
        "read split": lambda index: index.split("k"),
        "write split": lambda index: index.extend_split("k", {"another": "test"}),
    }
    with Index(file) as index:
        index.update_files("d", known)
        index.extend_split("k", sides)
    whole = file.read_bytes()
    told = set()
    for start in range(0, len(whole), 4096):
        file.write_bytes(whole[:start] + bytes(4096) + whole[start + 4096 :])
        aside.write_text("an older one")
        with Index(file) as index:
            for name in sorted(actions, key=lambda name: name != first):
                actions[name](index)
            assert index.warning is not None
            assert str(aside) in index.warning
            assert aside.read_bytes().count(b"cat/") > 0
            kept = sides.items() <= index.split("k").items()
            assert ("The split in it was kept" if kept else "The split in it was lost") in index.warning
            told.add(kept)
        assert sorted(path.name for path in tmp_path.iterdir()) == [file.name, aside.name]
        with Index(file) as index:
            assert index.warning is None
    assert told == {True, False}


def test_an_index_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    import sqlite3

    file = tmp_path / "index.sqlite"
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = file.read_bytes()
    with pytest.raises(UnavailableError, match="newer Gingham"):
        Index(file)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
