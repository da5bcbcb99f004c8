"""PNGs made to take memory or time: refused, or decoded without either."""

from __future__ import annotations

import time
import zlib

import numpy as np
import pytest

from gingham.errors import ImageError
from gingham.images import decode
from gingham.records import SkipReason
from tests.images import makers
from tests.images.makers import chunk, png, png_with, raw_png

BLACK = raw_png(np.zeros((1, 1, 3), np.uint8), 2, 8)
LARGE = raw_png(np.zeros((200, 300, 3), np.uint8), 2, 8)
HEADER = slice(8, 33)


def zeros(mebibytes: int) -> bytes:
    """A zlib stream, without its end, that inflates to so many MiB."""
    packer = zlib.compressobj(9)
    start = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    return start + (packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)) * mebibytes


def text(packed: bytes) -> bytes:
    return chunk(b"zTXt", b"Comment\0\0" + packed)


def profile(packed: bytes) -> bytes:
    return chunk(b"iCCP", b"x\0\0" + packed)


BROKEN = zeros(1)[:-1] + b"\xff" * 9

REFUSED = {
    "second-header": (BLACK[:33] + LARGE[HEADER] + LARGE[33:], SkipReason.CORRUPT),
    "the-same-header-twice": (png_with(BLACK[HEADER], BLACK), SkipReason.CORRUPT),
    "text-before-the-header": (LARGE[:8] + chunk(b"tEXt", b"a\0b") + LARGE[8:], SkipReason.CORRUPT),
    "long-header": (LARGE[:8] + chunk(b"IHDR", LARGE[16:29] + b"\0") + LARGE[33:], SkipReason.CORRUPT),
    "header-only": (LARGE[:30], SkipReason.TRUNCATED),
    "signature-only": (LARGE[:8], SkipReason.TRUNCATED),
    "too-large": (LARGE, SkipReason.TOO_LARGE),
    "texts-that-break-off": (png_with(text(BROKEN) * 20, BLACK), SkipReason.TOO_LARGE),
    "profile-and-texts": (png_with(profile(zeros(15)) + text(zeros(1)) * 2, BLACK), SkipReason.TOO_LARGE),
    "profile": (png_with(profile(zeros(17)), BLACK), SkipReason.TOO_LARGE),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    data, reason = REFUSED[name]
    with pytest.raises(ImageError) as refusal:
        decode(data, max_pixels=300 * 200 - 1)
    assert refusal.value.reason == reason
    assert refusal.value.detail


QUICK = {
    "image-data-beyond-the-last-row": (BLACK[:33] + chunk(b"IDAT", zeros(8000)) + BLACK[-12:], ()),
    "many-profiles": (png_with(profile(zeros(15)) * 500, BLACK), ("broken_icc",)),
    "many-chunks": (png_with(chunk(b"tEXt", b"") * 50_000, BLACK), ()),
    "a-few-broken-texts": (png_with(text(b"no zlib") * 9, BLACK), ()),
}


@pytest.mark.parametrize("name", QUICK)
def test_no_more_is_inflated_than_needed(name: str) -> None:
    data, notes = QUICK[name]
    start = time.perf_counter()
    image = decode(data)
    assert time.perf_counter() - start < 1
    assert image.rgb.tolist() == [[[0, 0, 0]]]
    assert image.notes == notes


@pytest.mark.parametrize("missing", [0, 1])
@pytest.mark.parametrize("size", [2**16 - 1, 2**16, 2**16 + 1, 2**17])
def test_a_black_row_is_whole_to_the_byte(size: int, missing: int) -> None:
    """Sizes at which the last step of inflating is full, empty or a byte long."""
    row = np.zeros((1, size - 1, 1), np.uint8)
    data = raw_png(row, 0, 8, size=(size - 1 + missing, 1))
    if missing:
        with pytest.raises(ImageError, match="truncated"):
            decode(data)
    else:
        assert not decode(data).rgb.any()


def test_an_ordinary_profile_is_not_noted() -> None:
    assert decode(png(icc_profile=makers.profile())).notes == ()
