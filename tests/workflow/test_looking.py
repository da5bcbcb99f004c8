"""What to look at next, and what more images would buy."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gingham import Project
from gingham.errors import DataError, UsageError
from tests.textures import Outcome, texture, texture_bytes

Gingham = Callable[..., Outcome]


@pytest.fixture
def waiting(finished: Path) -> Project:
    """A project with one wrong label, and three images that have none."""
    root = finished / "images" / "textures"
    (root / "unlabelled").mkdir()
    for n, kind in enumerate(("checks", "dots", "stripes")):
        texture(kind, 70 + n).save(root / "unlabelled" / f"{kind}.png")
    texture("stripes", 80).save(root / "checks" / "wrong.png")
    return Project(finished, environment={})


def test_suspects_come_first_then_the_unsure_then_the_unlike(waiting: Project) -> None:
    result = waiting.next(count=3)
    order = ["suspect", "unsure", "unlike"]
    places = [order.index(each.reason) for each in result.images]
    assert places == sorted(places)
    assert all(places.count(k) <= 3 for k in range(3))
    first = next(each for each in result.images if each.path == "checks/wrong.png")
    assert (first.reason, first.label, first.suggested) == ("suspect", "checks", "stripes")
    assert (result.labelled, result.unlabelled) == (43, 3)


def test_images_without_a_label_are_predicted_on(waiting: Project) -> None:
    found = {each.path: each for each in waiting.next(count=100).images if not each.label}
    for path, each in found.items():
        assert path.startswith("unlabelled/")
        assert each.suggested in ("checks", "dots", "stripes")
        assert 0 < each.probability <= 1


def test_what_a_person_has_said_is_not_asked_again(waiting: Project) -> None:
    asked = [each.path for each in waiting.next(count=100).images]
    assert "checks/wrong.png" in asked
    waiting.label("checks/wrong.png", "checks")
    waiting.label(asked[-1], ambiguous=True)
    again = [each.path for each in waiting.next(count=100).images]
    assert "checks/wrong.png" not in again
    assert asked[-1] not in again


def test_the_table_can_be_imported_and_the_page_shows_the_images(waiting: Project) -> None:
    result = waiting.next(count=3)
    with result.csv.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["path"] for row in rows] == [each.path for each in result.images]
    assert {row["label"] for row in rows} == {""}, "to be filled in by a person"
    assert waiting.label_import(result.csv).changed == 0
    filled = result.csv.with_name("filled.csv")
    with filled.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows({**row, "label": "dots"} for row in rows)
    assert waiting.label_import(filled).changed == len(rows)
    page = result.page.read_text()
    assert result.page == waiting.folder.root / "next" / "textures" / "report.html"
    assert "checks/wrong.png" in page
    assert page.count("data:image/jpeg") == len(rows)


def test_next_in_words_and_json(waiting: Project, gingham: Gingham) -> None:
    project = waiting.folder.root
    words = gingham("next", "--project", project, "-n", "2")
    assert "43 labelled images and 3 without a label." in words.out
    assert "suspect labels" in words.out
    answer = gingham("next", "--project", project, "--json", "-o", project / "n.html").json
    assert answer["images"][0]["reason"] == "suspect"
    assert answer["page"].endswith("n.html")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        pytest.param(["next", "-n", "0"], 2, "At least 1 image", id="none"),
        pytest.param(["next", "-o", "page.pdf"], 2, "-o next.html", id="no page"),
        pytest.param(["next", "no-folder"], 3, "does not exist", id="no folder"),
        pytest.param(["learning-curve", "--more", "0"], 2, "--more must be from 1", id="no more"),
        pytest.param(["learning-curve", "no-folder"], 3, "does not exist", id="no folder, curve"),
    ],
)
def test_what_cannot_be_is_refused(
    project: Path, gingham: Gingham, arguments: list[str], status: int, message: str
) -> None:
    refused = gingham(*arguments, "--project", project)
    assert (refused.status, message in refused.err) == (status, True), refused.err


def test_a_single_class_cannot_be_learned_from(tmp_path: Path) -> None:
    for n in range(4):
        image = tmp_path / "photos" / "cat" / f"{n}.jpg"
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(texture_bytes("dots", n))
    with pytest.raises(DataError, match="at least two classes"):
        Project(tmp_path).next(tmp_path / "photos")


def test_the_learning_curve_uses_training_images_only(finished: Path) -> None:
    project = Project(finished, environment={})
    split = project.split().dataset
    result = project.learning_curve(more=10)
    found = result.findings
    assert result.classes == ("checks", "dots", "stripes")
    assert [outlook.images for outlook in found.classes] == [split.train_per_class[name] for name in result.classes]
    assert sorted(found.ranking) == [0, 1, 2]
    for outlook in (*found.classes, found.overall):
        assert 0 <= outlook.interval[0] <= outlook.accuracy <= outlook.interval[1] <= 1
        assert all(gain.interval[0] <= gain.accuracy <= gain.interval[1] for gain in outlook.gains)
    assert {gain.more for gain in found.classes[0].gains} == {10, 25, 100, 200}
    assert json.loads(result.page.with_name("learning.json").read_text())["ranking"] == result.to_json()["ranking"]
    assert result.page.with_name("learning_curve.png").read_bytes().startswith(b"\x89PNG")


def test_the_learning_curve_in_words_and_json(finished: Path, gingham: Gingham) -> None:
    words = gingham("learning-curve", "--project", finished)
    assert "with 50 more" in words.out
    assert "Page  " in words.out
    answer = gingham("learning-curve", "--project", finished, "--json").json
    assert set(answer["classes"]) == {"checks", "dots", "stripes"}
    assert answer["classes"]["dots"]["with_more"][0].keys() >= {"more", "accuracy", "accuracy_ci", "gain", "gain_ci"}


def test_a_page_of_another_kind_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="next.html"):
        Project(tmp_path).next(tmp_path / "photos", output="page.txt")
    assert not (tmp_path / ".gingham").exists()
