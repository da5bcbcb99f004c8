"""What the tests share: the real photos, where they are; and a strict mode in which nothing may be skipped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SKIPPED: list[str] = []


@pytest.fixture(scope="session")
def photos() -> Path:
    """The folder that holds clothing/ and grocery/, real photos that are not part of the repository."""
    folder = os.environ.get("GINGHAM_TEST_DATA", "")
    if not folder:
        pytest.skip("set GINGHAM_TEST_DATA to a folder that holds clothing/ and grocery/")
    path = Path(folder)
    assert (path / "clothing" / "splits.csv").is_file(), f"{path} holds no clothing/splits.csv"
    return path


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note what was skipped, unless it needs the photos and they are not here."""
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if "GINGHAM_TEST_DATA" not in reason:
            SKIPPED.append(f"{report.nodeid}: {reason}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In strict mode, as in CI, a test that should run and was skipped fails the session."""
    if os.environ.get("GINGHAM_TEST_STRICT") and SKIPPED and session.exitstatus == 0:
        print("\nSkipped, but should have run:", *SKIPPED, sep="\n  ")  # noqa: T201
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
