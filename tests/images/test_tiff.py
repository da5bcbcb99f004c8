"""TIFF directories made to take memory, odd entries, and grey of more than 8 bits."""

from __future__ import annotations

import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable

import numpy as np
import pytest

from gingham.errors import ImageError
from gingham.images import decode
from gingham.records import SkipReason
from tests.images.makers import scene, tiff

GREY = scene()[..., 0]


def entry(tag: int, kind: int, count: int, value: int) -> tuple[int, int, int, bytes]:
    return tag, kind, count, struct.pack("<I", value)


def crowded(count: int = 4000) -> bytes:
    """A valid picture, and private entries that each hold the whole file."""
    size = GREY.size + 12 * count
    return tiff(GREY, extra=tuple(entry(40_000 + i, 7, size, 0) for i in range(count)))


def shared() -> bytes:
    """A picture whose essential entries all hold most of the file."""
    tags = (258, 320, 338, 339, 347, 519, 520, 521, 529)
    return tiff(GREY, extra=tuple(entry(tag, 7, GREY.size - 8, 8) for tag in tags))


def twelve_bits(values: np.ndarray) -> bytes:
    """Rows of 12-bit samples, each filled up to whole bytes. Values below 4,096, uint16 (H, W)."""
    bits = (values[..., None] >> np.arange(11, -1, -1) & 1).astype(np.uint8)
    return np.packbits(bits.reshape(len(values), -1), axis=1).tobytes()


def twelve_bit_tiff(values: np.ndarray, photometric: int, *, packed: bool) -> bytes:
    data = twelve_bits(values)
    data = zlib.compress(data) if packed else data
    height, width = values.shape
    sizes = (entry(256, 4, 1, width), entry(257, 4, 1, height), entry(278, 4, 1, height), entry(279, 4, 1, len(data)))
    kinds = (entry(258, 3, 1, 12), entry(259, 3, 1, 8 if packed else 1), entry(262, 3, 1, photometric))
    return tiff(np.frombuffer(data, np.uint8)[None], extra=sizes + kinds)


@pytest.mark.parametrize(
    "data", [pytest.param(crowded(), id="private"), pytest.param(crowded(1) + bytes(2 << 20), id="long-file")]
)
def test_entries_without_use_cost_nothing(data: bytes) -> None:
    start = time.perf_counter()
    tracemalloc.start()
    image = decode(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * len(data) + (1 << 20)
    assert time.perf_counter() - start < 1
    assert image.notes == ()
    np.testing.assert_array_equal(image.rgb[..., 0], GREY)


REFUSED = {
    "entries-that-share-their-values": (shared(), "more bytes than the file"),
    "a-million-depths": (tiff(scene(900, 900), extra=(entry(258, 3, 2**20, 8),)), "1,048,576 values"),
    "pieces-without-end": (tiff(scene(900, 900), extra=(entry(273, 4, 9, 8),)), "9 pieces of image data"),
    "too-few-pieces": (tiff(GREY, extra=(entry(278, 4, 1, 10),)), "1 pieces of image data instead of 9"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    data, words = REFUSED[name]
    with pytest.raises(ImageError, match=words) as refusal:
        decode(data)
    assert refusal.value.reason == SkipReason.CORRUPT


@pytest.mark.parametrize(
    ("orientation", "notes"),
    [
        pytest.param(entry(274, 3, 1, 0), (), id="unknown"),
        pytest.param(entry(274, 3, 1, 9), ("broken_exif",), id="nine"),
        pytest.param(entry(274, 3, 2, 1), ("broken_exif",), id="two-values"),
        pytest.param(entry(274, 8, 1, 1), ("broken_exif",), id="signed"),
        pytest.param(entry(274, 2, 2, 0x31), ("broken_exif",), id="text"),
        pytest.param(entry(274, 3, 900, 2**30), ("broken_exif",), id="outside-the-file"),
        pytest.param(entry(274, 99, 1, 1), ("broken_exif",), id="unknown-type"),
    ],
)
def test_an_odd_orientation_is_upright(orientation: tuple[int, int, int, bytes], notes: tuple[str, ...]) -> None:
    image = decode(tiff(GREY, extra=(orientation,)))
    np.testing.assert_array_equal(image.rgb[..., 0], GREY)
    assert image.notes == notes


def test_a_profile_outside_the_file_is_noted() -> None:
    assert decode(tiff(GREY, extra=(entry(34675, 7, 900, 2**30),))).notes == ("broken_icc",)


RAMP = np.linspace(0, 1, 45 * 91).reshape(45, 91)  # an odd width: rows of 12 bits end within a byte


MAKERS: dict[str, Callable[[int], bytes]] = {
    "8": lambda zero: tiff(np.rint(255 * RAMP).astype("u1"), extra=(entry(262, 3, 1, zero),)),
    "12": lambda zero: twelve_bit_tiff(np.rint(4095 * RAMP).astype("u2"), zero, packed=False),
    "12-deflate": lambda zero: twelve_bit_tiff(np.rint(4095 * RAMP).astype("u2"), zero, packed=True),
    "16": lambda zero: tiff(np.rint(65535 * RAMP).astype("u2"), extra=(entry(262, 3, 1, zero),)),
    "16-big-endian": lambda zero: tiff(
        np.rint(65535 * RAMP).astype("u2"), order=">", extra=((262, 3, 1, struct.pack(">HH", zero, 0)),)
    ),
    "float": lambda zero: tiff(RAMP.astype("f4"), extra=(entry(262, 3, 1, zero),)),
}


@pytest.mark.parametrize("photometric", [0, 1], ids=["white-is-zero", "black-is-zero"])
@pytest.mark.parametrize("name", MAKERS)
def test_grey_has_its_whole_range_whatever_its_bits_and_its_zero(name: str, photometric: int) -> None:
    grey = decode(MAKERS[name](photometric)).rgb[..., 0]
    expected = 255 * (RAMP if photometric else 1 - RAMP)
    assert np.abs(grey - expected).max() < 0.55
