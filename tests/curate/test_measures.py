from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from gingham.curate.measures import SIDE, measure
from gingham.curate.quality import BLURRED, LOW_INFORMATION
from gingham.images import decode


def grey(values):
    return np.repeat(np.clip(np.round(values), 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def plain(red, green, blue, height=300, width=400):
    return np.full((height, width, 3), (red, green, blue), np.uint8)


@functools.cache
def shapes(height=300, width=400, seed=0):
    """Discs with sharp edges, antialiased, on a ground."""
    rng = np.random.default_rng(seed)
    big = np.full((2 * height, 2 * width, 3), 180.0)
    y, x = np.mgrid[: 2 * height, : 2 * width]
    for _ in range(40):
        inside = np.hypot(y - rng.uniform(0, 2 * height), x - rng.uniform(0, 2 * width)) < rng.uniform(20, 120)
        big[inside] = rng.integers(256, size=3)
    return np.asarray(Image.fromarray(big.astype(np.uint8)).resize((width, height), Image.Resampling.BOX))


def blurred(rgb, sigma):
    return np.round(gaussian_filter(rgb.astype(np.float32), (sigma, sigma, 0))).astype(np.uint8)


def noisy(rgb, spread, seed=0):
    return np.clip(rgb + np.random.default_rng(seed).normal(0, spread, rgb.shape), 0, 255).astype(np.uint8)


def product(side=300, part=0.25):
    """A dark thing on a white ground, its side a part of the picture's."""
    rgb = plain(255, 255, 255, side, side)
    start = side // 3
    size = round(part * side)
    rgb[start : start + size, start : start + size] = (90, 60, 40)
    return rgb


def vignette(height=300, width=400):
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return grey(220 - 60 * (x**2 + y**2))


RAMP = grey(np.tile(np.arange(256.0), (256, 1)))


@pytest.mark.parametrize(
    ("rgb", "expected"),
    [
        pytest.param(plain(0, 0, 0), {"darkest": 0, "brightest": 0, "brightness": 0, "saturation": 0}, id="black"),
        pytest.param(plain(255, 255, 255), {"darkest": 1, "brightest": 1, "saturation": 0}, id="white"),
        pytest.param(plain(255, 0, 0), {"brightness": 0.299, "saturation": 1}, id="red-is-darker-than-its-mean"),
        pytest.param(plain(200, 100, 100), {"saturation": 0.5}, id="half-saturated"),
        pytest.param(RAMP, {"darkest": 0.05, "median": 0.5, "brightest": 0.99, "brightness": 0.5}, id="ramp"),
    ],
)
def test_brightness_and_saturation(rgb, expected):
    found = dataclasses.asdict(measure(rgb))
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize(
    ("rgb", "blank"),
    [
        pytest.param(plain(120, 130, 140), True, id="one-colour"),
        pytest.param(noisy(plain(150, 150, 150), 3), True, id="wall-with-noise"),
        pytest.param(noisy(vignette(), 2), True, id="wall-with-a-vignette"),
        pytest.param(grey(np.tile(np.linspace(0, 255, 400), (300, 1))), True, id="gradient"),
        pytest.param(plain(250, 250, 248), True, id="blank-scan"),
        pytest.param(product(part=0.02), True, id="a-speck-on-white"),
        pytest.param(product(part=0.25), False, id="product-on-white"),
        pytest.param(product(part=0.9), False, id="large-product-on-white"),
        pytest.param(shapes(), False, id="scene"),
        pytest.param(blurred(shapes(), 3), False, id="blurred-scene"),
    ],
)
def test_information_tells_blank_pictures(rgb, blank):
    assert (measure(rgb).information < LOW_INFORMATION) == blank


@pytest.mark.parametrize(
    ("rgb", "blurry"),
    [
        pytest.param(shapes(), False, id="sharp"),
        pytest.param(noisy(shapes(), 5), False, id="sharp-with-noise"),
        pytest.param((shapes() * 0.2).astype(np.uint8), False, id="sharp-but-dark"),
        pytest.param(product(), False, id="product-on-white"),
        pytest.param(plain(9, 9, 9), False, id="nothing-that-could-be-blurred"),
        pytest.param(blurred(shapes(256, 341), 2), True, id="blurred-by-2"),
        pytest.param(blurred(shapes(256, 341), 3), True, id="blurred-by-3"),
        pytest.param(blurred(shapes(256, 341), 4), True, id="blurred-by-4"),
        pytest.param(noisy(blurred(shapes(256, 341), 3), 2), True, id="blurred-with-noise"),
        pytest.param(blurred((shapes(256, 341) * 0.3).astype(np.uint8), 3), True, id="blurred-and-dark"),
    ],
)
def test_sharpness_tells_blur(rgb, blurry):
    assert (measure(rgb).sharpness < BLURRED) == blurry


def test_sharpness_of_a_blurred_edge_is_the_step_of_the_gaussian():
    edge = np.where(np.arange(300) < 150, 20.0, 230.0)
    for sigma in (1.0, 1.5):
        found = measure(grey(gaussian_filter(np.tile(edge, (256, 1)), (0, sigma)))).sharpness
        assert found == pytest.approx(1 / (sigma * np.sqrt(2 * np.pi)), rel=0.12)


def test_a_sharp_thing_before_a_blurred_ground_is_sharp():
    rgb = blurred(shapes(), 6)
    rgb[100:220, 120:300] = shapes(seed=1)[100:220, 120:300]
    assert measure(rgb).sharpness > BLURRED


def test_resolution_does_not_matter():
    large = shapes(384, 525)
    small = np.asarray(Image.fromarray(large).resize((350, 256), Image.Resampling.BOX))
    a, b = dataclasses.asdict(measure(large)), dataclasses.asdict(measure(small))
    assert a == pytest.approx(b, abs=0.01)


def test_only_the_box_is_measured():
    rgb = shapes(300, 400)
    framed = plain(0, 0, 255, 340, 440)
    framed[:300, :400] = rgb
    a, b = dataclasses.asdict(measure(framed, box=(0, 0, 400, 300))), dataclasses.asdict(measure(rgb))
    assert a == pytest.approx(b, abs=0.01)


@pytest.mark.parametrize(
    ("height", "width"),
    [(1, 1), (1, 2), (2, 1), (3, 5), (7, 7), (6, 9), (1, 20_000), (20_000, 1), (3, 5_000), (64, 85), (300, 400)],
)
def test_any_shape(height, width):
    rgb = np.random.default_rng(0).integers(256, size=(height, width, 3), dtype=np.uint8)
    found = measure(rgb)
    assert found == measure(rgb.copy())
    assert all(0 <= value <= 1 for value in dataclasses.astuple(found))
    assert all(type(value) is float for value in dataclasses.astuple(found))


@pytest.mark.photos
def test_photos_are_told_from_blurred_ones(photos):
    sharp, blurry = [], []
    for path in sorted(photos.glob("*/*/*.jpg"))[::40]:
        decoded = decode(path.read_bytes(), min_side=SIDE)
        image = Image.fromarray(decoded.rgb)
        factor = SIDE / min(image.size)
        rgb = np.asarray(image.resize((round(image.width * factor), round(image.height * factor))))
        sharp.append(measure(decoded.rgb, box=decoded.box).sharpness)
        blurry.append([measure(blurred(rgb, sigma)).sharpness for sigma in (2, 3, 4)])
    assert np.mean(np.array(sharp) < BLURRED) <= 0.01
    assert np.mean(np.array(blurry) < BLURRED) >= 0.99
