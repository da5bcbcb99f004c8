"""The model that answers: what its successor is computed in."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gingham.export import Predictor
from gingham.serve.journal import Journal
from gingham.serve.metrics import Metrics
from gingham.serve.served_model import ServedModel
from tests.export.test_predictor import described


@pytest.mark.parametrize(("precision", "expected"), [("auto", "f32"), ("f32", "f32")])
def test_a_successor_is_computed_in_what_it_was_trained_in(
    precision: str, expected: str, model: Path, tmp_path: Path
) -> None:
    served = tmp_path / "model.onnx"
    served.write_bytes(model.read_bytes())
    holder = ServedModel(Predictor(served, precision), precision)
    served.write_bytes(described(trained_in="f32")(model.read_bytes()))

    async def load() -> None:
        await holder.load(Metrics(lambda: 0, lambda: 0, lambda: 0), Journal(requests=False))

    asyncio.run(load())
    assert holder.current.info.trained_in == "f32"
    assert holder.current.precision == expected
