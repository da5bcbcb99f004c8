"""Depthwise convolutions whose gradients are quick on a CPU.

oneDNN has a fast kernel for the weights' gradient only where the kernel is three wide, and ten to thirty times slower
ones elsewhere; of a 5 x 5 kernel that gradient then takes most of the training. But a wide kernel is a few strips of
three columns, each with a gradient of its own; and the input's gradient, at stride 1, is a convolution with the kernel
turned round, which is fast forwards.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Padding", "depthwise_conv"]

Padding = tuple[int, int, int, int]
"""Left, right, top, bottom."""

_STRIP = 3


def depthwise_conv(images: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: Padding) -> Tensor:
    """Convolve each channel with its own kernel, in float32.

    Parameters
    ----------
    images : Tensor of shape (N, C, H, W)
        Best channels-last.
    weight : Tensor of shape (C, 1, k, k)
    bias : Tensor of shape (C,), or None
    stride : int
    padding : tuple of int
        Left, right, top, bottom.

    Returns
    -------
    Tensor of shape (N, C, H', W'), float32, channels-last
    """
    if bias is None:
        bias = weight.new_zeros(len(weight))
    result: Tensor = _Depthwise.apply(images, weight, bias, stride, padding)
    return result


class _Depthwise(torch.autograd.Function):
    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)  # type: ignore[untyped-decorator]
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: Padding) -> Tensor:
        images = images.contiguous(memory_format=torch.channels_last)
        left, right, top, bottom = padding
        around = (top, left)
        if left != right or top != bottom:
            images, around = F.pad(images, padding), (0, 0)
        ctx.save_for_backward(images, weight)
        ctx.stride, ctx.padding, ctx.around = stride, padding, around
        return F.conv2d(images, weight, bias, stride, around, groups=len(weight))

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        images, weight = ctx.saved_tensors
        gradient = gradient.float().contiguous(memory_format=torch.channels_last)
        of_images = of_weight = None
        if ctx.needs_input_grad[0]:
            of_images = _input_gradient(gradient, images, weight, ctx.stride, ctx.around)
            if ctx.around == (0, 0):
                left, right, top, bottom = ctx.padding
                height, width = of_images.shape[2:]
                of_images = of_images[:, :, top : height - bottom, left : width - right]
        if ctx.needs_input_grad[1]:
            of_weight = _weight_gradient(gradient, images, weight, ctx.stride, ctx.around)
        of_bias = gradient.sum((0, 2, 3)) if ctx.needs_input_grad[2] else None
        return of_images, of_weight, of_bias, None, None


def _input_gradient(gradient: Tensor, images: Tensor, weight: Tensor, stride: int, around: tuple[int, int]) -> Tensor:
    height, width = weight.shape[2:]
    if stride == 1 and around[0] < height and around[1] < width:
        rest = (height - 1 - around[0], width - 1 - around[1])
        return F.conv2d(gradient, weight.flip(2, 3), None, 1, rest, groups=len(weight))
    found: Tensor = _backward(gradient, images, weight, stride, around, (True, False, False))[0]
    return found


def _weight_gradient(gradient: Tensor, images: Tensor, weight: Tensor, stride: int, around: tuple[int, int]) -> Tensor:
    columns = weight.shape[3]
    if columns <= _STRIP:
        whole: Tensor = _backward(gradient, images, weight, stride, around, (False, True, False))[1]
        return whole
    found = torch.empty_like(weight)
    strip = weight[..., :_STRIP].contiguous()
    reach = (gradient.shape[3] - 1) * stride + _STRIP
    width = images.shape[3]
    for first in [*range(0, columns - _STRIP, _STRIP), columns - _STRIP]:
        start = first - around[1]
        end = start + reach
        seen = images[..., max(start, 0) : min(end, width)]
        if start < 0 or end > width:
            seen = F.pad(seen, (max(-start, 0), max(end - width, 0)))
        seen = seen.contiguous(memory_format=torch.channels_last)
        part = _backward(gradient, seen, strip, stride, (around[0], 0), (False, True, False))[1]
        found[..., first : first + _STRIP] = part
    return found


def _backward(
    gradient: Tensor, images: Tensor, weight: Tensor, stride: int, around: tuple[int, int], wanted: tuple[bool, ...]
) -> Any:
    return torch.ops.aten.convolution_backward(
        gradient, images, weight, None, [stride] * 2, list(around), [1, 1], False, [0, 0], len(weight), list(wanted)
    )
