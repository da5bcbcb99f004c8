"""Threads for matrix work: rows are cut into parts, and each part has one core."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from gingham.executors import usable_cpus

__all__ = ["Workers", "workers"]


class Workers:
    """Threads that share the rows, each with a single-threaded BLAS.

    Use :func:`workers` to make one.
    """

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        """Return ``[function(item) for item in items]``, computed in parallel."""
        return list(self._pool.map(function, items))


@contextmanager
def workers(count: int | None = None) -> Iterator[Workers]:
    """Start ``count`` threads (default: one for each usable processor) and hold BLAS to one thread meanwhile.

    Here and there numbers may overflow in silence: whoever computes looks at the result.
    """
    import scipy.linalg  # noqa: F401  its BLAS must be loaded to be limited
    from threadpoolctl import threadpool_limits

    count = count or usable_cpus()
    quiet = partial(np.seterr, over="ignore", invalid="ignore")
    with (
        threadpool_limits(1, user_api="blas"),
        np.errstate(over="ignore", invalid="ignore"),
        ThreadPoolExecutor(count, initializer=quiet) as pool,
    ):
        yield Workers(pool)
