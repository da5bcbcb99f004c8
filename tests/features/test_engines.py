from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gingham.errors import ConfigError, UnavailableError
from gingham.features import Engine, describe_engine, load_backbone, open_engine

SIDE = 96


def has_bf16() -> bool:
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


ENGINES = [
    pytest.param("openvino", "f32", id="openvino-f32"),
    pytest.param("openvino", "auto", id="openvino-auto"),
    pytest.param("onnxruntime", "f32", id="onnxruntime-f32"),
    pytest.param("torch", "f32", id="torch-f32", marks=pytest.mark.train),
    pytest.param("torch", "bf16", id="torch-bf16", marks=pytest.mark.train),
]


def opened(engine: str, precision: str) -> Engine:
    if engine == "torch":
        pytest.importorskip("timm")
    return open_engine(load_backbone("efficientnet_lite0"), SIDE, engine, precision)


def rows_of(engine: Engine, images: np.ndarray, batch: int | None = None) -> np.ndarray:
    size = batch or engine.batch_size
    return np.concatenate(list(engine.features(images[i : i + size] for i in range(0, len(images), size))))


@pytest.fixture(scope="module")
def reference(pictures: np.ndarray) -> np.ndarray:
    return rows_of(opened("onnxruntime", "f32"), pictures)


@pytest.mark.parametrize(("engine", "precision"), ENGINES)
def test_engines_agree(engine: str, precision: str, pictures: np.ndarray, reference: np.ndarray) -> None:
    runner = opened(engine, precision)
    rows = rows_of(runner, pictures)
    assert rows.shape == (20, 1280)
    assert rows.dtype == np.float32
    error = np.abs(rows - reference).max() / np.abs(reference).max()
    if runner.precision == "f32":
        assert error < 1e-4
    else:
        assert error < 0.15
        cosine = (rows * reference).sum(1) / np.linalg.norm(rows, axis=1) / np.linalg.norm(reference, axis=1)
        assert cosine.min() > 0.99


@pytest.mark.parametrize(("engine", "precision"), ENGINES)
def test_a_row_depends_on_its_image_alone(engine: str, precision: str, pictures: np.ndarray) -> None:
    runner = opened(engine, precision)
    rows = rows_of(runner, pictures)
    order = np.random.default_rng(1).permutation(len(pictures))
    np.testing.assert_array_equal(rows_of(runner, pictures[order]), rows[order])
    np.testing.assert_array_equal(rows_of(runner, pictures, batch=3), rows)
    np.testing.assert_array_equal(rows_of(runner, pictures[5:6]), rows[5:6])
    np.testing.assert_array_equal(rows_of(opened(engine, precision), pictures), rows)


def test_batches_are_read_ahead_but_not_without_bound(pictures: np.ndarray) -> None:
    runner = opened("openvino", "f32")
    taken = 0

    def batches() -> Iterator[np.ndarray]:
        nonlocal taken
        for _ in range(200):
            taken += 1
            yield pictures[:1]

    results = runner.features(batches())
    for received in range(1, 20):
        next(results)
        assert received <= taken <= received + 2 * (os.cpu_count() or 1) + 2
    results.close()
    assert taken < 100


def test_an_error_in_the_batches_surfaces_and_the_engine_stays_usable(pictures: np.ndarray) -> None:
    runner = opened("openvino", "f32")

    def broken() -> Iterator[np.ndarray]:
        yield pictures[: runner.batch_size]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(runner.features(broken()))
    assert rows_of(runner, pictures[:1]).shape == (1, 1280)


def test_no_batches_give_no_rows() -> None:
    assert list(opened("openvino", "f32").features([])) == []


@pytest.mark.parametrize(
    "batch",
    [
        pytest.param(np.zeros((1, 64, 64, 3), np.uint8), id="size"),
        pytest.param(np.zeros((1, SIDE, SIDE, 3), np.float32), id="type"),
        pytest.param(np.zeros((0, SIDE, SIDE, 3), np.uint8), id="nothing"),
        pytest.param(np.zeros((9, SIDE, SIDE, 3), np.uint8), id="too_many"),
        pytest.param(np.zeros((SIDE, SIDE, 3), np.uint8), id="one_image"),
    ],
)
def test_a_batch_of_another_form_is_refused(batch: np.ndarray) -> None:
    with pytest.raises(ValueError, match="a batch is uint8 of shape"):
        list(opened("onnxruntime", "f32").features([batch]))


@pytest.mark.parametrize(
    ("engine", "precision", "message"),
    [
        pytest.param("openvinno", "auto", "Did you mean `openvino`", id="engine"),
        pytest.param("auto", "f16", "Allowed: auto, bf16, f32", id="precision"),
        pytest.param("onnxruntime", "bf16", "--features.precision auto", id="a_precision_it_lacks"),
    ],
)
def test_what_cannot_be_is_refused(engine: str, precision: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        describe_engine(engine, precision)


def test_bf16_is_chosen_where_the_processor_has_it() -> None:
    plan = describe_engine("openvino", "auto")
    assert plan.precision == ("bf16" if has_bf16() else "f32")
    assert plan.name == f"openvino-{plan.precision}"
    assert "bf16" in plan.reason


def test_bf16_is_refused_where_the_processor_lacks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import openvino

    monkeypatch.setattr(openvino.Core, "get_property", lambda *_: ["FP32", "INT8"])
    assert describe_engine("openvino", "auto").name == "openvino-f32"
    with pytest.raises(ConfigError, match="this processor does not have"):
        describe_engine("openvino", "bf16")


def test_an_engine_that_is_not_installed_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(UnavailableError, match=r'pip install "gingham\[train\]"'):
        describe_engine("torch")


def test_describing_loads_neither_torch_nor_a_network() -> None:
    # Without a GPU's driver torch need not be asked.
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from gingham.features.engines import choice\nchoice._GPU_DRIVERS = ()\n"
        "plan = choice.describe_engine()\n"
        "print(plan.engine, {'torch', 'timm', 'onnx', 'onnxruntime'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["openvino", "set()"]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no processor affinity here")
@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_fewer_processors_change_no_row(engine: str, tmp_path: Path, pictures: np.ndarray) -> None:
    np.save(tmp_path / "pictures.npy", pictures)
    code = (
        "import os, sys, numpy as np\n"
        "os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
        "from gingham.features import load_backbone, open_engine\n"
        f"runner = open_engine(load_backbone('efficientnet_lite0'), {SIDE}, {engine!r}, 'f32')\n"
        f"images = np.load({str(tmp_path / 'pictures.npy')!r})\n"
        f"rows = np.concatenate(list(runner.features(images[i : i + 1] for i in range(len(images)))))\n"
        f"np.save({str(tmp_path / 'rows.npy')!r}, rows)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    expected = rows_of(opened(engine, "f32"), pictures)
    error = np.abs(np.load(tmp_path / "rows.npy") - expected).max() / np.abs(expected).max()
    assert error < 1e-5
