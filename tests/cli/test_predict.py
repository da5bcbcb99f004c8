"""`gingham predict`: words, JSON and CSV, of a model file, of a run and of a service."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from pathlib import Path
from typing import Any

import onnx
import pytest

from tests.client.scripted import MODEL, refuses, running, says, text
from tests.images.makers import bad_files
from tests.textures import CLASSES, run_process, texture_bytes

TOKEN = "S3cr3t-t0k3n-f0r-t3sts"


@pytest.fixture(scope="module")
def model(untouched_run: Path) -> Path:
    return next(untouched_run.glob("runs/*/model.onnx"))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with pictures of each class and a file that is none."""
    for kind in CLASSES:
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for number in (2, 10):
            (tmp_path / f"photos/{kind}/{number}.jpg").write_bytes(texture_bytes(kind, number))
    (tmp_path / "bad.jpg").write_bytes(bad_files()["half.jpg"][0])
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


IN_ORDER = [f"photos/{kind}/{number}.jpg" for kind in CLASSES for number in (2, 10)]


def test_words(gingham: Any, model: Path) -> None:
    said = gingham("predict", model, "photos", "bad.jpg", "nix.jpg", "--top-k", 2)
    assert said.status == 0
    lines = said.out.splitlines()
    assert [line.split()[0] for line in lines] == [*IN_ORDER, "bad.jpg", "nix.jpg"]
    assert {len(line.partition(" %")[0]) for line in lines[:-2]} == {len(lines[0].partition(" %")[0])}
    assert all(line.count(" %") == 2 for line in lines[:-2])
    assert lines[-2].split(maxsplit=3)[1:3] == ["–", "–"]
    assert "truncated: " in lines[-2]
    assert lines[-1].endswith("vanished: there is no such file or folder")
    assert said.err.splitlines()[-1].startswith("8 images, 2 unreadable, ")
    assert said.err.endswith(" images/s\n")


def test_pictures_of_what_spoke_for_each_answer(gingham: Any, model: Path, folder: Path) -> None:
    (folder / "photos" / "a b?.jpg").write_bytes(texture_bytes("dots", 3))
    said = gingham("predict", model, "bad.jpg", "photos", "--explain", "why/here", "--json")
    assert said.status == 0, said.err
    answers = [(Path(each["path"]), each["label"]) for each in said.json["predictions"] if each["label"]]
    names = [
        f"{path.parent.name}-{path.stem.replace(' ', '_').replace('?', '_')}-is-{label}.jpg" for path, label in answers
    ]
    assert sorted(path.name for path in (folder / "why" / "here").iterdir()) == sorted(names)
    assert len(names) == 7
    assert f"Wrote 7 pictures to {Path('why/here')}: what spoke for the answer is in colour." in said.err


def test_pictures_of_several_calls_do_not_mix(
    gingham: Any, model: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in CLASSES:
        gingham("predict", model, f"photos/{kind}", "--explain", "why")
    names = {path.name.partition("-is-")[0] for path in Path("why").iterdir()}
    assert names == {f"{kind}-{number}" for kind in CLASSES for number in (2, 10)}
    assert len([*Path("why").iterdir()]) == 6
    shutil.copy("photos/dots/10.jpg", "photos/checks/10.jpg")  # of another class now
    Path("why/mine.jpg").write_bytes(b"")
    monkeypatch.chdir("photos/checks")
    gingham("predict", model, "10.jpg", "--explain", folder / "why")
    (picture,) = (folder / "why").glob("checks-10-is-*")
    assert picture.name != "checks-10-is-checks.jpg"
    assert len([*(folder / "why").iterdir()]) == 7  # and what is not Gingham's stays


def test_pictures_of_images_that_are_called_alike(gingham: Any, model: Path) -> None:
    images = [f"{top}/条纹/{name}" for top in ("a", "b") for name in ("1.jpg", "1.png")]
    for number, image in enumerate(images):
        Path(image).parent.mkdir(parents=True, exist_ok=True)
        Path(image).write_bytes(texture_bytes("dots", number))
    gingham("predict", model, *images, "--explain", "why")
    names = {path.name.partition("-is-")[0] for path in Path("why").iterdir()}
    assert names == {"条纹-1", "条纹-1-2", "条纹-1-3", "条纹-1-4"}


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["words", "json"])
def test_no_word_of_pictures_where_there_is_none(gingham: Any, model: Path, form: list[str]) -> None:
    said = gingham("predict", model, "bad.jpg", "nix.jpg", "--explain", "why", *form)
    assert said.status == 3
    assert "picture" not in said.err
    assert not Path("why").exists()


