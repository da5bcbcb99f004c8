"""Copies are listed, moved out of the way, and put back byte for byte."""

from __future__ import annotations

import io
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from gingham import Project
from tests.textures import FULL, Outcome, texture, texture_bytes

Gingham = Callable[..., Outcome]
KILLS = 30 if FULL else 4


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


@pytest.fixture
def copies(tmp_path: Path) -> Project:
    """Two classes; of one picture five copies, of which one lies in the other class."""
    root = tmp_path / "images" / "photos"
    for label, kind in (("cat", "stripes"), ("dog", "dots")):
        for n in (0, 1, 2):
            image = root / label / f"{n}.png"
            image.parent.mkdir(parents=True, exist_ok=True)
            image.write_bytes(encoded(texture(kind, 10 + n)))
    picture = texture("dots", 3, 320, 240)
    blurred = picture.filter(ImageFilter.GaussianBlur(1))
    (root / "cat" / "same.png").write_bytes((root / "cat" / "0.png").read_bytes())
    (root / "cat" / "small.jpg").write_bytes(encoded(picture.resize((160, 120)), "JPEG", quality=90))
    (root / "cat" / "soft.png").write_bytes(encoded(picture.filter(ImageFilter.GaussianBlur(1.5))))
    (root / "cat" / "z-best.png").write_bytes(encoded(picture))
    (root / "dog" / "copy.jpg").write_bytes(encoded(blurred, "JPEG", quality=90))
    return Project(tmp_path, environment={"GINGHAM_DATASET": "images/photos"})


def test_the_largest_the_sharpest_the_first_is_kept_and_what_is_under_two_labels_stays(copies: Project) -> None:
    result = copies.dedupe()
    assert [
        (each.keep.path, [c.file.path for c in each.others], [c.file.path for c in each.under_other_labels])
        for each in result.copies
    ] == [
        ("cat/z-best.png", ["cat/small.jpg", "cat/soft.png"], ["dog/copy.jpg"]),
        ("cat/0.png", ["cat/same.png"], []),
    ]
    assert (result.may_go, result.applied, result.removed) == (3, False, None)


def test_what_is_moved_is_put_back_byte_for_byte(copies: Project) -> None:
    images = copies.folder.root / "images"
    before = files(images)
    result = copies.dedupe(apply=True)
    assert result.kept == ()
    assert set(before) - set(files(images)) == {f"photos/cat/{n}" for n in ("same.png", "small.jpg", "soft.png")}
    assert result.removed is not None
    assert set(files(result.removed)) == {"cat/same.png", "cat/small.jpg", "cat/soft.png"}
    again = copies.dedupe(apply=True)
    assert (again.may_go, again.removed) == (0, None)
    assert len(copies.dedupe_undo().back) == 3
    assert files(images) == before
    assert copies.dedupe_undo().back == ()


def test_several_rounds_are_put_back_at_once(copies: Project) -> None:
    images = copies.folder.root / "images"
    before = files(images)
    copies.dedupe(apply=True, overrides={"splits.near_duplicate_bits": 0})
    copies.dedupe(apply=True)
    assert len(copies.dedupe_undo().back) == 3
    assert files(images) == before


def test_links_are_no_copies(copies: Project) -> None:
    root = copies.folder.root / "images" / "photos"
    (root / "cat" / "a-link.png").symlink_to("0.png")
    (root / "dog" / "more").symlink_to("../cat", target_is_directory=True)
    before = files(root)
    result = copies.dedupe(apply=True)
    assert "cat/a-link.png" in result.linked
    assert "dog/more/0.png" in result.linked
    assert result.may_go == 3
    assert (root / "cat" / "a-link.png").read_bytes() == (root / "cat" / "0.png").read_bytes()
    copies.dedupe_undo()
    assert files(root) == before


def test_a_copy_to_which_a_link_leads_stays(copies: Project) -> None:
    root = copies.folder.root / "images" / "photos"
    (root / "cat" / "a-link.png").symlink_to("same.png")
    result = copies.dedupe(apply=True)
    assert result.kept == (("cat/same.png", "a symbolic link leads to it"),)
    assert result.moved == result.may_go - 1
    assert (root / "cat" / "a-link.png").read_bytes()


def test_what_was_lost_from_where_it_was_put_is_told(copies: Project, gingham: Gingham) -> None:
    removed = copies.dedupe(apply=True).removed
    assert removed is not None
    (removed / "cat" / "same.png").unlink()
    told = gingham("dedupe", "--undo", "--project", copies.folder.root)
    assert "Put 2 files back." in told.out
    assert "same.png could not be put back: it is not there any more" in told.out


def test_a_file_that_changes_in_between_stays(copies: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    root = copies.folder.root / "images" / "photos"
    changed = texture_bytes("dots", 77)
    module = sys.modules["gingham.workflow.dedupe"]
    real = module._changed

    def edit_then_look(at: Path, file: object) -> str:
        (root / "cat" / "same.png").write_bytes(changed)
        return real(at, file)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_changed", edit_then_look)
    result = copies.dedupe(apply=True)
    assert result.kept == (("cat/same.png", "it has changed a moment ago"),)
    assert (root / "cat" / "same.png").read_bytes() == changed


def test_words_and_json(copies: Project, gingham: Gingham, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(copies.folder.root)
    listed = gingham("dedupe", "images/photos")
    assert "keep   cat/z-best.png  (320 x 240)" in listed.out
    assert "which? dog/copy.jpg" in listed.out
    assert "11 images, of which 3 are copies of another." in listed.out
    assert "nothing has been moved yet" in listed.out
    applied = gingham("dedupe", "images/photos", "--apply", "--json").json
    assert (applied["copies"], applied["moved"], applied["groups"][0]["keep"]) == (3, 3, "cat/z-best.png")
    assert "Put 3 files back." in gingham("dedupe", "--undo").out
    assert "Nothing was moved" in gingham("dedupe", "--undo").out


def test_copies_are_found_in_a_folder_of_which_no_classifier_could_come(tmp_path: Path) -> None:
    image = tmp_path / "images" / "one" / "a.png"
    image.parent.mkdir(parents=True)
    image.write_bytes(encoded(texture("dots", 1)))
    shutil.copy(image, image.with_name("b.png"))
    assert Project(tmp_path).dedupe(tmp_path / "images").may_go == 1


def test_killed_at_any_moment_all_can_be_put_back(tmp_path: Path) -> None:
    root = tmp_path / "images" / "noise"
    rng = np.random.default_rng(0)
    for n in range(8):
        picture = encoded(Image.fromarray(rng.integers(0, 255, (64, 64, 3), np.uint8)))
        for copy in range(25):
            image = root / f"class{n % 2}" / f"{n}-{copy}.png"
            image.parent.mkdir(parents=True, exist_ok=True)
            image.write_bytes(picture)
    before = files(root)
    project = Project(tmp_path)
    moved = 0
    for kill in range(KILLS):
        command = [
            sys.executable,
            "-m",
            "gingham",
            "dedupe",
            str(root),
            "--project",
            str(tmp_path),
            "--apply",
            "--quiet",
        ]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        removed = tmp_path / ".gingham" / "removed"
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline and not list(removed.glob("*/class*/*")):
            time.sleep(0.001)
        time.sleep(random.Random(kill).uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        process.wait()
        moved += len(before) - len(files(root))
        project.dedupe_undo()
        assert files(root) == before
    assert moved > 0
