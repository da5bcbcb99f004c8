"""Who trains and who tests: given lists, groups, and the leaks that a given split can have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.textures import CLASSES

SIDES = {name: "test" if i < 4 else "val" if i < 6 else "train" for i in range(14) for name in [f"{i:02}"]}


def rows(project: Path) -> list[tuple[str, str]]:
    paths = sorted((project / "images/textures").glob("*/*"))
    return [(f"{path.parent.name}/{path.name}", SIDES[path.stem]) for path in paths]


def test_splits_csv_in_the_dataset_decides(gingham: Any, project: Path) -> None:
    table = "path,split\n" + "".join(f"{path},{side}\n" for path, side in rows(project))
    (project / "images/textures/splits.csv").write_text(table)
    made = gingham("run", "--project", project, "--json").json
    assert (made["dataset"]["train"], made["dataset"]["test"], made["dataset"]["split"]) == (30, 12, "splits.csv")
    sides = gingham("split", "--project", project, "--json").json["sides"]
    assert sides == {path: "test" if side == "test" else "train" for path, side in rows(project)}
    changed = table.replace("dots/00.png,test", "dots/00.png,train")
    (project / "images/textures/splits.csv").write_text(changed)
    again = gingham("run", "--project", project, "--json").json
    assert (again["up_to_date"], again["dataset"]["test"]) == (False, 11)


def test_what_the_file_decides_is_said(gingham: Any, project: Path) -> None:
    table = "path,split\n" + "".join(f"{path},{side}\n" for path, side in rows(project))
    (project / "images/textures/splits.csv").write_text(table)
    assert ", as splits.csv says." in gingham("run", "--project", project).out
    told = gingham("run", "--project", project, "--splits.test-fraction", "0.5").out
    assert "splits.test_fraction had no effect, because splits.csv says which images test." in told


def test_a_file_named_by_parameter_goes_before_the_one_in_the_dataset(gingham: Any, project: Path) -> None:
    (project / "images/textures/splits.csv").write_text("path,split\nnonsense,train\n")
    chosen = [(path, "test" if path.endswith(".png") else "train") for path, _ in rows(project)]
    (project / "mine.csv").write_text("path,split\n" + "".join(f"{path},{side}\n" for path, side in chosen))
    made = gingham("split", "--project", project, "--json", "--splits.file", "mine.csv").json
    assert made["sides"] == dict(chosen)


def test_a_list_of_test_files(gingham: Any, project: Path) -> None:
    tests = [path for path, side in rows(project) if side == "test"]
    (project / "tests.txt").write_text("\n".join(tests))
    made = gingham("split", "--project", project, "--json", "--splits.test-files", "tests.txt").json
    assert [path for path, side in made["sides"].items() if side == "test"] == tests
    assert made["dataset"]["train"] == 30


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--splits.group-by", "folder"], id="folder"),
        pytest.param(["--splits.group-by", "regex", "--splits.group-regex", r"/(shoot\d)/"], id="regex"),
        pytest.param(["--splits.group-by", "csv", "--splits.group-csv", "groups.csv"], id="csv"),
    ],
)
def test_groups_stay_whole(gingham: Any, project: Path, arguments: list[str]) -> None:
    root = project / "images/textures"
    table = "path,group\n"
    for label in CLASSES:
        for place, file in enumerate(sorted((root / label).iterdir())):
            shoot = root / label / f"shoot{place // 2}"
            shoot.mkdir(exist_ok=True)
            file.rename(shoot / file.name)
            table += f"{label}/{shoot.name}/{file.name},{label}{shoot.name}\n"
    (project / "groups.csv").write_text(table)
    found = gingham("split", "--project", project, "--json", *arguments).json
    sides_of: dict[str, set[str]] = {}
    for path, side in found["sides"].items():
        key = path.split("/")[1] if "regex" in arguments else path.rpartition("/")[0]
        sides_of.setdefault(key, set()).add(side)
    assert all(len(sides) == 1 for sides in sides_of.values())
    assert found["dataset"]["test"] > 0
    alone = gingham("split", "--project", project, "--json").json["sides"]
    assert alone != found["sides"]


def test_a_folder_renamed_and_settings_without_effect_move_no_image(gingham: Any, project: Path) -> None:
    root = project / "images/textures"
    late = [path for path in root.glob("*/*") if SIDES[path.stem] == "test"]
    for path in late:
        path.rename(project / f"{path.parent.name}-{path.name}")
    gingham("split", "--project", project)
    for path in late:
        (project / f"{path.parent.name}-{path.name}").rename(path)
    grown = gingham("split", "--project", project, "--json").json["sides"]
    root.rename(project / "images/renamed")
    again = ["split", project / "images/renamed", "--project", project, "--json", "--tracking.experiment", "x"]
    assert gingham(*again).json["sides"] == grown


def test_images_that_are_relabelled_can_train_and_stay(gingham: Any, project: Path) -> None:
    root = project / "images/textures"
    sides = gingham("split", "--project", project, "--json").json["sides"]
    tests = [root / path for path, side in sides.items() if side == "test"]
    (root / "new").mkdir()
    for path in tests:
        path.rename(root / "new" / f"{path.parent.name}-{path.name}")
    first = gingham("split", "--project", project, "--json").json
    assert first["dataset"]["train_per_class"]["new"] == 9
    assert first["dataset"]["test_per_class"]["new"] == 3
    assert any("divided anew" in warning for warning in first["dataset"]["warnings"])
    second = gingham("split", "--project", project, "--json").json
    assert second["sides"] == first["sides"]
    assert second["dataset"]["warnings"] == []


def test_a_leak_is_told_with_the_accuracy_without_it(gingham: Any, project: Path) -> None:
    root = project / "images/textures"
    given = "".join(f"{path},{side}\n" for path, side in rows(project)[:-1])
    (root / "splits.csv").write_text(f"path,split\ndots/leak.jpg,train\n{given}")
    (root / "dots/leak.jpg").write_bytes((root / "dots/01.jpg").read_bytes())
    made = gingham("run", "--project", project, "--json").json
    metrics = made["metrics"]
    assert (metrics["n_test"], metrics["n_without_leaks"]) == (12, 11)
    assert metrics["accuracy_without_leaks"] is not None
    assert made["dataset"]["images"] == 42
    assert any("not in the given split" in warning for warning in made["warnings"])
    assert "nearly training images" in gingham("runs", "show", "--project", project).out
