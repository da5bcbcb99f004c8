"""Every command and code block of README and docs runs; pages made from the code are up to date."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.generate import PAGE, parameters_page
from gingham.collect.manifests import manifest
from tests.collect.faulty_server import FaultyServer, says
from tests.collect.search_servers import FakeOpenverse, FakeWikimedia, openverse_item, serving, wikimedia_item
from tests.textures import environment, texture_bytes

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN_ONLY = {"text", "json", "toml"}
FOLLOWED = {"README.md", "model-file.md", "service.md", "deployment.md", "refinement.md", "tuning.md", "images.md"}
# Each is checked by a test of its own below, or is how this environment was made.
OF_A_CLONE = {"make demo", "make test", "make demo-refine", "pip install -e .", 'pip install -e ".[train]"'}


def blocks(page: Path) -> list[tuple[str, str]]:
    return [(match[1], match[2]) for match in FENCE.finditer(page.read_text(encoding="utf-8"))]


def commands(block: str) -> list[str]:
    return [line.partition("  #")[0].partition(" # ")[0].strip() for line in block.splitlines() if line.strip()]


def follow(page: Path, folder: Path, **more: str) -> int:
    """Do what a page says, in a folder, with more variables; return how many commands and blocks that were.

    A service is left running for what comes after it, on a port that is free here.
    """
    port = free_port()
    scripts = Path(sys.executable).parent
    # Less of everything than a user would want: that a command works is what is tested.
    quick = {
        "GINGHAM_SERVICE__PORT": str(port),
        "GINGHAM_FEATURES__RESOLUTION": "96",
        "GINGHAM_REFINEMENT__EPOCHS": "1",
        "GINGHAM_REFINEMENT__TRAININGS": "1",
        "GINGHAM_TUNING__MINUTES": "0.05",
        "GINGHAM_TUNING__BACKBONES": "efficientnet_lite0",
        "GINGHAM_TUNING__RESOLUTIONS": "96,128",
    }
    variables = environment(PATH=f"{scripts}:{environment()['PATH']}", **quick, **more)
    ran = 0
    with contextlib.ExitStack() as services:
        for language, block in blocks(page):
            if language in SHOWN_ONLY:
                continue
            assert language in {"sh", "python"}, f"a block of {page.name} is in {language!r}: say sh, python or text"
            block = block.replace(":8000", f":{port}")
            steps = [["sh", "-ec", line] for line in commands(block) if line not in OF_A_CLONE]
            for step in steps if language == "sh" else [[sys.executable, "-W", "error", "-c", block]]:
                if step[-1].startswith("gingham serve "):
                    services.enter_context(service(step, folder, variables))
                    ran += 1
                    continue
                done = subprocess.run(step, cwd=folder, env=variables, capture_output=True, text=True, timeout=280)
                assert done.returncode == 0, f"{step}\n{done.stdout}\n{done.stderr}"
                ran += 1
    return ran


@contextlib.contextmanager
def service(step: list[str], folder: Path, variables: dict[str, str]) -> Iterator[None]:
    """Run `gingham serve` until the page has been followed to its end."""
    step = [*step[:-1], f"exec {step[-1]}"]
    with subprocess.Popen(
        step, cwd=folder, env=variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            assert process.stdout is not None
            assert b"answers at" in process.stdout.readline()
            yield
        finally:
            process.terminate()
        assert process.wait(30) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_readme_is_followed_to_the_letter_in_an_empty_folder(rendered_sample: Path, tmp_path: Path) -> None:
    write_photos(tmp_path / "my-photos")
    shutil.copytree(rendered_sample, tmp_path / "images" / "sample")  # so that `gingham sample` has less to do
    assert follow(ROOT / "README.md", tmp_path) >= 13


def write_photos(folder: Path) -> None:
    for number in range(1, 9):
        for label, kind in (("cat", "stripes"), ("dog", "dots")):
            photo = folder / label / f"{number}.jpg"
            photo.parent.mkdir(parents=True, exist_ok=True)
            photo.write_bytes(texture_bytes(kind, number))


def test_the_page_on_refinement_is_followed_to_the_letter_beside_photos(tmp_path: Path) -> None:
    write_photos(tmp_path / "my-photos")
    assert follow(ROOT / "docs" / "refinement.md", tmp_path) == 3


def test_the_page_on_tuning_is_followed_to_the_letter_beside_photos(tmp_path: Path) -> None:
    write_photos(tmp_path / "my-photos")
    assert follow(ROOT / "docs" / "tuning.md", tmp_path) == 3


def test_the_page_on_images_is_followed_to_the_letter_beside_photos_and_servers(tmp_path: Path) -> None:
    write_photos(tmp_path / "my-photos")
    openverse, wikimedia = FakeOpenverse(), FakeWikimedia()
    first = manifest("clothing").images[0][0]
    with FaultyServer({f"/clothing/{first}": says()}) as server, serving(openverse, wikimedia):
        openverse.items = [openverse_item(n, url=server.url(f"/image/{n}")) for n in range(3)]
        wikimedia.items = [wikimedia_item(3, {"url": server.url("/image/3"), "thumburl": server.url("/image/3")})]
        (tmp_path / "links.tsv").write_text(f"label\turl\ncat\t{server.url('/image/4')}\ncat\t{server.url('/404')}\n")
        mirrors = {"openverse": openverse.base, "wikimedia": wikimedia.base, "clothing": server.url("/clothing")}
        variables = {
            "GINGHAM_COLLECTION__ALLOW_PRIVATE": "true",
            "GINGHAM_COLLECTION__PER_HOST": "64",
            "GINGHAM_COLLECTION__MIRRORS": ",".join(f"{name}={address}" for name, address in mirrors.items()),
        }
        assert follow(ROOT / "docs" / "images.md", tmp_path, **variables) >= 20


@pytest.mark.parametrize(("page", "least"), [("model-file.md", 1), ("service.md", 4), ("deployment.md", 1)])
def test_a_page_is_followed_to_the_letter_beside_a_model_and_a_photo(
    page: str, least: int, untouched_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "model.onnx").write_bytes(next(untouched_run.glob("runs/*/model.onnx")).read_bytes())
    (tmp_path / "photo.jpg").write_bytes(texture_bytes("stripes", 1))
    assert follow(ROOT / "docs" / page, tmp_path) >= least


@pytest.mark.parametrize("document", PAGES, ids=lambda document: document.name)
def test_other_pages_hold_only_blocks_that_are_shown(document: Path) -> None:
    for language, block in blocks(document):
        if document.name not in FOLLOWED:
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


@pytest.mark.parametrize("target", ["demo", "demo-refine", "test", "lint", "bench", "docs"])
def test_make_knows_the_targets_that_the_pages_name(target: str) -> None:
    done = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("target", "more"),
    [
        pytest.param("demo", [], id="demo"),
        pytest.param(
            "demo-refine", ["run --project demo --classifier dnn", "runs compare --project demo"], id="demo-refine"
        ),
    ],
)
def test_make_demo_is_the_sample_and_the_main_job(target: str, more: list[str]) -> None:
    dry = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, timeout=60)
    ran = [line.partition("/gingham ")[2] for line in dry.stdout.splitlines() if "/gingham " in line]
    assert ran == ["sample --project demo", "run --project demo", *more]


def test_the_package_is_installed_from_this_clone() -> None:
    import gingham

    assert Path(gingham.__file__).is_relative_to(ROOT / "src")


def test_the_parameters_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == parameters_page(), "run `make docs`"


def test_the_changelog_names_this_version() -> None:
    from gingham import __version__

    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
