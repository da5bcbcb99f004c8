"""Every command and code block of README and docs runs; pages made from the code are up to date."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.generate import PAGE, parameters_page
from tests.textures import environment, texture_bytes

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN_ONLY = {"text", "json", "toml"}
OF_A_CLONE = {"make demo", "make test", "pip install -e ."}  # each is checked by a test of its own below


def blocks(page: Path) -> list[tuple[str, str]]:
    return [(match[1], match[2]) for match in FENCE.finditer(page.read_text(encoding="utf-8"))]


def commands(block: str) -> list[str]:
    return [line.partition("  #")[0].partition(" # ")[0].strip() for line in block.splitlines() if line.strip()]


def test_the_readme_is_followed_to_the_letter_in_an_empty_folder(tmp_path: Path) -> None:
    for number in range(1, 9):
        for label, kind in (("cat", "stripes"), ("dog", "dots")):
            photo = tmp_path / "my-photos" / label / f"{number}.jpg"
            photo.parent.mkdir(parents=True, exist_ok=True)
            photo.write_bytes(texture_bytes(kind, number))
    scripts = Path(sys.executable).parent
    path = f"{scripts}:{environment()['PATH']}"
    ran = 0
    for language, block in blocks(ROOT / "README.md"):
        if language in SHOWN_ONLY:
            continue
        assert language in {"sh", "python"}, f"a block of README.md is in {language!r}: say sh, python or text"
        steps = [["sh", "-ec", line] for line in commands(block) if line not in OF_A_CLONE]
        for step in steps if language == "sh" else [[sys.executable, "-W", "error", "-c", block]]:
            done = subprocess.run(
                step, cwd=tmp_path, env=environment(PATH=path), capture_output=True, text=True, timeout=280
            )
            assert done.returncode == 0, f"{step}\n{done.stdout}\n{done.stderr}"
            ran += 1
    assert ran >= 8


@pytest.mark.parametrize("document", PAGES, ids=lambda document: document.name)
def test_other_pages_hold_only_blocks_that_are_run_or_shown(document: Path) -> None:
    for language, block in blocks(document):
        if document.name != "README.md":
            assert language in SHOWN_ONLY, (
                f"{document.name} has a {language or 'nameless'} block that no test runs:\n{block}"
            )


@pytest.mark.parametrize("document", PAGES, ids=lambda document: document.name)
def test_links_and_pictures_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (document.parent / target).exists(), f"{document.name} points to {target}, which is not there"


def test_the_readme_names_parameters_and_commands_that_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    page = parameters_page()
    for name in re.findall(r"--([a-z]+\.[a-z_]+)", text):
        assert f"`{name}`" in page


@pytest.mark.parametrize("target", ["demo", "test", "lint", "bench", "docs"])
def test_make_knows_the_targets_that_the_pages_name(target: str) -> None:
    done = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_make_demo_is_the_sample_and_the_main_job() -> None:
    dry = subprocess.run(["make", "--dry-run", "demo"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    ran = [line.partition("/gingham ")[2] for line in dry.stdout.splitlines() if "/gingham " in line]
    assert ran == ["sample --project demo", "run --project demo"]


def test_the_package_is_installed_from_this_clone() -> None:
    import gingham

    assert Path(gingham.__file__).is_relative_to(ROOT / "src")


def test_the_parameters_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == parameters_page(), "run `make docs`"


def test_the_changelog_names_this_version() -> None:
    from gingham import __version__

    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
