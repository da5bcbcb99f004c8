"""Backbones: pretrained networks without their classification layer, by name.

A backbone carries what belongs to its weights: preprocessing, checksum and licence. ``efficientnet_lite0``, ``1`` and
``2`` come with Gingham and need neither torch nor a network; every other name is timm's.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gingham.errors import ConfigError
from gingham.records import Fit, InputRecipe, Interpolation, Views

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import nn

__all__ = [
    "Backbone",
    "Weights",
    "check_resolution",
    "embedded_names",
    "file_sha256",
    "load_backbone",
    "register_backbone",
]

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Weights:
    """What is known about the weights of a backbone.

    Parameters
    ----------
    sha256 : str
        Of the file, hexadecimal.
    licence : str
        SPDX identifier, or ``unknown``.
    source : str
        The file or package that they come from.
    mean, std : tuple of float
        Per channel (RGB), of pixels in [0, 1]; what the weights were trained with, like the next two.
    interpolation : {"bilinear", "bicubic", "lanczos", "box"}
    crop_fraction : float
    """

    sha256: str
    licence: str
    source: str
    mean: Triple
    std: Triple
    interpolation: Interpolation
    crop_fraction: float


class Backbone(ABC):
    """A pretrained network up to its penultimate layer.

    Parameters
    ----------
    name : str
    n_features : int
        Length of one image's feature vector.
    weights : Weights

    Attributes
    ----------
    views : {"one", "flip", "crops", "crops-and-flips"}
        Which parts of its input square it sees; see :func:`gingham.records.views_of`.
    """

    views: Views = "one"

    def __init__(self, name: str, n_features: int, weights: Weights) -> None:
        self.name = name
        self.n_features = n_features
        self.weights = weights

    @property
    def mean(self) -> Triple:
        """Per channel (RGB), of pixels in [0, 1]."""
        return self.weights.mean

    @property
    def std(self) -> Triple:
        """Per channel (RGB), of pixels in [0, 1]."""
        return self.weights.std

    @property
    def interpolation(self) -> Interpolation:
        """The resampling filter that the weights were trained with."""
        return self.weights.interpolation

    @property
    def crop_fraction(self) -> float:
        """The share of the shorter side that the centre crop keeps."""
        return self.weights.crop_fraction

    @property
    def weights_sha256(self) -> str:
        """Of the weights file, hexadecimal."""
        return self.weights.sha256

    @property
    def weights_licence(self) -> str:
        """SPDX identifier, or ``unknown``."""
        return self.weights.licence

    def recipe(self, resolution: int, fit: Fit = "crop") -> InputRecipe:
        """Return how an image becomes this network's input.

        Raises
        ------
        ConfigError
            If the resolution is not a multiple of 32 from 96 to 1024.
        """
        check_resolution(resolution)
        return InputRecipe(resolution, fit, self.weights.crop_fraction, self.weights.interpolation)

    def view_resolution(self, resolution: int) -> int:
        """Return the side of what it sees at once of an input square of this side."""
        return resolution

    @abstractmethod
    def onnx_model(self, resolution: int) -> ModelProto:
        """Return the network for inputs of one size, as ONNX.

        Returns
        -------
        onnx.ModelProto
            ``images`` uint8 (N, resolution, resolution, 3), RGB → ``features`` float32 (N, n_features).

        Raises
        ------
        ConfigError
            If the network cannot take this resolution.
        UnavailableError
            If the weights, or a package that is needed, are not here.
        DataError
            If the weights do not fit the network.
        """

    def onnx_before(self, stage: int, resolution: int) -> ModelProto | None:  # noqa: ARG002
        """Return the network up to a stage, where that can be had without torch; see `onnx_model`.

        Parameters
        ----------
        stage : int
            From 0, as timm counts its stages.
        resolution : int

        Returns
        -------
        onnx.ModelProto or None
            ``images`` uint8 (N, resolution, resolution, 3) → ``features`` float32 (N, H * W * C), channels last.
        """
        return None

    @abstractmethod
    def torch_module(self, resolution: int) -> nn.Module:
        """Return the network as a torch module in evaluation mode.

        Returns
        -------
        torch.nn.Module
            Float32 (N, 3, resolution, resolution), normalized → float32 (N, n_features).

        Raises
        ------
        ConfigError, DataError, UnavailableError
            As `onnx_model`; torch and timm are needed.
        """


Factory = Callable[[Path | None, Path | None], Backbone]
_REGISTRY: dict[str, Factory] = {}


def register_backbone(name: str) -> Callable[[Factory], Factory]:
    """Register what makes a backbone, from a weights file (or None) and a folder for converted networks (or None).

    Raises
    ------
    ValueError
        If the name is taken.
    """

    def register(factory: Factory) -> Factory:
        if name in _REGISTRY:
            raise ValueError(f"the backbone {name} is registered already, by {_REGISTRY[name]!r}")
        _REGISTRY[name] = factory
        return factory

    return register


def embedded_names() -> tuple[str, ...]:
    """Return the names of the backbones that need neither torch nor a network.

    >>> embedded_names()
    ('efficientnet_lite0', 'efficientnet_lite1', 'efficientnet_lite2')
    """
    _register_embedded()
    return tuple(sorted(_REGISTRY))


def load_backbone(name: str, weights: Path | None = None, *, directory: Path | None = None) -> Backbone:
    """Find a backbone and its weights; the network itself is built when it is first needed.

    Parameters
    ----------
    name : str
        ``efficientnet_lite0``, ``_lite1``, ``_lite2``, or any timm name.
    weights : Path, optional
        A local file, ``.safetensors`` (preferred) or a torch checkpoint; by default the backbone's own weights.
    directory : Path, optional
        Where converted networks are kept; by default they are made anew each time.

    Raises
    ------
    ConfigError
        If no backbone has this name.
    UnavailableError
        If the weights are not here and cannot be had, or torch or timm is needed and not installed.
    DataError
        If the weights are damaged or belong to another network.
    """
    _register_embedded()
    factory = _REGISTRY.get(name)
    if factory is not None:
        return factory(weights, directory)
    from gingham.features.timm_backbone import load_timm_backbone

    return load_timm_backbone(name, weights, directory)


def _register_embedded() -> None:
    import gingham.features.embedded  # noqa: F401  (registers its backbones when it is first imported)


def check_resolution(resolution: int) -> None:
    """Refuse a resolution that the networks cannot take.

    Raises
    ------
    ConfigError
        If it is not a multiple of 32 from 96 to 1024; names the nearest that is.
    """
    if resolution % 32 or not 96 <= resolution <= 1024:
        nearest = min(1024, max(96, round(resolution / 32) * 32))
        raise ConfigError(
            f"features.resolution is {resolution}; it must be a multiple of 32 from 96 to 1024. "
            f"The nearest is {nearest}: --features.resolution {nearest}"
        )


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
