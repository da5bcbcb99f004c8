"""Every kind of timm network goes the whole way: refined, tested, exported behind the gate, and asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file

from gingham import load
from tests.textures import CLASSES

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_torch_thread")]

# Small ones of each family, with random weights.
FAMILIES = {
    "test_resnet": ("last-2-stages", 96, 128),
    "test_efficientnet": ("last-2-stages", 96, 160),
    "test_convnext": ("last-2-stages", 96, 160),
    "test_vit": ("last-3-stages", 128, 160),
    "mobilenetv3_small_050": ("last-3-stages", 96, 128),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_the_whole_way(gingham: Any, project: Path, name: str) -> None:
    torch.manual_seed(0)
    stages, *sides = FAMILIES[name]
    weights = project / "weights.safetensors"
    for side, depth in zip(sides, (stages, "all"), strict=True):
        size = {"img_size": side} if timm.get_pretrained_cfg(name).fixed_input_size else {}
        save_file(timm.create_model(name, num_classes=0, **size).state_dict(), weights)
        arguments = (
            "--features.backbone", name, "--features.backbone_weights", weights, "--features.resolution", side,
            "--refinement.epochs", 1, "--refinement.trainings", 1, "--refinement.depth", depth,
            "--refinement.start", "random",
            "--evaluation.bootstrap", 100, "--classifier", "dnn",
        )  # fmt: skip
        done = gingham("run", "--project", project, "--json", *arguments)
        assert done.status == 0, done.err
        made = done.json
        assert (made["backbone"], made["resolution"], made["refinement"]["depth"]) == (name, side, depth)
        answers = load(project / made["model"]).predict(sorted((project / "images").rglob("*.jpg"))[:3])
        assert {answer.label for answer in answers} <= set(CLASSES)
    exported = gingham("export", "--project", project, "--json", "-o", project / "model.onnx")
    assert exported.status == 0, exported.err
    assert {"the service", "ONNX Runtime"} <= {way["way"] for way in exported.json["parity"]}
