"""Thumbnails: small, upright, and nothing of the file but its pixels."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from gingham.config import Config
from gingham.errors import ImageError
from gingham.images import MAX_PIXELS, thumbnail_jpeg
from gingham.workflow.run import _thumbnails
from tests.images import makers
from tests.images.makers import exif, jpeg, png, scene, stored_for


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        pytest.param(300, 400, (100, 75), id="landscape"),
        pytest.param(400, 300, (75, 100), id="portrait"),
        pytest.param(40, 30, (30, 40), id="not-enlarged"),
        pytest.param(1, 20_000, (100, 1), id="a-line"),
        pytest.param(1, 1, (1, 1), id="a-pixel"),
    ],
)
def test_size(height: int, width: int, expected: tuple[int, int]) -> None:
    pixels = scene(width, height)
    for image in (png(pixels), jpeg(pixels), pixels):
        assert opened(thumbnail_jpeg(image, 100)).size == expected


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_and_without_metadata(orientation: int) -> None:
    pixels = scene(240, 180)
    data = jpeg(stored_for(pixels, orientation), exif=exif(orientation), icc_profile=makers.profile(), comment=b"GPS")
    small = thumbnail_jpeg(data, 120)
    image = opened(small)
    assert not image.getexif()
    assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    means = pixels.reshape(90, 2, 120, 2, 3).mean((1, 3))
    assert np.abs(np.asarray(image) - means).mean() < 3


def test_what_hides_behind_a_polyglot_is_gone() -> None:
    assert b"<script>" in makers.polyglot()
    assert b"<script>" not in thumbnail_jpeg(makers.polyglot(), 4000)


def test_a_view_of_an_array_will_do() -> None:
    assert opened(thumbnail_jpeg(scene(60, 40)[::2, ::-2], 100)).size == (30, 20)


def test_one_pixel_cap_holds_everywhere() -> None:
    assert Config().preprocess.max_pixels == MAX_PIXELS


@pytest.mark.parametrize(("more", "expected"), [(0, (100, 75)), (-1, None)])
def test_the_cap_is_the_callers(more: int, expected: tuple[int, int] | None) -> None:
    data, cap = png(scene(400, 300)), 400 * 300 + more
    if expected:
        assert opened(thumbnail_jpeg(data, 100, max_pixels=cap)).size == expected
    else:
        with pytest.raises(ImageError, match="too_large"):
            thumbnail_jpeg(data, 100, max_pixels=cap)


@pytest.mark.parametrize(("max_pixels", "shown"), [(400 * 300, ["a.png"]), (400 * 300 - 1, [])])
def test_the_report_shows_what_the_parameters_allow(tmp_path: Path, max_pixels: int, shown: list[str]) -> None:
    (tmp_path / "a.png").write_bytes(png(scene(400, 300)))
    config = Config.model_validate({"preprocess": {"max_pixels": max_pixels}})
    steps = cast("Any", SimpleNamespace(root=tmp_path, config=config))
    assert list(_thumbnails(steps, ("a.png",))) == shown
