"""The model that answers, and its replacement while requests go on."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import numpy as np

from gingham.export import Predictor
from gingham.serve.journal import Journal
from gingham.serve.metrics import Metrics

__all__ = ["ServedModel"]

SECONDS_BETWEEN_LOOKS = 1.0


class ServedModel:
    """Holds the predictor; another one takes its place when its file changes.

    A request keeps the predictor with which it began. A file that cannot be used changes nothing.

    Parameters
    ----------
    path : Path
    precision : {"auto", "bf16", "f32"}

    Raises
    ------
    UnavailableError, DataError
        As `Predictor` does.
    """

    def __init__(self, path: Path, precision: str = "auto") -> None:
        self._signature = _signature(path)  # before it is read: what replaces it meanwhile is loaded too
        self._precision = precision
        self.current = Predictor(path, precision)
        self._loading = asyncio.Lock()

    @property
    def name(self) -> str:
        """What cluster clients call it: the name of its file without the suffix."""
        return self.current.path.stem

    async def watch(self, metrics: Metrics, journal: Journal) -> None:
        """Load the file again whenever it changes, until cancelled."""
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
            if _signature(self.current.path) != self._signature:
                await self.load(metrics, journal)

    async def load(self, metrics: Metrics, journal: Journal) -> None:
        """Load the file again; if that fails, say so and go on with the model that is there."""
        async with self._loading:
            signature = _signature(self.current.path)
            if signature is None:  # between the removal and the renaming of a replacement
                return
            self._signature = signature
            try:
                predictor = await asyncio.to_thread(_load, self.current.path, self._precision)
            except Exception as error:  # whatever is wrong with a file, the model that is there goes on
                metrics.loads.labels("failed").inc()
                journal.event("model_refused", message=f"{error} The model {self.current.digest} goes on answering.")
                return
            self.current = predictor
            metrics.loads.labels("loaded").inc()
            metrics.model.info({"id": predictor.digest, "run_id": predictor.info.run_id})
            journal.event("model_loaded", model=predictor.digest, run_id=predictor.info.run_id)


def _load(path: Path, precision: str) -> Predictor:
    predictor = Predictor(path, precision)
    size = predictor.info.resolution
    predictor.run(np.zeros((1, size, size, 3), np.uint8))  # the first image would wait for this
    return predictor


def _signature(path: Path) -> Any:
    with contextlib.suppress(OSError):
        status = path.stat()
        return status.st_mtime_ns, status.st_size, status.st_ino
    return None
