from __future__ import annotations

import io

import imagehash
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gingham.curate import NEAR_DUPLICATE_BITS, dhash
from gingham.images import decode


def reference(rgb):
    return np.packbits(imagehash.dhash(Image.fromarray(rgb), hash_size=16).hash).tobytes()


def bits_between(a, b):
    return int(np.bitwise_count(np.frombuffer(a, np.uint8) ^ np.frombuffer(b, np.uint8)).sum())


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(256, size=(height, width, 3), dtype=np.uint8)


def grey(values):
    return np.repeat(np.clip(values, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def scene(height=300, width=400, seed=0):
    """A smooth picture with structure at every size."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(256, size=(12, 16, 3), dtype=np.uint8))
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize(
    ("height", "width"),
    [
        pytest.param(1, 1, id="one-pixel"),
        pytest.param(1, 2, id="1x2"),
        pytest.param(2, 1, id="2x1"),
        pytest.param(16, 17, id="the-cells-themselves"),
        pytest.param(15, 18, id="up-and-down"),
        pytest.param(5, 7, id="tiny"),
        pytest.param(1, 20_000, id="a-row"),
        pytest.param(20_000, 1, id="a-column"),
        pytest.param(3, 5_000, id="a-ribbon"),
        pytest.param(64, 85, id="thumbnail"),
        pytest.param(533, 400, id="photo"),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_bits_are_those_of_imagehash(height, width, seed):
    rgb = noise(height, width, seed)
    assert dhash(rgb, min_turns=0) == reference(rgb)
    assert dhash(rgb) in (None, reference(rgb))


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1), st.integers(1, 255))
def test_bits_are_those_of_imagehash_for_any_small_array(height, width, seed, contrast):
    rgb = np.random.default_rng(seed).integers(contrast + 1, size=(height, width, 3), dtype=np.uint8)
    assert dhash(rgb, min_turns=0) == reference(rgb)


y, x = np.mgrid[:300, :400]
PAPER = np.random.default_rng(0).normal(0, 4, (300, 400))
RADIUS = np.hypot(x - 200, y - 150)
BLANK = {
    "white": 0 * x + 255,
    "black": 0 * x,
    "blank-scan": 235 + PAPER,
    "left-to-right": 20 + x / 2,
    "faint-left-to-right": 120 + x / 40,
    "top-to-bottom": 20 + y / 2,
    "diagonal": 30 + (x + y) / 4,
    "noisy-gradient": 20 + x / 2 + PAPER,
    "vignette": 240 - (RADIUS / 250) ** 2 * 80,
    "noisy-vignette": 240 - (RADIUS / 250) ** 2 * 80 + PAPER,
    "spotlight": 60 + 150 * np.exp(-((RADIUS / 80) ** 2)),
    "horizon": np.where(y < 140, 220, 90),
    "a-mark": np.where((abs(x - 200) < 4) & (abs(y - 280) < 6), 20, 250),
}


@pytest.mark.parametrize("name", BLANK)
def test_image_without_detail_gets_no_hash(name):
    rgb = grey(BLANK[name])
    assert dhash(rgb) is None
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=80)
    assert dhash(decode(buffer.getvalue(), min_side=64).rgb) is None


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(np.where(RADIUS < 60, 80, 250), id="disc-on-white"),
        pytest.param(np.where(x // 25 % 2, 200, 50), id="stripes"),
        pytest.param(np.where((x // 25 + y // 25) % 2, 200, 50), id="checks"),
        pytest.param(128 + 4 * np.sin(x / 12) * np.cos(y / 12), id="faint-texture"),
    ],
)
def test_image_with_detail_gets_a_hash(values):
    rgb = grey(values)
    assert dhash(rgb) == reference(rgb)


@pytest.mark.parametrize("scale", [0.5, 0.75, 1.3, 2.0])
@pytest.mark.parametrize("size", [(301, 403), (333, 250), (517, 389)], ids=str)
def test_resized_copy_decoded_at_reduced_scale_is_near(size, scale):
    """The array of a reduced JPEG is rounded up to whole pixels; without the box the copies drift apart."""
    image = Image.fromarray(scene(*size))
    hashes = []
    for copy in (image, image.resize((round(image.width * scale), round(image.height * scale)))):
        buffer = io.BytesIO()
        copy.save(buffer, "JPEG", quality=85)
        decoded = decode(buffer.getvalue(), min_side=64)
        hashes.append(dhash(decoded.rgb, box=decoded.box))
    assert bits_between(*hashes) <= NEAR_DUPLICATE_BITS


def test_box_leaves_out_what_the_image_does_not_cover():
    rgb = scene(64, 80)
    padded = np.pad(rgb, ((3, 0), (0, 5), (0, 0)), mode="edge")
    assert bits_between(dhash(padded, box=(0, 3, 80, 67)), dhash(rgb)) <= 2
    assert bits_between(dhash(padded), dhash(rgb)) > NEAR_DUPLICATE_BITS


@pytest.mark.photos
def test_copies_of_photos_are_near_and_other_photos_are_not(photos):
    paths = sorted(photos.glob("*/*/*.jpg"))[::60]
    hashes, lost = [], []
    for path in paths:
        decoded = decode(path.read_bytes(), min_side=64)
        hashes.append(dhash(decoded.rgb, box=decoded.box))
        with Image.open(path) as image:
            image = image.convert("RGB")
        for copy, kind, options in (
            (image, "JPEG", {"quality": 50}),
            (image.resize((image.width * 3 // 4, image.height * 3 // 4)), "JPEG", {"quality": 85}),
            (image.resize((image.width * 3 // 2, image.height * 3 // 2)), "WEBP", {"quality": 80}),
            (image, "PNG", {"compress_level": 1}),
        ):
            buffer = io.BytesIO()
            copy.save(buffer, kind, **options)
            decoded = decode(buffer.getvalue(), min_side=64)
            lost.append(bits_between(dhash(decoded.rgb, box=decoded.box), hashes[-1]) > NEAR_DUPLICATE_BITS)
    assert np.mean(lost) <= 0.01
    bits = np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, 32)
    apart = np.bitwise_count(bits[:, None] ^ bits).sum(axis=2)[np.triu_indices(len(bits), 1)]
    assert apart.min() > 2 * NEAR_DUPLICATE_BITS
