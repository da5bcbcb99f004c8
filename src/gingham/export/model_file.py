"""One ONNX file that holds the whole way from pixels to probabilities.

Input ``images`` uint8 (N, S, S, 3), RGB. Outputs ``probabilities`` and ``scores`` float32 (N, K), ``features`` float32
(N, d) and ``distances`` float32 (N). Normalization, backbone, pooling, unit length, linear head, calibration and the
distance from the nearest class are in the graph; how a picture of another size becomes S x S stands in the metadata,
or, where it was wished, is in the graph too: then the input is ``image`` uint8 (H, W, 3), one picture of any size.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, computed_field, field_validator

from gingham.errors import DataError
from gingham.export.recipe import recipe_in_words
from gingham.records import Fit, InputRecipe, Interpolation, Views

if TYPE_CHECKING:
    from onnx import ModelProto

    from gingham.classifiers import LinearHead

__all__ = ["FORMAT_VERSION", "METADATA_KEY", "ModelInfo", "build_model", "describe"]

FORMAT_VERSION = 2
METADATA_KEY = "gingham"
SMALLEST_NORM = 1e-12


class ModelInfo(BaseModel):
    """What a model file says of itself.

    Parameters
    ----------
    format_version : int
        1: without distances; 2.
    labels : tuple of str
        Class names, in the order of the outputs.
    input : {"images", "image"}
        ``images``: squares of the right size; ``image``: one picture of any size, which the graph resizes.
    resolution, fit, crop_fraction, interpolation
        How an image becomes the input; see :class:`gingham.records.InputRecipe`.
    views : {"one", "flip", "crops", "crops-and-flips"}
        Which parts of the input the network sees, and averages: inside the graph; see :func:`gingham.records.views_of`.
    view_resolution : int or None
        Side of what it sees at once; None: the whole input.
    threshold : float or None
        Predictions whose probability is lower are "not sure"; None: no threshold reaches the wanted precision.
    outlier_limit : float or None
        Images whose distance is larger are outliers; None: the model has no distances.
    backbone, run_id, fingerprint : str
    weights_sha256, weights_licence : str
    precision : {"f32", "f16"}
        In which the weights are stored. They are computed with as float32 either way.
    trained_in : {"bf16", "f32"} or None
        What the features were computed in on which it was trained and tested; None: not said.
    metrics : dict
        What the test images said, each number with its interval.
    versions : dict of str to str

    Attributes
    ----------
    recipe_in_words : str
        How an image becomes the input, exact enough to write it anew in another language.

    Raises
    ------
    pydantic.ValidationError
        For a value out of its range. :meth:`of` says it as a ``DataError``.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    format_version: int = 1
    labels: tuple[str, ...] = Field(min_length=2)
    input: Literal["images", "image"] = "images"
    resolution: int = Field(ge=1)
    fit: Fit
    crop_fraction: float = Field(gt=0, le=1)
    interpolation: Interpolation
    views: Views = "one"
    view_resolution: int | None = Field(default=None, ge=1)
    threshold: float | None = Field(default=None, ge=0, le=1)
    outlier_limit: float | None = Field(default=None, gt=0)
    classifier: str = "svm"
    backbone: str
    run_id: str = ""
    fingerprint: str = ""
    weights_sha256: str = ""
    weights_licence: str = ""
    precision: Literal["f32", "f16"] = "f32"
    trained_in: Literal["bf16", "f32"] | None = None
    metrics: dict[str, Any] = {}
    versions: dict[str, str] = {}

    @field_validator("labels")
    @classmethod
    def _all_different(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(labels)) < len(labels):
            raise ValueError("a label comes twice")
        return labels

    @computed_field  # type: ignore[prop-decorator]
    @property
    def recipe_in_words(self) -> str:
        """How an image becomes the input, exact enough to write it anew in another language."""
        return recipe_in_words(self.recipe)

    @property
    def recipe(self) -> InputRecipe:
        """How an image becomes the input."""
        return InputRecipe(self.resolution, self.fit, self.crop_fraction, self.interpolation)

    @classmethod
    def of(cls, model: ModelProto) -> ModelInfo:
        """Read it from a model.

        Raises
        ------
        DataError
            If the model was not written by Gingham, or its description is damaged.
        """
        text = next((entry.value for entry in model.metadata_props if entry.key == METADATA_KEY), None)
        if text is None:
            raise DataError("This ONNX file was not written by Gingham: it says neither its labels nor its input size.")
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise DataError(
                f"The description inside this model file is damaged: {place}{': ' if place else ''}{first['msg']}."
            ) from error


def build_model(backbone: ModelProto, head: LinearHead, info: ModelInfo) -> bytes:
    """Put a linear head behind a backbone.

    Parameters
    ----------
    backbone : onnx.ModelProto
        ``images`` uint8 (N, S, S, 3) → ``features`` float32 (N, d).
    head : LinearHead
    info : ModelInfo

    Returns
    -------
    bytes
        The ONNX file.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.ModelProto()
    model.CopyFrom(backbone)
    graph = model.graph

    def constant(name: str, value: Any) -> str:
        graph.initializer.append(numpy_helper.from_array(np.asarray(value, dtype=np.float32), f"head.{name}"))
        return f"head.{name}"

    def node(operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        graph.node.append(helper.make_node(operator, inputs, [output], name=f"head/{output}", **attributes))
        return output

    graph.initializer.append(numpy_helper.from_array(np.array([1], dtype=np.int64), "head.axes"))
    length = node("ReduceL2", ["features", "head.axes"], "head.length", keepdims=1)
    unit = node(
        "Div", ["features", node("Max", [length, constant("smallest", SMALLEST_NORM)], "head.norm")], "head.unit"
    )
    seen = unit if head.normalize else "features"
    node("Gemm", [seen, constant("coef", head.coef), constant("intercept", head.intercept)], "scores", transB=1)
    scaled = node("Mul", ["scores", constant("scale", head.calibration_scale)], "head.scaled")
    logits = node("Add", [scaled, constant("offsets", head.calibration_offsets)], "head.logits")
    node("Softmax", [logits], "probabilities", axis=1)
    cosines = node("Gemm", [unit, constant("centres", head.centres)], "head.cosines", transB=1)
    nearest = node("ReduceMax", [cosines, "head.axes"], "head.nearest", keepdims=0)
    # Rounding may take a cosine beyond one.
    node("Max", [node("Sub", [constant("one", 1), nearest], "head.distance"), constant("zero", 0)], "distances")
    n_classes, n_features = head.coef.shape
    shapes = {
        "probabilities": ["N", n_classes],
        "scores": ["N", n_classes],
        "features": ["N", n_features],
        "distances": ["N"],
    }
    del graph.output[:]
    graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items())
    describe(model, info)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def describe(model: ModelProto, info: ModelInfo) -> None:
    """Make ``info`` what a model says of itself."""
    from onnx import helper

    del model.metadata_props[:]
    helper.set_model_props(model, {METADATA_KEY: json.dumps(info.model_dump(mode="json"), ensure_ascii=True)})
