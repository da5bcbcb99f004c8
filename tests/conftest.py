"""What the tests share: the real photos, where they are; and a strict mode in which nothing may be skipped."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import tests.savings  # noqa: F401  (first: what comes after it loads threads)
from tests.textures import PARAMETERS, Outcome, write_textures

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Make = Callable[[Path], object]
LONGEST = "tests/test_docs.py::test_the_readme_is_followed"
SKIPPED: list[str] = []
CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

# A shell starts background jobs with Ctrl-C ignored, and children inherit that: the tests that interrupt would not.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def photos() -> Path:
    """The folder that holds clothing/ and grocery/, real photos that are not part of the repository."""
    folder = os.environ.get("GINGHAM_TEST_DATA", "")
    if not folder:
        pytest.skip("set GINGHAM_TEST_DATA to a folder that holds clothing/ and grocery/")
    path = Path(folder)
    assert (path / "clothing" / "splits.csv").is_file(), f"{path} holds no clothing/splits.csv"
    return path


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser. Not for the whole session: while Playwright is on, no test may run an event loop of its own."""
    if not CHROMIUM.exists():
        pytest.skip("needs Chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest test, so that others run beside it to its end."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


def pytest_collection_finish() -> None:
    """Look for garbage only in what the tests make: PyTorch and its like are a million objects, and they stay."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


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


@pytest.fixture(autouse=True)
def no_outer_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no variable of the machine that tests run on change a run."""
    for name in list(os.environ):
        if (name.startswith("GINGHAM_") and not name.startswith("GINGHAM_TEST_")) or name == "MLFLOW_TRACKING_URI":
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Make], Path]:
    """Make a folder of a name once for all processes that test; return a copy for this one."""
    from filelock import FileLock

    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def call(name: str, make: Make) -> Path:
        with FileLock(shared / f"{name}.lock"):
            if not (shared / name).exists():
                half = shared / f"{name}.half"
                shutil.rmtree(half, ignore_errors=True)
                make(half)
                half.rename(shared / name)
        return Path(shutil.copytree(shared / name, tmp_path_factory.mktemp("made") / name))

    return call


@pytest.fixture(scope="session")
def rendered_sample(made_once: Callable[[str, Make], Path]) -> Path:
    """The whole sample; to be copied, never changed."""
    from gingham.collect.sample import render_sample

    return made_once("patterns", lambda folder: render_sample(folder, seed=0, workers=2))


@pytest.fixture
def one_torch_thread() -> Iterator[None]:
    """Tests run beside each other; what is small is no faster in several threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)  # results differ in their last bits with the number


@pytest.fixture(scope="session")
def untouched_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a small dataset and parameters for quick runs; to be copied, never changed."""
    project = tmp_path_factory.mktemp("untouched") / "project"
    write_textures(project / "images" / "textures")
    (project / "gingham.toml").write_text(PARAMETERS)
    return project


@pytest.fixture(scope="session")
def untouched_run(untouched_project: Path, made_once: Callable[[str, Make], Path]) -> Path:
    """The same with one finished run; to be copied, never changed."""
    from gingham import Project

    def make(folder: Path) -> None:
        shutil.copytree(untouched_project, folder)
        Project(folder, environment={}).run()

    return made_once("finished", make)


@pytest.fixture
def project(untouched_project: Path, tmp_path: Path) -> Path:
    """A project in which nothing has been done yet: three classes of 14 pictures in images/textures."""
    return Path(shutil.copytree(untouched_project, tmp_path / "project"))


@pytest.fixture
def finished(untouched_run: Path, tmp_path: Path) -> Path:
    """A project with one finished run."""
    return Path(shutil.copytree(untouched_run, tmp_path / "finished"))


@pytest.fixture
def gingham(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Outcome]]:
    """Run one command in this process."""
    from gingham.cli.execute import execute

    def call(*arguments: object) -> Outcome:
        capsys.readouterr()
        status = execute([str(argument) for argument in arguments])
        return Outcome(status, *capsys.readouterr())

    handler, hook = signal.getsignal(signal.SIGTERM), sys.unraisablehook
    yield call
    signal.signal(signal.SIGTERM, handler)
    sys.unraisablehook = hook
