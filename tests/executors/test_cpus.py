from __future__ import annotations

import os
from pathlib import Path

import pytest

from gingham.executors.cpus import usable_cpus

HERE = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        pytest.param("100000 100000\n", 1, id="one"),
        pytest.param("50000 100000\n", 1, id="half_of_one"),
        pytest.param("max 100000\n", HERE, id="no_quota"),
        pytest.param("999900000 100000\n", HERE, id="more_than_there_are"),
        pytest.param("what?", HERE, id="unreadable"),
        pytest.param(None, HERE, id="no_control_groups"),
    ],
)
def test_a_containers_quota_counts(quota: str | None, expected: int, tmp_path: Path) -> None:
    file = tmp_path / "cpu.max"
    if quota is not None:
        file.write_text(quota)
    assert usable_cpus(file) == expected
