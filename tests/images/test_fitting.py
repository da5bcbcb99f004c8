"""The network's input: the right part of the image, antialiased, whatever its size and shape."""

from __future__ import annotations

import io
import math
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from gingham.errors import ImageError
from gingham.images import decode, fit, network_input, resampler
from gingham.images.resampling import by_pillow, resample
from gingham.records import InputRecipe
from tests.images import makers
from tests.images.makers import encoded, exif, jpeg, png, scene, stored_for

KERNELS = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS, "box": Image.BOX}


def reference(data: bytes, recipe: InputRecipe) -> np.ndarray:
    """The same by Pillow alone: the full image decoded, turned, cropped and resampled."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    width, height = image.size
    box = (0.0, 0.0, float(width), float(height))
    if recipe.fit == "crop":
        side = min(width, height) * recipe.crop_fraction
        box = ((width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2)
    size = (recipe.resolution, recipe.resolution)
    return np.asarray(image.resize(size, KERNELS[recipe.interpolation], box=box))


def difference(a: np.ndarray, b: np.ndarray) -> float:
    assert a.shape == b.shape
    return float(np.abs(a.astype(int) - b).mean())


@pytest.mark.parametrize("interpolation", KERNELS)
@pytest.mark.parametrize("mode", ["crop", "squash"])
@pytest.mark.parametrize("size", [(640, 480), (300, 500), (97, 131), (60, 40), (224, 224)], ids=str)
def test_agrees_with_pillow(size: tuple[int, int], mode: str, interpolation: str) -> None:
    recipe = InputRecipe(128, mode, 0.875, interpolation)
    data = png(scene(*size))
    assert difference(network_input(data, recipe), reference(data, recipe)) < 0.6


@pytest.mark.parametrize("interpolation", KERNELS)
def test_both_resamplers_agree(interpolation: str) -> None:
    """Rounding apart, also on noise, where overshoot is clipped: a model may move between machines."""
    noise = np.random.default_rng(0).integers(0, 256, (301, 400, 3), np.uint8)
    for pixels, limit in ((scene(400, 301), 0.3), (noise, 0.6)):
        box = (33.3, 10.1, 300.0, 290.5)
        ours = resample(pixels, box, 100, 90, interpolation)
        assert difference(ours, by_pillow(pixels, box, 100, 90, interpolation)) < limit


def test_without_the_fast_resampler_pillow_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gingham.images.resampling.importlib.util.find_spec", lambda _: None)
    resampler.cache_clear()
    try:
        assert resampler() == "pillow"
        data = png(scene(300, 200))
        assert difference(network_input(data, InputRecipe(96)), reference(data, InputRecipe(96))) == 0
    finally:
        resampler.cache_clear()


@pytest.mark.parametrize("mode", ["crop", "squash"])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 20_000), (20_000, 1), (2, 2), (3, 700), (1, 2)])
def test_extreme_shapes(height: int, width: int, mode: str) -> None:
    for data in (png(np.full((height, width, 3), 90, np.uint8)), jpeg(np.full((height, width, 3), 90, np.uint8))):
        image = network_input(data, InputRecipe(96, mode))
        assert image.shape == (96, 96, 3)
        assert np.abs(image.astype(int) - 90).max() <= 1


def test_the_result_belongs_to_the_caller() -> None:
    image = network_input(jpeg(), InputRecipe(64))
    assert image.flags.c_contiguous
    assert image.flags.writeable
    assert image.dtype == np.uint8


def test_crop_keeps_the_centre_and_squash_keeps_all() -> None:
    pixels = np.zeros((100, 300, 3), np.uint8)
    pixels[:, 100:200] = 200
    crop = fit(pixels, InputRecipe(50, "crop", 1.0))
    assert crop[:, 2:-2].min() == 200
    squash = fit(pixels, InputRecipe(60, "squash"))
    assert squash[:, 3:17].max() == 0
    assert squash[:, 23:37].min() >= 199


def test_crop_fraction_takes_the_middle() -> None:
    pixels = np.zeros((80, 80, 3), np.uint8)
    pixels[20:60, 20:60] = 255
    assert fit(pixels, InputRecipe(40, "crop", 0.5, "box")).min() == 255


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations_give_the_same_input(orientation: int) -> None:
    pixels = scene(160, 121)
    plain = network_input(png(pixels), InputRecipe(64))
    data = makers.png_with(makers.chunk(b"eXIf", exif(orientation)[6:]), png(stored_for(pixels, orientation)))
    np.testing.assert_array_equal(network_input(data, InputRecipe(64)), plain)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["crop", "squash"])
def test_a_reduced_and_turned_jpeg_stays_aligned(orientation: int, mode: str) -> None:
    """Sizes that no factor divides: a shift by the part of a pixel that is left over would show."""
    y, x = np.mgrid[0:403, 0:301]
    pixels = np.stack([128 + 100 * np.sin(x / 15), 128 + 100 * np.cos(y / 15), (x + y) / 3], -1).astype(np.uint8)
    stored = stored_for(pixels, orientation)
    data = encoded(stored, "JPEG", quality=95, subsampling=0, exif=exif(orientation))
    recipe = InputRecipe(32, mode)
    assert decode(data, min_side=37).rgb.size < pixels.size / 10
    assert difference(network_input(data, recipe), reference(data, recipe)) < 2


def test_a_bad_file_is_refused() -> None:
    with pytest.raises(ImageError, match="truncated"):
        network_input(jpeg()[:-2], InputRecipe(64))


@pytest.mark.photos
@pytest.mark.parametrize(("resolution", "limit"), [(96, 1.5), (128, 1.5), (224, 0.8), (320, 0.8)])
def test_photos_stay_close_to_the_reference(photos: Path, resolution: int, limit: float) -> None:
    """Reduced decoding and fast chroma upsampling against full decoding and Pillow's resampling."""
    files = sorted((photos / "clothing").glob("*/*.jpg")) + sorted((photos / "grocery").glob("*/*.jpg"))
    recipe = InputRecipe(resolution)
    found = [
        difference(network_input(data, recipe), reference(data, recipe))
        for data in (path.read_bytes() for path in random.Random(0).sample(files, 60))
    ]
    assert np.mean(found) < limit
    assert np.percentile(found, 95) < 3 * limit


@pytest.mark.photos
def test_small_photos_are_not_enlarged_from_a_reduced_scale(photos: Path) -> None:
    path = next((photos / "clothing").glob("*/*.jpg"))
    data = path.read_bytes()
    full = decode(data)
    recipe = InputRecipe(224)
    needed = math.ceil(recipe.resolution / recipe.crop_fraction)
    assert min(decode(data, min_side=needed).rgb.shape[:2]) >= min(needed, full.width, full.height)
