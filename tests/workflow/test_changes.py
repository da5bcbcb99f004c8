"""What a change costs: a label nothing, a new image itself, a damaged cache entry its own features."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from gingham.config import load_config
from gingham.errors import DataError
from gingham.project import ProjectFolder
from gingham.workflow.steps import Steps
from tests.textures import texture_bytes


def test_moving_an_image_to_another_class_costs_no_featurizing(gingham: Any, finished: Path) -> None:
    root = finished / "images/textures"
    before = gingham("split", "--project", finished, "--json").json["sides"]
    (root / "dots/03.jpg").rename(root / "stripes/moved.jpg")
    made = gingham("run", "--project", finished, "--json").json
    assert made["up_to_date"] is False
    assert made["featurize"]["from_cache"] == made["featurize"]["images"] == 42
    after = gingham("split", "--project", finished, "--json").json["sides"]
    assert after.pop("stripes/moved.jpg") == before.pop("dots/03.jpg")
    assert after == before


def test_renaming_a_class_costs_no_featurizing(gingham: Any, finished: Path) -> None:
    root = finished / "images/textures"
    (root / "dots").rename(root / "spots")
    made = gingham("run", "--project", finished, "--json").json
    assert made["featurize"]["from_cache"] == 42
    assert made["dataset"]["classes"] == ["checks", "spots", "stripes"]


def test_a_new_image_costs_only_itself_and_moves_no_other(gingham: Any, finished: Path) -> None:
    before = gingham("split", "--project", finished, "--json").json["sides"]
    for seed in range(50, 55):
        (finished / f"images/textures/dots/new {seed}.jpg").write_bytes(texture_bytes("dots", seed))
    made = gingham("run", "--project", finished, "--json").json
    assert (made["featurize"]["images"], made["featurize"]["from_cache"]) == (47, 42)
    assert made["featurize"]["images_per_second"] > 0
    after = gingham("split", "--project", finished, "--json").json["sides"]
    assert {path: after[path] for path in before} == before
    assert len(after) == 47


def test_a_removed_image_moves_no_other(gingham: Any, finished: Path) -> None:
    before = gingham("split", "--project", finished, "--json").json["sides"]
    (finished / "images/textures/dots/03.jpg").unlink()
    made = gingham("run", "--project", finished, "--json").json
    assert made["featurize"]["from_cache"] == 41
    before.pop("dots/03.jpg")
    assert gingham("split", "--project", finished, "--json").json["sides"] == before


def test_an_overwritten_image_is_seen(gingham: Any, finished: Path) -> None:
    (finished / "images/textures/dots/03.jpg").write_bytes(texture_bytes("dots", 70))
    made = gingham("run", "--project", finished, "--json").json
    assert (made["featurize"]["images"], made["featurize"]["from_cache"]) == (42, 41)


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flip(data: bytes) -> bytes:
    at = len(data) // 2
    return data[:at] + bytes((data[at] ^ 8,)) + data[at + 1 :]


@pytest.mark.parametrize(
    ("damage", "recomputed"),
    [
        pytest.param(cut, 42, id="cut"),
        pytest.param(flip, 1, id="one bit"),
        pytest.param(lambda _: b"", 42, id="emptied"),
        pytest.param(lambda _: b"\x80\x04pickle", 42, id="foreign"),
    ],
)
def test_a_damaged_cache_is_found_counted_and_made_again(
    gingham: Any, finished: Path, damage: Any, recomputed: int
) -> None:
    before = gingham("evaluate", "--project", finished, "--json").json["metrics"]
    (shard,) = finished.glob(".gingham/features/*/*.safetensors")
    shard.write_bytes(damage(shard.read_bytes()))
    shutil.rmtree(finished / ".gingham/heads")
    made = gingham("run", "--project", finished, "--json", "--evaluation.report-images", "5").json
    assert made["featurize"]["recomputed"] == recomputed
    assert made["featurize"]["from_cache"] == 42 - recomputed
    assert made["metrics"] == before
    again = gingham("featurize", "--project", finished, "--json").json["featurize"]
    assert (again["recomputed"], again["from_cache"]) == (0, 42)


def test_a_damaged_index_is_made_again(gingham: Any, finished: Path) -> None:
    before = gingham("split", "--project", finished, "--json").json
    for name in ("index.sqlite", "runs.sqlite"):
        (finished / ".gingham" / name).write_bytes(b"no database" * 100)
        for suffix in ("-wal", "-shm"):
            Path(f"{finished}/.gingham/{name}{suffix}").unlink(missing_ok=True)
    after = gingham("split", "--project", finished, "--json").json
    assert after["sides"] == before["sides"]
    (warning,) = after["dataset"]["warnings"]
    assert "index.sqlite.damaged" in warning
    assert gingham("run", "--project", finished, "--json").json["up_to_date"] is True


def test_a_class_whose_training_images_are_lost_at_work_is_named(project: Path) -> None:
    steps = Steps(ProjectFolder(project), load_config(project / "gingham.toml"))
    for file, side in zip(steps.files, steps.split.sides, strict=True):
        if file.label == "dots" and side == "train":
            (steps.root / file.path).unlink()
    with pytest.raises(DataError, match="No training image is left of the class dots"):
        _ = steps.head
    assert not list(project.glob(".gingham/heads/*"))


def test_every_class_that_cannot_be_is_named_at_once(gingham: Any, project: Path) -> None:
    root = project / "images/textures"
    for number in range(8):
        (root / f"empty {number}").mkdir()
    refused = gingham("run", "--project", project)
    assert refused.status == 3
    assert "the class empty 0 has no readable image; the class empty 1 has" in refused.err
    assert "; and 3 more classes." in refused.err
