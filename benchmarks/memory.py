"""Peak memory of featurizing 20,000 files against 2,000: it may grow by the features themselves, and no more.

Run it with ``python -m benchmarks.memory FOLDER``, the folder that holds clothing/. Each count is featurized by a fresh
process, cache and all. The files are photos with a few bytes behind the JPEG's end marker, so that no two are equal.
The lowest peak of the small folder is set against the highest of the large one.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from gingham.features import featurize_dataset, load_backbone
from gingham.records import content_hash

SMALL, LARGE = 2_000, 20_000
RESOLUTION = 96
PROCESSES = 3
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
        before_small, peak_small = map(min, zip(*_in_children(Path(scratch), SMALL), strict=True))
        before, peak = map(max, zip(*_in_children(Path(scratch), large), strict=True))
    features = (large - SMALL) * load_backbone("efficientnet_lite0").n_features * 4 / MEBIBYTE
    growth, names = peak - peak_small, before - before_small
    return {
        "files": large,
        f"peak_{SMALL}": peak_small,
        f"peak_{large}": peak,
        "growth": growth,
        "of_which_the_callers_file_names": names,
        "features": features,
        "growth_without_names_over_features": (growth - names) / features,
    }


def _multiply(photos: list[Path], root: Path, count: int) -> None:
    root.mkdir()
    for number in range(count):
        data = photos[number % len(photos)].read_bytes()
        (root / f"{number:06}.jpg").write_bytes(data + number.to_bytes(4, "big"))


def _in_children(scratch: Path, count: int) -> list[tuple[float, float]]:
    """Measure in several processes: what compiling the network takes varies by 36 MiB; the worst pair is told."""
    return [_in_a_child(scratch, count) for _ in range(PROCESSES)]


def _in_a_child(scratch: Path, count: int) -> tuple[float, float]:
    command = [sys.executable, "-m", "benchmarks.memory", "child", str(scratch), str(count)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    before, peak = done.stdout.split()[-2:]
    return float(before), float(peak)


def _child(scratch: Path, count: int) -> tuple[float, float]:
    """Featurize so many files; return the peak resident size, in MiB, before and after."""
    root = scratch / "photos"
    names = (f"{number:06}.jpg" for number in range(count))
    items = [(content_hash((root / name).read_bytes()), name) for name in names]
    backbone = load_backbone("efficientnet_lite0")
    cache = scratch / "cache"
    before = _peak()
    result = featurize_dataset(items, root=root, backbone=backbone, recipe=backbone.recipe(RESOLUTION), cache=cache)
    assert result.ok.all()
    assert result.from_cache == 0
    shutil.rmtree(cache)
    return before, _peak()


def _peak() -> float:
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would begin with the peak of the process that started this one
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / MEBIBYTE
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MEBIBYTE


if __name__ == "__main__":
    if sys.argv[1] == "child":
        print(*_child(Path(sys.argv[2]), int(sys.argv[3])))
    else:
        for name, value in main(Path(sys.argv[1])).items():
            print(f"{name:36} {value:.2f}" if isinstance(value, float) else f"{name:36} {value}")
