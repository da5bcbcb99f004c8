from __future__ import annotations

import importlib.metadata
import platform
import sys
from types import SimpleNamespace

import packaging.markers
import pytest

from gingham.deploy import requirements
from gingham.deploy.requirements import pinned
from gingham.errors import UnavailableError

HEAVY = {
    "torch", "torchvision", "timm", "scikit-learn", "scipy", "matplotlib", "mlflow", "mlflow-skinny", "onnxruntime",
    "pandas", "nicegui", "ray", "optuna", "gingham",
}  # fmt: skip


def names(lines: tuple[str, ...]) -> set[str]:
    return {line.partition("==")[0].partition(">")[0] for line in lines}


def test_it_is_what_is_installed_here_and_all_that_it_needs() -> None:
    lines = pinned()
    assert list(lines) == sorted(lines, key=lambda line: line.partition("==")[0])
    for line in lines:
        name, _, version = line.partition("==")
        assert importlib.metadata.version(name).partition("+")[0] == version
    assert {"fastapi", "starlette", "numpy", "onnx", "openvino", "pydantic-core", "uvicorn", "uvloop"} <= names(lines)
    assert not HEAVY & names(lines)


def without(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    real = importlib.metadata.distribution

    def distribution(name: str) -> importlib.metadata.Distribution:
        if name == missing:
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "distribution", distribution)


def test_a_package_that_is_missing_here_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "prometheus-client")
    with pytest.raises(UnavailableError, match=r'prometheus.client is not installed here.*pip install "gingham\[serve'):
        pinned()


def test_on_windows_what_only_linux_needs_keeps_its_range(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "uvloop")
    windows = {"os_name": "nt", "sys_platform": "win32", "platform_system": "Windows", "platform_machine": "AMD64"}
    here = packaging.markers.default_environment()
    monkeypatch.setattr(packaging.markers, "default_environment", lambda: {**here, **windows})
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(platform, "machine", lambda: "AMD64")
    lines = pinned()
    assert "uvloop>=0.22" in lines
    assert "cykooz-resizer" in names(lines)
    assert "colorama" not in names(lines)


def test_an_installation_older_than_the_extra_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "distribution", lambda: SimpleNamespace(requires=["numpy>=2"]))
    with pytest.raises(UnavailableError, match="extra `serve`"):
        pinned()
