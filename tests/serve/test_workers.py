"""The workers, without a service around them: every job ends, whatever happens to it."""

from __future__ import annotations

import os
import queue
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from gingham.export import Outputs, Predictor
from gingham.records import SkipReason
from gingham.serve import workers as module
from gingham.serve.refusal import Refusal
from gingham.serve.workers import Job, Workers
from tests.images import makers
from tests.serve.process import alive, within

PHOTO = makers.jpeg()


@contextmanager
def running(count: int, seconds: float) -> Iterator[Workers]:
    workers = Workers(count, 90_000_000, seconds)
    workers.start()
    try:
        yield workers
    finally:
        workers.stop()


@pytest.fixture
def workers() -> Iterator[Workers]:
    """Two of them."""
    with running(2, 10.0) as workers:
        yield workers


def done(workers: Workers, *jobs: Job) -> list[Job]:
    """Submit jobs and wait for them."""
    finished: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in jobs:
        job.done = finished.put
        workers.submit(job)
    return [finished.get(timeout=30) for _ in jobs]


def job(predictor: Predictor, image: object = PHOTO) -> Job:
    return Job(predictor, image, lambda _: None)  # type: ignore[arg-type]


def processes(workers: Workers) -> list[int]:
    return [each._process.pid for each in workers.decoders if each._process is not None]


def test_an_image_and_a_square_are_answered(workers: Workers, predictor: Predictor) -> None:
    square = np.zeros((96, 96, 3), np.uint8)
    for each in done(workers, job(predictor), job(predictor, square)):
        assert each.outputs is not None
        assert each.outputs.probabilities.shape == (1, 3)
        assert each.error is None
        assert each.inferred > 0
        assert each.decoded > 0 if isinstance(each.image, bytes) else each.decoded < 0.1


def test_the_worker_that_was_at_work_last_goes_on(predictor: Predictor) -> None:
    """Its caches are warm: of five workers one is busy, where there is one image at a time."""
    with running(5, 10.0) as workers:
        seen: queue.SimpleQueue[int] = queue.SimpleQueue()
        answered: set[int] = set()
        for turn in range(12):
            one = job(predictor)
            one.done = lambda _: seen.put(threading.get_ident())
            workers.submit(one)
            last = seen.get(timeout=30)
            assert within(5, lambda: len(workers._idle) == 5)
            answered |= {last} if turn else set()
        assert len(answered) == 1


def test_many_at_once_have_their_own_answers(workers: Workers, predictor: Predictor) -> None:
    pictures = [makers.png(np.full((40, 40, 3), shade, np.uint8)) for shade in range(0, 256, 8)]
    jobs = [job(predictor, picture) for picture in pictures]
    done(workers, *jobs)
    for each in jobs:
        alone = done(workers, job(predictor, each.image))[0]
        assert each.outputs is not None
        assert alone.outputs is not None
        assert np.array_equal(each.outputs.probabilities, alone.outputs.probabilities)


def test_a_cancelled_job_is_dropped(workers: Workers, predictor: Predictor) -> None:
    cancelled = job(predictor)
    cancelled.cancelled = True
    assert done(workers, cancelled) == [cancelled]
    assert cancelled.outputs is None


def test_a_crash_costs_one_image_and_the_process_is_there_again(predictor: Predictor) -> None:
    with running(1, 10.0) as workers:
        done(workers, job(predictor))
        (before,) = processes(workers)
        os.kill(before, signal.SIGSTOP)
        jobs = [job(predictor) for _ in range(3)]
        threading.Timer(0.3, os.kill, (before, signal.SIGKILL)).start()
        done(workers, *jobs)
        assert [str(each.error.reason) if each.error else "" for each in jobs] == ["corrupt", "", ""]
        assert processes(workers) != [before]
        assert workers.replaced == 1


def test_what_hangs_is_ended(predictor: Predictor) -> None:
    with running(1, 0.5) as workers:
        done(workers, job(predictor))
        os.kill(processes(workers)[0], signal.SIGSTOP)
        (late,) = done(workers, job(predictor))
        assert late.error is not None
        assert late.error.reason == SkipReason.TOO_LARGE
        assert done(workers, job(predictor))[0].outputs is not None


class _Broken:
    """A predictor with a bug."""

    def __init__(self, predictor: Predictor) -> None:
        self.info = predictor.info

    def run(self, inputs: object) -> Outputs:
        raise RuntimeError("a bug")


def test_a_bug_ends_its_job_and_not_the_thread(workers: Workers, predictor: Predictor) -> None:
    broken = [job(_Broken(predictor)) for _ in range(3)]  # type: ignore[arg-type]
    done(workers, *broken)
    assert {str(each.failure) for each in broken} == {"a bug"}
    assert done(workers, job(predictor))[0].outputs is not None


def test_where_no_process_can_be_started_it_is_overload(
    workers: Workers, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image is not to blame, and later ones are served again."""
    done(workers, job(predictor), job(predictor))
    with monkeypatch.context() as context:
        context.setattr(module.sys, "executable", "/no/such/program")
        for process in processes(workers):
            os.kill(process, signal.SIGKILL)
        assert within(5, lambda: not any(map(alive, processes(workers))))
        refused = [job(predictor) for _ in range(4)]
        done(workers, *refused)
        for each in refused:
            assert isinstance(each.failure, Refusal)
            assert (each.failure.status, "Retry-After" in each.failure.headers) == (503, True)
    assert done(workers, job(predictor))[0].outputs is not None


@pytest.mark.parametrize("busy", ["starting", "idle", "decoding"])
def test_stop_ends_all(predictor: Predictor, busy: str) -> None:
    workers = Workers(2, 90_000_000, 60.0)
    workers.start()
    if busy == "starting":
        assert within(5, lambda: len(processes(workers)) == 2)
    else:
        done(workers, job(predictor), job(predictor))
    if busy == "decoding":
        for process in processes(workers):
            os.kill(process, signal.SIGSTOP)
        for _ in range(6):
            workers.submit(job(predictor))
        time.sleep(0.2)
    began = time.monotonic()
    children = processes(workers)
    workers.stop()
    assert time.monotonic() - began < 3
    assert not any(map(alive, children))
    assert processes(workers) == []
