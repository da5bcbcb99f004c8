"""What a camera and the web do to a picture: exposure, colour cast, blur, noise, compression."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from gingham.collect.sample.raster import Array, cloud

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

__all__ = ["develop", "encode", "weather"]


def weather(rng: np.random.Generator, pixels: Array, hardness: float) -> None:
    """Lay uneven light over the whole scene, in place: fall-off, dapples of leaves or the bars of a blind."""
    height, width = shape = pixels.shape[:2]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    tone = 1 + rng.uniform(-0.14, 0.14) * x + rng.uniform(-0.14, 0.14) * y
    tone = tone - rng.uniform(0.0, 0.2) * 0.5 * (x * x + y * y)
    kind = rng.random()
    if kind < 0.06 + 0.1 * hardness:
        tone = tone * (1 - rng.uniform(0.15, 0.4) * np.clip(2.5 * cloud(rng, shape, rng.uniform(3, 7)), 0, 1))
    elif kind < 0.1 + 0.16 * hardness:
        wave = np.sin(rng.uniform(8, 20) * (y + rng.uniform(-0.6, 0.6) * x))
        tone = tone * (1 - rng.uniform(0.1, 0.28) * np.clip(1.5 * wave + 0.5, 0, 1))
    pixels *= tone[..., None]


def develop(rng: np.random.Generator, pixels: Array, hardness: float) -> Picture:
    """Turn a scene, float32 of shape (height, width, 3), into an 8-bit picture as a camera would."""
    from PIL import Image, ImageFilter

    height, width = pixels.shape[:2]
    cast = 1 + rng.normal(0, 0.03 + 0.04 * hardness, 3)
    exposure = np.exp(rng.normal(0.02, 0.08 + 0.08 * hardness))
    flat = np.clip(pixels * (exposure * cast).astype(np.float32), 0, 1)
    lifted = rng.uniform(0.0, 0.05 + 0.08 * hardness)
    flat = lifted + (1 - lifted) * flat
    image = Image.fromarray((255 * flat + 0.5).astype(np.uint8))
    # Softness in thousandths of the picture's size, so that a large picture is no sharper than a small one.
    size = np.sqrt(height * width)
    soft = rng.uniform(0.4, 1.1) + max(0.0, rng.normal(-0.6, 1.5)) * (0.3 + 1.9 * hardness)
    sigma = float(soft * size / 1000)
    image = image.filter(ImageFilter.BoxBlur(1.5 * sigma) if sigma < 0.8 else ImageFilter.GaussianBlur(sigma))
    if rng.random() < 0.15:
        image = image.filter(ImageFilter.UnsharpMask(radius=2, percent=int(rng.uniform(30, 110)), threshold=2))
    noise = rng.uniform(0.6, 2.2) + max(0.0, rng.normal(-0.3, 1.0)) * 5 * hardness
    grain = noise * rng.standard_normal((height, width), dtype=np.float32)
    tint = 0.8 * noise * cloud(rng, (height, width), size / 4)
    noisy = np.asarray(image) + np.stack([grain + tint, grain, grain - tint], axis=-1)
    return Image.fromarray(np.clip(noisy + 0.5, 0, 255).astype(np.uint8))


def encode(image: Picture, quality: int, subsampling: int = 2) -> bytes:
    """Compress to JPEG."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality, subsampling=subsampling)
    return out.getvalue()
