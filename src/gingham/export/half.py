"""Weights kept as float16: half the file, the same float32 arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["halve_weights"]

FEWEST = 1024
"""Smaller tensors stay: they weigh nothing, and scales and limits among them are worth their digits."""
LARGEST = 65504.0
"""The largest number of float16."""


def halve_weights(model: ModelProto) -> None:
    """Keep the large float32 weights of a model as float16, each with a Cast to float32 in front of its use.

    Runtimes do the casts once, when they load the model. A tensor with a number beyond float16 stays as it is.

    Parameters
    ----------
    model : onnx.ModelProto
        Changed in place.
    """
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < FEWEST:
            continue
        weights = numpy_helper.to_array(tensor)
        if not np.abs(weights).max() <= LARGEST:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(weights.astype(np.float16), f"{name}.f16"))
        casts.append(helper.make_node("Cast", [tensor.name], [name], name=f"{name}.f32", to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
