"""What must hold of a model file before it answers: nothing lies outside it, and it is as it says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gingham.errors import DataError
from gingham.executors import import_openvino

if TYPE_CHECKING:
    from onnx import ModelProto

    from gingham.export.model_file import ModelInfo

__all__ = ["OPERATORS", "refuse_foreign_parts", "refuse_other_shapes"]

OPERATORS = frozenset(
    """
    Abs Add And AveragePool BatchNormalization Cast Ceil Clip Concat Constant Conv Cos CumSum DepthToSpace Div Einsum
    Elu Equal Erf Exp Expand Flatten Floor Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalMaxPool
    Greater GreaterOrEqual GroupNormalization HardSigmoid HardSwish Identity InstanceNormalization LayerNormalization
    LeakyRelu Less LessOrEqual Log LogSoftmax MatMul Max MaxPool Min Mish Mul Neg Not Or PRelu Pad Pow Range Reciprocal
    ReduceL2 ReduceMax ReduceMean ReduceMin ReduceSum Relu Reshape Resize ScatterND Shape Sigmoid Sign Sin Slice
    Softmax Softplus SpaceToDepth Split Sqrt Squeeze Sub Sum Tanh Tile Transpose Unsqueeze Where
    """.split()  # noqa: SIM905  (a column of strings would take 90 lines)
)
"""What the exporters emit for networks of images (ResNet, EfficientNet, MobileNet, ConvNeXt, DenseNet, ViT, Swin and
their kin), the head and the resizing: arithmetic. No loops or branches, which may never end; no random numbers; nothing
that is not ONNX's own, which a runtime would look for in a library."""


def refuse_foreign_parts(model: ModelProto) -> None:
    """Refuse a model that names another file, whoever sends it would choose what is read, or does more than compute.

    Raises
    ------
    DataError
        If any tensor, wherever in the model, keeps its numbers outside; if it has an operator or a function that the
        models of Gingham never have; if it is no valid ONNX.
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
    _refuse_other_operators(model)
    _refuse_damaged(model)


def _refuse_other_operators(model: ModelProto) -> None:
    if model.functions:
        raise DataError(f"It defines a function, {model.functions[0].name}, which a model of Gingham's never does.")
    for node in model.graph.node:
        foreign = node.domain not in ("", "ai.onnx")
        if foreign or node.op_type not in OPERATORS:
            name = f"{node.domain}.{node.op_type}" if foreign else node.op_type
            raise DataError(f"It has the operator {name}, which a model of Gingham's never has.")


def _refuse_damaged(model: ModelProto) -> None:
    from onnx import checker

    try:
        checker.check_model(model)
    except checker.ValidationError as error:
        problem = str(error).strip().splitlines()[0]
        raise DataError(f"It cannot be run: it is damaged, or no valid ONNX ({problem.rstrip('.')}).") from error


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
    openvino = import_openvino()

    if info.input == "image":
        raise DataError(
            "It resizes pictures itself, one at a time, for programs that cannot (`gingham export --with-resize`)."
            " To predict or serve, use the model file of the run, or type: gingham export -o model.onnx"
        )
    size, classes = info.resolution, len(info.labels)
    wanted = {
        "images": [-1, size, size, 3],
        "probabilities": [-1, classes],
        "scores": [-1, classes],
        "features": [-1, -1],
    }
    if info.outlier_limit is not None:
        wanted["distances"] = [-1]
    for name, shape in wanted.items():
        port = next((port for port in (*network.inputs, *network.outputs) if name in port.names), None)
        if port is None:
            raise DataError(f"The model has no {name}: it is damaged, or not one of Gingham's.")
        found = port.partial_shape
        known = found.rank.is_static and all(length.is_static for length in list(found)[1:])
        if not known or not found.compatible(openvino.PartialShape(shape)):
            text = ", ".join(["N", *(str(length) for length in shape[1:])])
            raise DataError(
                f"The description inside this model file does not fit it: {classes} labels and a resolution of {size}"
                f" make {name} of shape [{text}], but the model has {found}."
            )
        if name == "images" and port.element_type != openvino.Type.u8:
            raise DataError(f"The model takes images of type {port.element_type.to_string()}, not u8: it is damaged.")
