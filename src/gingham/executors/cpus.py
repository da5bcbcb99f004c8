"""How many processors this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

__all__ = ["usable_cpus", "withheld_cpus"]


def usable_cpus(quota_file: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Return the number of processors: the machine's, less what an affinity or a container's quota withholds.

    Parameters
    ----------
    quota_file : Path
        Of control groups, version 2: ``quota period`` in microseconds, or ``max`` for no quota.
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = quota_file.read_text().split()
        count = min(count, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError, ZeroDivisionError):
        pass  # no container, or no quota
    return max(1, count)


def withheld_cpus() -> bool:
    """Return whether the machine has more processors than this process may use."""
    return usable_cpus() < (os.cpu_count() or 1)
