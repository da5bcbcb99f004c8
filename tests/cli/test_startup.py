"""Starting is quick: nothing heavy is loaded before the work that needs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"torch", "sklearn", "mlflow", "openvino", "scipy", "matplotlib", "onnx", "onnxruntime", "timm", "pandas"}
LIST_MODULES = "import sys; print(*sorted(name for name in sys.modules if '.' not in name), file=sys.stderr)"
EXECUTE = "from gingham.cli.execute import execute; assert execute([{}]) == 0"


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import gingham", id="import"),
        pytest.param(EXECUTE.format("'--help'"), id="--help"),
        pytest.param(EXECUTE.format("'run', '--help'"), id="run --help"),
        pytest.param(EXECUTE.format("'--version'"), id="--version"),
        pytest.param(EXECUTE.format("'init'"), id="init"),
        pytest.param(EXECUTE.format("'runs', 'list'"), id="runs list"),
    ],
)
def test_nothing_heavy_is_loaded(code: str, tmp_path: Path) -> None:
    child = subprocess.run(
        [sys.executable, "-c", f"{code}\n{LIST_MODULES}"], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    loaded = set(child.stderr.split())
    assert "gingham" in loaded
    assert not loaded & HEAVY


def test_import_writes_nothing(tmp_path: Path) -> None:
    code = "import gingham; gingham.Project('p'); gingham.Config, gingham.load, gingham.Predictor"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("start", [["-m", "gingham"], [str(Path(sys.executable).with_name("gingham"))]])
def test_help_as_a_real_process(start: list[str]) -> None:
    command = [sys.executable, *start] if start[0] == "-m" else start
    child = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True)
    assert "gingham run FOLDER" in " ".join(child.stdout.split())
    assert child.stderr == ""
