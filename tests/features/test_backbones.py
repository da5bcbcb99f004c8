from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gingham.errors import ConfigError, DataError, UnavailableError
from gingham.features import check_resolution, embedded_names, load_backbone
from gingham.features.backbones import register_backbone


def python(code: str) -> str:
    """Run code in a fresh interpreter; return what it prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


WITHOUT_TORCH = "import sys; sys.modules['torch'] = sys.modules['timm'] = None\n"


@pytest.mark.parametrize(
    ("name", "crop_fraction"),
    [("efficientnet_lite0", 0.875), ("efficientnet_lite1", 0.882), ("efficientnet_lite2", 0.89)],
)
def test_an_embedded_backbone_knows_its_weights(name: str, crop_fraction: float) -> None:
    backbone = load_backbone(name)
    assert backbone.name == name
    assert backbone.n_features == 1280
    assert backbone.crop_fraction == crop_fraction
    assert backbone.interpolation == "bicubic"
    assert backbone.mean == backbone.std == (0.5, 0.5, 0.5)
    assert backbone.weights_licence == "Apache-2.0"
    recipe = backbone.recipe(320, "squash")
    assert (recipe.resolution, recipe.fit, recipe.crop_fraction) == (320, "squash", crop_fraction)


def test_the_embedded_default_needs_no_torch() -> None:
    code = WITHOUT_TORCH + (
        "import numpy as np\n"
        "from gingham.features import load_backbone, open_engine\n"
        "engine = open_engine(load_backbone('efficientnet_lite0'), 96, precision='f32')\n"
        "(rows,) = engine.features([np.zeros((1, 96, 96, 3), np.uint8)])\n"
        "print(rows.shape)"
    )
    assert python(code) == "(1, 1280)"


def test_naming_a_backbone_imports_nothing_heavy() -> None:
    code = (
        "import sys, gingham.features as f\n"
        "f.load_backbone('efficientnet_lite0')\n"
        "print({'torch', 'timm', 'onnx', 'openvino', 'onnxruntime', 'scipy', 'sklearn'} & set(sys.modules))"
    )
    assert python(code) == "set()"


def test_a_timm_name_without_timm_says_what_to_type() -> None:
    code = WITHOUT_TORCH + (
        "from gingham.features import load_backbone\n"
        "from gingham.errors import UnavailableError\n"
        "try:\n    load_backbone('resnet18')\n"
        "except UnavailableError as error:\n    print(error.exit_status, error)"
    )
    said = python(code)
    assert said.startswith("4 ")
    assert 'pip install "gingham[train]"' in said
    assert "efficientnet_lite0" in said


@pytest.mark.parametrize("resolution", [96, 224, 320, 448, 896, 1024])
def test_an_allowed_resolution(resolution: int) -> None:
    check_resolution(resolution)


@pytest.mark.parametrize(
    ("resolution", "nearest"), [(225, 224), (64, 96), (0, 96), (-32, 96), (1056, 1024), (310, 320)]
)
def test_another_resolution_is_refused_with_the_nearest(resolution: int, nearest: int) -> None:
    with pytest.raises(ConfigError, match=f"is {resolution};.*--features.resolution {nearest}$"):
        check_resolution(resolution)
    with pytest.raises(ConfigError):
        load_backbone("efficientnet_lite0").onnx_model(resolution)


def test_a_name_is_registered_once() -> None:
    assert "efficientnet_lite0" in embedded_names()
    with pytest.raises(ValueError, match="efficientnet_lite0 is registered already"):
        register_backbone("efficientnet_lite0")(lambda weights, directory: load_backbone("efficientnet_lite1"))


@pytest.mark.train
@pytest.mark.parametrize(
    ("name", "meant"),
    [
        pytest.param("eficientnet_lite0", "efficientnet_lite0", id="ours"),
        pytest.param("efficientnet_lite9", r"efficientnet_lite[012]", id="ours, which needs no download"),
        pytest.param("resnet81", r"resnet\w+", id="timms"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(name: str, meant: str) -> None:
    pytest.importorskip("timm")
    with pytest.raises(ConfigError, match=rf"Did you mean `{meant}`\?"):
        load_backbone(name)


@pytest.mark.parametrize("name", ["../../etc/passwd", "hf-hub:someone/something", "a b", "resnet18\n"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="no name of a backbone"):
        load_backbone(name)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18"])
def test_a_weights_file_that_is_not_there_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"no weights file .*absent\.safetensors"):
        load_backbone(name, tmp_path / "absent.safetensors")


def test_own_weights_carry_their_own_checksum(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    tensors = {k: np.array(v) for k, v in load_backbone("efficientnet_lite0")._tensors.items()}
    tensors["conv_stem.weight"] *= 2
    file = tmp_path / "mine.safetensors"
    save_file(tensors, file)
    mine, shipped = load_backbone("efficientnet_lite0", file), load_backbone("efficientnet_lite0")
    assert mine.weights_sha256 == hashlib.sha256(file.read_bytes()).hexdigest() != shipped.weights_sha256
    assert mine.weights_licence == "unknown"
    assert mine.onnx_model(96).SerializeToString() != shipped.onnx_model(96).SerializeToString()


def test_weights_that_change_before_they_are_read_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.safetensors"
    file.write_bytes(b"one")
    backbone = load_backbone("efficientnet_lite0", file)
    file.write_bytes(b"two")
    with pytest.raises(UnavailableError, match="another checksum"):
        backbone.onnx_model(96)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_file_that_holds_no_weights_is_refused(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"mine{suffix}"
    file.write_bytes(b"<html>Not found</html>")
    with pytest.raises(DataError):
        load_backbone("efficientnet_lite0", file).onnx_model(96)
