"""The Open Inference Protocol: metadata, tensors in and out, and what is refused."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import numpy as np
import pytest

from gingham import __version__
from gingham.export import Predictor
from gingham.images import network_input
from tests.images import makers
from tests.serve.exchange import Asker

PHOTO, PICTURE = makers.jpeg(), makers.png(makers.scene()[::-1])
INFER = "/v2/models/model/infer"


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def bytes_tensor(*files: bytes, **changes: Any) -> dict[str, Any]:
    data = [base64_of(file) for file in files]
    return {"name": "image", "shape": [len(files)], "datatype": "BYTES", "data": data} | changes


def pixels_tensor(pixels: Any, **changes: Any) -> dict[str, Any]:
    return {"name": "images", "shape": list(pixels.shape), "datatype": "UINT8", "data": pixels.tolist()} | changes


@pytest.fixture(scope="module")
def pixels(predictor: Predictor) -> Any:
    """Two pictures as the network sees them: uint8 (2, resolution, resolution, 3)."""
    return np.stack([network_input(file, predictor.info.recipe) for file in (PHOTO, PICTURE)])


def arrays(answer: Any) -> dict[str, Any]:
    found = {}
    for output in answer["outputs"]:
        assert len(output["data"]) == math.prod(output["shape"])
        found[output["name"]] = np.array(output["data"]).reshape(output["shape"])
    return found


def test_the_server_and_the_model_say_what_they_are(ask: Asker, predictor: Predictor) -> None:
    size, classes = predictor.info.resolution, len(predictor.labels)
    assert ask("GET", "/v2").json == {"name": "gingham", "version": __version__, "extensions": []}
    assert ask("GET", "/v2/health/live").json == {"live": True}
    assert ask("GET", "/v2/health/ready").json == {"ready": True}
    assert ask("GET", "/v2/models/model/ready").json == {"name": "model", "ready": True}
    said = ask("GET", "/v2/models/model").json
    assert (said["name"], said["versions"]) == ("model", [predictor.digest])
    assert said["inputs"] == [
        {"name": "images", "datatype": "UINT8", "shape": [-1, size, size, 3]},
        {"name": "image", "datatype": "BYTES", "shape": [-1]},
    ]
    outputs = {each["name"]: (each["datatype"], each["shape"]) for each in said["outputs"]}
    assert outputs["probabilities"] == outputs["scores"] == ("FP32", [-1, classes])
    assert outputs["label"] == ("BYTES", [-1])


@pytest.mark.parametrize("form", ["flat", "nested", "files"])
def test_tensors_get_what_the_model_file_says(form: str, pixels: Any, ask: Asker, predictor: Predictor) -> None:
    tensor = {
        "flat": pixels_tensor(pixels, data=pixels.ravel().tolist()),
        "nested": pixels_tensor(pixels),
        "files": bytes_tensor(PHOTO, PICTURE),
    }[form]
    wanted = ["features", "label", "probabilities", "scores"]
    answer = ask.json({"id": "a", "inputs": [tensor], "outputs": [{"name": name} for name in wanted]}, INFER)
    assert answer.status == 200, answer
    assert (answer.json["model_name"], answer.json["model_version"]) == ("model", predictor.digest)
    assert answer.json["id"] == "a"
    found, expected = arrays(answer.json), predictor.run(pixels)
    assert sorted(found) == wanted
    for name in ("probabilities", "scores", "features"):
        assert found[name] == pytest.approx(getattr(expected, name), abs=2e-6 if name == "probabilities" else 1e-4)
    best = expected.probabilities.argmax(axis=1)
    assert found["label"].tolist() == [predictor.labels[place] for place in best]


def test_without_a_wish_probabilities_and_label_come(ask: Asker) -> None:
    for outputs in ({}, {"outputs": None}, {"outputs": []}):
        answer = ask.json({"inputs": [bytes_tensor(PHOTO)], **outputs}, INFER).json
        assert sorted(arrays(answer)) == ["label", "probabilities"]


def test_what_the_protocol_allows_besides_is_passed_over(ask: Asker) -> None:
    request = {
        "parameters": {"priority": 1},
        "inputs": [bytes_tensor(PHOTO, parameters={"content_type": "base64"})],
        "outputs": [{"name": "label", "parameters": {"binary_data": False}}],
    }
    assert list(arrays(ask.json(request, INFER).json)) == ["label"]


TENSORS = {
    "another input": ({"name": "input_0"}, 422, "unknown_input"),
    "another datatype": ({"datatype": "FP32"}, 422, "unknown_input"),
    "a datatype in small letters": ({"datatype": "uint8"}, 422, "unknown_input"),
    "no dimensions": ({"shape": []}, 422, "bad_tensor"),
    "one dimension": ({"shape": [27648]}, 422, "bad_tensor"),
    "no images": ({"shape": [0, 96, 96, 3], "data": []}, 422, "bad_tensor"),
    "less than none": ({"shape": [-1, 96, 96, 3]}, 422, "bad_tensor"),
    "two negatives": ({"shape": [-1, -96, 96, 3]}, 422, "bad_tensor"),
    "another size": ({"shape": [1, 95, 96, 3]}, 422, "bad_tensor"),
    "channels first": ({"shape": [1, 3, 96, 96]}, 422, "bad_tensor"),
    "more images than data": ({"shape": [2, 96, 96, 3]}, 422, "bad_tensor"),
    "too many images": ({"shape": [65, 96, 96, 3]}, 413, "too_many_images"),
    "far too many": ({"shape": [10**30, 96, 96, 3]}, 413, "too_many_images"),
    "a size of 4,000 digits": ({"shape": [1, 10**3999, 96, 3]}, 422, "bad_tensor"),
    "a shape of fractions": ({"shape": [1.5, 96, 96, 3]}, 422, "bad_request"),
    "a shape that is none": ({"shape": 1}, 422, "bad_request"),
    "no data": ({"data": []}, 422, "bad_tensor"),
    "a text among them": ({"data": [0] * 27647 + ["0"]}, 422, "bad_tensor"),
    "true among them": ({"data": [0] * 27647 + [True]}, 422, "bad_tensor"),
    "texts that would make a huge array": ({"data": ["x" * 1_000_000] + [""] * 27647}, 422, "bad_tensor"),
    "ragged": ({"data": [[0] * 27647, [0]]}, 422, "bad_tensor"),
    "data that are none": ({"data": 7}, 422, "bad_request"),
}
VALUES = {
    "256": 256, "negative": -1, "2**63": 2**63, "2**64": 2**64, "fraction": 0.5, "whole fraction": 1.0,
    "text": "7", "null": None, "list": [1], "object": {},
}  # fmt: skip


@pytest.mark.parametrize(("changes", "status", "reason"), TENSORS.values(), ids=TENSORS)
def test_a_tensor_that_does_not_fit(changes: Any, status: int, reason: str, ask: Asker) -> None:
    answer = ask.json({"inputs": [pixels_tensor(np.zeros((1, 96, 96, 3), np.uint8)) | changes]}, INFER)
    assert (answer.status, answer.reason) == (status, reason)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_pixel_is_a_whole_number_from_0_to_255(value: Any, ask: Asker) -> None:
    data = [0] * (96 * 96 * 3 - 1) + [value]
    answer = ask.json({"inputs": [pixels_tensor(np.zeros((1, 96, 96, 3), np.uint8), data=data)]}, INFER)
    assert (answer.status, answer.reason) == (422, "bad_tensor")
    assert "27,648 whole numbers from 0 to 255" in answer.json["error"]["message"]


NESTED = {
    "channels first": np.zeros((1, 3, 96, 96), int).tolist(),
    "rows as lists of numbers": np.zeros((96, 288), int).tolist(),
    "ragged": [[[0] * 5], [[0] * 6]],
    "deep": json.loads("[" * 100 + "]" * 100),
}


@pytest.mark.parametrize("data", NESTED.values(), ids=NESTED)
def test_data_are_nested_like_the_shape_or_not_at_all(data: Any, ask: Asker) -> None:
    answer = ask.json({"inputs": [pixels_tensor(np.zeros((1, 96, 96, 3), np.uint8), data=data)]}, INFER)
    assert (answer.status, answer.reason) == (422, "bad_tensor")


FILES = {
    "no image": (bytes_tensor(b"text"), 415, "not_an_image"),
    "a good one and a bad one": (bytes_tensor(PHOTO, PHOTO[:300]), 422, "truncated"),
    "none": (bytes_tensor(), 422, "bad_tensor"),
    "another count": (bytes_tensor(PHOTO, shape=[2]), 422, "bad_tensor"),
    "two dimensions": (bytes_tensor(PHOTO, shape=[1, 1]), 422, "bad_tensor"),
    "an address": (bytes_tensor(PHOTO, data=["http://127.0.0.1/a.jpg"]), 422, "bad_base64"),
    "numbers": (bytes_tensor(PHOTO, data=[1]), 422, "bad_tensor"),
    "empty": (bytes_tensor(PHOTO, data=[""]), 422, "empty"),
    "too many": (bytes_tensor(*[PHOTO] * 65), 413, "too_many_images"),
    "under the other name": (bytes_tensor(PHOTO, name="images"), 422, "unknown_input"),
}


@pytest.mark.parametrize(("tensor", "status", "reason"), FILES.values(), ids=FILES)
def test_files_that_cannot_be_used(tensor: Any, status: int, reason: str, ask: Asker) -> None:
    answer = ask.json({"inputs": [tensor]}, INFER)
    assert (answer.status, answer.reason) == (status, reason)


GOOD = bytes_tensor(PHOTO)
REQUESTS = {
    "a number of 5,000 digits": (
        b'{"inputs": [{"name": "images", "shape": [' + b"9" * 5000 + b"]}]}",
        422,
        "bad_request",
    ),
    "nothing": (b"", 422, "bad_request"),
    "no JSON": (b"\xff", 422, "bad_request"),
    "no inputs": ({"inputs": []}, 422, "bad_request"),
    "two inputs": ({"inputs": [GOOD, GOOD]}, 422, "bad_request"),
    "an unknown output": ({"inputs": [GOOD], "outputs": [{"name": "logits"}]}, 422, "unknown_output"),
    "an id that is no text": ({"id": 7, "inputs": [GOOD]}, 422, "bad_request"),
    "a million values": ({"inputs": [GOOD | {"data": [0] * 1_100_000}]}, 413, "too_large"),
}


@pytest.mark.parametrize(("content", "status", "reason"), REQUESTS.values(), ids=REQUESTS)
def test_a_request_that_is_none(content: Any, status: int, reason: str, ask: Asker) -> None:
    answer = ask.json(content, INFER)
    assert (answer.status, answer.reason) == (status, reason)


def test_only_json_is_understood(ask: Asker) -> None:
    answer = ask("POST", INFER, PHOTO, content_type="application/octet-stream")
    assert (answer.status, answer.reason) == (415, "unsupported_media_type")


@pytest.mark.parametrize("name", ["other", "Model", "..", "%2e%2e", "model.onnx", "a" * 10_000, "%3Cb%3E", "%0a"])
def test_another_model_is_not_there(name: str, ask: Asker) -> None:
    for answer in (
        ask("GET", f"/v2/models/{name}"),
        ask("GET", f"/v2/models/{name}/ready"),
        ask.json({"inputs": [GOOD]}, f"/v2/models/{name}/infer"),
    ):
        assert (answer.status, answer.reason) == (404, "unknown_model")
        assert len(answer.body) < 1000
