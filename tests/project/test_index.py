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


@pytest.mark.parametrize("first", ["read files", "write files", "read split", "write split", "write measures"])
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
        "write measures": lambda index: index.update_measures("1", {"a": b"x"}),
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


@pytest.mark.parametrize(
    ("stored", "lying", "expected"),
    [
        pytest.param({"a/1": "x", "a/2": "y"}, {"a/1": "x", "a/2": "y"}, {}, id="where they were"),
        pytest.param({"a/1": "x", "a/2": "y"}, {"b/1": "x", "a/2": "y"}, {"a/1": "b/1"}, id="one moved"),
        pytest.param({"b/1": "x"}, {"a/1": "x", "c/1": "z"}, {"b/1": "a/1"}, id="moved to the front"),
        pytest.param({"a/1": "x"}, {"a/1": "y"}, {}, id="replaced"),
        pytest.param({"a/1": "x"}, {"a/1": "y", "a/2": "x"}, {"a/1": "a/2"}, id="moved and replaced"),
        pytest.param({"a/1": "x"}, {"b/1": "y"}, {}, id="gone"),
        pytest.param({"a/1": "x"}, {}, {}, id="nothing is known"),
        pytest.param({"a/1": "x", "b/1": "x"}, {"a/1": "x", "c/1": "x"}, {"b/1": "c/1"}, id="one of two alike"),
        pytest.param({"é/1": "x", "z/1": "y"}, {"z/1": "y", "é/2": "x"}, {"é/1": "é/2"}, id="sorted by bytes"),
    ],
)
def test_where_stored_images_lie_now(
    tmp_path: Path, stored: dict[str, str], lying: dict[str, str], expected: dict[str, str]
) -> None:
    with Index(tmp_path / "index.sqlite") as index:
        files = {
            path: KnownFile("s", ImageFile(path, path[0], content, 1, 1, "PNG")) for path, content in lying.items()
        }
        index.update_files("d", files)
        assert index.moved("d", sorted(stored.items(), key=lambda item: item[0].encode())) == expected
        assert index.datasets() == (["d"] if lying else [])


def test_measures_are_remembered_by_the_rules_they_were_made_by(tmp_path: Path) -> None:
    with Index(tmp_path / "index.sqlite") as index:
        index.update_measures("1", {"a": b"x", "b": b"y"})
        index.update_measures("2", {"b": b"z"})
        assert index.measures("1") == {"a": b"x"}
        assert index.measures("2") == {"b": b"z"}


def test_an_index_of_the_version_before_keeps_what_it_knows(tmp_path: Path) -> None:
    import sqlite3

    file = tmp_path / "index.sqlite"
    with Index(file) as index:
        index.extend_split("k", {"a": "train"})
    connection = sqlite3.connect(file)
    connection.executescript("DROP TABLE measures; PRAGMA user_version = 1")
    connection.close()
    with Index(file) as index:
        index.update_measures("1", {"a": b"x"})
        assert (index.split("k"), index.warning) == ({"a": "train"}, None)
