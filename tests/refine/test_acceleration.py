"""Acceleration: the same network, its parameters under the same names, with the same gradients."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
from torch import nn

from gingham.refine.acceleration import accelerate

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_torch_thread")]

NETWORKS = ("tf_efficientnet_lite0", "mobilenetv3_small_050", "convnext_atto", "resnet18", "vit_tiny_patch16_224")


def _random_norms(network: nn.Module) -> nn.Module:
    """Give batch norms statistics of their own: those of a new network are ones and zeros."""
    generator = torch.Generator().manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for tensor in (layer.weight.data, layer.bias.data, layer.running_mean, layer.running_var):
                tensor.copy_(0.75 + torch.rand(tensor.shape, generator=generator) / 2)
    return network


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("fold", [True, False], ids=["norms frozen", "norms learn"])
def test_features_and_gradients_stay_the_same(name: str, fold: bool) -> None:
    torch.manual_seed(0)
    side = 224 if name.startswith("vit") else 96
    network = _random_norms(timm.create_model(name, num_classes=0)).eval()
    images = torch.randn(2, 3, side, side)
    original = copy.deepcopy(network)
    accelerate(network, images, fold=fold)
    assert list(network.state_dict()) == list(original.state_dict())
    found, expected = network(images), original(images)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * float(expected.detach().abs().max()))
    found.square().mean().backward()
    expected.square().mean().backward()
    for (parameter_name, ours), theirs in zip(network.named_parameters(), original.parameters(), strict=True):
        if theirs.grad is not None:
            assert ours.grad is not None, parameter_name
            off = (ours.grad - theirs.grad).abs().max() / theirs.grad.abs().max().clamp_min(1e-8)
            assert off < 0.02, parameter_name


def test_it_reaches_the_layers_that_are_slow() -> None:
    network = timm.create_model("tf_efficientnet_lite0", num_classes=0)
    accelerate(network, torch.randn(1, 3, 96, 96), fold=True)
    changed = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d) and "forward" in layer.__dict__]
    left = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d) and "forward" not in layer.__dict__]
    assert len(changed) == 48
    assert [tuple(layer.kernel_size) for layer in left] == [(3, 3)]  # the stem


def test_a_network_whose_answers_would_change_is_left_as_it_was() -> None:
    class Twice(nn.Module):
        """Looks at a convolution before its batch norm, which folding cannot see."""

        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            raw = self.conv(images)
            return self.norm(raw) + raw

    network = _random_norms(Twice()).eval()
    images = torch.randn(2, 3, 8, 8)
    expected = network(images)
    accelerate(network, images, fold=True)
    torch.testing.assert_close(network(images), expected)
    assert all("forward" not in layer.__dict__ for layer in network.modules())
