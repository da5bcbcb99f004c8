"""All near-duplicate pairs among 100,000 image hashes: against comparing each with each, and against imagededup.

Run it with ``python -m benchmarks.near_duplicates``. With ``GINGHAM_TEST_DATA`` set to a folder of photos the hashes
are made from those; without it from pictures with the spectrum of natural scenes. Uniformly random bits would be no
test: the bits of real pictures are correlated, so that some buckets of an index get very large.

imagededup, where it is installed, has three searches. The one that it takes by default reads no more than 64 bits. Of
the other two, its brute force is the faster here; it is given whole numbers for hashes and a popcount for the distance,
far faster than its own. Even so all the hashes would take it half an hour: a part of them is searched whole, and of all
only for some.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gingham.curate import NEAR_DUPLICATE_BITS, near_duplicate_components, near_duplicate_pairs

HASHES = 100_000
PART = 20_000
QUERIES = 1_000
RADIUS = 10
"""The default of imagededup."""

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


def searched_by_imagededup(hashes: NDArray[np.uint8], queries: NDArray[np.int64], radius: int) -> tuple[Any, float]:
    """Return the pairs of some hashes with all others, a set of (smaller, larger) row, and the seconds that it took."""
    brute_force_class = importlib.import_module("imagededup.handlers.search.brute_force").BruteForce

    def bits_between(a: int, b: int) -> int:
        return (a ^ b).bit_count()

    numbers = {row: int.from_bytes(each.tobytes(), "big") for row, each in enumerate(hashes)}
    search = brute_force_class(numbers, bits_between)
    start = time.perf_counter()
    found = [(row, search.search(numbers[row], radius)) for row in queries.tolist()]
    seconds = time.perf_counter() - start
    return {(min(row, other), max(row, other)) for row, near in found for other, _ in near if other != row}, seconds


def against_imagededup(hashes: NDArray[np.uint8], radius: int) -> dict[str, float | int]:
    """Search a part of the hashes whole, and all for a sample of them, by imagededup and by Gingham."""
    part = hashes[:PART]
    theirs, seconds = searched_by_imagededup(part, np.arange(len(part)), radius)
    took = []
    for _ in range(RUNS):
        start = time.perf_counter()
        pairs = near_duplicate_pairs(part, radius)
        took.append(time.perf_counter() - start)
    ours = set(map(tuple, pairs.tolist()))
    queries = np.random.default_rng(1).choice(len(hashes), min(QUERIES, len(hashes)), replace=False)
    of_some, sampled_seconds = searched_by_imagededup(hashes, queries, radius)
    of_all = set(map(tuple, near_duplicate_pairs(hashes, radius).tolist()))
    return {
        "part": len(part),
        "seconds": seconds,
        "ours": statistics.median(took),
        "ratio": seconds / statistics.median(took),
        "pairs": len(theirs),
        "recall": len(theirs & ours) / len(theirs),
        "not_in_its": len(ours - theirs),
        "queries": len(queries),
        "pairs_of_queries": len(of_some),
        "recall_of_queries": len(of_some & of_all) / max(1, len(of_some)),
        "seconds_for_all": sampled_seconds / len(queries) * len(hashes),
    }


def main(n: int = HASHES, radius: int = RADIUS) -> dict[str, Any]:
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
    figures: dict[str, Any] = {
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
    if importlib.util.find_spec("imagededup") is None:
        print("imagededup is left out: it is not installed.")
    else:
        figures["imagededup"] = theirs = against_imagededup(hashes, radius)
        theirs["ratio_for_all"] = theirs["seconds_for_all"] / ours
    return figures


if __name__ == "__main__":
    figures = main()
    print(json.dumps(figures, indent=1))
    if not figures["exact"]:
        raise SystemExit("The pairs differ from those of brute force.")
