"""Peak memory of featurizing 20,000 files against 2,000: it may grow by the features themselves, and no more.

Run it with ``python -m benchmarks.memory FOLDER``, the folder that holds clothing/. Each count is featurized by a fresh
process, cache and all. The files are photos with a few bytes behind the JPEG's end marker, so that no two are equal.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from gingham.features import featurize_dataset, load_backbone
from gingham.records import content_hash

SMALL, LARGE = 2_000, 20_000
RESOLUTION = 96
MEBIBYTE = 1 << 20


def main(photos: Path, large: int = LARGE) -> dict[str, Any]:
    """Measure and return the figures, in MiB.

    Parameters
    ----------
    photos : Path
        Holds clothing/.
    large : int
        Files in the larger folder.
    """
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "photos"
        _multiply(sorted((photos / "clothing").glob("*/*.jpg")), root, large)
        peaks = [_peak_in_a_child(Path(scratch), count) for count in (SMALL, large)]
    features = (large - SMALL) * load_backbone("efficientnet_lite0").n_features * 4 / MEBIBYTE
    growth = peaks[1] - peaks[0]
    return {
        "files": large,
        f"peak_{SMALL}": peaks[0],
        f"peak_{large}": peaks[1],
        "growth": growth,
        "features": features,
        "growth_over_features": growth / features,
    }


def _multiply(photos: list[Path], root: Path, count: int) -> None:
    root.mkdir()
    for number in range(count):
        data = photos[number % len(photos)].read_bytes()
        (root / f"{number:06}.jpg").write_bytes(data + number.to_bytes(4, "big"))


def _peak_in_a_child(scratch: Path, count: int) -> float:
    command = [sys.executable, "-m", "benchmarks.memory", "child", str(scratch), str(count)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def _child(scratch: Path, count: int) -> float:
    """Featurize so many files; return the peak resident size in MiB."""
    root = scratch / "photos"
    names = sorted(path.name for path in root.iterdir())[:count]
    items = [(content_hash((root / name).read_bytes()), name) for name in names]
    backbone = load_backbone("efficientnet_lite0")
    result = featurize_dataset(
        items, root=root, backbone=backbone, recipe=backbone.recipe(RESOLUTION), cache=scratch / f"cache{count}"
    )
    assert result.ok.all()
    assert result.from_cache == 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MEBIBYTE


if __name__ == "__main__":
    if sys.argv[1] == "child":
        print(_child(Path(sys.argv[2]), int(sys.argv[3])))
    else:
        for name, value in main(Path(sys.argv[1])).items():
            print(f"{name:24} {value:.2f}" if isinstance(value, float) else f"{name:24} {value}")
