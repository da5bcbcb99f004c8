"""Which image files a user means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gingham.export.image_paths import find_images

TREE = [
    "a.jpg", "B.PNG", "img2.jpg", "img10.jpg", "notes.txt", "phone.heic", "brackets[1].jpg", ".hidden.jpg", "Thumbs.db",
    "inner/c.webp", "inner/deep/d.tif", "inner10/e.gif", "inner2/f.gif", "__MACOSX/g.jpg", ".cache/h.jpg",
    "none/readme",
]  # fmt: skip


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in TREE:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("named", "found"),
    [
        pytest.param(["a.jpg"], ["a.jpg"], id="a file"),
        pytest.param(["notes.txt"], ["notes.txt"], id="a file of any suffix"),
        pytest.param(["nix.jpg"], ["nix.jpg"], id="a file that is not there"),
        pytest.param([".hidden.jpg"], [".hidden.jpg"], id="a hidden file that is named"),
        pytest.param(["brackets[1].jpg"], ["brackets[1].jpg"], id="a file with brackets"),
        pytest.param(["inner"], ["inner/c.webp", "inner/deep/d.tif"], id="a folder"),
        pytest.param(["inner/"], ["inner/c.webp", "inner/deep/d.tif"], id="a folder with a slash"),
        pytest.param(
            ["."],
            ["a.jpg", "B.PNG", "brackets[1].jpg", "img2.jpg", "img10.jpg",
             "inner/c.webp", "inner/deep/d.tif", "inner2/f.gif", "inner10/e.gif"],
            id="everything, in natural order",
        ),
        pytest.param(["img*.jpg"], ["img2.jpg", "img10.jpg"], id="a pattern"),
        pytest.param(["*.heic"], ["phone.heic"], id="a pattern with a suffix of its own"),
        pytest.param(["[ab]*"], ["a.jpg", "brackets[1].jpg"], id="a pattern of characters"),
        pytest.param(["inner*/*"], ["inner/c.webp", "inner/deep/d.tif", "inner2/f.gif", "inner10/e.gif"], id="folders"),
        pytest.param(["**/*.gif"], ["inner2/f.gif", "inner10/e.gif"], id="any depth"),
        pytest.param(["inner/**"], ["inner/c.webp", "inner/deep/d.tif"], id="any depth, each once"),
        pytest.param(["img10.jpg", "img*", "a.jpg"], ["img10.jpg", "img2.jpg", "a.jpg"], id="each once, as named"),
    ],
)  # fmt: skip
def test_what_is_found(named: list[str], found: list[str]) -> None:
    result = find_images(named)
    assert [os.path.normpath(path) for path in result.paths] == found
    assert (result.empty, result.unlisted) == ((), ())


@pytest.mark.parametrize(
    ("named", "passed_over"),
    [
        pytest.param(["."], ["notes.txt", "phone.heic", "none/readme"], id="a folder"),
        pytest.param(["no*"], ["none/readme"], id="a pattern"),
        pytest.param(["inner", "a.jpg"], [], id="nothing"),
    ],
)
def test_what_is_passed_over_is_told(named: list[str], passed_over: list[str]) -> None:
    assert sorted(map(os.path.normpath, find_images(named).passed_over)) == sorted(passed_over)


@pytest.mark.parametrize("named", ["none", "*.bmp", "n*/x*.jpg", ".cache/*.png"])
def test_where_nothing_is(named: str) -> None:
    result = find_images([named, "a.jpg"])
    assert (result.paths, result.empty) == (("a.jpg",), (named,))


def test_links_are_followed_once(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "z.jpg").write_bytes(b"x")
    (tree / "inner/circle").symlink_to(tree / "inner")
    (tree / "inner/outside").symlink_to(elsewhere)
    found = find_images(["inner"]).paths
    assert found == ("inner/c.webp", "inner/deep/d.tif", "inner/outside/z.jpg")


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_a_name_that_is_not_utf8(tree: Path) -> None:
    (tree / "inner" / os.fsdecode(b"\xff.jpg")).write_bytes(b"x")
    assert os.fsencode(find_images(["inner"]).paths[1]) == b"inner/\xff.jpg"
