"""What runs an image: Docker alone, Docker Compose, Kubernetes."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from gingham.deploy.image import image_files
from gingham.deploy.rendering import rendered
from gingham.deploy.subject import Subject

__all__ = ["Plan", "compose", "docker", "kubernetes"]

TOKEN_BYTES = 32
MANIFESTS = ("deployment", "service", "hpa", "pdb", "kustomization")


@dataclass(frozen=True)
class Plan:
    """What is to be written, and what to type afterwards.

    Parameters
    ----------
    files : dict of str to bytes
        By path inside the folder.
    command : str
        What to type in the folder.
    secrets : dict of str to bytes
        Files for their owner alone, written once.
    image : str
        Name and tag; empty where there is none.
    """

    files: dict[str, bytes]
    command: str
    secrets: dict[str, bytes] = field(default_factory=dict)
    image: str = ""


def docker(subject: Subject) -> Plan:
    """Return an image, and how to run it."""
    files, values = image_files(subject)
    return _plan("docker", files, values, f"docker build --tag {values['image']}:{values['tag']} .")


def compose(subject: Subject) -> Plan:
    """Return an image, and a service of Docker Compose with a token of its own."""
    files, values = image_files(subject)
    files["compose.yaml"] = rendered("compose.yaml", values)
    token = {".env": f"GINGHAM_SERVICE__TOKEN={_token()}\n".encode()}
    return _plan("compose", files, values, "docker compose up --build --detach --wait", token)


def kubernetes(subject: Subject) -> Plan:
    """Return an image, and what a cluster needs to run it, with a token of its own."""
    files, values = image_files(subject)
    for name in MANIFESTS:
        files[f"kubernetes/{name}.yaml"] = rendered(f"kubernetes/{name}.yaml", values)
    token = {"kubernetes/secret.yaml": rendered("kubernetes/secret.yaml", values | {"token": _token()})}
    image = f"{values['image']}:{values['tag']}"
    push = f"docker push {image} && " if "/" in subject.image else ""  # else the cluster is on this machine
    command = f"docker build --tag {image} . && {push}kubectl apply -k kubernetes"
    return _plan("kubernetes", files, values, command, token)


def _plan(
    kind: str,
    files: dict[str, bytes],
    values: dict[str, object],
    command: str,
    tokens: dict[str, bytes] | None = None,
) -> Plan:
    files["README.md"] = rendered("README.md", values | {"kind": kind})
    if tokens:
        files[".gitignore"] = rendered("gitignore", {"secrets": sorted(tokens)})
    return Plan(files, command, tokens or {}, f"{values['image']}:{values['tag']}")


def _token() -> str:
    return secrets.token_urlsafe(TOKEN_BYTES)
