"""What the routes share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request

from gingham.export import Predictor
from gingham.serve.bodies import Bodies
from gingham.serve.line import Line
from gingham.serve.metrics import Metrics
from gingham.serve.refusal import Refusal
from gingham.serve.served_model import ServedModel
from gingham.serve.workers import Job

__all__ = ["Service"]


class Service:
    """What the routes share.

    Parameters
    ----------
    model : ServedModel
    line : Line
    bodies : Bodies
    metrics : Metrics
    max_images, max_pixels : int
    """

    def __init__(
        self, model: ServedModel, line: Line, bodies: Bodies, metrics: Metrics, *, max_images: int, max_pixels: int
    ) -> None:
        self.model = model
        self.line = line
        self.bodies = bodies
        self.metrics = metrics
        self.max_images = max_images
        self.max_pixels = max_pixels
        self.ready = True

    async def jobs(
        self, request: Request, predictor: Predictor, images: Sequence[bytes | NDArray[np.uint8]]
    ) -> list[Job]:
        """Bring images through the line, for as long as the client is there.

        Raises
        ------
        Refusal
            413, 503, as the line does; 499, which nobody reads, if the client has gone.
        """
        jobs = await self.line.answer(predictor, images, lambda: _until_gone(request))
        if any(job.cancelled for job in jobs):
            raise Refusal(499, "client_gone", "The client has gone.")
        for job in jobs:
            self.metrics.images.labels(job.error.reason.value if job.error else "predicted").inc()
        request.scope.setdefault("state", {})["about"] = {"images": len(jobs), "model": predictor.digest}
        return jobs


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
