from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from torch import nn

from gingham.config import Refinement
from gingham.features import Backbone, Weights
from gingham.features.pixel_input import convert_to_onnx
from gingham.records import InputRecipe, content_hash
from gingham.refine import Files, Parts, Refined, ViewMaker, refine

CLASSES = 3
N, TRAIN, VALIDATION = 24, 15, 18
QUICK = {
    "epochs": 3, "batch_size": 4, "learning_rate": 0.01, "precision": "f32", "device": "cpu", "depth": "last-2-stages",
    "views": 2, "trainings": 1,
}  # fmt: skip


@pytest.fixture
def make_files(tmp_path: Path) -> Callable[..., tuple[Files, np.ndarray]]:
    """Write pictures of three hues with noise; returns them as files, and their labels."""

    def make(count: int = 24, side: int = 96, **settings: object) -> tuple[Files, np.ndarray]:
        return write_files(tmp_path / "images", count, side, **settings)

    return make


def write_files(root: Path, count: int = 24, side: int = 96, **settings: object) -> tuple[Files, np.ndarray]:
    """Write pictures of three hues with noise; returns them as files, and their labels."""
    root.mkdir(exist_ok=True)
    items, labels = [], []
    for number in range(count):
        random, label = np.random.default_rng(number), number % CLASSES
        coarse = random.integers(0, 120, (5, 5, 3), dtype=np.uint8)
        coarse[..., label] += 110
        file = io.BytesIO()
        Image.fromarray(coarse).resize((120, 100), Image.Resampling.BICUBIC).save(file, "JPEG")
        (root / f"{number:03}.jpg").write_bytes(file.getvalue())
        items.append((content_hash(file.getvalue()), f"{number:03}.jpg"))
        labels.append(label)
    ways = {"augment": "light", "smallest_crop": 0.5, "flip": "horizontal", "seed": 0}
    maker = ViewMaker(InputRecipe(side), **(ways | settings))
    return Files(items, root, maker), np.array(labels, np.int64)


class Small(nn.Module):
    """A network of three stages, with what real ones have: batch norms, depthwise and 1 x 1 convolutions."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 5, stride=4, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.stages = nn.Sequential(*[self._stage(8 * 2**k) for k in range(3)])
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        for layer in self.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.momentum = None  # one pass, and their statistics are those of these images
        with torch.no_grad():
            self(nn.functional.interpolate(torch.rand(16, 3, 5, 5), 96, mode="bicubic") * 2 - 1)

    @staticmethod
    def _stage(width: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(width, 2 * width, 1, bias=False), nn.BatchNorm2d(2 * width), nn.ReLU(),
            nn.Conv2d(2 * width, 2 * width, 5, 2, 2, groups=2 * width, bias=False), nn.BatchNorm2d(2 * width),
        )  # fmt: skip

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.pool(self.stages(self.stem(images)))


class SmallBackbone(Backbone):
    """That network, random, as a backbone."""

    def __init__(self) -> None:
        half = (0.5, 0.5, 0.5)
        super().__init__("small", 64, Weights("0" * 64, "unknown", "the tests", half, half, "bicubic", 0.875))

    def torch_module(self, resolution: int) -> nn.Module:
        return Small().eval()

    def onnx_model(self, resolution: int) -> onnx.ModelProto:
        half = (0.5, 0.5, 0.5)
        return onnx.load_model_from_string(convert_to_onnx(self.torch_module(resolution), resolution, half, half))


@pytest.fixture
def backbone() -> Backbone:
    return SmallBackbone()


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for converted networks, so that each is converted once."""
    return tmp_path_factory.mktemp("converted")


@pytest.fixture
def train(
    make_files: Callable[..., tuple[Files, np.ndarray]], backbone: Backbone, tmp_path: Path, converted: Path
) -> Callable[..., Refined]:
    """Refine a small network on small pictures."""

    def call(place: str = "a", report: Any = None, said: list[str] | None = None, **settings: Any) -> Refined:
        files, labels = make_files(N)
        rows = np.arange(N)
        parts = Parts(rows[:TRAIN], rows[TRAIN:VALIDATION], rows[VALIDATION:], labels, 3)
        folder = tmp_path / place
        return refine(
            backbone,
            files,
            parts,
            np.zeros((3, backbone.n_features)),
            np.zeros(3),
            Refinement(**(QUICK | settings)),
            seed=0,
            engine="openvino",
            engine_precision="f32",
            checkpoint=folder / "checkpoint.safetensors",
            activations=folder / "activations",
            converted=converted,
            report=report or (lambda *_: None),
            say=(said if said is not None else []).append,
        )

    return call


def assert_same(a: Refined, b: Refined) -> None:
    assert a.tensors.keys() == b.tensors.keys()
    for name in a.tensors:
        np.testing.assert_array_equal(a.tensors[name], b.tensors[name], err_msg=name)
    np.testing.assert_array_equal(a.coef, b.coef)
    np.testing.assert_array_equal(a.intercept, b.intercept)
