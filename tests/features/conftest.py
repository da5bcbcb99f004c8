from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gingham.records import content_hash


@pytest.fixture
def make_images(tmp_path: Path):
    """Write JPEGs of smooth random patterns; returns their (content, path) items and the folder."""

    def make(count: int, folder: str = "images") -> tuple[list[tuple[str, str]], Path]:
        root = tmp_path / folder
        root.mkdir(exist_ok=True)
        items = []
        for number in range(count):
            random = np.random.default_rng(number)
            coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8))
            file = io.BytesIO()
            coarse.resize((200 + number % 7, 150), Image.Resampling.BICUBIC).save(file, "JPEG")
            name = f"{number:04}.jpg"
            (root / name).write_bytes(file.getvalue())
            items.append((content_hash(file.getvalue()), name))
        return items, root

    return make


@pytest.fixture(scope="session")
def pictures() -> np.ndarray:
    """Twenty smooth pictures, uint8 (20, 96, 96, 3): unlike noise, what networks are made for."""
    random = np.random.default_rng(7)
    coarse = random.integers(0, 256, (20, 5, 5, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(c).resize((96, 96), Image.Resampling.BICUBIC)) for c in coarse])
