"""Write all that runs a model somewhere else: a container, a cluster, a platform that takes MLflow models."""

from __future__ import annotations

import importlib.util
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gingham import __version__
from gingham.deploy.bundle import Bundle
from gingham.deploy.containers import Plan, compose, docker, kubernetes
from gingham.deploy.mlflow_folder import mlflow
from gingham.deploy.subject import Subject
from gingham.errors import UnavailableError, UsageError
from gingham.project.files import user_path
from gingham.records import display_path, encodable

__all__ = ["Deployment", "Kind", "deploy"]

Kind = Literal["docker", "compose", "kubernetes", "mlflow"]
PLANS: dict[Kind, Callable[[Subject], Plan]] = {
    "docker": docker,
    "compose": compose,
    "kubernetes": kubernetes,
    "mlflow": mlflow,
}
WRITERS = ("jinja2", "packaging")
"""Packages that a machine which only predicts need not have."""


@dataclass(frozen=True)
class Deployment:
    """What was written.

    Parameters
    ----------
    kind : {"docker", "compose", "kubernetes", "mlflow"}
    folder : Path
    name : str
    image : str
        Name and tag of the image that the folder makes; empty where it makes none.
    model : Path
    model_id, run_id : str
    labels : tuple of str
    files : tuple of str
        All files of the deployment, by path inside the folder.
    kept : tuple of str
        Of these, the secrets that were there already and stay as they were.
    removed : tuple of str
        Files of an earlier deployment that this one does not have.
    command : str
        What to type next.
    """

    kind: Kind
    folder: Path
    name: str
    image: str
    model: Path
    model_id: str
    run_id: str
    labels: tuple[str, ...]
    files: tuple[str, ...]
    kept: tuple[str, ...]
    removed: tuple[str, ...]
    command: str

    def to_json(self) -> dict[str, Any]:
        """Return it as one JSON object."""
        lists = {name: list(getattr(self, name)) for name in ("labels", "files", "kept", "removed")}
        return {**vars(self), **lists, "folder": encodable(str(self.folder)), "model": encodable(str(self.model))}


def deploy(
    kind: Kind,
    model: Path,
    folder: str | os.PathLike[str],
    *,
    name: str | None = None,
    image: str | None = None,
    force: bool = False,
) -> Deployment:
    """Write the files that run a model elsewhere.

    Parameters
    ----------
    kind : {"docker", "compose", "kubernetes", "mlflow"}
    model : Path
        A model file.
    folder : path
        New, empty, or with an earlier deployment, which is brought up to date: secrets stay as they are, and a file
        that was changed since is not replaced.
    name : str, optional
        Of the deployment; by default that of the earlier deployment, or made from the classes.
    image : str, optional
        Of the container, with its registry, without a tag; by default that of the earlier deployment, or the name.
    force : bool
        Write into any folder, and replace changed files; what is no file of the deployment stays untouched even so.

    Raises
    ------
    UnavailableError
        If there is no such model, a package that is needed is not installed, or the folder cannot be written.
    DataError
        If the model is none of Gingham's, or cannot be served.
    UsageError
        For a folder, a name or an image that can be none, or a folder that holds another kind.
    """
    for package in WRITERS:
        if importlib.util.find_spec(package) is None:
            raise UnavailableError(f"Writing a deployment needs {package}. Install it: pip install {package}")
    bundle = Bundle(user_path(folder))
    _refuse_another_kind(bundle, kind)
    subject = Subject.of(model, _kept(bundle, name), image or bundle.said("image"))
    bundle.refuse_foreign(force)
    plan = PLANS[kind](subject)
    about = {
        "kind": kind,
        "gingham": __version__,
        "name": subject.name,
        "image": subject.image,
        "model_id": subject.model_id,
        "run_id": subject.run_id,
    }
    written = bundle.write(about, plan.files, plan.secrets)
    return Deployment(
        kind=kind,
        folder=bundle.folder,
        name=subject.name,
        image=plan.image,
        model=model,
        model_id=subject.model_id,
        run_id=subject.run_id,
        labels=subject.info.labels,
        files=written.files,
        kept=written.kept,
        removed=written.removed,
        command=f"cd {shlex.quote(str(bundle.folder))} && {plan.command}",
    )


def _refuse_another_kind(bundle: Bundle, kind: Kind) -> None:
    """Refuse to replace one kind of deployment by another: a secret would stay behind without its .gitignore."""
    earlier = bundle.said("kind")
    if earlier and earlier != kind:
        raise UsageError(
            f"The folder {display_path(str(bundle.folder))} holds a deployment for {earlier}. Name a new folder with"
            " -o."
        )


def _kept(bundle: Bundle, name: str | None) -> str | None:
    """Return the name of the earlier deployment, which its secrets bear, or the wanted one where there is none."""
    earlier = bundle.said("name")
    if earlier and name and earlier != name:
        raise UsageError(
            f"The deployment in {display_path(str(bundle.folder))} is called {earlier}, and so are its secrets. "
            "Name a new folder with -o."
        )
    return earlier or name
