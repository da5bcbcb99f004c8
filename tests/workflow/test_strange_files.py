"""Bad files, strange files and strange names among good ones: each is skipped with its reason, or used, and shown."""

from __future__ import annotations

import csv
import io
import os
import shutil
import sys
import unicodedata
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import ImageFilter

from gingham import Project, load
from gingham.evaluate.predictions import read_predictions
from gingham.records import display_path
from tests.images.makers import bad_files, good_files, odd_files
from tests.textures import texture, texture_bytes

NAMES = [
    pytest.param("dots/" + unicodedata.normalize("NFC", "é.jpg"), id="composed"),
    pytest.param("dots/" + unicodedata.normalize("NFD", "é.jpg"), id="decomposed"),
    pytest.param(os.fsdecode(b"dots/\xff\xfe.jpg"), id="not UTF-8"),
    pytest.param("dots/two\nlines.jpg", id="newline"),
    pytest.param("dots/" + "n" * 251 + ".jpg", id="255 bytes"),
    pytest.param("dots/" + "字" * 83 + "aa.jpg", id="255 bytes in 87 characters"),
    pytest.param("dots/<img src=x onerror=alert(1)>.jpg", id="markup"),
    pytest.param("dots/=cmd().jpg", id="formula"),
    pytest.param("dots/-1+1.jpg", id="formula with a sign"),
    pytest.param('dots/a,"b".jpg', id="separators"),
    pytest.param("dots/ blank .jpg", id="blanks"),
    pytest.param("dots/no suffix", id="no suffix"),
    pytest.param("dots/x.jpg/inside.jpg", id="in a folder called x.jpg"),
    pytest.param("dots/\u202egpj.exe.jpg", id="right to left"),
    pytest.param("=HYPERLINK(1)/a.jpg", id="formula as class"),
    pytest.param("<b>bold</b>/a.jpg", id="markup as class, but for the slash"),
]


