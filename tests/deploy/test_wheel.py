from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import gingham
from gingham.deploy.wheel import installed_wheel
from gingham.errors import UnavailableError


def test_the_same_files_make_the_same_wheel() -> None:
    assert installed_wheel() == installed_wheel()


def test_it_holds_every_file_of_the_package_and_nothing_of_this_machine() -> None:
    archive = zipfile.ZipFile(io.BytesIO(installed_wheel().content))
    folder = Path(gingham.__file__).parent
    files = {f"gingham/{path.relative_to(folder).as_posix()}" for path in folder.rglob("*") if path.is_file()}
    names = set(archive.namelist())
    assert {name for name in files if "__pycache__" not in name} == {n for n in names if n.startswith("gingham/")}
    assert {name.partition("/")[2] for name in names if ".dist-info/" in name} == {
        "METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE",
    }  # fmt: skip
    assert not any(str(folder).encode() in archive.read(name) for name in names)
    assert all(entry.external_attr >> 16 == 0o100644 for entry in archive.infolist())


def test_its_record_is_right() -> None:
    archive = zipfile.ZipFile(io.BytesIO(installed_wheel().content))
    (record,) = (name for name in archive.namelist() if name.endswith("RECORD"))
    rows = [line.split(",") for line in archive.read(record).decode().splitlines()]
    assert {name for name, _, _ in rows} == set(archive.namelist())
    for name, digest, size in rows:
        if name != record:
            sha256 = hashlib.sha256(archive.read(name)).digest()
            assert digest == f"sha256={base64.urlsafe_b64encode(sha256).rstrip(b'=').decode()}"
            assert int(size) == archive.getinfo(name).file_size


def test_pip_installs_it_and_the_command_runs_from_there(tmp_path: Path) -> None:
    wheel = installed_wheel()
    (tmp_path / wheel.name).write_bytes(wheel.content)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", tmp_path / "here"]
    subprocess.run([*pip, tmp_path / wheel.name], check=True, timeout=120)
    code = "import gingham.cli, sys; print(gingham.__file__); sys.exit(gingham.cli.main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "--version"],
        env={"PYTHONPATH": str(tmp_path / "here")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    where, version = done.stdout.splitlines()
    assert where == str(tmp_path / "here" / "gingham" / "__init__.py")
    assert version == gingham.__version__ == importlib.metadata.version("gingham")


def test_a_gingham_that_is_only_on_the_path_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(UnavailableError, match="pip install -e"):
        installed_wheel()
