"""From image files to 256-bit difference hashes: as in a scan, against imagehash on files that Pillow opens.

Run it with ``python -m benchmarks.hashing``; ``GINGHAM_TEST_DATA`` names the folder of photos. Gingham decodes a JPEG
at a reduced scale, as far as the hash allows. So the hashes of the same files are near, not equal; those of the same
pixels must be equal, bit by bit.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gingham.curate import NEAR_DUPLICATE_BITS, dhash
from gingham.curate.scan import HASHED_SIDE
from gingham.executors import map_ordered, usable_cpus
from gingham.images import decode, open_bytes

ROUNDS = 3

Hash = Callable[[Path], bytes]


def main(photos: Path, rounds: int = ROUNDS) -> dict[str, Any]:
    """Hash every JPEG below a folder in each way, in turn, and return medians in files a second.

    Parameters
    ----------
    photos : Path
    rounds : int
    """
    paths = sorted(photos.rglob("*.jpg"))
    threads = usable_cpus()
    ways: dict[str, tuple[Hash, int]] = {
        "ours_in_one_thread": (ours, 1),
        "imagehash": (by_imagehash, 1),
        "ours": (ours, threads),
        "imagehash_in_threads": (by_imagehash, threads),
    }
    warm = [path.read_bytes() for path in paths]
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    processor: dict[str, list[float]] = {name: [] for name in ways}
    hashes: dict[str, NDArray[np.uint8]] = {}
    for turn in range(rounds):
        for name, (hashed, workers) in ways.items():
            began, before = time.perf_counter(), time.process_time()
            found = list(map_ordered(hashed, paths, workers=workers, window=8 * workers))
            seconds[name].append(time.perf_counter() - began)
            processor[name].append(time.process_time() - before)
            hashes[name] = np.frombuffer(b"".join(found), np.uint8).reshape(-1, 32)
            print(f"{turn} {name:22} {len(paths) / seconds[name][-1]:.0f}/s", flush=True)
    rates = {name: len(paths) / statistics.median(took) for name, took in seconds.items()}
    cpu = {name: statistics.median(took) for name, took in processor.items()}
    apart = np.bitwise_count(hashes["ours"] ^ hashes["imagehash"]).sum(axis=1)
    return {
        "files": len(paths),
        "megabytes": sum(map(len, warm)) / 1e6,
        "threads": threads,
        **rates,
        "ratio_of_one_thread": rates["ours_in_one_thread"] / rates["imagehash"],
        "ratio_by_processor_time": cpu["imagehash"] / cpu["ours_in_one_thread"],
        "ratio_as_used": rates["ours"] / rates["imagehash"],
        "ratio_in_threads": rates["ours"] / rates["imagehash_in_threads"],
        "same_pixels_identical": sum(map(same_of_same_pixels, paths)) / len(paths),
        "median_bits_apart": float(np.median(apart)),
        "within_radius": float((apart <= NEAR_DUPLICATE_BITS).mean()),
    }


def ours(path: Path) -> bytes:
    """Return the hash as a scan computes it; of an image without detail too."""
    image = decode(open_bytes(path), min_side=HASHED_SIDE, name=path.name)
    return dhash(image.rgb, box=image.box, min_turns=0) or b""


def by_imagehash(path: Path) -> bytes:
    """Return imagehash's."""
    import imagehash
    from PIL import Image

    with Image.open(path) as image:
        return np.packbits(imagehash.dhash(image, hash_size=16).hash).tobytes()


def same_of_same_pixels(path: Path) -> bool:
    """Tell whether both give the same hash to the pixels that Gingham decodes."""
    import imagehash
    from PIL import Image

    rgb = decode(open_bytes(path), min_side=HASHED_SIDE, name=path.name).rgb
    theirs = np.packbits(imagehash.dhash(Image.fromarray(rgb), hash_size=16).hash).tobytes()
    return dhash(rgb, min_turns=0) == theirs


if __name__ == "__main__":
    print(json.dumps(main(Path(os.environ["GINGHAM_TEST_DATA"])), indent=1))
