"""Read a model file, and believe nothing of it that has not been checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gingham.errors import DataError, UnavailableError
from gingham.export.checks import refuse_foreign_parts
from gingham.export.model_file import ModelInfo
from gingham.records import display_path

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["read_model"]


def read_model(file: Path) -> tuple[bytes, ModelProto, ModelInfo]:
    """Read a model file: its bytes, the model, and what it says of itself.

    Raises
    ------
    UnavailableError
        If there is no such file, or it cannot be read.
    DataError
        If it is no model of Gingham's, or damaged.
    """
    import onnx
    from google.protobuf.message import DecodeError

    name = display_path(str(file))
    try:
        data = file.read_bytes()
        model = onnx.load_model_from_string(data)
        info = ModelInfo.of(model)
        refuse_foreign_parts(model)
    except FileNotFoundError:
        raise UnavailableError(f"There is no model file {name}. `gingham run` writes one.") from None
    except OSError as error:
        raise UnavailableError(f"{name} cannot be read: {error.strerror}.") from error
    except DecodeError as error:
        raise DataError(f"{name} is not an ONNX file, or it is damaged.") from error
    except DataError as error:
        raise DataError(f"{name} cannot be used. {error}") from error
    return data, model, info
