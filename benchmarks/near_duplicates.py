"""All near-duplicate pairs among 100,000 image hashes: Gingham's search against comparing each with each.

Run it with ``python benchmarks/near_duplicates.py``. With ``GINGHAM_TEST_DATA`` set to a folder of photos the hashes
are made from those; without it from pictures with the spectrum of natural scenes. Uniformly random bits would be no
test: the bits of real pictures are correlated, so that some buckets of an index get very large.
"""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gingham.curate import NEAR_DUPLICATE_BITS, near_duplicate_components, near_duplicate_pairs

HASHES = 100_000
RUNS = 5


def photo_cells(folder: Path) -> NDArray[np.float64]:
    """Return the 16 x 17 grey cells of every JPEG below a folder, float [n, 16, 17]."""
    from PIL import Image

    cells = []
    for path in sorted(folder.rglob("*.jpg")):
        with Image.open(path) as image:
            image.draft("L", (128, 128))
            cells.append(np.asarray(image.convert("L").resize((17, 16), Image.Resampling.LANCZOS), np.float64))
    return np.stack(cells)


def scene_cells(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return pictures with a 1/f spectrum and an object on a plain ground, float [n, 16, 17]."""
    frequency = np.hypot(np.fft.fftfreq(32)[:, None], np.fft.fftfreq(32))
    frequency[0, 0] = np.inf
    noise = np.fft.fft2(rng.normal(size=(count, 32, 32))) / frequency**1.5
    scene = np.fft.ifft2(noise).real[:, :16, :17]
    scene *= 40 / scene.std(axis=(1, 2), keepdims=True)
    y, x = np.mgrid[-1:1:16j, -1:1:17j]
    size = rng.uniform(0.4, 1.2, (count, 1, 1))
    return 128 + scene - 60 * np.exp(-(((x**2 + y**2) / size**2) ** 2))


def realistic_hashes(n: int, base: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return hashes of blends of pictures, one in ten planted as a copy of another one: uint8 [n, 32].

    Of the planted ones some are equal, some differ in up to twice the default radius, and some form large bursts.
    """
    maps = np.empty((n, 16, 16), bool)
    for start in range(0, n, 10_000):
        size = min(10_000, n - start)
        a, b = rng.integers(len(base), size=(2, size))
        share = rng.uniform(0.5, 0.9, (size, 1, 1))
        second = np.where(rng.random((size, 1, 1)) < 0.5, base[b], base[b][:, :, ::-1])
        cells = np.round(share * base[a] + (1 - share) * second)
        maps[start : start + size] = np.diff(cells, axis=2) > 0
    bits = maps.reshape(n, -1)
    planted = rng.permutation(n)[: n // 10]
    source = rng.integers(n, size=len(planted))
    source[: len(planted) // 10] = rng.integers(n, size=20)[rng.integers(20, size=len(planted) // 10)]
    flips = rng.random((len(planted), 256)) < rng.uniform(0, 2 * NEAR_DUPLICATE_BITS / 256, (len(planted), 1))
    flips[rng.random(len(planted)) < 0.2] = False
    bits[planted] = bits[source] ^ flips
    return np.packbits(bits, axis=1)


def brute_force(hashes: NDArray[np.uint8], radius: int) -> NDArray[np.int64]:
    """Compare each hash with each later one by XOR and popcount, in tiles that fit the cache."""
    words = np.ascontiguousarray(hashes.view(np.uint64).T)
    n = words.shape[1]
    tall, wide = 16, 8192
    found = []
    for top in range(0, n, tall):
        for left in range(top, n, wide):
            rows, columns = words[:, top : top + tall], words[:, left : left + wide]
            distance = np.bitwise_count(rows[0][:, None] ^ columns[0]).astype(np.uint16)
            for k in range(1, 4):
                distance += np.bitwise_count(rows[k][:, None] ^ columns[k])
            i, j = np.nonzero(distance <= radius)
            i, j = i + top, j + left
            found.append(np.stack([i[i < j], j[i < j]], axis=1))
    pairs = np.concatenate(found)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def main(n: int = HASHES, radius: int = NEAR_DUPLICATE_BITS) -> dict[str, float | int | str | bool]:
    """Measure, check and return the figures."""
    rng = np.random.default_rng(0)
    folder = os.environ.get("GINGHAM_TEST_DATA")
    base = photo_cells(Path(folder)) if folder else scene_cells(3000, rng)
    hashes = realistic_hashes(n, base, rng)

    start = time.perf_counter()
    expected = brute_force(hashes, radius)
    brute_seconds = time.perf_counter() - start
    seconds, grouping = [], []
    for _ in range(RUNS):
        start = time.perf_counter()
        pairs = near_duplicate_pairs(hashes, radius)
        seconds.append(time.perf_counter() - start)
        start = time.perf_counter()
        near_duplicate_components(hashes, radius)
        grouping.append(time.perf_counter() - start)
    ours = statistics.median(seconds)
    return {
        "hashes": n,
        "made_from": "photos" if folder else "synthetic scenes",
        "radius": radius,
        "pairs": len(expected),
        "exact": bool(np.array_equal(pairs, expected)),
        "seconds": ours,
        "grouping_seconds": statistics.median(grouping),
        "brute_force_seconds": brute_seconds,
        "ratio": brute_seconds / ours,
    }


if __name__ == "__main__":
    figures = main()
    for name, value in figures.items():
        print(f"{name:20} {value:.3f}" if isinstance(value, float) else f"{name:20} {value}")
    if not figures["exact"]:
        raise SystemExit("The pairs differ from those of brute force.")
