"""Activations: computed once, found again, found out when damaged, and no more of them kept than allowed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from gingham.features import load_backbone, open_engine
from gingham.refine import Files
from gingham.refine.prefix import PrefixBackbone
from gingham.refine.sources import ActivationSource, PixelSource
from gingham.refine.stages import Cut

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_torch_thread")]

VARIED, PLAIN = np.array([0, 2, 3, 5, 7]), np.array([1, 4])


@pytest.fixture
def source(make_files: Callable[..., tuple[Files, np.ndarray]], tmp_path: Path) -> Callable[..., ActivationSource]:
    files, _ = make_files(8)
    fixed = nn.Sequential(nn.Conv2d(3, 4, 3, stride=8), nn.ReLU())
    cut = Cut(fixed, nn.Identity(), fixed, (), "last-1-stage")
    prefix = PrefixBackbone(load_backbone("efficientnet_lite0"), cut, 96)

    def make(limit: float = 1e9) -> ActivationSource:
        engine = open_engine(prefix, 96, "torch", "f32")
        return ActivationSource(files, engine, prefix.shape, tmp_path / "kept", limit, varied=VARIED, plain=PLAIN)

    make.files, make.fixed = files, fixed  # type: ignore[attr-defined]
    return make


def read(source: ActivationSource, view: int | None, rows: np.ndarray) -> tuple[torch.Tensor, list[int]]:
    done: list[tuple[int, int]] = []
    source.prepare(view, lambda *numbers: done.append(numbers))
    batches = list(source.batches(view, rows, 2))
    read.computed = bool(done)  # type: ignore[attr-defined]
    return torch.cat([inputs for inputs, _ in batches]), [int(row) for _, part in batches for row in part]


@pytest.mark.parametrize(("view", "rows"), [(0, VARIED[::-1]), (3, VARIED[1:4]), (None, PLAIN)])
def test_they_are_what_the_fixed_part_makes_of_the_pixels(source, view: int | None, rows: np.ndarray) -> None:
    found, places = read(source(), view, rows)
    assert places == rows.tolist()
    ((pixels, _),) = PixelSource(source.files).batches(view, rows, 8)
    with torch.no_grad():
        expected = source.fixed((pixels.float() / 255 - 0.5) / 0.5)
    torch.testing.assert_close(found, expected, rtol=2e-3, atol=2e-3)  # kept as float16
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_what_was_computed_is_found_again_and_what_is_damaged_computed_anew(source, tmp_path: Path) -> None:
    first, _ = read(source(), 1, VARIED)
    assert read.computed
    again, _ = read(source(), 1, VARIED)
    assert not read.computed
    (file,) = (tmp_path / "kept").glob("view1-*.npy")
    data = bytearray(file.read_bytes())
    data[-3] ^= 0x40
    file.write_bytes(data)
    mended, _ = read(source(), 1, VARIED)
    assert read.computed
    assert torch.equal(first, again)
    assert torch.equal(first, mended)


def test_an_image_that_is_gone_is_left_out(source) -> None:
    (source.files.root / source.files.items[3][1]).unlink()
    found, places = read(source(), 0, VARIED)
    assert places == [0, 2, 5, 7]
    assert torch.isfinite(found).all()


def test_beyond_the_limit_a_view_is_kept_for_its_epoch_only(source, tmp_path: Path) -> None:
    tight = source(limit=0)
    for view in range(3):
        read(tight, view, VARIED)
        read(tight, None, PLAIN)
        names = sorted(file.name.partition("-")[0] for file in (tmp_path / "kept").iterdir())
        assert names == ["plain", f"view{view}"]
    tight.close()
    assert [file.name.partition("-")[0] for file in (tmp_path / "kept").iterdir()] == ["plain"]
