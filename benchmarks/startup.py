"""How long a command takes from nothing: help, and a second run with nothing changed."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GINGHAM = [sys.executable, "-m", "gingham"]


def main(photos: Path, repeats: int = 7) -> dict[str, float]:
    """Time whole processes; returns seconds: ``help`` and ``second`` are medians, ``first`` is one run.

    Parameters
    ----------
    photos : Path
        Holds clothing/, 2,147 photos.
    """
    figures = {"help": _median([*GINGHAM, "--help"], repeats)}
    with tempfile.TemporaryDirectory() as folder:
        run = [*GINGHAM, "run", str(photos / "clothing"), "--project", folder, "--quiet"]
        figures["first"] = _seconds(run)
        figures["second"] = _median(run, repeats)
    print(
        f"help {figures['help']:.2f} s; first run {figures['first']:.1f} s, second {figures['second']:.2f} s "
        f"({figures['first'] / figures['second']:.0f}x)",
        flush=True,
    )
    return figures


def _median(command: list[str], repeats: int) -> float:
    _seconds(command)
    return statistics.median(_seconds(command) for _ in range(repeats))


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began
