"""The same network, trained faster on a CPU: its slow layers are given other ways to compute what they compute.

Three things make timm's networks slow to train there: batch norms that are passes of their own over memory, the
gradients of depthwise convolutions, and 1 x 1 convolutions, which as matrix products reach the processor's full rate
in bf16. A layer's ``forward`` is replaced on the instance, so modules, parameters and their names stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gingham.refine.depthwise import Padding, depthwise_conv

__all__ = ["accelerate"]

_AGREEMENT = 1e-3


def accelerate(network: nn.Module, example: Tensor, *, fold: bool) -> nn.Module:
    """Give the layers of a network faster ways to compute, and make sure that they compute the same.

    Parameters
    ----------
    network : nn.Module
        Changed in place.
    example : Tensor
        An input of it, float32.
    fold : bool
        Batch norms are frozen, so they become part of the convolution before them.

    Returns
    -------
    nn.Module
        The network itself; where the ways disagreed, as it was.
    """
    network.eval()
    with torch.no_grad():
        expected = network(example)
        followers = _followers(network, example) if fold else {}
        changed = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
        for conv in changed:
            _replace(conv, followers.get(conv))
        found = network(example)
    if (found - expected).abs().max() > _AGREEMENT * expected.abs().max():
        for layer in [*changed, *followers.values()]:
            layer.__dict__.pop("forward", None)
    return network


def _followers(network: nn.Module, example: Tensor) -> dict[nn.Conv2d, nn.BatchNorm2d]:
    """Find the batch norm that takes each convolution's output, by watching one image pass."""
    made: dict[int, nn.Conv2d] = {}
    kept: list[Tensor] = []  # alive, so that no other tensor gets their identity
    found: dict[nn.Conv2d, nn.BatchNorm2d] = {}

    def after_conv(layer: nn.Module, _inputs: Any, output: Tensor) -> None:
        assert isinstance(layer, nn.Conv2d)
        made[id(output)] = layer
        kept.append(output)

    def before_norm(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(layer, nn.BatchNorm2d)
        conv = made.get(id(inputs[0]))
        if conv is not None and conv.bias is None and layer.affine and layer.running_var is not None:
            found[conv] = layer

    handles: list[Any] = []
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            handles.append(layer.register_forward_hook(after_conv))
        elif isinstance(layer, nn.BatchNorm2d):
            handles.append(layer.register_forward_pre_hook(before_norm))
    network(example)
    for handle in handles:
        handle.remove()
    return found


def _replace(conv: nn.Conv2d, norm: nn.BatchNorm2d | None) -> None:
    compute = _quicker(conv)
    if compute is None:
        return
    if norm is None:
        conv.forward = lambda images: compute(images, conv.weight, conv.bias)  # type: ignore[method-assign, assignment]
        return

    def folded(images: Tensor) -> Tensor:
        assert norm.running_var is not None
        assert norm.running_mean is not None
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        return compute(images, conv.weight * scale.view(-1, 1, 1, 1), norm.bias - norm.running_mean * scale)

    conv.forward = folded  # type: ignore[method-assign, assignment]
    # timm's batch norms carry their activation.
    drop, act = getattr(norm, "drop", nn.Identity()), getattr(norm, "act", nn.Identity())
    if hasattr(act, "inplace"):
        act.inplace = False  # in place on a view, such as what a product gives, its gradient is slow
    norm.forward = lambda images: act(drop(images))  # type: ignore[method-assign, assignment]


Compute = Callable[[Tensor, Tensor, Tensor | None], Tensor]


def _quicker(conv: nn.Conv2d) -> Compute | None:
    """Return a faster way to compute a convolution, from input, weight and bias; None where there is none."""
    square = len({*conv.kernel_size}) == len({*conv.stride}) == 1
    if type(conv).__name__ not in ("Conv2d", "Conv2dSame") or not square or conv.dilation != (1, 1):
        return None
    kernel, stride = conv.kernel_size[0], conv.stride[0]
    if kernel == 1 and conv.groups == 1 and stride == 1 and _padding(conv, 1, 1) == (0, 0, 0, 0):
        return _as_product
    if kernel > 1 and conv.groups == conv.in_channels == conv.out_channels:
        return lambda images, weight, bias: depthwise_conv(
            images, weight, bias, stride, _padding(conv, images.shape[2], images.shape[3])
        )
    return None


def _as_product(images: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return F.linear(images.permute(0, 2, 3, 1), weight[:, :, 0, 0], bias).permute(0, 3, 1, 2)


def _padding(conv: nn.Conv2d, height: int, width: int) -> Padding:
    """Return the padding of a convolution for an input; of TensorFlow's kind it depends on the input."""
    if type(conv).__name__ == "Conv2dSame":
        top, bottom = _same(height, conv.kernel_size[0], conv.stride[0], conv.dilation[0])
        left, right = _same(width, conv.kernel_size[1], conv.stride[1], conv.dilation[1])
        return left, right, top, bottom
    assert not isinstance(conv.padding, str)
    vertical, horizontal = conv.padding
    return int(horizontal), int(horizontal), int(vertical), int(vertical)


def _same(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    total = max((math.ceil(size / stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2
