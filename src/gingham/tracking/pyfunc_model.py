"""The code that MLflow copies into a model's folder and runs there: images in, a table of predictions out.

It is kept as this file, not as a pickle. The model itself is the artifact ``model``, a model file of Gingham's.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pandas  # type: ignore[import-untyped]
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel  # type: ignore[attr-defined]

if TYPE_CHECKING:
    from gingham import Prediction

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
        return _table(self.predictor.predict([_content(image) for image in model_input["image"]]))


def _content(image: object) -> bytes:
    """Return what is in an image file; of what is neither bytes nor base64, something that is no image either."""
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(image)
    text = image if isinstance(image, str) else ""
    try:
        return base64.b64decode(text.partition(";base64,")[2] or text, validate=True)
    except ValueError:
        return text.encode("utf-8", "replace")


def _table(answers: list[Prediction]) -> pandas.DataFrame:
    """Put predictions into columns; one that lacks a value holds objects, for None is no number."""
    columns = {name: [getattr(answer, name) for answer in answers] for name in COLUMNS}
    return pandas.DataFrame(
        {name: pandas.Series(values, dtype=object if None in values else None) for name, values in columns.items()}
    )


set_model(ImageClassifier())
