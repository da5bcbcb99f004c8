"""The answers of the service, as `/openapi.json` shows them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

__all__ = ["ERRORS", "Health", "ModelDescription", "Predictions", "errors"]


class Problem(BaseModel):
    """Why there is no answer."""

    reason: str = Field(description="A code that does not change between versions", examples=["not_an_image"])
    message: str = Field(description="What came, what is allowed, what to do")


class ErrorAnswer(BaseModel):
    """The body of every answer but 200."""

    error: Problem


class ModelId(BaseModel):
    """Which model answered."""

    id: str = Field(description="BLAKE2b-128 of the model file, in hexadecimal")
    run_id: str


class PredictionAnswer(BaseModel):
    """What the model says of one image."""

    path: str | None = Field(description="The file's name, where one was sent")
    label: str | None = Field(description="The most probable class; null where the image could not be read")
    probability: float | None
    probabilities: dict[str, float] | None
    sure: bool = Field(description="Whether the probability reaches the threshold for the wanted precision")
    outlier_score: float | None = Field(description="In [0, 1]; above 0.5 it is unlike the training images")
    is_outlier: bool
    features: list[float] | None = None
    error: str | None = Field(description="Why the image could not be read: `reason: detail`")


class Seconds(BaseModel):
    """How long it took; of several images, the longest of each."""

    total: float
    queue: float
    decode: float
    inference: float


class Predictions(BaseModel):
    """Answers in the order of the images."""

    model: ModelId
    predictions: list[PredictionAnswer]
    seconds: Seconds

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "model": {"id": "0a9d2afa050526243c850f52ac5d4138", "run_id": "20261127-063146-cba2"},
                    "predictions": [
                        {
                            "path": "photo.jpg",
                            "label": "striped",
                            "probability": 0.97,
                            "probabilities": {"striped": 0.97, "dotted": 0.02, "leopard": 0.01},
                            "sure": True,
                            "outlier_score": 0.31,
                            "is_outlier": False,
                            "error": None,
                        }
                    ],
                    "seconds": {"total": 0.006, "queue": 0.0001, "decode": 0.002, "inference": 0.003},
                }
            ]
        }
    }


class Limits(BaseModel):
    """What the service takes."""

    max_body: int = Field(description="Bytes of a request")
    max_images: int = Field(description="Images in a request")
    max_pixels: int = Field(description="Pixels of an image")


class ModelDescription(BaseModel):
    """All that the model file says of itself, and what the service takes."""

    name: str
    id: str
    precision: str = Field(description="What the network is computed in here")
    info: dict[str, Any] = Field(description="The metadata of the model file")
    limits: Limits


class Health(BaseModel):
    """Whether it lives, or is ready."""

    status: str


REASONS = {
    400: "It cannot be told where the request ends, or a header comes twice: `bad_request`",
    401: "The token is missing or wrong: `unauthorized`",
    403: "A page of another site asks: `foreign_origin`",
    404: "There is nothing of this name: `not_found`, `unknown_model`",
    405: "Another method is allowed here: `method_not_allowed`",
    408: "The body did not arrive in time: `too_slow`",
    413: "Too many bytes, pixels, values or images, or too long to decode: `too_large`, `too_many_images`",
    415: "Not an image, or another content type than those allowed: `not_an_image`, `unsupported_format`, "
    "`unsupported_media_type`, `unsupported_encoding`",
    421: "The Host header names another service: `unknown_host`",
    422: "What was sent cannot be used: `bad_request`, `bad_form`, `bad_base64`, `bad_tensor`, `unknown_input`, "
    "`unknown_output`, `empty`, `truncated`, `corrupt`",
    431: "The headers are too large: `too_large`",
    503: "Overloaded or stopping; try again after Retry-After: `overloaded`, `stopping`",
}
HEADERS = {
    401: ("WWW-Authenticate", "`Bearer`"),
    405: ("Allow", "The methods that are allowed"),
    503: ("Retry-After", "Seconds after which to try again"),
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the description of error answers for a route."""
    return {
        status: {
            "model": ErrorAnswer,
            "description": REASONS[status],
            **({"headers": dict([_header(*HEADERS[status])])} if status in HEADERS else {}),
        }
        for status in statuses
    }


def _header(name: str, about: str) -> tuple[str, dict[str, Any]]:
    return name, {"description": about, "schema": {"type": "string"}}


ERRORS = errors(400, 401, 403, 405, 421, 431, 503)
"""What every route can answer."""
