"""JPEGs made to take time by their number of scans, and those that only look so."""

from __future__ import annotations

import time

import numpy as np
import pytest
from PIL import Image

from gingham.errors import ImageError
from gingham.images import decode, jpeg
from gingham.records import SkipReason
from tests.images import makers
from tests.images.makers import encoded, jpeg_segment, scene

START, END, COMMENT = b"\xff\xda", b"\xff\xd9", 0xFE
SMALL = makers.jpeg(progressive=True)
LARGE = makers.jpeg(np.full((4000, 4000), 90, np.uint8), progressive=True)
SEPARATE = makers.odd_sampling_jpeg(scene())
CMYK = encoded(Image.new("CMYK", (40, 30)), "JPEG", progressive=True)


def with_scans(data: bytes, count: int, between: bytes = b"") -> bytes:
    """The same picture with its last scan repeated until there are so many."""
    last = data[data.rindex(START) : -2]
    return data[:-2] + (between + last) * (count - data.count(START)) + END


REFUSED = {
    "large": with_scans(LARGE, 150),
    "small": with_scans(SMALL, 501),
    "behind-an-end-marker-in-a-comment": with_scans(SMALL, 501, jpeg_segment(COMMENT, END)),
    "not-progressive": with_scans(SEPARATE, 501),
}


@pytest.mark.parametrize("name", REFUSED)
def test_too_many_scans_are_refused_at_once(name: str) -> None:
    start = time.perf_counter()
    with pytest.raises(ImageError, match="scans") as refusal:
        decode(REFUSED[name], min_side=64)
    assert time.perf_counter() - start < 0.5
    assert refusal.value.reason == SkipReason.CORRUPT


USED = {
    "five-hundred-small-ones": with_scans(SMALL, 500),
    "inks": CMYK,
    "large": LARGE,
    "start-markers-after-the-end": SMALL + START * 600,
    "start-markers-in-comments": with_scans(SMALL, 20, jpeg_segment(COMMENT, START * 60)),
}


@pytest.mark.parametrize("name", USED)
def test_many_scans_are_used(name: str) -> None:
    assert set(decode(USED[name], min_side=64).notes) <= {"damaged_data"}  # the decoder warns of repeated scans


@pytest.mark.parametrize(("count", "refused"), [(32, False), (33, True)])
def test_a_file_of_any_size_may_have_32(monkeypatch: pytest.MonkeyPatch, count: int, *, refused: bool) -> None:
    monkeypatch.setattr(jpeg, "_SCANNED_PIXELS", 1)
    data = with_scans(SMALL, count)
    if refused:
        with pytest.raises(ImageError, match="more than 32 scans"):
            decode(data)
    else:
        assert decode(data).width == 120
