"""From files to features: Gingham against timm with a DataLoader, and against what decoding and inference allow.

Run it with ``python -m benchmarks.featurize FOLDER``, the folder that holds clothing/. Everything is measured in
rounds, side by side, and the median of each is told; the baseline, being slow, on a part of the photos.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gingham.executors import map_ordered
from gingham.features import Engine, featurize, load_backbone, open_engine
from gingham.features.cpus import usable_cpus
from gingham.images import network_input, open_bytes
from gingham.records import InputRecipe, content_hash

ROUNDS = 5
BASELINE_ROUNDS = 3
BASELINE_IMAGES = 240
RESOLUTION = 224


def main(photos: Path) -> dict[str, Any]:
    """Measure and return the figures; rates are images per second, medians over the rounds.

    Parameters
    ----------
    photos : Path
        Holds clothing/, 2,147 photos.
    """
    root = photos / "clothing"
    paths = sorted(str(path.relative_to(root)) for path in root.glob("*/*.jpg"))
    items = [(content_hash((root / path).read_bytes()), path) for path in paths]
    backbone = load_backbone("efficientnet_lite0")
    recipe = backbone.recipe(RESOLUTION)
    figures: dict[str, Any] = {"images": len(items), "threads": usable_cpus()}

    for precision in ("auto", "f32"):
        engine = open_engine(backbone, RESOLUTION, "openvino", precision)
        rates = _rounds(
            {
                "decode": lambda: _decode(root, paths, recipe),
                "infer": lambda engine=engine: _infer(engine, len(paths)),
                "files_to_features": lambda engine=engine: _whole(items, root, recipe, engine),
            },
            ROUNDS,
        )
        allowed = 1 / (1 / rates["decode"] + 1 / rates["infer"])
        figures[engine.name] = rates | {
            "allowed": allowed,
            "share_of_allowed": rates["files_to_features"] / allowed,
        }

    part = [str(root / path) for path in paths[:: max(1, len(paths) // BASELINE_IMAGES)]][:BASELINE_IMAGES]
    baselines = {
        "timm_default": lambda: _timm(backbone.torch_module(RESOLUTION), part, channels_last=False),
        "timm_channels_last": lambda: _timm(backbone.torch_module(RESOLUTION), part, channels_last=True),
    }
    engine = open_engine(backbone, RESOLUTION)
    ours = {"ours": lambda: _whole(items, root, recipe, engine)}
    rates = _rounds(baselines | ours, BASELINE_ROUNDS)
    fastest = max(rates["timm_default"], rates["timm_channels_last"])
    figures |= {"baseline_images": len(part), **rates, "ratio": rates["ours"] / fastest, "engine": engine.name}
    return figures


def _rounds(measures: dict[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Return the median rate of each, measured in turn, round after round."""
    rates: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            rates[name].append(measure())
    return {name: statistics.median(values) for name, values in rates.items()}


def _decode(root: Path, paths: list[str], recipe: InputRecipe) -> float:
    began = time.perf_counter()
    for _ in map_ordered(lambda path: network_input(open_bytes(root / path, root=root), recipe), paths, 2):
        pass
    return len(paths) / (time.perf_counter() - began)


def _infer(engine: Engine, count: int) -> float:
    random = np.random.default_rng(0)
    batches = [random.integers(0, 256, (engine.batch_size, RESOLUTION, RESOLUTION, 3), np.uint8) for _ in range(8)]
    engine.load()
    rounds = -(-count // engine.batch_size)
    began = time.perf_counter()
    done = sum(len(rows) for rows in engine.features(itertools.islice(itertools.cycle(batches), rounds)))
    return done / (time.perf_counter() - began)


def _whole(items: list[tuple[str, str]], root: Path, recipe: InputRecipe, engine: Engine) -> float:
    engine.load()
    began = time.perf_counter()
    result = featurize(items, recipe, engine, root=root)
    seconds = time.perf_counter() - began
    assert result.ok.all()
    return len(items) / seconds


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


def _timm(network: Any, paths: list[str], channels_last: bool) -> float:
    import torch

    form = torch.channels_last if channels_last else torch.contiguous_format
    network = network.to(memory_format=form)

    def batches() -> Iterator[torch.Tensor]:
        loader = torch.utils.data.DataLoader(_Photos(paths), batch_size=32, num_workers=2)
        for batch in loader:
            yield batch.to(memory_format=form)

    with torch.inference_mode():
        network(next(batches()))
        began = time.perf_counter()
        for batch in batches():
            network(batch)
        return len(paths) / (time.perf_counter() - began)


if __name__ == "__main__":
    for name, value in main(Path(sys.argv[1])).items():
        print(name, {k: round(v, 3) for k, v in value.items()} if isinstance(value, dict) else value)
