"""What is installed, and what will be used."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform

from gingham.config import Config
from gingham.errors import GinghamError
from gingham.project import ProjectFolder
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
    from gingham.features import describe_engine, load_backbone

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
        given = folder.dataset(settings.backbone_weights) if settings.backbone_weights else None
        backbone = load_backbone(settings.backbone, weights=given)
        weights = {"backbone": backbone.name, "features": backbone.n_features, "source": backbone.weights.source,
                   "sha256": backbone.weights.sha256, "licence": backbone.weights.licence}  # fmt: skip
    except GinghamError as error:
        problems.append(str(error))
    return Diagnosis(
        machine={
            "system": platform.platform(terse=True),
            "processors": os.cpu_count(),
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
