"""Work on this machine, in threads: for functions that wait for a disk or release the interpreter's lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from gingham.executors.cpus import usable_cpus

__all__ = ["map_ordered"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_ordered(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int | None = None,
    window: int | None = None,
) -> Generator[Result, None, None]:
    """Apply a function to every item at once, and yield the results in the items' order.

    At most ``window`` items are taken ahead of the result being read, so that memory stays bounded whatever the
    number of items and however slow the reader. Closing the iterator, Ctrl-C, or an exception drops what has not
    begun and waits only for the calls that are running.

    Parameters
    ----------
    function : callable
        Called from several threads at once.
    items : iterable
        Read lazily, in the caller's thread.
    workers : int, optional
        Threads, at least 1; by default one per processor that this process may use.
    window : int, optional
        At least ``workers``; by default four per worker.

    Yields
    ------
    object
        ``function(item)``, in order. What the function raises for an item surfaces in that item's turn.

    Raises
    ------
    ValueError
        If ``workers`` or ``window`` is out of range; at the call, before any item is read.

    Examples
    --------
    >>> list(map_ordered(str.upper, "abc", workers=2))
    ['A', 'B', 'C']
    """
    if workers is None:
        workers = usable_cpus()
    if workers < 1:
        raise ValueError(f"workers must be at least 1, not {workers}")
    if window is None:
        window = 4 * workers
    if window < workers:
        raise ValueError(f"window must be at least the number of workers, {workers}, not {window}")
    return _results(function, iter(items), workers, window)


def _results(
    function: Callable[[Item], Result], items: Iterator[Item], workers: int, window: int
) -> Generator[Result, None, None]:
    pool = ThreadPoolExecutor(workers, thread_name_prefix="gingham")
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) == window:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
