"""The Open Inference Protocol, version 2, as KServe, Triton and Seldon clients speak it, with JSON bodies.

Source: https://github.com/kserve/open-inference-protocol, "HTTP/REST", required API.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from gingham import __version__
from gingham.export import Predictor
from gingham.serve.bodies import PIXEL, VALUES, from_base64, parsed, validated
from gingham.serve.openapi import body_of
from gingham.serve.refusal import Refusal, refusal_of_image
from gingham.serve.schemas import errors
from gingham.serve.service import Service

__all__ = ["kserve_routes"]

INPUTS = "images, UINT8 [n, {0}, {0}, 3], or image, BYTES [n], each the base64 of an image file"


class Tensor(BaseModel):
    """A tensor in JSON; its data flat or nested."""

    model_config = ConfigDict(extra="ignore")

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


class AskedOutput(BaseModel):
    """An output that is wanted."""

    model_config = ConfigDict(extra="ignore")

    name: str


class InferRequest(BaseModel):
    """A request of the protocol."""

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={
            "examples": [{"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": [PIXEL]}]}]
        },
    )

    id: str | None = None
    inputs: list[Tensor] = Field(min_length=1, max_length=1)
    outputs: list[AskedOutput] | None = None


class InferAnswer(BaseModel):
    """An answer of the protocol."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[Tensor]


