"""What the sample consists of: which file shows what, which are copies, which one is broken."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Literal

import numpy as np

from gingham.collect.sample.camera import encode
from gingham.collect.sample.scenes import photograph

__all__ = ["COUNTS", "Entry", "plan", "render"]

Kind = Literal["photo", "copy", "recompressed", "resized", "cropped", "truncated"]

COUNTS = {"dotted": 125, "leopard": 112, "striped": 191}
"""Readable images of each class, copies included."""

_COPIES: dict[str, tuple[Kind, ...]] = {
    "dotted": ("copy", "recompressed", "cropped"),
    "leopard": ("copy", "resized", "recompressed"),
    "striped": ("copy", "cropped", "resized", "truncated"),
}
_EASIEST, _HARDEST = 0.0, 1.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the sample.

    Parameters
    ----------
    label, number : str, int
        Its class, and its place in it from 1.
    kind : str
        ``photo``; ``copy``, ``recompressed``, ``resized`` or ``cropped`` of another; or ``truncated``.
    source : int
        The number of the photo that it shows: its own, or the copied one's.
    hardness : float
        In [0, 1].
    """

    label: str
    number: int
    kind: Kind
    source: int
    hardness: float

    @property
    def path(self) -> str:
        """Relative to the sample, ``/``-separated."""
        return f"{self.label}/{self.label}-{self.number:03d}.jpg"


def plan(seed: int) -> list[Entry]:
    """List all files, the same for the same seed.

    How hard the pictures are is spread evenly over [0, 1] in each class, so that no class is easier by
    chance and different seeds give samples of the same hardness.
    """
    entries = []
    for index, (label, count) in enumerate(COUNTS.items()):
        rng = np.random.default_rng([seed, index])
        copies = _COPIES[label]
        total = count + ("truncated" in copies)
        numbers = rng.permutation(total) + 1
        photos, rest = numbers[len(copies) :], numbers[: len(copies)]
        levels = _EASIEST + (_HARDEST - _EASIEST) * (np.arange(len(photos)) + 0.5) / len(photos)
        hardness = dict(zip(photos.tolist(), levels.tolist(), strict=True))
        entries += [Entry(label, number, "photo", number, level) for number, level in hardness.items()]
        sources = rng.choice(photos, len(copies), replace=False).tolist()
        for number, kind, source in zip(rest.tolist(), copies, sources, strict=True):
            entries.append(Entry(label, number, kind, source, hardness[source]))
    return sorted(entries, key=lambda entry: entry.path)


def render(entry: Entry, seed: int) -> bytes:
    """Render one file: the JPEG's bytes, which depend on the entry and the seed alone."""
    from PIL import Image

    stream = [seed, list(COUNTS).index(entry.label), entry.source]
    rng = np.random.default_rng([*stream, 0])
    data = encode(photograph(rng, entry.label, entry.hardness), quality=int(rng.integers(62, 93)))
    if entry.kind in ("photo", "copy"):
        return data
    rng = np.random.default_rng([*stream, 1])
    if entry.kind == "truncated":
        return data[: int(len(data) * rng.uniform(0.4, 0.7))]
    with Image.open(BytesIO(data)) as image:
        width, height = image.size
        area = (0.0, 0.0, float(width), float(height))
        if entry.kind == "cropped":
            left, top, right, bottom = rng.uniform(0.002, 0.012, 4).tolist()
            area = (left * width, top * height, (1 - right) * width, (1 - bottom) * height)
        elif entry.kind == "resized":
            factor = max(rng.uniform(0.7, 0.85), 300 / min(width, height))
            width, height = round(width * factor), round(height * factor)
        copy = image.resize((width, height), Image.Resampling.LANCZOS, area)
    return encode(copy, quality=int(rng.integers(50, 80)))
