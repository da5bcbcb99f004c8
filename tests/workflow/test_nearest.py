"""The nearest training images: of what was trained on only, and never the image itself."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from gingham import Project
from tests.textures import CLASSES, texture_bytes

NOT_THERE = "vanished: there is no such file or folder"


def of_side(gingham: Any, project: Path, wanted: str) -> list[str]:
    sides = gingham("split", "--project", project, "--json").json["sides"]
    return sorted(path for path, side in sides.items() if side == wanted)


def test_a_training_image_is_left_out_of_its_own_neighbours_wherever_it_lies(
    gingham: Any, finished: Path, tmp_path: Path
) -> None:
    run = Project(finished, environment={}).show()
    train, test = of_side(gingham, finished, "train"), of_side(gingham, finished, "test")
    photos = finished / "images" / "textures"
    shutil.copy(photos / train[0], tmp_path / "copy.jpg")
    files = [photos / train[0], tmp_path / "copy.jpg", photos / train[-1], photos / test[0]]
    found = gingham("nearest", "latest", *files, "--count", 3, "--project", finished, "--json").json
    assert (found["run_id"], found["dataset"]) == (run.run_id, "images/textures")
    assert (found["folder"], found["unreadable"], found["output"]) == (str(photos), 0, None)
    for path, row in zip((train[0], train[0], train[-1], None), found["images"], strict=True):
        assert row["trained_on"] == (path and {"path": path, "label": path.partition("/")[0]})
        similarities = [each["similarity"] for each in row["nearest"]]
        assert len(similarities) == 3
        assert similarities == sorted(similarities, reverse=True)
        assert similarities[0] < 0.999
        assert path not in {each["path"] for each in row["nearest"]} <= set(train)
        assert {each["label"] for each in row["nearest"]} | {row["label"]} <= set(CLASSES)
        assert row["probability"] == pytest.approx(0.7, abs=0.3)
    assert found["images"][0]["nearest"] == found["images"][1]["nearest"]


def test_all_copies_of_it_are_left_out(gingham: Any, project: Path) -> None:
    photos = project / "images" / "textures"
    first = min((photos / "dots").iterdir())
    for number in range(3):
        shutil.copy(first, photos / "dots" / f"copy{number}.jpg")
    folder = Project(project, environment={})
    folder.run()
    (row,) = folder.nearest(first, count=50).images
    paths = {each.path for each in row.nearest}
    copies = {f"dots/{path.name}" for path in (photos / "dots").iterdir() if path.read_bytes() == first.read_bytes()}
    assert len(copies) == 4
    assert not paths & copies
    assert (row.trained_on is not None) == (f"dots/{first.name}" in of_side(gingham, project, "train"))


def test_in_words(gingham: Any, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished.parent)
    path = of_side(gingham, finished, "train")[0]
    image = f"finished/images/textures/{path}"
    said = gingham("nearest", "latest", image, "nix.jpg", "-n", 2, "--project", "finished")
    assert (said.status, said.err) == (0, "")
    first, second, last = said.out.strip().split("\n\n")
    answer, itself, head, *rows = first.splitlines()
    assert answer.startswith(f"{image}: the answer is ")
    assert answer.endswith(" % probable.")
    label = path.partition("/")[0]
    assert itself == f"It is itself a training image, {image}, trained on as {label}; left out below."
    assert head.split() == ["similarity", "label", "training", "image"]
    assert len(rows) == 2
    for row in rows:
        similarity, label, found = row.split()
        assert 0 < float(similarity) < 1
        assert Path(found).is_file()  # from here
        assert Path(found).parent.name == label
    assert second == f"nix.jpg: {NOT_THERE}"
    assert last.startswith("Similarity, as the network sees them: 1 is identical")


@pytest.mark.parametrize(
    ("given", "status", "words"),
    [
        pytest.param(["nix.jpg"], 3, f"nix.jpg: {NOT_THERE}\n", id="not there"),
        pytest.param(["photos"], 0, "photos/a.jpg: the answer is ", id="a folder"),
        pytest.param(["phot*/*.jpg"], 0, "photos/a.jpg: the answer is ", id="a pattern"),
        pytest.param(["photos/a.txt"], 3, "photos/a.txt: not_an_image: ", id="no image"),
    ],
)
def test_images_are_named_as_for_predict(
    gingham: Any, finished: Path, monkeypatch: pytest.MonkeyPatch, given: list[str], status: int, words: str
) -> None:
    (finished / "photos").mkdir()
    (finished / "photos" / "a.jpg").write_bytes(texture_bytes("dots", 77))
    (finished / "photos" / "a.txt").write_text("no image")
    monkeypatch.chdir(finished)
    said = gingham("nearest", "latest", *given)
    assert said.status == status == gingham("predict", "latest", *given).status
    assert said.out.startswith(words)
    assert ("Passed over 1 file that is called like no image" in said.err) == (given == ["photos"])


@pytest.mark.parametrize(
    "given", [pytest.param([], id="nothing"), pytest.param(["empty", "*.png"], id="where there is none")]
)
def test_no_image_at_all_is_refused_as_by_predict(
    gingham: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: list[str]
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    for first, message in (("latest", "Name images, such as: gingham"), ("empty", "comes first, then the images")):
        said, predicted = (gingham(verb, first, *given) for verb in ("nearest", "predict"))
        assert (said.status, said.out) == (predicted.status, predicted.out) == (2, "")
        assert said.err == predicted.err.replace("predict", "nearest").replace("The model", "The run")
        assert message in said.err or given


def test_a_page_to_look_at(gingham: Any, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished)
    path = of_side(gingham, finished, "train")[0]
    said = gingham("nearest", "latest", f"images/textures/{path}", "<b>.jpg", "-n", 2, "-o", "pages/near.html")
    assert said.status == 0
    assert f"Wrote {Path('pages/near.html')}, which shows the pictures." in said.out
    page = (finished / "pages" / "near.html").read_text("utf-8")
    assert page.count('<img src="data:image/jpeg;base64,') == 3  # itself and two
    assert page.count("no picture") == 1
    assert "<b>.jpg" not in page
    assert "&lt;b&gt;.jpg" in page


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        pytest.param(["latest", "--count", "0"], 2, "At least 1 image", id="none"),
        pytest.param(["2019"], 4, "2019", id="no such run"),
        pytest.param(["latest", "-o", "near.csv"], 2, "Type: -o near.html", id="no page"),
        pytest.param(["latest", "-o", "folder.html"], 4, "there is a folder of that name", id="a folder"),
    ],
)
def test_what_cannot_be_found(
    gingham: Any, finished: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], status: int, words: str
) -> None:
    monkeypatch.chdir(finished)
    (finished / "folder.html").mkdir()
    said = gingham("nearest", *arguments[:1], next((finished / "images").rglob("*.jpg")), *arguments[1:])
    assert said.status == status
    assert words in said.err


def test_without_the_features_it_says_how_to_get_them_back(gingham: Any, finished: Path) -> None:
    shutil.rmtree(finished / ".gingham" / "features")
    said = gingham("nearest", "latest", next((finished / "images").rglob("*.jpg")), "--project", finished)
    assert said.status == 4
    assert "Type `gingham run`" in said.err
