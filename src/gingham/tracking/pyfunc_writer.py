"""The process that has MLflow write a model. Started by `gingham.tracking.pyfunc` only, with a request on stdin."""

from __future__ import annotations

import json
import sys
from typing import Any

from gingham.tracking.pyfunc import CODE, MODEL, WRITTEN

__all__ = ["main", "signature"]


def signature() -> Any:
    """Return what goes in and comes out, in MLflow's words."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import Map

    return ModelSignature(
        inputs=Schema([ColSpec(DataType.binary, "image")]),
        outputs=Schema([
            ColSpec(DataType.string, "label", required=False),
            ColSpec(DataType.double, "probability", required=False),
            ColSpec(Map(DataType.double), "probabilities", required=False),
            ColSpec(DataType.boolean, "sure"),
            ColSpec(DataType.double, "outlier_score", required=False),
            ColSpec(DataType.boolean, "is_outlier"),
            ColSpec(DataType.string, "error", required=False),
        ]),
    )  # fmt: skip


def main() -> None:
    """Write the folder that the current one holds the parts of."""
    import mlflow
    import pandas  # type: ignore[import-untyped]

    request = json.load(sys.stdin)
    mlflow.pyfunc.save_model(
        WRITTEN,
        python_model=CODE.name,
        artifacts={"model": MODEL},
        code_paths=["gingham"],
        pip_requirements=[f"mlflow=={mlflow.__version__}", *request["requirements"]],
        signature=signature(),
        input_example=pandas.DataFrame({"image": [_example()]}),
        metadata=request["about"],
    )


def _example() -> bytes:
    """Return a small picture: colours that run from one corner to the other."""
    import numpy as np

    from gingham.images import thumbnail_jpeg

    ramp = np.linspace(0, 255, 64, dtype=np.uint8)
    return thumbnail_jpeg(np.stack(np.broadcast_arrays(ramp[:, None], ramp[None], np.uint8(128)), axis=-1), 64)


if __name__ == "__main__":
    main()
