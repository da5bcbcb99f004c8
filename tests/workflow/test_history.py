"""The runs of a project: list, show, compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.textures import texture_bytes


@pytest.fixture
def two_runs(gingham: Any, finished: Path) -> tuple[Path, str, str]:
    """A good run, and one of nearly the same features with a C that spoils it."""
    first = gingham("runs", "show", "--project", finished, "--json").json["run_id"]
    second = gingham("run", "--project", finished, "--json", "--svm.c-grid", "1e-9", "--preprocess.fit", "squash").json
    return finished, first, second["run_id"]


def test_list_and_show(gingham: Any, two_runs: tuple[Path, str, str]) -> None:
    project, first, second = two_runs
    listed = gingham("runs", "list", "--project", project, "--json").json
    assert [run["run_id"] for run in listed["runs"]] == [second, first]
    assert listed["warnings"] == []
    words = gingham("runs", "list", "--project", project).out.splitlines()
    assert words[1].startswith(second)
    assert words[2].startswith(first)
    for spelling in (second, "latest", second[:-1]):
        assert gingham("runs", "show", spelling, "--project", project, "--json").json["run_id"] == second
    ambiguous = gingham("runs", "show", "20", "--project", project)
    assert ambiguous.status == 2
    assert first in ambiguous.err
    shown = gingham("runs", "show", "--project", project).out
    assert "preprocess.fit" in shown
    assert "squash" in shown


def test_compare_says_what_differs(gingham: Any, two_runs: tuple[Path, str, str]) -> None:
    project, first, second = two_runs
    found = gingham("runs", "compare", first, second, "--project", project, "--json").json
    assert found["parameters"] == {"preprocess.fit": ["crop", "squash"], "svm.c_grid": [[0.1, 1.0, 10.0], [1e-09]]}
    assert (found["a"], found["b"], found["n_test"]) == (first, second, 12)
    right = [
        {row["path"] for row in found[name]} for name in ("lost", "gained")
    ]  # fmt: skip
    assert (len(right[0]), len(right[1])) == (found["n_only_a_right"], found["n_only_b_right"])
    assert found["accuracy_b"] - found["accuracy_a"] == pytest.approx(found["difference"])
    assert found["difference"] == pytest.approx((len(right[1]) - len(right[0])) / 12)
    assert 0 < found["p_value"] <= 1
    mirrored = gingham("runs", "compare", second, "--project", project)
    assert mirrored.status == 2  # the second is `latest`, the same run
    words = gingham("runs", "compare", first, "--project", project).out
    assert f"Right in A, wrong in B: {found['n_only_a_right']}" in words
    assert "svm.c_grid" in words


def test_runs_on_other_test_images_are_not_compared(gingham: Any, finished: Path) -> None:
    first = gingham("runs", "show", "--project", finished, "--json").json["run_id"]
    for seed in range(80, 90):
        (finished / f"images/textures/dots/{seed}.jpg").write_bytes(texture_bytes("dots", seed))
    assert gingham("run", "--project", finished).status == 0
    refused = gingham("runs", "compare", first, "--project", finished, "--json")
    assert refused.status == 2
    assert "different" in refused.json["error"]["message"]


def test_what_is_no_run_is_named_and_passed_over(gingham: Any, finished: Path) -> None:
    (finished / "runs/20260101-000000-abcd").mkdir()
    (finished / "runs/my notes").mkdir()
    listed = gingham("runs", "list", "--project", finished, "--json")
    assert listed.status == 0
    assert len(listed.json["runs"]) == 1
    assert any("20260101-000000-abcd" in warning for warning in listed.json["warnings"])


def test_a_comparison_without_predictions_says_so(gingham: Any, two_runs: tuple[Path, str, str]) -> None:
    project, first, second = two_runs
    (project / "runs" / first / "predictions.csv").unlink()
    refused = gingham("runs", "compare", first, second, "--project", project)
    assert refused.status == 4
    assert "predictions.csv" in refused.err


def test_intervals_bear_their_own_level(gingham: Any, finished: Path) -> None:
    assert "95 % interval" in gingham("runs", "list", "--project", finished).out
    assert "90 % interval" in gingham("run", "--project", finished, "--evaluation.confidence", "0.9").out
    mixed = gingham("runs", "list", "--project", finished).out.splitlines()[0]
    assert mixed.endswith("interval")
    assert "%" not in mixed
