from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gingham.errors import DataError
from gingham.features import embedded_names, load_backbone
from gingham.features.lite import LiteArchitecture, lite_onnx, name_tensors

HALF = (0.5, 0.5, 0.5)
LITE0 = LiteArchitecture(width=1.0, depth=1.0)


def random_tensors(architecture: LiteArchitecture) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {
        name: np.array(1) if shape == () else random.uniform(0.5, 1.5, shape).astype(np.float32)
        for name, shape in architecture.tensor_shapes().items()
    }


@pytest.mark.train
@pytest.mark.parametrize("resolution", [224, 320])
@pytest.mark.parametrize("name", embedded_names())
def test_the_graph_computes_what_timm_computes(name: str, resolution: int, pictures: np.ndarray) -> None:
    torch = pytest.importorskip("torch")
    onnxruntime = pytest.importorskip("onnxruntime")
    backbone = load_backbone(name)
    images = np.stack([np.resize(picture, (resolution, resolution, 3)) for picture in pictures[:3]])
    session = onnxruntime.InferenceSession(backbone.onnx_model(resolution).SerializeToString())
    (features,) = session.run(["features"], {"images": images})

    network = backbone.torch_module(resolution)
    normalized = torch.from_numpy(images).permute(0, 3, 1, 2) / 255 * 2 - 1
    with torch.inference_mode():
        expected = network(normalized).numpy()
    assert features.shape == (3, 1280)
    assert features.dtype == np.float32
    assert np.abs(features - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.train
@pytest.mark.parametrize("name", embedded_names())
def test_the_tensors_are_timms_in_its_order(name: str) -> None:
    timm = pytest.importorskip("timm")
    network = timm.create_model(f"tf_{name}", pretrained=False, num_classes=0)
    backbone = load_backbone(name)
    ours = [(key, value.shape) for key, value in backbone._tensors.items()]
    assert ours == [(key, tuple(value.shape)) for key, value in network.state_dict().items()]


@pytest.mark.parametrize("shuffled", [False, True])
def test_timms_names_are_taken_in_any_order_and_the_classifier_left_out(shuffled: bool) -> None:
    tensors = random_tensors(LITE0) | {"classifier.weight": np.zeros((10, 1280), np.float32)}
    given = dict(sorted(tensors.items())) if shuffled else tensors
    named = name_tensors(LITE0, given)
    assert list(named) == list(LITE0.tensor_shapes())
    assert all(named[name] is tensors[name] for name in named)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda t: t.pop("bn1.bias"), "lack 1 of .* bn1.bias", id="one_missing"),
        pytest.param(
            lambda t: t.update({"bn1.bias": np.zeros(31, np.float32)}),
            r"bn1.bias is \(31,\), \(32,\) is needed",
            id="wrong_shape",
        ),
        pytest.param(lambda t: [t.pop(k) for k in list(t)[50:]], "lack", id="many_missing"),
    ],
)
def test_tensors_that_do_not_fit_are_named(change, message: str) -> None:
    tensors = random_tensors(LITE0)
    change(tensors)
    with pytest.raises(DataError, match=message):
        name_tensors(LITE0, tensors)


def test_other_names_must_come_in_the_order_of_the_network() -> None:
    tensors = random_tensors(LITE0)
    renamed = {f"t{i}": tensor for i, tensor in enumerate(tensors.values())}
    assert list(name_tensors(LITE0, renamed)) == list(tensors)
    with pytest.raises(DataError, match="do not fit"):
        name_tensors(LITE0, dict(sorted(renamed.items())))


def test_lite1s_weights_are_not_lite0s(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    file = tmp_path / "lite1.safetensors"
    save_file(random_tensors(LiteArchitecture(width=1.0, depth=1.1)), file)
    backbone = load_backbone("efficientnet_lite1", file)
    assert backbone.onnx_model(96).graph.output[0].name == "features"
    wider = tmp_path / "lite2.safetensors"
    save_file(random_tensors(LiteArchitecture(width=1.1, depth=1.2)), wider)
    with pytest.raises(DataError, match="do not fit"):
        load_backbone("efficientnet_lite1", wider).onnx_model(96)


def test_the_graph_takes_any_number_of_images_of_its_own_size() -> None:
    graph = lite_onnx(LITE0, random_tensors(LITE0), 96, HALF, HALF).graph
    (images,), (features,) = graph.input, graph.output
    assert [d.dim_param or d.dim_value for d in images.type.tensor_type.shape.dim] == ["N", 96, 96, 3]
    assert [d.dim_param or d.dim_value for d in features.type.tensor_type.shape.dim] == ["N", 1280]
