from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml

from gingham.deploy import Deployment, Kind, deploy
from gingham.export import Predictor
from tests.textures import Outcome

Gingham = Callable[..., Outcome]
KINDS = ("docker", "compose", "kubernetes", "mlflow")


def test_a_deployment_of_the_latest_run_says_what_it_wrote_and_what_to_type(
    finished: Path, tmp_path: Path, gingham: Gingham
) -> None:
    out = tmp_path / "a folder"
    done = gingham("deploy", "compose", "latest", "-o", out, "--project", finished, "--json")
    assert done.status == 0, done.err
    told = json.loads(done.out)
    (model,) = finished.glob("runs/*/model.onnx")
    assert told["model_id"] == Predictor(model).digest
    assert told["run_id"] == model.parent.name
    assert told["name"] == "gingham-checks-dots-stripes"
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} == set(told["files"])
    assert told["command"] == f"cd '{out}' && docker compose up --build --detach --wait"
    assert (out / "model.onnx").read_bytes() == model.read_bytes()


def test_in_words_it_lists_the_files_and_the_next_command(model: Path, tmp_path: Path, gingham: Gingham) -> None:
    done = gingham("deploy", "kubernetes", model, "-o", tmp_path / "out", "--image", "registry.example.org/team/photos")
    assert done.status == 0, done.err
    assert "  kubernetes/deployment.yaml\n" in done.out
    last = done.out.splitlines()[-1]
    assert "&& docker push registry.example.org/team/photos:" in last
    assert last.endswith("&& kubectl apply -k kubernetes`.")


def test_name_and_image_stay_as_the_secret_that_bears_the_name_does(
    model: Path, tmp_path: Path, gingham: Gingham
) -> None:
    out = tmp_path / "out"
    image = "registry.example.org/team/photos"
    assert gingham("deploy", "kubernetes", model, "-o", out, "--name", "photos", "--image", image).status == 0
    secret = (out / "kubernetes" / "secret.yaml").read_text()
    again = gingham("deploy", "kubernetes", model, "-o", out)
    assert "  kubernetes/secret.yaml (kept as it was)\n" in again.out
    assert f"docker push {image}:" in again.out
    assert "name: photos-token" in secret
    assert secret == (out / "kubernetes" / "secret.yaml").read_text()
    assert "name: photos-token" in (out / "kubernetes" / "deployment.yaml").read_text()
    other = gingham("deploy", "kubernetes", model, "-o", out, "--name", "pictures", "--force")
    assert other.status == 2
    assert "is called photos" in other.err


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        pytest.param(b"not a model", 3, "not an ONNX file", id="no model"),
        pytest.param(b"", 3, "cannot be used", id="empty"),
        pytest.param(None, 4, "There is no model file", id="absent"),
    ],
)
def test_what_is_no_model_is_refused_before_anything_is_written(
    kind: str, content: bytes | None, status: int, message: str, tmp_path: Path, gingham: Gingham
) -> None:
    if content is not None:
        (tmp_path / "model.onnx").write_bytes(content)
    done = gingham("deploy", kind, tmp_path / "model.onnx", "-o", tmp_path / "out")
    assert done.status == status
    assert message in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["helm"], "docker", id="another kind"),
        pytest.param(["docker", "--name", "My Photos"], "--name my-photos", id="a name"),
        pytest.param(["docker", "--image", "photos:latest"], "no tag", id="an image with a tag"),
        pytest.param(["docker", "--image", "photos:1"], "no tag", id="an image with a tag that is a number"),
        pytest.param(["docker", "--image", "a b; rm -rf /"], "no name of an image", id="an image"),
        pytest.param(["docker", "-o", "~nobody-of-that-name/x"], "no user", id="an unknown home"),
    ],
)
def test_a_wrong_call_is_refused_and_says_what_is_right(
    arguments: list[str], message: str, model: Path, tmp_path: Path, gingham: Gingham, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    kind, *rest = arguments
    done = gingham("deploy", kind, model, *rest)
    assert done.status == 2
    assert message in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_the_users_is_refused(model: Path, tmp_path: Path, gingham: Gingham) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    done = gingham("deploy", "docker", model, "-o", tmp_path)
    assert done.status == 2
    assert "--force" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["Dockerfile"]
    assert (tmp_path / "Dockerfile").read_text() == "FROM scratch\n"


def test_another_kind_needs_another_folder(model: Path, tmp_path: Path, gingham: Gingham) -> None:
    """Its token would stay, and the file go that keeps it out of version control."""
    first = deploy("compose", model, tmp_path / "out")
    before = {name: (first.folder / name).read_bytes() for name in first.files}
    for more in ([], ["--force"]):
        done = gingham("deploy", "docker", model, "-o", first.folder, *more)
        assert done.status == 2
        assert "holds a deployment for compose" in done.err
    assert {name: (first.folder / name).read_bytes() for name in first.files} == before


def test_an_image_may_have_a_registry_with_a_port(model: Path, tmp_path: Path) -> None:
    written = deploy("compose", model, tmp_path / "out", image="registry.example.org:5000/team/photos")
    assert written.image.startswith("registry.example.org:5000/team/photos:")
    compose = yaml.safe_load((written.folder / "compose.yaml").read_text())
    assert compose["services"]["gingham"]["image"] == written.image


def test_the_same_model_makes_the_same_files_and_another_model_another_tag(
    deployed: Mapping[Kind, Deployment], model: Path, tmp_path: Path
) -> None:
    first = deployed["docker"]
    again = deploy("docker", model, tmp_path / "again")
    for name in first.files:
        assert (again.folder / name).read_bytes() == (first.folder / name).read_bytes(), name
    other = tmp_path / "other.onnx"
    gingham_reads = Predictor(model).info
    shutil.copy(model, other)
    other.write_bytes(other.read_bytes().replace(gingham_reads.run_id.encode(), b"20990101-000000-ffff"))
    assert deploy("docker", other, tmp_path / "other").image != first.image


def test_a_run_id_that_is_none_reaches_no_file(model: Path, tmp_path: Path) -> None:
    run_id = Predictor(model).info.run_id.encode()
    hostile = tmp_path / "hostile.onnx"
    hostile.write_bytes(model.read_bytes().replace(run_id, rb"\"\nUSER root\n#    "[: len(run_id)]))
    assert Predictor(hostile).info.run_id.startswith('"\nUSER root')
    written = deploy("kubernetes", hostile, tmp_path / "out")
    assert written.run_id == ""
    assert "USER root" not in (written.folder / "Dockerfile").read_text()


@pytest.mark.parametrize("package", ["jinja2", "packaging"])
def test_a_machine_that_only_predicts_is_told_what_is_missing(
    package: str, model: Path, tmp_path: Path, gingham: Gingham, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == package else real(name, *rest))
    done = gingham("deploy", "docker", model, "-o", tmp_path / "out")
    assert done.status == 4
    assert f"pip install {package}" in done.err
