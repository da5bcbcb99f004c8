"""From files to features: Gingham against timm with a DataLoader, and against what decoding and inference allow.

Run it with ``python -m benchmarks.featurize FOLDER``, the folder that holds clothing/. Everything is measured in
rounds, side by side, and the median of each is told; the baseline, being slow, on a part of the photos.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gingham.executors import map_ordered, usable_cpus
from gingham.features import Engine, featurize, load_backbone, open_engine
from gingham.images import network_input, open_bytes
from gingham.records import InputRecipe, content_hash

ROUNDS = 3
BASELINE_ROUNDS = 3
BASELINE_IMAGES = 240
RESOLUTION = 224


class Rate(NamedTuple):
    """Images per second of wall time, and per second of processor time: a busy machine disturbs only the first."""

    wall: float
    cpu: float


def main(photos: Path) -> dict[str, Any]:
    """Measure and return the figures; rates are images per second, medians over the rounds.

    Parameters
    ----------
    photos : Path
        Holds clothing/, 2,147 photos.
    """
    import torch

    root = photos / "clothing"
    paths = sorted(str(path.relative_to(root)) for path in root.glob("*/*.jpg"))
    items = [(content_hash((root / path).read_bytes()), path) for path in paths]
    backbone = load_backbone("efficientnet_lite0")
    recipe = backbone.recipe(RESOLUTION)
    figures: dict[str, Any] = {"images": len(items), "threads": usable_cpus()}

    for precision in ("auto", "f32"):
        engine = open_engine(backbone, RESOLUTION, "openvino", precision)
        engine.load()
        decode, infer, whole = _rounds(
            {
                "decode": lambda: _decode(root, paths, recipe),
                "infer": partial(_infer, engine, len(paths)),
                "whole": partial(_whole, items, root, recipe, engine),
            },
            ROUNDS,
        ).values()
        allowed = Rate(*(1 / (1 / d + 1 / i) for d, i in zip(decode, infer, strict=True)))
        figures[engine.name] = {
            "decode": decode.wall,
            "infer": infer.wall,
            "files_to_features": whole.wall,
            "allowed": allowed.wall,
            "share_of_allowed": whole.wall / allowed.wall,
            "share_of_allowed_by_cpu_time": whole.cpu / allowed.cpu,
        }

    part = [str(root / path) for path in paths[:: max(1, len(paths) // BASELINE_IMAGES)]][:BASELINE_IMAGES]
    plain = backbone.torch_module(RESOLUTION)
    channels_last = backbone.torch_module(RESOLUTION).to(memory_format=torch.channels_last)
    baselines = {
        "timm_default": lambda: _timm(plain, part, channels_last=False),
        "timm_channels_last": lambda: _timm(channels_last, part, channels_last=True),
    }
    _timm(plain, part[:64], channels_last=False)
    _timm(channels_last, part[:64], channels_last=True)
    engine = open_engine(backbone, RESOLUTION)
    engine.load()
    ours = {"ours": lambda: _whole(items, root, recipe, engine)}
    rates = _rounds(baselines | ours, BASELINE_ROUNDS)
    walls = {name: rate.wall for name, rate in rates.items()}
    fastest = max(walls["timm_default"], walls["timm_channels_last"])
    figures |= {"baseline_images": len(part), **walls, "ratio": walls["ours"] / fastest, "engine": engine.name}
    return figures


def _rounds(measures: dict[str, Callable[[], int]], rounds: int) -> dict[str, Rate]:
    """Return the median rates of each, measured in turn, round after round; each returns how many images it did."""
    taken: dict[str, list[Rate]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            began, busy = time.perf_counter(), time.process_time()
            images = measure()
            wall, cpu = time.perf_counter() - began, time.process_time() - busy
            taken[name].append(Rate(images / wall, images / cpu))
    return {
        name: Rate(statistics.median(r.wall for r in rates), statistics.median(r.cpu for r in rates))
        for name, rates in taken.items()
    }


def _decode(root: Path, paths: list[str], recipe: InputRecipe) -> int:
    decoded = map_ordered(lambda path: network_input(open_bytes(root / path, root=root), recipe), paths, usable_cpus())
    return sum(1 for _ in decoded)


def _infer(engine: Engine, count: int) -> int:
    batch = np.random.default_rng(0).integers(0, 256, (engine.batch_size, RESOLUTION, RESOLUTION, 3), np.uint8)
    batches = itertools.repeat(batch, -(-count // engine.batch_size))
    return sum(len(rows) for rows in engine.features(batches))


def _whole(items: list[tuple[str, str]], root: Path, recipe: InputRecipe, engine: Engine) -> int:
    result = featurize(items, recipe, engine, root=root)
    assert result.ok.all()
    return len(items)


class _Photos:
    """What a DataLoader reads: a photo through timm's own preprocessing of these weights."""

    def __init__(self, paths: list[str]) -> None:
        from timm.data import create_transform

        self.paths = paths
        self.transform = create_transform(
            (3, RESOLUTION, RESOLUTION),
            interpolation="bicubic",
            crop_pct=0.875,
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> Any:
        from PIL import Image

        with Image.open(self.paths[number]) as image:
            return self.transform(image.convert("RGB"))


def _timm(network: Any, paths: list[str], channels_last: bool) -> int:
    import torch

    form = torch.channels_last if channels_last else torch.contiguous_format
    with torch.inference_mode():
        for batch in torch.utils.data.DataLoader(_Photos(paths), batch_size=32, num_workers=2):
            network(batch.to(memory_format=form))
    return len(paths)


if __name__ == "__main__":
    for name, value in main(Path(sys.argv[1])).items():
        print(name, {k: round(v, 3) for k, v in value.items()} if isinstance(value, dict) else value)
