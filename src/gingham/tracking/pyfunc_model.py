"""The code that MLflow copies into a model's folder and runs there: images in, a table of predictions out.

It is kept as this file, not as a pickle. The model itself is the artifact ``model``, a model file of Gingham's.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pandas  # type: ignore[import-untyped]
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel  # type: ignore[attr-defined]

if TYPE_CHECKING:
    from gingham import Prediction

CHUNK = 16
COLUMNS = ("label", "probability", "probabilities", "sure", "outlier_score", "is_outlier", "error")


class ImageClassifier(PythonModel):
    """A model file behind MLflow's interface."""

    def load_context(self, context: Any) -> None:
        """Open the model file."""
        from gingham import load

        self.predictor = load(context.artifacts["model"])

    def predict(
        self,
        context: Any,  # noqa: ARG002
        model_input: pandas.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pandas.DataFrame:
        """Predict the class of images.

        Parameters
        ----------
        context
            Not needed.
        model_input : pandas.DataFrame
            The column ``image``: bytes of image files, or the same in base64.
        params
            Not needed.

        Returns
        -------
        pandas.DataFrame
            A row for each image, in the same order. An image that cannot be read has ``error``, and no label.
        """
        images = list(model_input["image"])
        answers: list[Prediction] = []
        for first in range(0, len(images), CHUNK):
            answers += self._answers(images[first : first + CHUNK])
        return _table(answers)

    def _answers(self, images: list[bytes | str]) -> Iterator[Prediction]:
        import numpy as np

        from gingham import ImageError, Prediction
        from gingham.images import network_input

        failed: dict[int, Prediction] = {}
        squares = []
        for row, image in enumerate(images):
            try:
                squares.append(network_input(_bytes(image), self.predictor.info.recipe))
            except ImageError as error:
                failed[row] = Prediction.failed("", error)
        found = iter(
            self.predictor.predictions([""] * len(squares), self.predictor.run(np.stack(squares))) if squares else ()
        )
        for row in range(len(images)):
            yield failed[row] if row in failed else next(found)


def _bytes(image: bytes | str) -> bytes:
    from gingham import ImageError
    from gingham.records import SkipReason

    if not isinstance(image, str):
        return bytes(image)
    try:
        return base64.b64decode(image.partition(";base64,")[2] or image, validate=True)
    except ValueError:
        raise ImageError(SkipReason.NOT_AN_IMAGE, "it is neither the bytes of a file nor base64") from None


def _table(answers: list[Prediction]) -> pandas.DataFrame:
    """Put predictions into columns; one that lacks a value holds objects, for None is no number."""
    columns = {name: [getattr(answer, name) for answer in answers] for name in COLUMNS}
    return pandas.DataFrame(
        {name: pandas.Series(values, dtype=object if None in values else None) for name, values in columns.items()}
    )


set_model(ImageClassifier())
