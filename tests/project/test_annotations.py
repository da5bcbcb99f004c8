"""Annotations are events: durable, in force until something else is said or they are undone, never lost."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from gingham.errors import UnavailableError
from gingham.project import Annotations, Kind, Said
from gingham.records import Annotation


def said(content: str, kind: Kind = Kind.LABEL, value: str = "cat", path: str = "dog/1.jpg") -> Said:
    return Said(content, path, kind, value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "annotations.sqlite"


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([], {}, id="nothing"),
        pytest.param([said("a")], {"a": Annotation(label="cat")}, id="label"),
        pytest.param([said("a"), said("a", value="cow")], {"a": Annotation(label="cow")}, id="the later wins"),
        pytest.param([said("a"), said("a", value="")], {}, id="taken back"),
        pytest.param([said("a", Kind.EXCLUDED, "yes")], {"a": Annotation(excluded=True)}, id="excluded"),
        pytest.param(
            [said("a", Kind.AMBIGUOUS, "yes"), said("a", Kind.NOTE, "a lynx?")],
            {"a": Annotation(ambiguous=True, note="a lynx?")},
            id="ambiguous with a note",
        ),
        pytest.param([said("a"), said("b", value="cow")], {"a": Annotation("cat"), "b": Annotation("cow")}, id="two"),
        pytest.param([said("a", value=os.fsdecode(b"\xff"))], {"a": Annotation(os.fsdecode(b"\xff"))}, id="no UTF-8"),
        pytest.param([said("a", Kind.NOTE, "=cmd()\n'")], {"a": Annotation(note="=cmd()\n'")}, id="any note"),
    ],
)
def test_what_is_said_holds_for_another_connection(
    file: Path, events: list[Said], expected: dict[str, Annotation]
) -> None:
    with Annotations(file) as annotations:
        for event in events:
            annotations.add([event])
    with Annotations(file) as annotations:
        assert annotations.in_force() == expected
        assert annotations.in_force(["a", "b", "c"]) == expected
        assert annotations.in_force(["c"]) == {}
        assert {content: holds for content, _, holds in annotations.exported()} == expected
        assert [event.said for event in annotations.events(10)] == events[::-1]


def test_what_is_known_already_makes_no_event(file: Path) -> None:
    with Annotations(file) as annotations:
        assert annotations.add([said("a"), said("b")]) == 2
        assert annotations.add([said("a"), said("b", value="cow")]) == 1
        assert annotations.add([said("c", value="")]) == 0
        assert annotations.count() == 3


def test_undo_takes_back_command_by_command(file: Path) -> None:
    with Annotations(file) as annotations:
        annotations.add([said("a"), said("b")])
        annotations.add([said("a", value="cow")])
        assert [event.said for event in annotations.undo()] == [said("a", value="cow")]
        assert annotations.in_force() == {"a": Annotation("cat"), "b": Annotation("cat")}
        assert len(annotations.undo()) == 2
        assert annotations.in_force() == {}
        assert annotations.undo() == []
        assert [event.undone for event in annotations.events(10)] == [True] * 3
        annotations.add([said("a", value="hen")])
        assert annotations.in_force() == {"a": Annotation("hen")}


def test_events_of_one_image(file: Path) -> None:
    with Annotations(file) as annotations:
        annotations.add([said("a"), said("b")])
        annotations.add([said("a", value="cow")])
        assert [event.said.value for event in annotations.events(10, "a")] == ["cow", "cat"]
        assert (annotations.count("a"), annotations.count()) == (2, 3)
        assert [event.said.content for event in annotations.events(1)] == ["a"]
        assert annotations.labels() == {"cat", "cow"}


def test_the_exported_path_is_the_latest(file: Path) -> None:
    with Annotations(file) as annotations:
        annotations.add([said("a", path="dog/1.jpg")])
        annotations.add([said("a", Kind.NOTE, "moved", path="cat/1.jpg")])
        assert [path for _, path, _ in annotations.exported()] == ["cat/1.jpg"]


def test_two_connections_lose_nothing(file: Path) -> None:
    with Annotations(file) as one, Annotations(file) as two:
        for n in range(20):
            (one if n % 2 else two).add([said(f"{n}")])
        assert one.in_force() == two.in_force()
        assert len(one.in_force()) == 20


def test_a_damaged_file_is_put_aside_and_what_can_be_read_is_kept(file: Path) -> None:
    with Annotations(file) as annotations:
        annotations.add([said(f"{n:032}", Kind.NOTE, "n" * 40) for n in range(400)])
    whole = file.read_bytes()
    kept = set()
    for start in range(0, len(whole), 4096):
        file.write_bytes(whole[:start] + bytes(4096) + whole[start + 4096 :])
        with Annotations(file) as annotations:
            holds = annotations.in_force()
            annotations.undo()
            list(annotations.exported())
            warned, total = annotations.warning, annotations.count()
        if warned is not None:
            assert str(file.with_name("annotations.sqlite.damaged")) in warned
            assert f" {total} annotations could be read" in warned
            kept.add(len(holds))
    assert max(kept) > 300, "a page of an index costs no event"


def test_a_damaged_file_is_refused_a_look_by_an_older_version(file: Path) -> None:
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(UnavailableError, match="newer Gingham"):
        Annotations(file)
