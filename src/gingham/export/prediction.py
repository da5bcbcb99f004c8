"""What a model says of one image: the same object from a model file and from a service."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gingham.errors import ImageError
from gingham.records import SkipReason

__all__ = ["Prediction"]


@dataclass(frozen=True)
class Prediction:
    """What the model says of one image.

    Parameters
    ----------
    path : str
        As it was given.
    label : str or None
        The most probable class; None where the image could not be read.
    probability : float or None
        Of that class.
    probabilities : dict of str to float
        Of every class, in the order of the model's labels; of the most probable ones where no more were asked for.
    sure : bool
        Whether the probability reaches the threshold that the wanted precision needs; False where no threshold reaches
        that precision.
    outlier_score : float or None
        How unlike the training images it is, in [0, 1]; above 0.5 it is farther from them than all but 1 % of
        them are from each other. None where the model file does not say.
    is_outlier : bool
        Whether the score is above 0.5: then no label can be trusted.
    features : tuple of float, or None
        Where they were asked for.
    error : str or None
        Why the image could not be read: the reason code, then the reason in words.
    """

    path: str
    label: str | None = None
    probability: float | None = None
    probabilities: dict[str, float] | None = None
    sure: bool = False
    outlier_score: float | None = None
    is_outlier: bool = False
    features: tuple[float, ...] | None = None
    error: str | None = None

    def top(self, k: int) -> list[tuple[str, float]]:
        """Return the k most probable classes with their probabilities, the most probable first.

        >>> Prediction("a.jpg", probabilities={"cat": 0.2, "dog": 0.7, "cow": 0.1}).top(2)
        [('dog', 0.7), ('cat', 0.2)]
        """
        return sorted((self.probabilities or {}).items(), key=lambda item: -item[1])[:k]

    def to_json(self, top_k: int | None = None) -> dict[str, Any]:
        """Return the prediction as a JSON object.

        Parameters
        ----------
        top_k : int, optional
            Only the most probable classes, the most probable first.
        """
        fields = dict(vars(self))
        if top_k is not None and self.probabilities is not None:
            fields["probabilities"] = dict(self.top(top_k))
        if self.features is None:
            del fields["features"]
        return fields

    @classmethod
    def failed(cls, path: str, error: ImageError) -> Prediction:
        """Return the answer for an image that cannot be read.

        >>> Prediction.failed("a.jpg", ImageError(SkipReason.EMPTY, "the file has no content")).error
        'empty: the file has no content'
        """
        # Unlike in a folder that was listed a moment ago, the path was never there for all we know.
        detail = "there is no such file or folder" if error.reason is SkipReason.VANISHED else error.detail
        return cls(path, error=f"{error.reason.value}: {detail}".rstrip(": "))

    @classmethod
    def from_json(cls, fields: Mapping[str, Any], path: str) -> Prediction:
        """Read what :meth:`to_json` wrote; fields that are not known are passed over."""
        names = {field.name for field in dataclasses.fields(cls)}
        known = {name: value for name, value in fields.items() if name in names}
        if known.get("features") is not None:
            known["features"] = tuple(known["features"])
        return cls(**{**known, "path": path})