def test_json(gingham: Any, model: Path) -> None:
    said = gingham("predict", model, "photos", "bad.jpg", "--json", "--top-k", 2, "--features")
    assert (said.status, said.err, said.out.count("\n")) == (0, "", 1)
    found = said.json
    assert list(found) == ["model", "predictions", "images", "unreadable", "seconds", "images_per_second"]
    assert list(found["model"]) == ["id", "run_id", "path", "labels"]
    assert (found["model"]["labels"], found["model"]["path"]) == (list(CLASSES), str(model))
    assert (found["images"], found["unreadable"]) == (7, 1)
    assert [each["path"] for each in found["predictions"]] == [*IN_ORDER, "bad.jpg"]
    for each in found["predictions"][:-1]:
        assert len(each["probabilities"]) == 2
        assert len(each["features"]) == 1280
        assert each["probability"] == max(each["probabilities"].values())


def test_csv(gingham: Any, model: Path, folder: Path) -> None:
    shutil.copy(IN_ORDER[0], '=cmd()\n,".jpg')
    said = gingham("predict", model, '=cmd()\n,".jpg', "bad.jpg", "--csv", "-o", "table.csv", "--quiet")
    assert (said.status, said.err) == (0, "")
    assert (folder / "table.csv").read_bytes().decode() == said.out
    assert said.out.count("\r\n") == 3
    header, first, bad = csv.reader(io.StringIO(said.out, newline=""))
    assert header[:7] == ["path", "label", "probability", "sure", "outlier_score", "is_outlier", "error"]
    assert header[7:] == [f"p({kind})" for kind in CLASSES]
    assert first[0] == "'=cmd()\n,\".jpg"
    assert float(first[2]) == max(map(float, first[7:]))
    assert bad[:3] == ["bad.jpg", "", ""]
    assert bad[6].startswith("truncated: ")
    assert bad[7:] == ["", "", ""]


def test_what_cannot_be_trusted_is_said(gingham: Any, model: Path, folder: Path) -> None:
    doubtful = onnx.load(model)
    entry = next(entry for entry in doubtful.metadata_props if entry.key == "gingham")
    entry.value = json.dumps(json.loads(entry.value) | {"threshold": 1.0, "outlier_limit": 1e-6})
    onnx.save(doubtful, folder / "doubtful.onnx")
    said = gingham("predict", "doubtful.onnx", IN_ORDER[0])
    assert "not sure; unlike the training images" in said.out


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]], ids=["words", "json", "csv"])
def test_status_3_where_nothing_can_be_read(gingham: Any, model: Path, form: list[str]) -> None:
    said = gingham("predict", model, "bad.jpg", "nix.jpg", *form)
    assert said.status == 3
    assert said.out.count("vanished: there is no such file or folder") == 1
    if form == ["--json"]:
        assert said.json["unreadable"] == said.json["images"] == 2


@pytest.mark.parametrize("run", ["latest", "2"])
def test_a_run_of_the_project(gingham: Any, untouched_run: Path, run: str) -> None:
    said = gingham("predict", run, "photos/**/2.jpg", "--project", untouched_run, "--json")
    assert said.status == 0
    assert said.json["model"]["run_id"] == next(untouched_run.glob("runs/2*")).name
    assert [each["path"] for each in said.json["predictions"]] == IN_ORDER[::2]


