from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gingham.errors import ConfigError, DataError, UnavailableError
from gingham.features import load_backbone

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
pytestmark = pytest.mark.train

SMALL = "mobilenetv3_small_050"
TINY = "test_resnet"  # converted in a third of the time
STANDARD_MEAN = (0.485, 0.456, 0.406)


def random_weights(name: str, file: Path, **arguments: object) -> torch.nn.Module:
    """Write the weights of a randomly filled network; returns the network, without classification layer."""
    from safetensors.torch import save_file

    torch.manual_seed(0)
    network = timm.create_model(name, pretrained=False, **arguments)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    tensors = network.state_dict()
    if file.suffix == ".safetensors":
        save_file(tensors, file)
    else:
        torch.save(tensors, file)
    network.reset_classifier(0)
    return network.eval()


def run_onnx(backbone, images: np.ndarray) -> np.ndarray:
    import onnxruntime

    model = backbone.onnx_model(images.shape[1]).SerializeToString()
    return onnxruntime.InferenceSession(model).run(["features"], {"images": images})[0]


@pytest.mark.parametrize(
    ("name", "n_features"),
    [pytest.param("resnet18", 512, id="resnet18"), pytest.param(SMALL, 1024, id="features_after_a_layer")],
)
def test_a_local_file_gives_timms_features(name: str, n_features: int, tmp_path: Path, pictures: np.ndarray) -> None:
    file = tmp_path / "weights.safetensors"
    network = random_weights(name, file)
    backbone = load_backbone(name, file)
    cfg = timm.get_pretrained_cfg(name)
    assert backbone.n_features == n_features
    assert backbone.mean == STANDARD_MEAN
    assert (backbone.crop_fraction, backbone.interpolation) == (cfg.crop_pct, cfg.interpolation)
    assert backbone.weights_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert backbone.weights_licence == "unknown"

    features = run_onnx(backbone, pictures[:3])
    mean, std = torch.tensor(cfg.mean).view(1, 3, 1, 1), torch.tensor(cfg.std).view(1, 3, 1, 1)
    with torch.inference_mode():
        expected = network((torch.from_numpy(pictures[:3]).permute(0, 3, 1, 2) / 255 - mean) / std).numpy()
    assert features.shape == (3, n_features)
    assert np.abs(features - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".bin"])
@pytest.mark.parametrize("classes", [0, 7, 1000])
def test_the_classification_layer_of_a_file_does_not_matter(suffix: str, classes: int, tmp_path: Path) -> None:
    file = tmp_path / f"weights{suffix}"
    network = random_weights(SMALL, file, num_classes=classes)
    filled = load_backbone(SMALL, file).torch_module(96)
    for key, value in network.state_dict().items():
        assert torch.equal(filled.state_dict()[key], value), key


@pytest.mark.parametrize("wrapping", ["state_dict", "model", "module."])
def test_a_training_checkpoint_is_unwrapped(wrapping: str, tmp_path: Path) -> None:
    file, plain = tmp_path / "checkpoint.pth", tmp_path / "plain.pth"
    network = random_weights(SMALL, plain)
    tensors = torch.load(plain, weights_only=True)
    if wrapping == "module.":
        torch.save({f"module.{key}": value for key, value in tensors.items()}, file)
    else:
        torch.save({wrapping: tensors, "epoch": 3}, file)
    filled = load_backbone(SMALL, file).torch_module(96)
    assert torch.equal(filled.conv_stem.weight, network.conv_stem.weight)