class ModelMetadata(BaseModel):
    """What a model of the protocol says of itself."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[dict[str, Any]]
    outputs: list[dict[str, Any]]


class ServerMetadata(BaseModel):
    """What a server of the protocol says of itself."""

    name: str
    version: str
    extensions: list[str]


def kserve_routes(service: Service) -> APIRouter:
    """Return the routes under /v2.

    Parameters
    ----------
    service : Service
    """
    routes = APIRouter(prefix="/v2", tags=["Open Inference Protocol"])

    def served(name: str) -> Predictor:
        if name != service.model.name:
            raise Refusal(404, "unknown_model", f"There is no model {name[:100]!r} here, only {service.model.name!r}.")
        return service.model.current

    @routes.get("", response_model=ServerMetadata, summary="The server")
    async def server() -> dict[str, Any]:
        return {"name": "gingham", "version": __version__, "extensions": []}

    @routes.get("/health/live", summary="Whether the server lives")
    async def live() -> dict[str, bool]:
        return {"live": True}

    @routes.get("/health/ready", summary="Whether the server takes requests")
    async def ready() -> dict[str, bool]:
        if not service.ready:
            raise Refusal(503, "stopping", "The service is stopping.", {"Retry-After": "5"})
        return {"ready": True}

    @routes.get("/models/{name}", response_model=ModelMetadata, responses=errors(404, 422), summary="The model")
    async def metadata(name: str) -> dict[str, Any]:
        info = served(name).info
        size, classes = info.resolution, len(info.labels)
        return {
            "name": name,
            "versions": [service.model.current.digest],
            "platform": "gingham_onnx",
            "inputs": [
                {"name": "images", "datatype": "UINT8", "shape": [-1, size, size, 3]},
                {"name": "image", "datatype": "BYTES", "shape": [-1]},
            ],
            "outputs": [
                {"name": "probabilities", "datatype": "FP32", "shape": [-1, classes]},
                {"name": "scores", "datatype": "FP32", "shape": [-1, classes]},
                {"name": "features", "datatype": "FP32", "shape": [-1, -1]},
                {"name": "label", "datatype": "BYTES", "shape": [-1]},
            ],
        }

    @routes.get("/models/{name}/ready", responses=errors(404, 422), summary="Whether the model takes requests")
    async def model_ready(name: str) -> dict[str, Any]:
        served(name)
        return {"name": name, **await ready()}

    @routes.post(
        "/models/{name}/infer",
        response_model=InferAnswer,
        responses=errors(404, 408, 413, 415, 422),
        openapi_extra=body_of("application/json", InferRequest),
        summary="Predict",
    )
    async def infer(name: str, request: Request) -> dict[str, Any]:
        predictor = served(name)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refusal(415, "unsupported_media_type", "Send application/json.")
        async with service.bodies.read(request) as body:
            asked, images = await parsed(body, lambda body: _asked(body, predictor, service.max_images))
            jobs = await service.jobs(request, predictor, images)
        for job in jobs:
            if job.error:
                raise refusal_of_image(job.error)
        found = {name: np.concatenate([getattr(job.outputs, name) for job in jobs]) for name in ARRAYS}
        best = found["probabilities"].argmax(axis=1)
        outputs = [_tensor(name, "FP32", list(found[name].shape), found[name].ravel().tolist()) for name in ARRAYS]
        outputs.append(_tensor("label", "BYTES", [len(jobs)], [predictor.labels[place] for place in best]))
        return {
            "model_name": name,
            "model_version": predictor.digest,
            "id": asked.id,
            "outputs": [output for output in outputs if output["name"] in _wanted(asked)],
        }

    return routes


ARRAYS = ("probabilities", "scores", "features")
BY_DEFAULT = ("probabilities", "label")


def _asked(body: bytes, predictor: Predictor, most: int) -> tuple[InferRequest, list[Any]]:
    size = predictor.info.resolution
    one_image = 4 * size * (size + 1) + 1000  # as lists of lists, a list for each pixel
    asked = validated(InferRequest, body, max(VALUES, one_image))
    _wanted(asked)
    return asked, _images(asked.inputs[0], predictor, most)


def _wanted(asked: InferRequest) -> tuple[str, ...]:
    wanted = tuple(output.name for output in asked.outputs) if asked.outputs else BY_DEFAULT
    for name in wanted:
        if name not in (*ARRAYS, "label"):
            raise Refusal(
                422, "unknown_output", f"There is no output {name[:100]!r}. Known: {', '.join(ARRAYS)}, label."
            )
    return wanted


def _images(tensor: Tensor, predictor: Predictor, most: int) -> list[Any]:
    size, shape, data = predictor.info.resolution, tensor.shape, tensor.data
    kind = (tensor.name, tensor.datatype)
    if kind == ("image", "BYTES"):
        if shape != [len(data)] or not data or not all(isinstance(text, str) for text in data):
            raise Refusal(422, "bad_tensor", "The shape of image is [n], and its data are n texts of base64.")
    elif kind == ("images", "UINT8"):
        if len(shape) != 4 or shape[1:] != [size, size, 3] or shape[0] < 1:
            raise Refusal(422, "bad_tensor", f"The shape of images is [n, {size}, {size}, 3], not {shape[:8]}.")
    else:
        raise Refusal(422, "unknown_input", f"There is one input: {INPUTS.format(size)}.")
    if shape[0] > most:
        raise Refusal(413, "too_many_images", f"This service takes at most {most} images in one request.")
    if tensor.datatype == "BYTES":
        return [from_base64(text, f"data[{place}]") for place, text in enumerate(data)]
    return list(_pixels(data, shape))


def _pixels(data: list[Any], shape: list[int]) -> NDArray[np.uint8]:
    flat = data
    while flat and all(isinstance(part, list) for part in flat):
        flat = list(itertools.chain.from_iterable(flat))
    # Of anything but small whole numbers numpy might make an array that is larger by far than the body.
    whole = len(flat) == math.prod(shape) and all(type(value) is int and 0 <= value <= 255 for value in flat)
    try:
        values = np.asarray(data, np.uint8) if whole else np.empty(0, np.uint8)
    except ValueError:  # of lists of different lengths
        values = np.empty(0, np.uint8)
    if values.shape not in ((math.prod(shape),), tuple(shape)):
        raise Refusal(
            422,
            "bad_tensor",
            f"The data of images are {math.prod(shape):,} whole numbers from 0 to 255, flat or nested.",
        )
    return values.reshape(shape)


def _tensor(name: str, datatype: str, shape: list[int], data: list[Any]) -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}
