"""Measure Gingham against named alternatives, side by side, and write RESULTS.md: ``make bench``.

``python -m benchmarks NAME…`` measures only some and leaves the other figures as they are. Real photos are needed:
``GINGHAM_TEST_DATA`` names a folder that holds clothing/ and grocery/.
"""

from __future__ import annotations

import datetime
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import (
    accuracy,
    choosing,
    collecting,
    equal_time,
    featurize,
    hashing,
    label_errors,
    memory,
    million,
    near_duplicates,
    overload,
    refinement,
    serving,
    startup,
    svm_search,
)
from benchmarks.results import render

HERE = Path(__file__).parent
FIGURES = HERE / "figures.json"
RESULTS = HERE / "RESULTS.md"


def main(names: list[str]) -> None:
    """Run the named benchmarks, or all, and write what they found."""
    photos = Path(
        os.environ.get("GINGHAM_TEST_DATA") or sys.exit("Set GINGHAM_TEST_DATA to the folder of real photos.")
    )
    benchmarks: dict[str, Callable[[], Any]] = {
        "startup": lambda: startup.main(photos),
        "featurize": lambda: featurize.main(photos),
        "memory": lambda: memory.main(photos),
        "near_duplicates": near_duplicates.main,
        "hashing": lambda: hashing.main(photos),
        "million": million.main,
        "collecting": collecting.main,
        "label_errors": lambda: label_errors.main(photos),
        "svm_3000": lambda: svm_search.main(photos, 3_000),
        "svm_20000": lambda: svm_search.main(photos, 20_000),
        "serving": lambda: serving.main(photos),
        "overload": lambda: overload.main(photos),
        "accuracy": lambda: accuracy.main(photos),
        "refinement": lambda: refinement.accuracy(photos),
        "refinement_speed": refinement.speed,
        "tune_quick": lambda: choosing.quick(photos),
        "presets": lambda: choosing.presets(photos),
        "equal_time": lambda: equal_time.main(photos),
    }
    unknown = set(names) - set(benchmarks)
    if unknown:
        sys.exit(f"There is no benchmark {', '.join(sorted(unknown))}. There are: {', '.join(benchmarks)}.")
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    for name in names or benchmarks:
        print(f"== {name}", flush=True)
        figures[name] = {"measured": datetime.date.today().isoformat(), "figures": benchmarks[name]()}
        FIGURES.write_text(json.dumps(figures, indent=1, default=float) + "\n")
    RESULTS.write_text(render(figures))
    print(f"Wrote {RESULTS}")


if __name__ == "__main__":
    main(sys.argv[1:])