class Texts(HTMLParser):
    """All elements of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.images: list[str] = []
        self.handlers: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handlers += [name for name, _ in attributes if name.startswith("on")]
        if tag == "img":
            self.images.append(dict(attributes).get("src") or "")

    def handle_data(self, data: str) -> None:
        self.text += data


def test_every_bad_file_is_listed_with_its_reason_and_the_rest_is_used(gingham: Any, project: Path) -> None:
    root = project / "images/textures"
    expected = {}
    for place, (name, (data, reason)) in enumerate(bad_files().items()):
        path = f"{('checks', 'dots', 'stripes')[place % 3]}/bad {name}"
        (root / path).write_bytes(data)
        expected[path] = reason
    for name, data in {**good_files(), **{name: data for name, (data, _) in odd_files().items()}}.items():
        (root / "dots" / f"more {name}").write_bytes(data)
    done = gingham("run", "--project", project, "--json")
    assert done.status == 0
    data = done.json["dataset"]
    assert {item["path"]: item["reason"] for item in data["skipped"]} == expected
    assert all(item["detail"] for item in data["skipped"])
    unlabelled = sum(len(paths) for paths in data["conflicts"])
    assert data["images"] == data["train"] + data["test"] == 42 + len(good_files()) + len(odd_files()) - unlabelled
    assert all(name in done.json["featurize"] for name in ("images", "engine"))
    report = Texts((project / done.json["report"]).read_text()).text
    assert str(len(expected)) in report
    words = gingham("run", "--project", project).out
    assert f"Left out {len(expected)}: " in words


def test_what_is_no_file_is_never_opened_and_what_systems_strew_is_passed_over(
    gingham: Any, project: Path, tmp_path: Path
) -> None:
    root = project / "images/textures"
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.jpg").write_bytes(texture_bytes("dots", 99))
    os.mkfifo(root / "dots/pipe.jpg")
    (root / "dots/out.jpg").symlink_to(outside / "secret.jpg")
    (root / "dots/away").symlink_to(outside)
    (root / "dots/nowhere.jpg").symlink_to(root / "nix.jpg")
    (root / "dots/loop.jpg").symlink_to(root / "dots/loop.jpg")
    (root / "dots/round").symlink_to(root)
    (root / "dots/inside.jpg").symlink_to(root / "dots/01.jpg")
    (root / "elsewhere").symlink_to(outside)
    for name in ("Thumbs.db", ".DS_Store", ".hidden.jpg", "desktop.ini"):
        (root / "dots" / name).write_bytes(b"strewn")
    for folder in ("__MACOSX", ".Trash"):
        (root / folder).mkdir()
        (root / folder / "a.jpg").write_bytes(texture_bytes("dots", 98))
    (root / "loose.jpg").write_bytes(texture_bytes("dots", 97))
    refused = gingham("split", "--project", project)
    assert refused.status == 3
    assert "elsewhere" in refused.err
    (root / "elsewhere").unlink()
    done = gingham("split", "--project", project, "--json")
    assert done.status == 0
    assert {item["path"]: item["reason"] for item in done.json["dataset"]["skipped"]} == {
        "dots/pipe.jpg": "not_a_file",
        "dots/out.jpg": "outside_root",
        "dots/away": "outside_root",
        "dots/nowhere.jpg": "broken_link",
        "dots/loop.jpg": "broken_link",
        "dots/round": "broken_link",
    }
    assert done.json["dataset"]["images"] == 43
    assert done.json["sides"]["dots/inside.jpg"] == done.json["sides"]["dots/01.jpg"]


@pytest.fixture(scope="module")
def strange_run(untouched_project: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """One run of all the names, each with a picture of its own; those that a list can name are tested on."""
    project = Path(shutil.copytree(untouched_project, tmp_path_factory.mktemp("strange") / "project"))
    root = project / "images/textures"
    paths = [path for parameter in NAMES for path in parameter.values]
    for seed, path in enumerate(paths, start=100):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(texture_bytes("dots", seed))
    for label in ("=HYPERLINK(1)", "<b>bold<"):
        for seed in (1, 2, 3):
            (root / label / f"{seed}.jpg").write_bytes(texture_bytes("checks", 200 + seed + len(label)))
    listable = [path for path in paths if path.isprintable()]
    assert len(listable) == len(paths) - 3
    (project / "tests.txt").write_text("\n".join([*listable, "checks/01.jpg", "stripes/01.jpg"]), encoding="utf-8")
    with (project / "gingham.toml").open("a") as file:
        file.write('[splits]\ntest_files = "tests.txt"\n')
    overrides = {"evaluation.report_images": 200}
    return project, Project(project, environment={}).run(overrides=overrides)


@pytest.mark.parametrize("path", NAMES)
def test_strange_names_are_kept_apart_and_shown_as_text(strange_run: tuple[Path, Any], path: str) -> None:
    project, run = strange_run
    assert run.record.dataset.skipped == ()
    assert run.record.dataset.images == 42 + len(NAMES) + 6
    with (project / "runs" / run.run_id / "predictions.csv").open(encoding="utf-8", newline="") as file:
        table = read_predictions(file)
    assert table.paths.count(path) == 1
    assert table.labels[table.paths.index(path)] == path.partition("/")[0]


def test_no_name_becomes_markup_in_the_report(strange_run: tuple[Path, Any]) -> None:
    _, run = strange_run
    page = Texts(run.report.read_text(encoding="utf-8"))
    assert page.handlers == []
    assert page.images
    assert all(source.startswith("data:image/") for source in page.images)
    assert "onerror=alert(1)" in page.text


def test_no_cell_of_the_table_is_a_formula(strange_run: tuple[Path, Any]) -> None:
    project, run = strange_run
    text = (project / "runs" / run.run_id / "predictions.csv").read_text(encoding="utf-8")
    for row in csv.reader(io.StringIO(text, newline="")):
        for cell in row:
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_names_are_printed_so_that_a_terminal_and_json_take_them(strange_run: tuple[Path, Any], gingham: Any) -> None:
    project, _ = strange_run
    sides = gingham("split", "--project", project, "--json").json["sides"]
    for parameter in NAMES:
        (path,) = parameter.values
        assert display_path(path) in sides
    words = gingham("runs", "show", "--project", project)
    assert words.status == 0
    words.out.encode()
    assert "\u202e" not in words.out


@pytest.fixture
def with_image(project: Path) -> Callable[[str, bytes], None]:
    def write(path: str, data: bytes) -> None:
        (project / "images/textures" / path).write_bytes(data)

    return write


def test_the_same_image_in_two_classes_is_on_neither_side(
    gingham: Any, project: Path, with_image: Callable[[str, bytes], None]
) -> None:
    data = texture_bytes("dots", 50)
    with_image("dots/same.jpg", data)
    with_image("checks/copy.jpg", data)
    found = gingham("split", "--project", project, "--json").json
    assert found["dataset"]["conflicts"] == [["checks/copy.jpg", "dots/same.jpg"]]
    assert (found["sides"]["dots/same.jpg"], found["sides"]["checks/copy.jpg"]) == ("none", "none")
    assert found["dataset"]["images"] == 42


def test_images_without_a_class_are_told(gingham: Any, project: Path) -> None:
    root = project / "images/textures"
    (root / "README.md").write_text("notes are no images")
    (root / "loose.JPG").write_bytes(texture_bytes("dots", 99))
    (warning,) = gingham("split", "--project", project, "--json").json["dataset"]["warnings"]
    assert warning == "An image lies in no class's folder, such as loose.JPG, and had no part in this."


def test_copies_among_the_test_images_are_told(gingham: Any, project: Path) -> None:
    root = project / "images/textures"
    first = gingham("split", "--project", project, "--json").json
    assert first["dataset"]["warnings"] == []
    tested = next(path for path, side in first["sides"].items() if side == "test")
    (root / f"{tested}.copy.jpg").write_bytes((root / tested).read_bytes())
    warnings = gingham("split", "--project", project, "--json").json["dataset"]["warnings"]
    assert any(warning.startswith("Of the 13 test images only 12 are independent") for warning in warnings)


@pytest.mark.skipif(sys.platform != "linux", reason="names that are no text")
def test_classes_whose_names_are_no_text_keep_their_numbers(gingham: Any, project: Path) -> None:
    root = project / "images/textures"
    (root / "dots").rename(os.fsdecode(os.fsencode(root) + b"/caf\xe9"))
    (root / "checks").rename(os.fsdecode(os.fsencode(root) + b"/caf\xe8"))
    found = gingham("run", "--project", project, "--json").json
    names = ["caf\\xe8", "caf\\xe9", "stripes"]
    assert found["dataset"]["classes"] == list(found["metrics"]["test_counts"]) == names
    assert set(found["metrics"]["test_counts"].values()) == {4}
    assert load(project / found["model"]).labels == tuple(names)
    (root / "stripes").rename(root / "caf\\xe9")
    refused = gingham("run", "--project", project)
    assert refused.status == 3
    assert "both called caf\\xe9" in refused.err


def test_copies_and_near_copies_are_on_one_side(
    gingham: Any, project: Path, with_image: Callable[[str, bytes], None]
) -> None:
    root = project / "images/textures"
    for seed in range(30, 44):
        picture = texture("dots", seed).filter(ImageFilter.GaussianBlur(2))
        for name, side in (("dots", (160, 120)), ("dots larger", (320, 240))):
            buffer = io.BytesIO()
            picture.resize(side).save(buffer, "JPEG", quality=80)
            with_image(f"dots/{name} {seed:02}.jpg", buffer.getvalue())
    with_image("stripes/twin.jpg", (root / "stripes/01.jpg").read_bytes())
    found = gingham("split", "--project", project, "--json").json
    pairs = [tuple(group) for group in found["dataset"]["duplicates"]]
    assert len(pairs) == 15
    for first, second in pairs:
        assert found["sides"][first] == found["sides"][second]
    assert {found["sides"][pair[0]] for pair in pairs} == {"train", "test"}


def test_names_that_differ_in_capitals_only_are_warned_of(gingham: Any, project: Path) -> None:
    (project / "images/textures/Dots").mkdir()
    for seed in (60, 61):
        (project / "images/textures/Dots" / f"{seed}.jpg").write_bytes(texture_bytes("dots", seed))
    warnings = gingham("split", "--project", project, "--json").json["dataset"]["warnings"]
    assert any("Dots" in warning and "dots" in warning and "capitals" in warning for warning in warnings)
