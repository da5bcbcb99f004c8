"""Memory that a decoding process and the server share."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from gingham.serve.shared_pixels import SharedPixels, new_file


@pytest.mark.parametrize("forbidden", [False, True], ids=["in memory", "where that is forbidden"])
def test_what_one_writes_the_other_reads(forbidden: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(*_: object) -> int:
        raise PermissionError

    if forbidden:
        monkeypatch.setattr(os, "memfd_create", forbid, raising=False)
    with new_file() as file:
        writer, reader = SharedPixels(file.fileno()), SharedPixels(file.fileno())
        for size, value in ((4, 1), (8, 2), (2, 3)):
            writer.square(size)[...] = value
            assert reader.square(size).shape == (size, size, 3)
            assert (reader.square(size) == value).all()


def test_an_array_outlives_a_larger_one() -> None:
    with new_file() as file:
        pixels = SharedPixels(file.fileno())
        small = pixels.square(2)
        small[...] = 7
        pixels.square(1024)
        assert np.array_equal(small, np.full((2, 2, 3), 7, np.uint8))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can forbid it")
def test_nobody_can_take_the_memory_away() -> None:
    with new_file() as file:
        square = SharedPixels(file.fileno()).square(64)
        with pytest.raises(PermissionError):
            os.ftruncate(file.fileno(), 0)
        square[...] = 1


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system does not say which files are open")
def test_nothing_stays_open() -> None:
    def count() -> int:
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir()))

    before = count()
    with new_file() as file:
        pixels = SharedPixels(file.fileno())
        pixels.square(64)
        pixels.square(128)
        assert count() == before + 2
    del pixels
    assert count() == before
