"""The line in which images wait for a worker: bounded, so that overload is an answer and not a wait."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gingham.export import Predictor
from gingham.serve.refusal import Refusal
from gingham.serve.workers import Job, Workers

__all__ = ["Line"]


SOON = 0.05
"""Seconds: nobody watches whether a client goes that is answered sooner."""


class Line:
    """Takes images from requests to the workers and brings the answers back. Belongs to one event loop.

    Parameters
    ----------
    workers : Workers
    room : int
        Images that may wait, besides those that are being worked on.
    """

    def __init__(self, workers: Workers, room: int) -> None:
        self._workers = workers
        self.capacity = room + len(workers.decoders)
        self.pending = 0

    @property
    def full(self) -> bool:
        """Whether not one more image is taken."""
        return self.pending >= self.capacity

    def refusal(self) -> Refusal:
        """Return the answer to those for whom there is no room."""
        return Refusal(
            503,
            "overloaded",
            f"{self.pending} images are waiting, and no more than {self.capacity} may. Try again in a second.",
            {"Retry-After": "1"},
        )

    async def answer(
        self,
        predictor: Predictor,
        images: Sequence[bytes | NDArray[np.uint8]],
        gone: Callable[[], Coroutine[Any, Any, None]],
    ) -> list[Job]:
        """Bring images through decoding and inference.

        Parameters
        ----------
        predictor : Predictor
        images : sequence of bytes, or of uint8 arrays of shape (resolution, resolution, 3)
        gone : callable that returns a coroutine
            Which ends when the client has gone; what waits is then dropped.

        Returns
        -------
        list of Job
            In the order of ``images``, each with outputs or an error; or cancelled, if the client has gone.

        Raises
        ------
        Refusal
            413 for more images than ever fit, 503 for more than fit now, or where no image can be decoded.
        """
        if len(images) > self.capacity:
            raise Refusal(
                413,
                "too_many_images",
                f"{len(images)} images in one request; this service takes at most {self.capacity} at a time.",
            )
        if self.pending + len(images) > self.capacity:
            raise self.refusal()
        loop = asyncio.get_running_loop()
        finished: asyncio.Future[None] = loop.create_future()
        left = len(images)
        watching: asyncio.Task[None] | None = None

        def one_less() -> None:
            nonlocal left
            left -= 1
            self.pending -= 1
            if not left and not finished.done():
                finished.set_result(None)

        def done(_: Job) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and with it whoever waited
                loop.call_soon_threadsafe(one_less)

        jobs = [Job(predictor, image, done) for image in images]

        def cancel(_: object = None) -> None:
            for job in jobs:
                job.cancelled = True

        def watch() -> None:
            nonlocal watching
            watching = loop.create_task(gone())
            watching.add_done_callback(cancel)

        self.pending += len(jobs)
        for job in jobs:
            self._workers.submit(job)
        timer = loop.call_later(SOON, watch)
        try:
            await finished
        except asyncio.CancelledError:
            cancel()
            raise
        finally:
            timer.cancel()
            if watching:
                watching.remove_done_callback(cancel)
                watching.cancel()
        for job in jobs:
            if job.failure:
                raise job.failure
        return jobs
