"""Choosing: how long the quick comparison takes and what its choice is worth; what the presets gain, and cost."""

from __future__ import annotations

import shlex
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from gingham import Project
from gingham.config import load_config
from gingham.project import ProjectFolder
from gingham.workflow.candidates import Bench, Candidate
from gingham.workflow.steps import Steps

DATASETS = ("clothing", "grocery")
SEEDS = (0, 1, 2)
PRESETS = ("fast", "balanced", "accurate")


def quick(photos: Path) -> dict[str, Any]:
    """Compare three networks at three resolutions on clothing; then, to judge the choice, test all nine."""
    with tempfile.TemporaryDirectory() as folder:
        project = Project(folder, environment={})
        began = time.perf_counter()
        result = project.tune(photos / "clothing", quick=True)
        seconds = time.perf_counter() - began
        tested = {}
        for row in result.rows:
            words = shlex.split(row.flags)
            flags = {name.lstrip("-"): value for name, value in zip(words[::2], words[1::2], strict=True)}
            tested[row.name] = project.run(photos / "clothing", flags).metrics.accuracy
    rows = [
        {"name": row.name, "cv": row.accuracy, "test": tested[row.name], "milliseconds": row.milliseconds}
        for row in result.rows
    ]
    print(*rows, sep="\n", flush=True)
    best = next(row.name for row in result.rows if row.best)
    return {"seconds": seconds, "rows": rows, "recommended": result.recommended.name, "best": best}


def presets(photos: Path) -> list[dict[str, Any]]:
    """Test each preset on each set with each seed, and time it."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        project = Project(folder, environment={})
        for preset in PRESETS:
            found = {}
            for dataset in DATASETS:
                runs = [project.run(photos / dataset, {"preset": preset, "seed": seed}) for seed in SEEDS]
                found[dataset] = statistics.mean(run.metrics.accuracy for run in runs)
            config = load_config(Path("none"), {}, {"preset": preset})
            steps = Steps(ProjectFolder(folder), config, photos / "clothing")
            features = config.features
            candidate = Candidate("svm", features.backbone, features.resolution, features.views)
            measured = Bench(steps, Path(folder) / "bench").measure(candidate, 1, lambda _: False)
            rows.append({"preset": preset, **found, "milliseconds": measured.milliseconds, "mb": measured.megabytes})
            print(rows[-1], flush=True)
    return rows
