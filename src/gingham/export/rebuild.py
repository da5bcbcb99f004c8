"""Another form of a run's model file, made from the file alone: nothing is trained again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gingham.errors import DataError
from gingham.export.half import halve_weights
from gingham.export.model_file import ModelInfo, describe
from gingham.export.resize_graph import resize_in_graph

if TYPE_CHECKING:
    from onnx import ModelProto

    from gingham.classifiers import LinearHead

__all__ = ["read_head", "rebuild"]


def rebuild(model: ModelProto, info: ModelInfo, *, precision: str, with_resize: bool) -> bytes:
    """Return a model file with weights of another precision, or with the resizing in the graph.

    Parameters
    ----------
    model : onnx.ModelProto
        Of a run: float32, for squares. It is left as it is.
    info : ModelInfo
    precision : {"f32", "f16"}
    with_resize : bool
    """
    import onnx

    made = onnx.ModelProto()
    made.CopyFrom(model)
    if precision == "f16":
        halve_weights(made)
    if with_resize:
        resize_in_graph(made, info.recipe)
    describe(made, info.model_copy(update={"precision": precision, "input": "image" if with_resize else "images"}))
    onnx.checker.check_model(made, full_check=True)
    return bytes(made.SerializeToString())


def read_head(model: ModelProto, info: ModelInfo) -> LinearHead:
    """Return the linear head that a model file holds; what only its training knew is left empty.

    Raises
    ------
    DataError
        If the model has no such head.
    """
    from onnx import numpy_helper

    from gingham.classifiers import LinearHead

    arrays: dict[str, Any] = {
        tensor.name.removeprefix("head."): numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
        if tensor.name.startswith("head.")
    }
    scores = next((node for node in model.graph.node if "scores" in node.output), None)
    if scores is None or not {"coef", "intercept", "scale", "offsets"} <= arrays.keys():
        raise DataError("The model file has no linear head: it is damaged, or not one of Gingham's.")
    return LinearHead(
        classes=info.labels,
        coef=arrays["coef"].astype(np.float64),
        intercept=arrays["intercept"].astype(np.float64),
        normalize=scores.input[0] == "head.unit",
        calibration_scale=float(arrays["scale"]),
        calibration_offsets=arrays["offsets"].astype(np.float64),
        c=None,
        cv_accuracy={},
        threshold=info.threshold,
        coverage=None,
        centres=arrays.get("centres", np.empty((0, arrays["coef"].shape[1]), np.float32)),
        outlier_limit=info.outlier_limit or 0.0,
    )
