"""The nearest training images: of what was trained on only, an image's own copy first."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from gingham import Project
from tests.textures import CLASSES


def test_the_nearest_to_a_training_image_is_itself(gingham: Any, finished: Path) -> None:
    run = Project(finished, environment={}).show()
    sides = gingham("split", "--project", finished, "--json").json["sides"]
    train = sorted(path for path, side in sides.items() if side == "train")
    files = [finished / "images" / "textures" / path for path in (train[0], train[-1])]
    found = gingham("nearest", "latest", *files, "--count", 3, "--project", finished, "--json").json
    assert (found["run_id"], found["dataset"]) == (run.run_id, "images/textures")
    for path, row in zip((train[0], train[-1]), found["images"], strict=True):
        similarities = [each["similarity"] for each in row["nearest"]]
        assert row["nearest"][0]["path"] == path
        assert similarities[0] == pytest.approx(1, abs=1e-3)
        assert similarities == sorted(similarities, reverse=True)
        assert {sides[each["path"]] for each in row["nearest"]} == {"train"}
        assert {each["label"] for each in row["nearest"]} <= set(CLASSES)


def test_in_words_with_one_that_cannot_be_read(gingham: Any, finished: Path) -> None:
    image = next((finished / "images").rglob("*.jpg"))
    said = gingham("nearest", "latest", image, finished / "nix.jpg", "-n", 2, "--project", finished)
    assert said.status == 0
    first, second = said.out.strip().split("\n\n")
    assert [line.split()[0][:2] for line in first.splitlines()[1:]] in (["1.", "0."], ["0.", "0."], ["1.", "1."])
    assert second == f"{finished / 'nix.jpg'}: cannot be read"


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        pytest.param(["latest", "--count", "0"], 2, "At least 1 image", id="none"),
        pytest.param(["2019"], 4, "2019", id="no such run"),
    ],
)
def test_what_cannot_be_found(gingham: Any, finished: Path, arguments: list[str], status: int, words: str) -> None:
    said = gingham(
        "nearest", *arguments[:1], next((finished / "images").rglob("*.jpg")), *arguments[1:], "--project", finished
    )
    assert said.status == status
    assert words in said.err


def test_without_the_features_it_says_how_to_get_them_back(gingham: Any, finished: Path) -> None:
    shutil.rmtree(finished / ".gingham" / "features")
    said = gingham("nearest", "latest", next((finished / "images").rglob("*.jpg")), "--project", finished)
    assert said.status == 4
    assert "Type `gingham run`" in said.err
