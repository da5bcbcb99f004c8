"""What a service answers, checked before it is believed."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gingham.client.connections import Answer
from gingham.export import ModelInfo, Prediction
from gingham.records import SkipReason, display_path

__all__ = ["UnexpectedAnswerError", "error_of", "model_of", "prediction_of"]

MOST_WORDS = 300
Model = TypeVar("Model", bound=BaseModel)


class UnexpectedAnswerError(ValueError):
    """It is not what a Gingham service answers."""


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False, protected_namespaces=())


class _Prediction(_Strict):
    label: str | None
    probability: float | None = Field(ge=0, le=1)
    probabilities: dict[str, float] | None
    sure: bool
    outlier_score: float | None = Field(None, ge=0, le=1)
    is_outlier: bool = False
    features: tuple[float, ...] | None = None
    error: str | None

    @model_validator(mode="after")
    def _whole(self) -> _Prediction:
        if (self.label is None) == (self.error is None) or (self.probability is None) != (self.label is None):
            raise ValueError("there is a label with its probability, or there is an error")
        if self.label is not None and self.label not in (self.probabilities or {}):
            raise ValueError("the label is one of those with a probability")
        return self


class _Predictions(_Strict):
    predictions: list[_Prediction] = Field(min_length=1, max_length=1)


class _Model(_Strict):
    id: str
    info: ModelInfo


class _Problem(_Strict):
    reason: str
    message: str


class _Refusal(_Strict):
    error: _Problem


def prediction_of(answer: Answer, path: str) -> Prediction | None:
    """Return the answer for one image, or None if it is about something else than the image.

    Raises
    ------
    UnexpectedAnswerError
    """
    if answer.status == 200:
        (found,) = _read(_Predictions, answer).predictions
        return Prediction.from_json(found.model_dump(), path)
    if answer.status not in (413, 415, 422):
        return None
    problem = error_of(answer)
    if problem is None:  # what stands in front of the service refuses a large body in words of its own
        too_large = f"{SkipReason.TOO_LARGE}: the service takes no file of this size"
        return Prediction(path, error=too_large) if answer.status == 413 else None
    reason, message = problem
    if reason not in set(SkipReason):
        return None
    detail = message.rpartition(f"{reason}: ")[2].removesuffix(".")
    return Prediction(path, error=f"{reason}: {detail}")


def model_of(answer: Answer) -> dict[str, Any]:
    """Return what the service says of its model.

    Raises
    ------
    UnexpectedAnswerError
    """
    _read(_Model, answer)
    found: dict[str, Any] = json.loads(answer.body)
    return found


def error_of(answer: Answer) -> tuple[str, str] | None:
    """Return reason and message of a refusal, or None if it is none of Gingham's."""
    try:
        problem = _read(_Refusal, answer).error
    except UnexpectedAnswerError:
        return None
    return problem.reason, display_path(problem.message)[:MOST_WORDS]


def _read(model: type[Model], answer: Answer) -> Model:
    try:
        return model.model_validate_json(answer.body)
    except ValidationError as error:
        raise UnexpectedAnswerError(str(error)) from error
