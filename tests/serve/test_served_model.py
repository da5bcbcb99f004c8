"""The model that answers: what its successor is computed in."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gingham.export import Predictor
from gingham.serve import served_model as module
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
    holder = ServedModel(served, precision)
    served.write_bytes(described(trained_in="f32")(model.read_bytes()))

    async def load() -> None:
        await holder.load(Metrics(lambda: 0, lambda: 0, lambda: 0), Journal(requests=False))

    asyncio.run(load())
    assert holder.current.info.trained_in == "f32"
    assert holder.current.precision == expected


def test_what_replaces_it_while_it_is_read_is_loaded_too(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = tmp_path / "model.onnx"
    served.write_bytes(model.read_bytes())
    successor = described(run_id="another")(model.read_bytes())

    def slowly(path: Path, precision: str) -> Predictor:
        predictor = Predictor(path, precision)
        if predictor.info.run_id != "another":
            (tmp_path / "next").write_bytes(successor)
            (tmp_path / "next").replace(path)
        return predictor

    monkeypatch.setattr(module, "Predictor", slowly)
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LOOKS", 0.01)
    holder = ServedModel(served)
    first = holder.current.digest

    async def watch() -> None:
        watching = asyncio.create_task(holder.watch(Metrics(lambda: 0, lambda: 0, lambda: 0), Journal(requests=False)))
        async with asyncio.timeout(60):
            while holder.current.digest == first:
                await asyncio.sleep(0.05)
        watching.cancel()

    asyncio.run(watch())
    assert holder.current.info.run_id == "another"