def test_another_networks_weights_are_refused_naming_the_first_misfits(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    random_weights("resnet18", file)
    with pytest.raises(DataError, match=r"not those of resnet34 .*: layer1\.2.* is missing; .* and \d+ more"):
        load_backbone("resnet34", file).torch_module(224)
    with pytest.raises(DataError, match=r"not those of convnext_atto .* is missing"):
        load_backbone("convnext_atto", file).torch_module(224)  # timm's own adaptation stumbles over these
    with pytest.raises(DataError, match=r"not those of resnet26 .*: .*is missing"):
        load_backbone("resnet26", file).torch_module(224)


def test_a_tensor_of_another_shape_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    random_weights(SMALL, file)
    tensors = torch.load(file, weights_only=True)
    tensors["conv_stem.weight"] = tensors["conv_stem.weight"][:, :1]
    torch.save(tensors, file)
    with pytest.raises(DataError, match=r"conv_stem.weight is \(16, 1, 3, 3\), \(16, 3, 3, 3\) is needed"):
        load_backbone(SMALL, file).torch_module(96)


def test_a_pickle_that_would_run_something_is_refused(tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path / 'marker'}",)

    file = tmp_path / "weights.pth"
    file.write_bytes(pickle.dumps({"a": Attack()}, protocol=2))
    with pytest.raises(DataError, match="cannot be read"):
        load_backbone(SMALL, file).torch_module(96)
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("content", [b"", b"<html>404</html>"])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_file_that_holds_no_weights_is_refused(content: bytes, suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"weights{suffix}"
    file.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read"):
        load_backbone(SMALL, file).torch_module(96)


def test_a_transformer_is_made_for_the_resolution(tmp_path: Path, pictures: np.ndarray) -> None:
    file = tmp_path / "weights.safetensors"
    trained = random_weights("test_vit", file)
    network = load_backbone("test_vit", file).torch_module(96)
    assert network.pos_embed.shape == (1, 1 + 6 * 6, 64)
    assert torch.equal(network.blocks[3].mlp.fc1.weight, trained.blocks[3].mlp.fc1.weight)
    assert run_onnx(load_backbone("test_vit", file), pictures[:2]).shape == (2, 64)


def test_a_resolution_that_a_network_cannot_take_is_refused_with_its_own(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    random_weights("crossvit_tiny_240", file)
    with pytest.raises(ConfigError, match=r"cannot take images of 320 x 320 .*--features.resolution 240"):
        load_backbone("crossvit_tiny_240", file).torch_module(320)


def test_what_was_found_out_is_remembered_and_needs_torch_no_more(tmp_path: Path, pictures: np.ndarray) -> None:
    file, folder = tmp_path / "weights.safetensors", tmp_path / "backbones"
    random_weights(TINY, file)
    first = load_backbone(TINY, file, directory=folder)
    features = run_onnx(first, pictures)
    np.save(tmp_path / "pictures.npy", pictures)
    code = (
        "import sys; sys.modules['torch'] = sys.modules['timm'] = None\n"
        "import numpy as np, onnxruntime\nfrom pathlib import Path\n"
        "from gingham.features import load_backbone\n"
        f"backbone = load_backbone({TINY!r}, Path({str(file)!r}), directory=Path({str(folder)!r}))\n"
        "session = onnxruntime.InferenceSession(backbone.onnx_model(96).SerializeToString())\n"
        f"images = np.load({str(tmp_path / 'pictures.npy')!r})\n"
        f"np.save({str(tmp_path / 'rows.npy')!r}, session.run(None, {{'images': images}})[0])"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "rows.npy"), features)


@pytest.mark.parametrize("damage", ["onnx", "json"])
def test_a_damaged_memory_is_found_and_made_anew(damage: str, tmp_path: Path, pictures: np.ndarray) -> None:
    file, folder = tmp_path / "weights.safetensors", tmp_path / "backbones"
    random_weights(TINY, file)
    features = run_onnx(load_backbone(TINY, file, directory=folder), pictures)
    (kept,) = folder.glob(f"*.{damage}")
    data = bytearray(kept.read_bytes())
    data[len(data) // 2] ^= 0xFF
    kept.write_bytes(data)
    np.testing.assert_array_equal(run_onnx(load_backbone(TINY, file, directory=folder), pictures), features)
    (renewed,) = folder.glob(f"*.{damage}")
    assert renewed.read_bytes() != bytes(data)


@contextlib.contextmanager
def hub(files: dict[str, bytes]) -> Iterator[str]:
    """Serve files as the Hugging Face hub does, on the loopback interface."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            data = files.get(self.path)
            if data is None:
                self.send_response(404)
                self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("X-Repo-Commit", "0" * 40)
            self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if body:
                self.wfile.write(data)

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


LOAD = """
import json, sys
from pathlib import Path
from gingham.errors import GinghamError
from gingham.features import load_backbone
try:
    backbone = load_backbone(sys.argv[1], directory=Path(sys.argv[2]))
    print(json.dumps({"sha256": backbone.weights_sha256, "licence": backbone.weights_licence,
                      "torch": "torch" in sys.modules, "width": backbone.n_features}))
except GinghamError as error:
    print(json.dumps({"status": error.exit_status, "message": str(error)}))
"""


def load_in_a_fresh_process(name: str, home: Path, endpoint: str, **environment: str) -> dict[str, object]:
    settings = {
        "HF_HOME": str(home / "hf"),
        "TORCH_HOME": str(home / "torch"),
        "HF_ENDPOINT": endpoint,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
        "NO_PROXY": "127.0.0.1",
    }
    done = subprocess.run(
        [sys.executable, "-c", LOAD, name, str(home / "backbones")],
        env=os.environ | settings | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_timms_own_weights_are_downloaded_once_and_then_found_without_a_network(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    random_weights(TINY, file)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    repository = timm.get_pretrained_cfg(TINY).hf_hub_id
    with hub({f"/{repository}/resolve/main/model.safetensors": file.read_bytes()}) as endpoint:
        first = load_in_a_fresh_process(TINY, tmp_path, endpoint)
    assert first == {"sha256": sha256, "licence": "apache-2.0", "torch": True, "width": 96}
    second = load_in_a_fresh_process(TINY, tmp_path, endpoint)
    assert second == first | {"torch": False}
    for remembered in (tmp_path / "backbones").iterdir():
        remembered.unlink()
    third = load_in_a_fresh_process(TINY, tmp_path, endpoint, HF_HUB_OFFLINE="1")
    assert third == first


@pytest.mark.parametrize(
    "environment", [pytest.param({}, id="nobody_answers"), pytest.param({"HF_HUB_OFFLINE": "1"}, id="offline")]
)
def test_without_network_and_cache_it_says_what_to_do(environment: dict[str, str], tmp_path: Path) -> None:
    with hub({}) as endpoint:
        pass
    said = load_in_a_fresh_process("resnet18", tmp_path, endpoint, **environment)
    assert said["status"] == 4
    assert "cannot be downloaded" in str(said["message"])
    assert "--features.backbone_weights" in str(said["message"])


def test_weights_that_the_hub_does_not_have(tmp_path: Path) -> None:
    with hub({}) as endpoint:
        said = load_in_a_fresh_process(SMALL, tmp_path, endpoint)
    assert said["status"] == 4
    assert "cannot be downloaded" in str(said["message"])


def test_a_network_that_nobody_has_trained_needs_a_file(tmp_path: Path) -> None:
    untrained = next(
        name
        for name in timm.list_models("resnet*")
        if not (timm.get_pretrained_cfg(name).hf_hub_id or timm.get_pretrained_cfg(name).url)
    )
    with pytest.raises(UnavailableError, match="no pretrained weights"):
        load_backbone(untrained)
