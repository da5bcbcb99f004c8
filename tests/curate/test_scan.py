"""What a scan finds in a folder, and that it looks at a file once."""

from __future__ import annotations

import inspect
import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gingham.curate import scan as module
from gingham.curate.scan import Scan, list_files, scan
from gingham.errors import DataError
from gingham.project import KnownFile
from gingham.records import ImageFile, Skipped, content_hash
from gingham.workflow.checks import refuse_hopeless
from tests.images.makers import bad_files, jpeg, odd_files, png
from tests.textures import texture_bytes

LIMIT = 90_000_000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes of two images."""
    files = {"cat/1.jpg": jpeg(), "cat/2.png": png(), "dog/1.jpg": jpeg(quality=50), "dog/2.jpg": jpeg()}
    for name, data in files.items():
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(data)
    return tmp_path / "photos"


def look(root: Path, known: Mapping[str, KnownFile] | None = None, **options: Any) -> Scan:
    return scan(root, known or {}, **{"max_pixels": LIMIT, "workers": 2, **options})


def remembered(*scans: Scan) -> dict[str, KnownFile]:
    """What an index knows after these scans."""
    known: dict[str, KnownFile] = {}
    for each in scans:
        known |= each.changed
        known = {path: entry for path, entry in known.items() if path not in each.gone}
    return known


def test_an_image_is_described(root: Path) -> None:
    found = look(root).dataset
    assert found.classes == ("cat", "dog")
    assert [file.path for file in found.files] == ["cat/1.jpg", "cat/2.png", "dog/1.jpg", "dog/2.jpg"]
    assert found.files[1] == ImageFile("cat/2.png", "cat", content_hash(png()), 120, 90, "PNG")  # smooth: no hash
    (root / "cat/2.png").write_bytes(texture_bytes("dots", 0))
    changed = look(root).dataset.files[1]
    assert (changed.width, changed.height, changed.format, changed.notes) == (160, 120, "JPEG", ("wrong_extension",))
    assert changed.dhash is not None
    assert len(changed.dhash) == 32


@pytest.mark.parametrize(
    ("names", "classes", "paths"),
    [
        pytest.param(["a/1", "b/2"], ["a", "b"], ["a/1", "b/2"], id="flat"),
        pytest.param(["a/x/1", "a/x/y/2", "a/3"], ["a"], ["a/3", "a/x/1", "a/x/y/2"], id="nested: their top folder"),
        pytest.param(["a/1", "loose.jpg"], ["a"], ["a/1"], id="files without a class are passed over"),
        pytest.param(["a/1", "a/.hid", ".b/1", "a/.c/1"], ["a"], ["a/1"], id="hidden"),
        pytest.param(["a/1", "a/Thumbs.db", "a/DESKTOP.INI", "a/.DS_Store"], ["a"], ["a/1"], id="strewn files"),
        pytest.param(["a/1", "__MACOSX/a/1", "a/__macosx/1"], ["a"], ["a/1"], id="strewn folders"),
        pytest.param(["a/x.jpg/1"], ["a"], ["a/x.jpg/1"], id="a folder called like an image"),
        pytest.param(["B/1", "a/1", "é/1"], ["B", "a", "é"], ["B/1", "a/1", "é/1"], id="sorted by bytes"),
        pytest.param(["a/é", "a/e\u0301"], ["a"], ["a/e\u0301", "a/é"], id="two spellings of one name"),
        pytest.param(["a/new\nline"], ["a"], ["a/new\nline"], id="newline"),
        pytest.param([os.fsdecode(b"a/\xff")], ["a"], [os.fsdecode(b"a/\xff")], id="not UTF-8"),
        pytest.param(["a/" + "n" * 255], ["a"], ["a/" + "n" * 255], id="255 bytes"),
    ],
)
def test_which_files_are_looked_at(tmp_path: Path, names: list[str], classes: list[str], paths: list[str]) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = list_files(tmp_path)
    assert found == (tuple(classes), paths, [])


def test_an_empty_class_is_a_class(root: Path) -> None:
    (root / "empty").mkdir()
    assert look(root).dataset.classes == ("cat", "dog", "empty")


def test_every_bad_file_has_its_reason_and_every_odd_one_its_note(root: Path) -> None:
    for name, (data, _) in {**bad_files(), **odd_files()}.items():
        (root / "dog" / name).write_bytes(data)
    found = look(root).dataset
    assert {item.path: item.reason for item in found.skipped} == {
        f"dog/{name}": reason for name, (_, reason) in bad_files().items()
    }
    notes = {file.path: file.notes for file in found.files if file.notes}
    assert notes == {f"dog/{name}": (note,) for name, (_, note) in odd_files().items()}


def link(target: str) -> Callable[[Path, Path], object]:
    return lambda path, _: path.symlink_to(target)


def fifo(path: Path, _: Path) -> None:
    os.mkfifo(path)


def link_to_outside(path: Path, outside: Path) -> None:
    path.symlink_to(outside)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(fifo, "not_a_file", id="pipe"),
        pytest.param(link("/dev/zero"), "outside_root", id="link to a device"),
        pytest.param(link("nowhere"), "broken_link", id="link to nothing"),
        pytest.param(link("x.jpg"), "broken_link", id="link to itself"),
        pytest.param(link("../cat"), None, id="link to a folder inside"),
        pytest.param(link("../cat/1.jpg"), None, id="link to a file inside"),
        pytest.param(link("."), "broken_link", id="link to the folder that it is in"),
        pytest.param(link(".."), "broken_link", id="link to a folder that holds it"),
        pytest.param(link_to_outside, "outside_root", id="link to a folder outside"),
        pytest.param(
            lambda path, outside: path.symlink_to(outside / "a.jpg"), "outside_root", id="link to a file outside"
        ),
    ],
)
def test_what_is_no_ordinary_file(
    root: Path, tmp_path: Path, make: Callable[[Path, Path], object], reason: str | None
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.jpg").write_bytes(jpeg())
    make(root / "dog/x.jpg", outside)
    found = look(root).dataset
    assert [(item.path, item.reason) for item in found.skipped] == ([("dog/x.jpg", reason)] if reason else [])
    assert {"cat/1.jpg", "dog/1.jpg"} <= {file.path for file in found.files}


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(link("/nowhere/mounted"), "broken_link", id="link to nothing: a disk that is not mounted"),
        pytest.param(link("x.jpg"), "broken_link", id="link to itself"),
        pytest.param(link("."), "broken_link", id="link to the dataset"),
        pytest.param(link_to_outside, "outside_root", id="link to a folder outside"),
    ],
)
def test_a_class_that_leads_nowhere_is_a_class_left_out_with_its_reason(
    root: Path, tmp_path: Path, make: Callable[[Path, Path], object], reason: str
) -> None:
    (tmp_path / "outside").mkdir()
    make(root / "x.jpg", tmp_path / "outside")
    found = look(root).dataset
    assert found.classes == ("cat", "dog", "x.jpg")
    assert [(item.path, item.reason) for item in found.skipped] == [("x.jpg", reason)]
    with pytest.raises(DataError, match=rf"the class x\.jpg .* no readable image \(1 skipped as {reason}\)"):
        refuse_hopeless(found)


def test_a_link_to_a_file_beside_the_classes_is_no_class(root: Path) -> None:
    (root / "splits.csv").symlink_to("cat/1.jpg")
    assert list_files(root)[0] == ("cat", "dog")


@pytest.mark.timeout(20)
def test_folders_that_link_to_each_other_are_visited_once_in_each_class(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(8)]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jpg").touch()
        for other in names:
            if other != name:
                (tmp_path / name / f"to {other}").symlink_to(f"../{other}")
    classes, paths, skipped = list_files(tmp_path)
    assert classes == tuple(names)
    assert len(paths) == 8 * 8
    assert {item.reason for item in skipped} == {"broken_link"}
    assert len(skipped) == 8 * (8 * 7 - 7)  # in each class all links but the seven that were followed


def test_a_folder_is_listed_under_its_own_path_rather_than_that_of_a_link_to_it(tmp_path: Path) -> None:
    (tmp_path / "cat/sub/deep").mkdir(parents=True)
    (tmp_path / "cat/sub/deep/1.jpg").touch()
    (tmp_path / "cat/alias").symlink_to("sub")
    (tmp_path / "cat/other").symlink_to("sub/deep")
    _, paths, skipped = list_files(tmp_path)
    assert paths == ["cat/sub/deep/1.jpg"]
    assert [(item.path, item.detail) for item in skipped] == [
        ("cat/alias", "a folder that its class holds already"),
        ("cat/other", "a folder that its class holds already"),
    ]


def test_folders_may_be_nested_deeper_than_python_recurses(tmp_path: Path) -> None:
    deepest = tmp_path / "cat" / "/".join("d" * 200)
    deepest.mkdir(parents=True)
    (deepest / "1.jpg").touch()
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 100)
    try:
        found = list_files(tmp_path)
    finally:
        sys.setrecursionlimit(usual)
    assert found == (("cat",), ["cat" + "/d" * 200 + "/1.jpg"], [])


def test_images_and_what_is_left_out_are_sorted_by_bytes(tmp_path: Path) -> None:
    for name in ("b/x/1.jpg", "b/x.jpg", "b/z.jpg", "b/\ue000.jpg", "b/\U0001f600.jpg", os.fsdecode(b"b/\xff.jpg")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "b/out").symlink_to("/")
    paths = list_files(tmp_path)[1]
    assert paths == sorted(paths, key=os.fsencode)
    skipped = [item.path for item in look(tmp_path).dataset.skipped]
    assert skipped == sorted([*paths, "b/out"], key=os.fsencode)


def test_a_dataset_that_is_itself_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    assert len(look(tmp_path / "link").dataset.files) == 4


@pytest.mark.parametrize(
    ("name", "words"),
    [
        pytest.param("photo", r"does not exist. Did you mean `photos`\?", id="misspelt"),
        pytest.param("photos/cat/1.jpg", "is a file, not a folder", id="a file"),
        pytest.param("nix/nix/nix", "does not exist", id="nowhere near"),
    ],
)
def test_no_folder_there(root: Path, name: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        look(root.parent / name)


# --- the second time


def test_what_is_known_is_not_read_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = look(root)
    monkeypatch.setattr(module, "_examine", lambda *_: pytest.fail("was read again"))
    again = look(root, remembered(first))
    assert again.dataset == first.dataset
    assert (again.changed, again.gone) == ({}, set())


@pytest.mark.parametrize(
    ("change", "changed", "gone"),
    [
        pytest.param(lambda r: (r / "cat/1.jpg").write_bytes(png()), {"cat/1.jpg"}, set(), id="overwritten"),
        pytest.param(lambda r: (r / "cat/9.jpg").write_bytes(png()), {"cat/9.jpg"}, set(), id="added"),
        pytest.param(lambda r: (r / "cat/1.jpg").unlink(), set(), {"cat/1.jpg"}, id="removed"),
        pytest.param(lambda r: (r / "cat/1.jpg").rename(r / "dog/9.jpg"), {"dog/9.jpg"}, {"cat/1.jpg"}, id="moved"),
        pytest.param(lambda r: os.utime(r / "cat/1.jpg", (0, 0)), {"cat/1.jpg"}, set(), id="touched"),
    ],
)
def test_only_what_changed_is_read(
    root: Path, change: Callable[[Path], object], changed: set[str], gone: set[str]
) -> None:
    first = look(root)
    change(root)
    second = look(root, remembered(first))
    assert (set(second.changed), second.gone) == (changed, gone)
    assert second.dataset == look(root).dataset
    third = look(root, remembered(first, second))
    assert (third.changed, third.gone) == ({}, set())


def test_a_change_within_the_same_size_and_time_is_seen(root: Path) -> None:
    file = root / "cat/1.jpg"
    first = look(root)
    status = file.stat()
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(data)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert set(look(root, remembered(first)).changed) == {"cat/1.jpg"}


def test_a_moved_image_is_not_decoded_again_unless_its_suffix_says_otherwise(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = look(root)
    decoded: list[str] = []
    decode = module.decode
    monkeypatch.setattr(module, "decode", lambda *a, **k: (decoded.append(k["name"]), decode(*a, **k))[1])
    (root / "cat/1.jpg").rename(root / "dog/8.jpg")
    (root / "cat/2.png").rename(root / "dog/9.jpg")
    found = {file.path: file for file in look(root, remembered(first)).dataset.files}
    assert decoded == ["9.jpg"]
    old = {file.path: file for file in first.dataset.files}
    assert found["dog/8.jpg"] == replace(old["cat/1.jpg"], path="dog/8.jpg", label="dog")
    assert found["dog/9.jpg"].notes == ("wrong_extension",)


def test_another_pixel_limit_is_another_look(root: Path) -> None:
    first = look(root)
    strict = look(root, remembered(first), max_pixels=100)
    assert {item.reason for item in strict.dataset.skipped} == {"too_large"}
    assert look(root, remembered(first, strict)).dataset == first.dataset


def test_a_file_that_vanishes_meanwhile_is_looked_for_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = module.open_bytes

    def vanish(path: Path, **options: Any) -> bytes:
        if path.name == "2.png":
            path.unlink(missing_ok=True)
        return opened(path, **options)

    data = (root / "cat/2.png").read_bytes()
    monkeypatch.setattr(module, "open_bytes", vanish)
    first = look(root)
    assert [(item.path, item.reason) for item in first.dataset.skipped] == [("cat/2.png", "vanished")]
    monkeypatch.undo()
    (root / "cat/2.png").write_bytes(data)
    assert look(root, remembered(first)).dataset.skipped == ()


def test_a_link_that_is_mended_is_seen(root: Path) -> None:
    (root / "cat/x.jpg").symlink_to("later.jpg")
    first = look(root)
    assert isinstance(first.changed["cat/x.jpg"].outcome, Skipped)
    (root / "cat/later.jpg").write_bytes(png())
    assert look(root, remembered(first)).dataset.skipped == ()


# --- progress, checkpoints


def test_progress_and_checkpoints(root: Path) -> None:
    for number in range(4100):
        (root / "cat" / f"bad {number:04}.jpg").touch()
    steps: list[tuple[int, int]] = []
    batches: list[int] = []
    found = look(root, progress=lambda *step: steps.append(step), checkpoint=lambda batch: batches.append(len(batch)))
    assert batches == [2000, 2000]
    assert steps == [(done, 4104) for done in range(1, 4105)]
    assert (len(found.changed), len(found.dataset.skipped), len(found.dataset.files)) == (4104, 4100, 4)


def test_an_interrupted_scan_goes_on_from_its_checkpoint(root: Path) -> None:
    for number in range(2100):
        (root / "cat" / f"bad {number:04}.jpg").touch()
    kept: dict[str, KnownFile] = {}

    def stop(done: int, _: int) -> None:
        if done == 2050:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        look(root, progress=stop, checkpoint=kept.update)
    assert len(kept) == 2000
    assert threading.active_count() == 1 or not any(t.name.startswith("gingham") for t in threading.enumerate())
    rest = look(root, kept)
    assert len(rest.changed) == 104
    assert rest.dataset == look(root).dataset
