"""What is installed, and what will be used."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform

from gingham.config import Config
from gingham.errors import GinghamError
from gingham.executors import usable_cpus
from gingham.project import ProjectFolder
from gingham.workflow.backbones import pretrained_backbone
from gingham.workflow.results import Diagnosis

__all__ = ["doctor", "installed_versions"]

PACKAGES = ("gingham", "numpy", "scipy", "scikit-learn", "openvino", "onnx", "onnxruntime", "pillow", "simplejpeg",
            "torch", "timm", "mlflow-skinny")  # fmt: skip
EXTRAS = {
    "train": ("torch", "torchvision", "timm", "onnxscript"),
    "serve": ("fastapi", "uvicorn"),
    "studio": ("nicegui", "anywidget"),
    "mlflow": ("mlflow", "sqlalchemy", "alembic"),
    "tune": ("optuna",),
    "scale": ("ray",),
}


def installed_versions() -> dict[str, str]:
    """Return the version of Python and of every package that a result can depend on."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def doctor(folder: ProjectFolder, config: Config) -> Diagnosis:
    """Say which engine, precision, weights, extras and device will be used, without loading the network."""
    from gingham.features import describe_engine

    problems: list[str] = []
    engine: dict[str, object] = {}
    weights: dict[str, object] = {}
    settings = config.features
    try:
        plan = describe_engine(settings.engine, settings.precision)
        engine = {"name": plan.name, "device": plan.device, "precision": plan.precision, "why": plan.reason}
    except GinghamError as error:
        problems.append(str(error))
    try:
        weights = _weights(folder, config)
    except GinghamError as error:
        problems.append(str(error))
    return Diagnosis(
        machine={
            "system": platform.platform(terse=True),
            "processors": usable_cpus(),
            "project": str(folder.root),
            "parameters": str(folder.config_file) if folder.config_file.exists() else "defaults (no gingham.toml here)",
        },
        packages=installed_versions(),
        extras={
            name: ""
            if all(importlib.util.find_spec(module) for module in modules)
            else f'pip install "gingham[{name}]"'
            for name, modules in EXTRAS.items()
        },
        engine=engine,
        weights=weights,
        problems=tuple(problems),
    )


def _weights(folder: ProjectFolder, config: Config) -> dict[str, object]:
    from gingham.features import JOINT, embedded_names

    name, file = config.features.backbone, config.features.backbone_weights
    always = {"come with Gingham": ", ".join(embedded_names())}
    if not file and not {*name.split(JOINT)} <= {*embedded_names()}:
        return {"backbone": name, "source": "timm's cache, or a download when they are first needed", **always}
    backbone = pretrained_backbone(folder, config.features)
    about = backbone.weights
    return {"backbone": name, "features": backbone.n_features, "source": about.source, "sha256": about.sha256,
            "licence": about.licence, **always}  # fmt: skip
