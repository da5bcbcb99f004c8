"""What is stored of what was received, and what is not."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gingham.collect.placing import STAGING
from gingham.collect.records import Status
from gingham.collect.storing import Stored, store
from gingham.config import Collection
from gingham.errors import UnavailableError
from gingham.images import decode
from gingham.records import content_hash
from tests.images import makers


def stored(data: bytes, root: Path, **changes: Any) -> tuple[Stored, bytes]:
    (root / STAGING).mkdir(exist_ok=True)
    found = store(data, "cat", root, Collection(**changes))
    return found, (root / STAGING / found.temporary).read_bytes() if found.temporary else b""


@pytest.mark.parametrize(
    ("data", "suffix"),
    [
        pytest.param(makers.jpeg(), ".jpg", id="JPEG"),
        pytest.param(makers.png(), ".png", id="PNG"),
        pytest.param(makers.encoded(makers.scene(), "WEBP"), ".webp", id="WebP"),
        pytest.param(makers.encoded(makers.scene(), "GIF"), ".gif", id="GIF"),
        pytest.param(makers.encoded(makers.scene(), "BMP"), ".bmp", id="BMP"),
        pytest.param(makers.encoded(makers.scene(), "TIFF"), ".tif", id="TIFF"),
        pytest.param(makers.jpeg(exif=makers.exif(6)), ".jpg", id="a JPEG on its side"),
        pytest.param(makers.jpeg(progressive=True), ".jpg", id="progressive"),
    ],
)
def test_small_images_are_kept_as_they_came(data: bytes, suffix: str, tmp_path: Path) -> None:
    found, content = stored(data, tmp_path)
    digest = hashlib.sha256(data).hexdigest()
    assert content == data
    assert found.path == f"cat/{digest[:32]}{suffix}"
    assert (found.status, found.sha256, found.content) == (Status.OK, digest, content_hash(data))
    decoded = decode(data)
    assert (found.width, found.height) == (decoded.width, decoded.height)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(makers.jpeg(makers.scene(1600, 1200)), id="JPEG"),
        pytest.param(makers.jpeg(makers.scene(1200, 1600), exif=makers.exif(6)), id="a JPEG on its side"),
        pytest.param(makers.png(makers.scene(1600, 1200)), id="PNG"),
        pytest.param(makers.jpeg(makers.scene(4000, 3000), quality=60), id="a JPEG decoded at an eighth"),
    ],
)
def test_large_ones_are_stored_reduced(data: bytes, tmp_path: Path) -> None:
    found, content = stored(data, tmp_path, max_side=400)
    assert found.path == f"cat/{hashlib.sha256(data).hexdigest()[:32]}.jpg"
    assert (found.width, found.height) == (400, 300)
    assert found.content == content_hash(content)
    assert b"Exif" not in content
    small, upright = decode(content).rgb.astype(int), decode(data).rgb.astype(int)
    step = upright.shape[0] // 300
    means = upright.reshape(300, step, 400, step, 3).mean(axis=(1, 3))
    assert np.abs(small - means).mean() < 2


@pytest.mark.parametrize(
    ("side", "kept"),
    [pytest.param(0, True, id="off"), pytest.param(160, True, id="just so"), pytest.param(159, False, id="one less")],
)
def test_the_limit_of_a_side(side: int, kept: bool, tmp_path: Path) -> None:
    data = makers.png(makers.scene(160, 120))
    assert (stored(data, tmp_path, max_side=side)[1] == data) == kept


def test_extreme_shapes(tmp_path: Path) -> None:
    found, _ = stored(makers.jpeg(makers.scene(3000, 3)), tmp_path, max_side=500, min_side=1)
    assert (found.width, found.height) == (500, 1)


PHOTO = makers.jpeg(makers.scene(640, 480))


@pytest.mark.parametrize(
    ("data", "changes", "status", "detail"),
    [
        pytest.param(b"", {}, Status.EMPTY, "no content", id="nothing"),
        pytest.param(b"hello", {}, Status.NOT_AN_IMAGE, "no known image", id="text"),
        pytest.param(b"%PDF-1.7", {}, Status.UNSUPPORTED_FORMAT, "PDF", id="PDF"),
        pytest.param(b"<svg xmlns='x'></svg>", {}, Status.UNSUPPORTED_FORMAT, "SVG", id="SVG"),
        pytest.param(PHOTO[: len(PHOTO) // 2], {}, Status.TRUNCATED, "ends too early", id="half a JPEG"),
        pytest.param(PHOTO[:-2], {}, Status.TRUNCATED, "ends too early", id="a JPEG without its end"),
        pytest.param(PHOTO[: len(PHOTO) // 2], {"max_side": 100}, Status.TRUNCATED, "early", id="half of a large one"),
        pytest.param(makers.png()[:-30], {}, Status.TRUNCATED, "ends too early", id="a cut PNG"),
        pytest.param(makers.jpeg(makers.scene(640, 63)), {}, Status.TOO_SMALL, "640 x 63 pixels", id="too small"),
        pytest.param(PHOTO, {"max_pixels": 300_000}, Status.TOO_LARGE, "at most 300,000", id="too many pixels"),
    ],
)
def test_what_is_not_stored(data: bytes, changes: dict[str, int], status: Status, detail: str, tmp_path: Path) -> None:
    found, _ = stored(data, tmp_path, **changes)
    assert found.status is status
    assert detail in found.detail
    assert (found.sha256, found.path) == (hashlib.sha256(data).hexdigest(), "")
    assert list((tmp_path / STAGING).iterdir()) == []


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UnavailableError, match=rf"Cannot write {tmp_path}.*No space left"):
        stored(PHOTO, tmp_path)
    assert list((tmp_path / STAGING).iterdir()) == []
