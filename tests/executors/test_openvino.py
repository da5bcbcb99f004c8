"""OpenVINO sends no word of its import, writes nothing into the home folder, and has one core in all threads."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gingham.executors import openvino_core
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


AT_ONCE = """
import os, threading
import numpy as np
from gingham.executors import openvino_core

core = openvino_core()
from openvino import Model, Type, opset13 as ops

image = ops.parameter([1, 8], Type.u8, name="image")
network = core.compile_model(Model([ops.convert(image, "f32")], [image], "network"), "CPU")
requests = [network.create_infer_request() for _ in range(16)]
started = []

def infer(request):
    started.append(request)
    while len(started) < len(requests):
        pass
    request.infer([np.zeros((1, 8), np.uint8)])

threads = [threading.Thread(target=infer, args=(each,), daemon=True) for each in requests]
for each in threads:
    each.start()
for each in threads:
    each.join(20)
os._exit(any(each.is_alive() for each in threads))
"""


def test_there_is_one_core() -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len({id(core) for core in pool.map(lambda _: openvino_core(), range(8))}) == 1


def test_the_first_images_of_many_threads_do_not_wait_for_each_other_for_ever() -> None:
    for _ in range(6):
        process = subprocess.run([sys.executable, "-c", AT_ONCE], timeout=200, check=False)
        assert process.returncode == 0
