"""Stages: where a network is cut, the two parts are the whole; and what cannot be cut says so."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

from gingham.errors import ConfigError
from gingham.refine.stages import cut_network

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_torch_thread")]

FAMILIES = {
    "tf_efficientnet_lite0": (96, "last-3-stages"),
    "efficientnet_b0": (96, "last-3-stages"),
    "resnet18": (96, "last-2-stages"),
    "convnext_atto": (96, "last-2-stages"),
    "vit_tiny_patch16_224": (224, "last-5-stages"),
    "mobilenetv3_small_050": (96, "last-3-stages"),
    "regnety_002": (96, "last-2-stages"),
    "densenet121": (96, "last-5-stages"),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_the_two_parts_are_the_whole(name: str) -> None:
    side, depth = FAMILIES[name]
    network = timm.create_model(name, num_classes=0).eval()
    cut = cut_network(network, "auto", side, on_gpu=False)
    assert cut.depth == depth
    assert cut.fixed is not None
    images = torch.randn(2, 3, side, side)
    with torch.inference_mode():
        torch.testing.assert_close(cut.trained(cut.fixed(images)), network(images), rtol=1e-4, atol=1e-5)
    trained = {id(parameter) for parameter in cut.trained.parameters()}
    assert trained == {id(network.get_parameter(name)) for name in cut.names}
    assert 0 < len(trained) < len(list(network.parameters()))


@pytest.mark.parametrize(
    ("depth", "on_gpu", "chosen", "share"),
    [
        pytest.param("head", False, "head", 0.0, id="only the last layer"),
        pytest.param("all", False, "all", 1.0, id="everything"),
        pytest.param("auto", True, "all", 1.0, id="on a GPU everything"),
        pytest.param("last-1-stage", False, "last-1-stage", 0.75, id="one stage"),
    ],
)
def test_how_much_is_trained(depth: str, on_gpu: bool, chosen: str, share: float) -> None:
    network = timm.create_model("resnet18", num_classes=0)
    cut = cut_network(network, depth, 96, on_gpu=on_gpu)
    trained = sum(network.get_parameter(name).numel() for name in cut.names)
    assert cut.depth == chosen
    assert trained / sum(p.numel() for p in network.parameters()) == pytest.approx(share, abs=0.02)


class Crossing(nn.Module):
    """A network whose second stage also looks at the first one's input."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1, self.layer2 = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return (self.layer2(self.layer1(images)) + images).mean((2, 3))


def test_what_is_no_plain_row_of_stages_is_trained_whole_or_not_at_all() -> None:
    assert cut_network(Crossing(), "auto", 96, on_gpu=False).depth == "all"
    with pytest.raises(ConfigError, match=r"not a plain row of stages. Type: --refinement.depth all"):
        cut_network(Crossing(), "last-1-stage", 96, on_gpu=False)


def test_more_stages_than_there_are() -> None:
    network = timm.create_model("resnet18", num_classes=0)
    with pytest.raises(ConfigError, match=r"has 4 stages. Type: --refinement.depth all"):
        cut_network(network, "last-5-stages", 96, on_gpu=False)
