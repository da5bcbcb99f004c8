"""Depthwise convolutions: the gradients are torch's own, whatever the kernel, stride and padding."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from gingham.refine.depthwise import depthwise_conv

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_torch_thread")]


@pytest.mark.parametrize("kernel", [2, 3, 4, 5, 7])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", [(0, 0, 0, 0), (1, 1, 1, 1), (2, 2, 2, 2), (1, 2, 0, 1)], ids=str)
def test_result_and_gradients_are_those_of_torch(kernel: int, stride: int, padding: tuple[int, int, int, int]) -> None:
    torch.manual_seed(0)
    images = torch.randn(3, 6, 11, 9).contiguous(memory_format=torch.channels_last).requires_grad_()
    weight, bias = torch.randn(6, 1, kernel, kernel, requires_grad=True), torch.randn(6, requires_grad=True)
    found = depthwise_conv(images, weight, bias, stride, padding)
    expected = F.conv2d(F.pad(images, padding), weight, bias, stride, groups=6)
    torch.testing.assert_close(found, expected)
    into = torch.randn_like(expected)
    for ours, theirs in zip(
        torch.autograd.grad(found, (images, weight, bias), into),
        torch.autograd.grad(expected, (images, weight, bias), into),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_in_bf16_it_is_still_computed_in_float32() -> None:
    images, weight = torch.randn(2, 4, 8, 8), torch.randn(4, 1, 5, 5)
    with torch.autocast("cpu", torch.bfloat16):
        found = depthwise_conv(images.bfloat16(), weight, None, 1, (2, 2, 2, 2))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, F.conv2d(images.bfloat16().float(), weight, None, 1, 2, groups=4))


def test_nothing_is_computed_that_nobody_wants() -> None:
    images, weight = torch.randn(2, 4, 8, 8), torch.randn(4, 1, 5, 5, requires_grad=True)
    depthwise_conv(images, weight, None, 1, (2, 2, 2, 2)).sum().backward()
    assert images.grad is None
    assert weight.grad is not None