def test_a_folder_without_images_among_others_is_noted(gingham: Any, model: Path) -> None:
    said = gingham("predict", model, "empty", "*.png", IN_ORDER[0], "--quiet")
    assert (said.status, said.out.count("\n")) == (0, 1)
    assert said.err == "There is no image in empty.\nThere is no image in *.png.\n"


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        pytest.param(
            ["photos"], 2, "The model comes first, then the images: gingham predict latest photos", id="a folder"
        ),
        pytest.param(["b.jpg"], 2, "gingham predict latest b.jpg", id="a photo and no model"),
        pytest.param(["localhost:8000", "b.jpg"], 2, "without its beginning: http://localhost:8000", id="no scheme"),
        pytest.param(["MODEL"], 2, "Name images, such as: gingham predict", id="no image named"),
        pytest.param(["MODEL", "empty", "*.png"], 2, "no image in empty. There is no image in *.png", id="none found"),
        pytest.param(["nix.onnx", "bad.jpg"], 4, "no model file nix.onnx", id="no such file"),
        pytest.param(["nix", "bad.jpg"], 4, "nix is no model file, and no run of this project", id="no such run"),
        pytest.param(["bad.jpg", "bad.jpg"], 3, "bad.jpg is not an ONNX file", id="no model"),
        pytest.param(["MODEL", "bad.jpg", "--top-k", "0"], 2, "--top-k must be at least 1", id="no class at all"),
        pytest.param(["MODEL", "bad.jpg", "--csv", "--json"], 2, "not both", id="two forms"),
        pytest.param(
            ["http://127.0.0.1:9", "bad.jpg", "--explain", "d"], 2, "--explain is for a model", id="a service"
        ),
        pytest.param(["MODEL", "bad.jpg", "--features"], 2, "no effect without --json", id="features in words"),
        pytest.param(["MODEL", "bad.jpg", "--token", TOKEN], 2, "for the address of a service", id="token of a file"),
        pytest.param(["MODEL", "bad.jpg", "--concurrency", "2"], 2, "for the address of a service", id="concurrency"),
        pytest.param(["MODEL", "bad.jpg", "--precision", "f8"], 2, "f32", id="unknown precision"),
        pytest.param(["MODEL", "bad.jpg", "-o", "folder.csv"], 4, "folder.csv", id="a folder as output"),
        pytest.param(["MODEL", "bad.jpg", "-o", "bad.jpg"], 2, "not to bad.jpg", id="a photo as output"),
        pytest.param(["http://127.0.0.1:1", "bad.jpg", "--precision", "f32"], 2, "`gingham serve` decides", id="url"),
        pytest.param(["ftp://127.0.0.1:1", "bad.jpg"], 2, "no http or https address", id="another scheme"),
        pytest.param([f"http://a:{TOKEN}@b", "bad.jpg"], 2, "Leave it out", id="a password in the address"),
    ],
)
def test_what_goes_wrong(gingham: Any, model: Path, arguments: list[str], status: int, words: str) -> None:
    Path("folder.csv").mkdir(exist_ok=True)
    given = [str(model) if argument == "MODEL" else argument for argument in arguments]
    said = gingham("predict", *given)
    assert said.status == status
    assert said.out == "" or "--json" in given
    assert words in " ".join(said.err.split())
    assert "Traceback" not in said.err
    assert TOKEN not in said.err


def test_a_service(gingham: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GINGHAM_SERVICE__TOKEN", TOKEN)
    unreadable = refuses(422, "truncated", "The image cannot be used: truncated: it ends too early.")
    with running(text(200, json.dumps(MODEL)), unreadable, says()) as server:
        said = gingham("predict", server.url, "bad.jpg", "photos", "--json", "--concurrency", 1, "--top-k", 1)
    assert said.status == 0
    assert said.json["model"] == {
        "id": "5b1f", "run_id": "20261127-063146-cba2", "url": server.url, "labels": ["cat", "dog"]
    }  # fmt: skip
    bad, *good = said.json["predictions"]
    assert bad["error"] == "truncated: it ends too early"
    assert [each["probabilities"] for each in good] == [{"dog": 0.75}] * 6
    assert {request.headers["Authorization"] for request in server.seen} == {f"Bearer {TOKEN}"}


def test_a_flag_goes_before_the_variable(gingham: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GINGHAM_SERVICE__TOKEN", "another")
    with running(refuses(401, "unauthorized", "No.")) as server:
        said = gingham("predict", server.url, "bad.jpg", "--token", TOKEN)
    assert said.status == 4
    assert "wants another token than the one given" in said.err
    assert TOKEN not in said.err
    assert [request.headers["Authorization"] for request in server.seen] == [f"Bearer {TOKEN}"]


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_names_of_any_kind(model: Path, folder: Path) -> None:
    for name in (b"\xff.jpg", "条纹.jpg".encode(), b"two\nlines.jpg", b"x" * 251 + b".jpg"):
        shutil.copy(IN_ORDER[0], os.fsencode(folder / "empty") + b"/" + name)
    words = run_process("predict", model, "empty", "--quiet")
    assert (words.status, words.err) == (0, "")
    lines = words.out.splitlines()
    assert [line.partition(".jpg")[0] for line in lines] == [
        "empty/two\\nlines", "empty/" + "x" * 251, "empty/条纹", "empty/\\xff",
    ]  # fmt: skip
    for form in ("--json", "--csv"):
        said = run_process("predict", model, "empty", form)
        assert said.status == 0
        assert "\\xff.jpg" in said.out


def test_a_reader_that_leaves_is_no_error(model: Path) -> None:
    import subprocess
    import sys

    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "gingham", "predict", str(model), "photos", "--quiet"]
    left = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (left.returncode, left.stderr) == (0, b"")
