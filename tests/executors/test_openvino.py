"""OpenVINO sends no word of its being imported, and writes nothing into the home folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.textures import environment

USES = {
    "prediction": "import gingham; gingham.load('model.onnx')",
    "the choice of an engine": "from gingham.features import describe_engine; describe_engine('openvino')",
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_it_is_imported_without_its_telemetry(use: str, untouched_run: Path, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(next(untouched_run.glob("runs/*/model.onnx")).read_bytes())
    home = tmp_path / "home"
    home.mkdir()
    code = f"{use}\nimport sys\nassert 'openvino' in sys.modules\nassert 'openvino_telemetry' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment(HOME=str(home)), check=True)
    assert not list(home.iterdir())
