"""What is said of images: at once, lastingly, seen by all that comes after, features untouched."""

from __future__ import annotations

import csv
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gingham import Project
from gingham.errors import DataError, UsageError
from gingham.records import Annotation
from tests.textures import FULL, Outcome

Gingham = Callable[..., Outcome]
KILLS = 200 if FULL else 8


def named(project: Path, n: int, kind: str = "checks") -> str:
    return sorted(path.name for path in (project / "images" / "textures" / kind).iterdir())[n]


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("given", ["whole path", "relative to the project", "relative to the dataset"])
def test_an_image_is_named_as_it_stands_or_as_the_report_gives_it(
    project: Path, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    path = f"checks/{named(project, 0)}"
    image = {
        "whole path": project / "images" / "textures" / path,
        "relative to the project": f"images/textures/{path}",
        "relative to the dataset": path,
    }[given]
    before = files(project / "images")
    result = Project(".").label(image, "dots", note="by hand")
    assert result.images == ((path, Annotation("dots", note="by hand")),)
    assert files(project / "images") == before


def test_everything_downstream_sees_the_label_at_once_and_no_feature_is_computed_anew(finished: Path) -> None:
    project = Project(finished, environment={})
    before = project.show().record
    moved, gone, back = (f"checks/{named(finished, n)}" for n in range(3))
    project.label(moved, "dots")
    project.label(gone, excluded=True, note="not a texture")
    project.label(back, "stripes")
    project.label_undo()
    split = project.split()
    assert split.dataset.images == before.dataset.images - 1
    assert [(item.path, item.reason.value, item.detail) for item in split.dataset.skipped] == [
        (gone, "excluded", "not a texture")
    ]
    per_class = {
        name: split.dataset.train_per_class[name] + split.dataset.test_per_class[name] for name in ("checks", "dots")
    }
    assert per_class == {"checks": 12, "dots": 15}
    run = project.run()
    assert not run.up_to_date
    assert (run.record.featurize.from_cache, run.record.featurize.images) == (41, 41)
    assert run.record.dataset.fingerprint != before.dataset.fingerprint
    table = (finished / "runs" / run.run_id / "predictions.csv").read_text()
    assert f"{moved}," in table
    assert next(row for row in csv.DictReader(table.splitlines()) if row["path"] == moved)["label"] == "dots"
    assert gone not in table
    assert project.run().up_to_date
    project.label_undo()
    project.label_undo()
    assert project.run().run_id == before.run_id, "as it was, so is the run"


def test_a_relabelled_test_image_is_told(finished: Path) -> None:
    project = Project(finished, environment={})
    sides = project.split().sides
    test = next(path for path, side in sides.items() if side == "test" and path.startswith("checks"))
    train = next(path for path, side in sides.items() if side == "train" and path.startswith("checks"))
    project.label(train, "dots")
    assert not any("by an annotation" in warning for warning in project.split().dataset.warnings)
    project.label(test, "dots")
    project.label(test, ambiguous=True)
    told = [warning for warning in project.split().dataset.warnings if "1 test image" in warning]
    assert ["another label than the folder" in told[0], "ambiguous" in told[1]] == [True, True]


def test_images_without_a_label_wait_and_join_once_they_have_one(finished: Path) -> None:
    dataset = finished / "images" / "textures"
    (dataset / "unlabelled").mkdir()
    for n in (0, 1):
        path = dataset / "checks" / named(finished, 0)
        path.rename(dataset / "unlabelled" / f"{n}.jpg")
    project = Project(finished, environment={})
    split = project.split().dataset
    assert (split.images, split.classes) == (40, ("checks", "dots", "stripes"))
    assert any("2 images wait for a label" in warning for warning in split.warnings)
    project.label("unlabelled/0.jpg", "checks")
    split = project.split().dataset
    assert split.images == 41
    assert any("An image waits for a label" in warning for warning in split.warnings)
    assert not any("by an annotation" in warning for warning in split.warnings), "it had none that was wrong"


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        pytest.param(["label", "checks/00.png"], 2, "last the class", id="no class"),
        pytest.param(["label"], 2, "Name images", id="nothing"),
        pytest.param(["label", "checks/00.png", "checks/01.jpg"], 2, "The class is missing", id="an image as class"),
        pytest.param(["label", "checks/no.png", "dots"], 2, "There is no image checks/no.png", id="no such image"),
        pytest.param(["label", "checks/00.png", "dot"], 2, "Did you mean `dots`?", id="nearly a class"),
        pytest.param(["label", "checks/00.png", "cow"], 2, "add --new", id="a new class"),
        pytest.param(["label", "checks/00.png", "a/cow", "--new"], 2, "cannot hold `/`", id="no folder name"),
        pytest.param(["label", "checks/00.png", "unlabelled"], 2, "gingham label clear", id="no class at all"),
        pytest.param(
            ["label", "checks/00.png", "checks/no.png", "dots"], 2, "Nothing has been changed", id="one wrong"
        ),
        pytest.param(["label", "empty.png", "dots"], 3, "Cannot read", id="unreadable"),
        pytest.param(["label", "no/*.png", "dots"], 2, "There is no image in no/*.png", id="empty pattern"),
        pytest.param(["label", "note", "checks/00.png"], 2, "last the note", id="no note"),
        pytest.param(["label", "note", "checks/00.png", "n" * 2001], 2, "at most 2,000", id="long note"),
        pytest.param(["label", "history", "--count", "0"], 2, "At least 1", id="no events"),
        pytest.param(["label", "import", "no.csv"], 2, "cannot be read", id="no table"),
        pytest.param(["label", "export", "x.txt"], 2, ".csv", id="no CSV"),
        pytest.param(["dedupe", "--apply", "--undo"], 2, "not both", id="apply and undo"),
        pytest.param(["dedupe", "no-such-folder"], 3, "does not exist", id="no folder"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    project: Path, gingham: Gingham, monkeypatch: pytest.MonkeyPatch, arguments: list[str], status: int, message: str
) -> None:
    monkeypatch.chdir(project)
    (project / "empty.png").touch()
    refused = gingham(*arguments)
    assert (refused.status, message in refused.err) == (status, True), refused.err
    assert Project(project).label_history().total == 0


def test_every_command_in_words_and_as_json(project: Path, gingham: Gingham, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    assert "is dots" in gingham("label", "checks/00.png", "dots").out
    assert "nothing has changed" in gingham("label", "checks/00.png", "dots").out
    assert gingham("label", "images/textures/checks/0[01].*", "cows", "--new", "--json").json["changed"] == 2
    assert gingham("label", "exclude", "dots/00.png", "--note", "blank", "--json").json["images"] == [
        {"path": "dots/00.png", "label": None, "excluded": True, "ambiguous": False, "note": "blank"}
    ]
    assert "ambiguous" in gingham("label", "ambiguous", "dots/01.jpg").out
    assert '"a lynx?"' in gingham("label", "note", "dots/01.jpg", "a lynx?").out
    assert [event["kind"] for event in gingham("history", "--json").json["events"]] == [
        "note", "ambiguous", "note", "excluded", "label", "label", "label",
    ]  # fmt: skip
    assert gingham("history", "dots/01.jpg", "--json").json["total"] == 2
    assert "its folder is its class" in gingham("label", "clear", "dots/01.jpg").out
    assert gingham("undo", "--json").json["undone"][0]["path"] == "dots/01.jpg"
    assert "and 6 earlier" in gingham("label", "history", "-n", "3").out
    for _ in range(5):
        assert gingham("label", "undo").status == 0
    assert "Nothing is left" in gingham("label", "undo").out
    assert gingham("label", "history", "--json").json["total"] == 9


def test_other_files_of_the_same_bytes_are_told(
    project: Path, gingham: Gingham, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    root = project / "images" / "textures"
    (root / "stripes" / "same.png").write_bytes((root / "dots" / "00.png").read_bytes())
    gingham("split")
    told = gingham("label", "exclude", "stripes/same.png")
    assert "1 image, and 1 other file of the same bytes (dots/00.png): remembered." in told.out
    assert gingham("label", "stripes/same.png", "dots", "--json").json["copies"] == ["dots/00.png"]


def test_a_table_is_imported_into_a_project_that_has_another_dataset(project: Path, tmp_path: Path) -> None:
    here, there = Project(project), Project(tmp_path / "there")
    here.label("dots/00.png", "checks")
    exported = here.label_export(project / "annotations.csv").file
    there.split(project / "images" / "textures")
    assert there.label_import(exported).changed == 1
    exported.write_text(exported.read_text().replace("checks,", "cow,"))
    with pytest.raises(UsageError, match="no class cow"):
        there.label_import(exported)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_of_another_program_is_read(project: Path, delimiter: str) -> None:
    table = project / "labels.csv"
    rows = [("Label", "PATH", "score"), ("dots", "checks/00.png", "1"), ("", "checks/01.jpg", "2")]
    table.write_text("\ufeff" + "\r\n".join(delimiter.join(row) for row in rows))
    result = Project(project).label_import(table)
    assert (result.images, result.changed) == (2, 1)
    assert Project(project).label_history().events[0].said.value == "dots"


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        pytest.param("a,b\n1,2", DataError, "It needs path or content", id="other columns"),
        pytest.param("", DataError, "the columns none", id="empty"),
        pytest.param("path,label\nchecks/00.png,dots,x", DataError, "row 2, has more cells", id="too many cells"),
        pytest.param(
            "path,excluded\nchecks/00.png,perhaps", DataError, "'perhaps'; it can be yes", id="neither yes nor no"
        ),
        pytest.param(
            "path,label\nchecks/00.png,dots\nno.png,dots", UsageError, "no image no.png", id="a missing image"
        ),
        pytest.param("path,label\nchecks/00.png,dots\nchecks/01.jpg,cow", UsageError, "no class cow", id="a new class"),
        pytest.param('path,label\n"checks/00.png,dots', DataError, "is not valid CSV", id="open quote"),
    ],
)
def test_a_table_with_one_wrong_row_changes_nothing(
    project: Path, text: str, error: type[Exception], message: str
) -> None:
    (project / "labels.csv").write_text(text)
    with pytest.raises(error, match=message):
        Project(project).label_import(project / "labels.csv")
    assert Project(project).label_history().total == 0


def test_what_is_exported_is_imported_elsewhere_the_same(project: Path, tmp_path: Path) -> None:
    here = Project(project)
    here.label("checks/00.png", "=1+1", note="@sum\nline two", new_class=True)
    here.label("checks/01.jpg", excluded=True, note="'quoted'")
    here.label("dots/00.png", ambiguous=True)
    here.label("dots/01.jpg", "checks")
    here.label_undo()
    exported = here.label_export(project / "annotations.csv")
    assert exported.images == 3
    text = exported.file.read_text()
    assert not any(cell.startswith(("=", "@", "+", "-")) for row in csv.reader(text.splitlines()) for cell in row)
    there = Project(tmp_path / "elsewhere")
    assert there.label_import(exported.file, new_classes=True).changed == 5
    with here.folder.annotations() as one, there.folder.annotations() as other:
        assert one.in_force() == other.in_force()


ANNOTATOR = """
import itertools, sys
from pathlib import Path
from gingham import Project
project = Project(sys.argv[1])
images = sorted(path for path in Path(sys.argv[1], "images").rglob("*.*"))
for number in itertools.count(int(sys.argv[2])):
    project.label(images[number % len(images)], note=str(number))
    print(number, flush=True)
"""


def test_no_acknowledged_annotation_is_lost_by_kill_9(project: Path) -> None:
    rng = random.Random(0)
    acknowledged: list[str] = []
    for _ in range(KILLS):
        start = str(1 + int(acknowledged[-1]) if acknowledged else 0)
        process = subprocess.Popen(
            [sys.executable, "-c", ANNOTATOR, str(project), start], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        acknowledged += [process.stdout.readline().strip()]
        try:
            process.wait(rng.uniform(0, 0.1))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        acknowledged += process.stdout.read().split()
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
        with Project(project).folder.annotations() as annotations:
            notes = [event.said.value for event in annotations.events(1_000_000)][::-1]
        assert len(notes) - len(acknowledged) in range(KILLS + 1), "one more may be written and not yet acknowledged"
        assert set(acknowledged) <= set(notes)
    assert len(acknowledged) > KILLS
