"""What is wrong with a folder of images is found, told, drawn and written, and nothing is changed."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps

from gingham import Project
from gingham.errors import DataError, UsageError
from gingham.workflow import CheckResult
from tests.textures import Outcome, texture

Gingham = Callable[..., Outcome]


def encoded(picture: Image.Image, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind)
    return stream.getvalue()


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def troubled(untouched_project: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, CheckResult]:
    """A dataset with one of everything, checked once."""
    import shutil

    project = Path(shutil.copytree(untouched_project, tmp_path_factory.mktemp("troubled") / "project"))
    root = project / "images" / "textures"
    dots = texture("dots", 50, 320, 240)
    for path, data in {
        "checks/wrong-label.png": encoded(texture("stripes", 60)),
        "dots/exact-1.png": encoded(texture("dots", 51)),
        "dots/exact-2.png": encoded(texture("dots", 51)),
        "dots/near-1.png": encoded(dots),
        "dots/near-2.jpg": encoded(dots.resize((240, 180)), "JPEG"),
        "stripes/conflict.png": encoded(texture("dots", 52)),
        "dots/conflict.png": encoded(texture("dots", 52)),
        "checks/dark.png": encoded(texture("checks", 53).point(lambda value: value // 8)),
        "checks/bright.png": encoded(texture("checks", 54).point(lambda value: 235 + value // 13)),
        "checks/blurred.png": encoded(texture("checks", 55).filter(ImageFilter.GaussianBlur(5))),
        "stripes/blank.png": encoded(Image.new("RGB", (160, 120), (180, 170, 160))),
        "stripes/tiny.png": encoded(texture("stripes", 56, 40, 30)),
        "stripes/ribbon.png": encoded(texture("stripes", 57, 900, 80)),
        "dots/mirror-1.png": encoded(texture("dots", 58)),
        "dots/mirror-2.png": encoded(ImageOps.mirror(texture("dots", 58))),
        "dots/broken.jpg": b"\xff\xd8\xff\xe0 cut",
        "unlabelled/later.png": encoded(texture("dots", 59)),
    }.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_bytes(data)
    os.mkfifo(root / "dots" / "pipe.jpg")
    (root / "dots" / "loop.jpg").symlink_to("loop.jpg")
    outside = project / "outside.png"
    outside.write_bytes(encoded(texture("dots", 61)))
    (root / "dots" / "outside.png").symlink_to(outside)
    before = files(root)
    checked = Project(project, environment={}).check(by_embedding=True)
    assert files(root) == before
    return Project(project, environment={}), checked


@pytest.mark.parametrize(
    ("issue", "expected"),
    [
        pytest.param("label_conflict", {"dots/conflict.png", "stripes/conflict.png"}, id="two labels"),
        pytest.param("exact_duplicate", {"dots/exact-2.png", "stripes/conflict.png"}, id="same bytes"),
        pytest.param("near_duplicate", {"dots/near-2.jpg"}, id="re-encoded"),
        pytest.param("dark", {"checks/dark.png"}, id="dark"),
        pytest.param("bright", {"checks/bright.png"}, id="bright"),
        pytest.param("low_information", {"stripes/blank.png"}, id="blank"),
        pytest.param("odd_size", {"stripes/tiny.png"}, id="tiny"),
        pytest.param("odd_aspect_ratio", {"stripes/ribbon.png"}, id="ribbon"),
        pytest.param("blurred", {"checks/blurred.png"}, id="blurred"),
        pytest.param("leak", set(), id="no leak"),
    ],
)
def test_each_issue_is_found_where_it_is_and_nowhere_else(
    troubled: tuple[Project, CheckResult], issue: str, expected: set[str]
) -> None:
    table = troubled[1].table
    assert {table.files[row].path for row in table.worst(issue)} == expected


def test_a_wrong_label_is_suspect_and_the_right_one_suggested(troubled: tuple[Project, CheckResult]) -> None:
    result = troubled[1]
    suspects = {result.table.files[row].path: result.table.suggested[row] for row in result.suspects}
    assert suspects["checks/wrong-label.png"] == "stripes"
    assert len(suspects) < 8


def test_lookalikes_are_found_by_embedding_only(troubled: tuple[Project, CheckResult]) -> None:
    project, result = troubled
    assert any({one, other} == {"dots/mirror-1.png", "dots/mirror-2.png"} for one, other, _ in result.lookalikes)
    assert "lookalike" not in project.check(output=project.folder.root / "again.html").table.issues


def test_files_that_cannot_be_read_are_told_with_the_reason(troubled: tuple[Project, CheckResult]) -> None:
    reasons = {item.path: item.reason.value for item in troubled[1].skipped}
    assert reasons["dots/broken.jpg"] in ("truncated", "corrupt", "not_an_image")
    assert reasons["dots/pipe.jpg"] == "not_a_file"
    assert reasons["dots/loop.jpg"] == "broken_link"
    assert reasons["dots/outside.png"] == "outside_root"


def test_the_table_has_a_score_and_a_flag_for_each_issue(troubled: tuple[Project, CheckResult]) -> None:
    result = troubled[1]
    with result.csv.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(result.table.files)
    for name in result.table.issues:
        scores = np.array([float(row[f"{name}_score"]) for row in rows])
        flags = np.array([row[f"is_{name}"] == "true" for row in rows])
        assert ((scores >= 0) & (scores <= 1)).all(), name
        assert flags.sum() == result.table.counts()[name]
        if flags.any() and name not in ("suspect_label", "exact_duplicate"):
            assert scores[flags].max() < scores[~flags].min(), f"{name}: what is flagged is worse than what is not"
    later = next(row for row in rows if row["path"] == "unlabelled/later.png")
    assert (later["split"], later["is_suspect_label"]) == ("unlabelled", "false")
    copy = next(row for row in rows if row["path"] == "dots/exact-2.png")
    assert copy["same_as"] == "dots/exact-1.png"


def test_the_suspects_can_be_imported_as_they_are(troubled: tuple[Project, CheckResult]) -> None:
    project, result = troubled
    assert result.suspects_csv is not None
    try:
        assert project.label_import(result.suspects_csv).changed == len(result.suspects)
        split = project.split()
        assert split.dataset.classes == ("checks", "dots", "stripes")
        again = project.check(output=project.folder.root / "again.html")
        assert "checks/wrong-label.png" not in {again.table.files[row].path for row in again.suspects}
    finally:
        project.label_undo()


def test_the_page_holds_what_was_found(troubled: tuple[Project, CheckResult]) -> None:
    result = troubled[1]
    page = result.page.read_text()
    assert result.page == troubled[0].folder.root / "check" / "textures" / "report.html"
    for text in ("Suspect labels", "The same picture under two labels", "Exact copies", "dots/pipe.jpg", "not_a_file"):
        assert text in page
    assert "copies across the split" in page.partition("Looked for and not found")[2].partition("</p>")[0]
    assert "<script" not in page


def test_words_and_json(troubled: tuple[Project, CheckResult], gingham: Gingham) -> None:
    project = troubled[0].folder.root
    words = gingham("check", "--project", project, "--no-labels", "-o", project / "words.html")
    assert words.status == 0
    assert "the same picture under two labels" in words.out
    assert "as you wished" in words.out
    answer = gingham("check", "--project", project, "--json", "-o", project / "json.html").json
    assert answer["issues"]["exact_duplicate"] == 2
    assert answer["suspect_labels"][0].keys() >= {"path", "label", "suggested_label", "probability"}
    assert answer["table"].endswith("json.csv")
    assert {item["reason"] for item in answer["unreadable"]} >= {"not_a_file", "broken_link", "outside_root"}


def test_a_second_check_measures_nothing_again(
    troubled: tuple[Project, CheckResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gingham.workflow import measuring

    monkeypatch.setattr(measuring._Look, "__call__", lambda *_: pytest.fail("it was measured before"))
    troubled[0].check(labels=False, output=troubled[0].folder.root / "again.html")


@pytest.mark.parametrize("classes", [1, 0], ids=["one class", "only images without a label"])
def test_a_folder_of_which_no_classifier_could_come_is_checked_all_the_same(tmp_path: Path, classes: int) -> None:
    folder = tmp_path / "photos" / ("cat" if classes else "unlabelled")
    folder.mkdir(parents=True)
    for n in range(3):
        (folder / f"{n}.png").write_bytes(encoded(texture("dots", 1 + n // 2)))
    result = Project(tmp_path).check(tmp_path / "photos")
    assert result.table.counts()["exact_duplicate"] == 1
    assert "suspect_label" not in result.table.issues
    assert any("Labels were not looked at: that takes two classes" in note for note in result.notes)


@pytest.mark.parametrize(
    ("prepare", "output", "error", "message"),
    [
        pytest.param(None, None, DataError, "does not exist", id="no folder"),
        pytest.param("photos", None, DataError, "holds no image of a class", id="no image"),
        pytest.param("photos", "page.pdf", UsageError, "-o check.html", id="no page"),
    ],
)
def test_what_cannot_be_checked_is_refused(
    tmp_path: Path, prepare: str | None, output: str | None, error: type[Exception], message: str
) -> None:
    if prepare:
        (tmp_path / prepare / "cat").mkdir(parents=True)
    with pytest.raises(error, match=message):
        Project(tmp_path).check(tmp_path / "photos", output=output)


def test_a_class_that_cannot_train_does_not_keep_the_others_from_being_checked(project: Path) -> None:
    root = project / "images" / "textures"
    (root / "rare").mkdir()
    (root / "rare" / "one.png").write_bytes(encoded(texture("dots", 90)))
    (root / "torn").mkdir()
    for n in range(2):  # of these none is left once conflicts are set apart
        data = encoded(texture("stripes", 91 + n))
        (root / "torn" / f"{n}.png").write_bytes(data)
        (root / "stripes" / f"torn-{n}.png").write_bytes(data)
    (root / "checks" / "wrong.png").write_bytes(encoded(texture("stripes", 60)))
    result = Project(project, environment={}).check()
    assert "checks/wrong.png" in {result.table.files[row].path for row in result.suspects}
    assert result.table.counts()["label_conflict"] == 4
    assert any("The label of rare was not looked at" in note for note in result.notes)
    assert any("cannot be split" in note for note in result.notes)


def test_images_that_lie_directly_in_the_folder_are_told(project: Path) -> None:
    with pytest.raises(DataError, match="Did you mean the folder above it"):
        Project(project, environment={}).check(project / "images" / "textures" / "dots")


def test_annotations_that_count_are_told(project: Path) -> None:
    here = Project(project, environment={})
    here.label("dots/00.png", "checks")
    here.label("dots/01.jpg", excluded=True)
    notes = here.check(labels=False).notes
    assert any("1 another label than the folder, 1 excluded" in note for note in notes)


def test_a_file_of_the_users_is_not_overwritten(project: Path) -> None:
    (project / "survey.csv").write_text("mine")
    with pytest.raises(UsageError, match="left as it is"):
        Project(project, environment={}).check(labels=False, output=project / "survey.html")
    assert (project / "survey.csv").read_text() == "mine"


def test_what_to_type_next_is_on_the_same_images_in_the_same_project(
    project: Path, gingham: Gingham, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.parent)
    root = project / "images" / "textures"
    (root / "-dash").mkdir()
    for n in range(2):
        (root / "-dash" / f"{n}.png").write_bytes(encoded(texture("dots", 200)))
    (root / "checks" / "wrong.png").write_bytes(encoded(texture("stripes", 60)))
    where = f"--project {project.name}"
    assert (
        f"gingham dedupe images/textures --apply {where}`" in gingham("dedupe", "images/textures", *where.split()).out
    )
    said = gingham("check", "images/textures", *where.split()).out
    assert f"gingham label {where} checks/wrong.png stripes`" in said
    assert f"gingham label import project/check/textures/suspects.csv {where}`" in said
    assert f"gingham label undo {where}`" in gingham("label", *where.split(), "--", "dots/00.png", "-dash").out


def test_file_types_that_give_the_class_away_are_a_shortcut(tmp_path: Path) -> None:
    for label, kind, suffix in (("cat", "PNG", "png"), ("dog", "JPEG", "jpg")):
        for n in range(24):
            image = tmp_path / "photos" / label / f"{n}.{suffix}"
            image.parent.mkdir(parents=True, exist_ok=True)
            image.write_bytes(encoded(texture("dots" if label == "cat" else "stripes", n), kind))
    found = {each.property for each in Project(tmp_path).check(tmp_path / "photos", labels=False).shortcuts}
    assert "file type" in found


def test_a_split_file_with_a_copy_on_both_sides_is_a_leak(project: Path) -> None:
    root = project / "images" / "textures"
    paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.*"))
    (root / "dots" / "copy.png").write_bytes((root / "dots" / "00.png").read_bytes())
    rows = [f"{path},{'test' if path.endswith(('00.png', '01.jpg')) else 'train'}" for path in paths]
    (root / "splits.csv").write_text("\n".join(["path,split", *rows, "dots/copy.png,train"]))
    table = Project(project, environment={}).check().table
    assert {table.files[row].path for row in table.worst("leak")} == {"dots/00.png"}
