"""What must hold of a model file before it answers: nothing lies outside it, and it is as it says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gingham.errors import DataError

if TYPE_CHECKING:
    from onnx import ModelProto

    from gingham.export.model_file import ModelInfo

__all__ = ["refuse_data_elsewhere", "refuse_other_shapes"]


def refuse_data_elsewhere(model: ModelProto) -> None:
    """Refuse a model that names another file: whoever sends it would choose what is read.

    Raises
    ------
    DataError
        If any tensor, wherever in the model, keeps its numbers outside.
    """
    from onnx import TensorProto

    # Weights may hide in nodes, in their subgraphs, in functions, in sparse tensors: every message is looked at.
    waiting: list[Any] = [model]
    while waiting:
        message = waiting.pop()
        if isinstance(message, TensorProto):
            if message.data_location == TensorProto.EXTERNAL or message.external_data:
                raise DataError("It keeps weights in another file, which a model of Gingham's never does.")
            continue
        for field, value in message.ListFields():
            if field.message_type is not None:
                waiting += [value] if hasattr(value, "ListFields") else value


def refuse_other_shapes(network: Any, info: ModelInfo) -> None:
    """Refuse a network whose input or output is not what its description says.

    Parameters
    ----------
    network : openvino.Model
    info : ModelInfo

    Raises
    ------
    DataError
    """
    from openvino import PartialShape, Type

    size, classes = info.resolution, len(info.labels)
    wanted = {"images": [-1, size, size, 3], "probabilities": [-1, classes]}
    for name, shape in wanted.items():
        port = next((port for port in (*network.inputs, *network.outputs) if name in port.names), None)
        if port is None:
            raise DataError(f"The model has no {name}: it is damaged, or not one of Gingham's.")
        found = port.partial_shape
        known = found.rank.is_static and all(length.is_static for length in list(found)[1:])
        if not known or not found.compatible(PartialShape(shape)):
            text = ", ".join(["N", *(str(length) for length in shape[1:])])
            raise DataError(
                f"The description inside this model file does not fit it: {classes} labels and a resolution of {size}"
                f" make {name} of shape [{text}], but the model has {found}."
            )
        if name == "images" and port.element_type != Type.u8:
            raise DataError(f"The model takes images of type {port.element_type.to_string()}, not u8: it is damaged.")
