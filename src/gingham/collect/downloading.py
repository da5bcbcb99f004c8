"""Download what a ledger still wants: many at once, few from each server, all that is done kept."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import datetime
import os
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gingham.collect.fetching import FetchError, fetch
from gingham.collect.labels import label_fault
from gingham.collect.ledger import Done, Ledger, Wanted
from gingham.collect.network import open_session
from gingham.collect.placing import Placing
from gingham.collect.records import Outcome, Status
from gingham.collect.storing import store
from gingham.collect.turns import Turns
from gingham.config import Collection
from gingham.errors import UnavailableError

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.abc import AbstractResolver

__all__ = ["download"]

_BATCH = 256
_BATCH_SECONDS = 0.1
_PROGRESS_SECONDS = 0.1

_UNREACHED = frozenset({Status.DNS, Status.CONNECTION, Status.TIMEOUT})
_OFFLINE = 25
"""So many links and none of them reached: then it is the network that is not there, and not the images."""
_PATIENCE = 5
"""After so many links of a server that could not be reached, one after the other, each further one gets one try."""


def download(
    ledger: Ledger,
    dataset: str,
    root: Path,
    settings: Collection,
    *,
    progress: Callable[[int, int], None] | None = None,
    resolver: AbstractResolver | None = None,
) -> Counter[Status]:
    """Fetch every link that a ledger still wants, and store the images in their class folders.

    The work is done in a thread of its own, so that it can also be started where an event loop is running. An exception
    in the calling thread, such as Ctrl-C, stops it within moments; what was finished is kept, and the next call
    fetches only what is missing. That is so after ``kill -9`` as well.

    Parameters
    ----------
    ledger : Ledger
    dataset : str
        Name in the ledger.
    root : Path
        The dataset's folder; only one process may download into it at a time.
    settings : Collection
    progress : callable, optional
        Called in the calling thread as ``progress(done, total)``, ten times a second.
    resolver : aiohttp.abc.AbstractResolver, optional
        Turns names into addresses; by default the system's.

    Returns
    -------
    Counter of Status
        What became of the links of this call.

    Raises
    ------
    UnavailableError
        If the disk is full or cannot be written; what was finished is kept. If none of the first links, 25 or more, can
        be reached: they stay wanted.
    """
    total = ledger.counts(dataset).get(None, 0)
    work = _Downloads(ledger, dataset, root, settings, resolver)
    with ThreadPoolExecutor(1, "gingham-collect") as thread:
        running = thread.submit(work.run)
        try:
            while not running.done():
                concurrent.futures.wait([running], _PROGRESS_SECONDS)
                if progress is not None:
                    progress(work.counts.total(), total)
        except BaseException:
            work.stop()
            concurrent.futures.wait([running])
            raise
    return running.result()


class _Downloads:
    def __init__(
        self, ledger: Ledger, dataset: str, root: Path, settings: Collection, resolver: AbstractResolver | None
    ) -> None:
        self.counts: Counter[Status] = Counter()
        self._settings = settings
        self._hasty = settings.model_copy(update={"retries": 0})
        self._unreached: Counter[str] = Counter()  # links in a row, by server
        self._reached = False
        self._root = root
        self._resolver = resolver
        self._placing = Placing(ledger, dataset, root)
        self._turns = Turns(ledger, dataset, settings.concurrency, settings.per_host)
        self._batch: list[Done] = []
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def run(self) -> Counter[Status]:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner, contextlib.suppress(asyncio.CancelledError):
            self._loop = runner.get_loop()
            runner.run(self._run())
        return self.counts

    def stop(self) -> None:
        """End the work from another thread."""
        self._stopping = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has just ended by itself
                self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        self._task = asyncio.current_task()
        self._slots = asyncio.Semaphore(self._settings.concurrency)
        self._given_back = asyncio.Event()
        threads = ThreadPoolExecutor((os.cpu_count() or 1) + 1, "gingham-store")
        try:
            with threads:
                async with open_session(self._settings, resolver=self._resolver) as session:
                    await self._fetch_all(session, threads)
        except BaseExceptionGroup as group:
            with contextlib.suppress(UnavailableError):
                self._flush()
            raise group.exceptions[0] from group
        except asyncio.CancelledError:
            self._finish(stopped=True)
            raise
        self._finish()

    async def _fetch_all(self, session: aiohttp.ClientSession, threads: ThreadPoolExecutor) -> None:
        async with asyncio.TaskGroup() as group:
            flushing = group.create_task(self._flush_now_and_then())
            while not self._stopping:
                await self._slots.acquire()
                turn = self._turns.take()
                if turn is None:
                    self._slots.release()
                    if self._turns.done:
                        break
                    self._given_back.clear()
                    await self._given_back.wait()
                    continue
                group.create_task(self._collect(*turn, session, threads))
            flushing.cancel()

    async def _collect(
        self, server: str, link: Wanted, session: aiohttp.ClientSession, threads: ThreadPoolExecutor
    ) -> None:
        slot = _Slot(self._slots)
        try:
            began = time.monotonic()
            settings = self._hasty if self._unreached[server] >= _PATIENCE else self._settings
            outcome, temporary = await self._outcome(link, slot, session, threads, settings)
            self._unreached[server] = self._unreached[server] + 1 if outcome.status in _UNREACHED else 0
            self._reached |= outcome.code is not None
            self._batch.append(Done(link.id, _timed(outcome, began), temporary))
            if len(self._batch) >= (_BATCH if self._reached else _OFFLINE):
                self._flush()
        finally:
            slot.release()
            self._turns.give_back(server)
            self._given_back.set()

    async def _outcome(
        self,
        link: Wanted,
        slot: _Slot,
        session: aiohttp.ClientSession,
        threads: ThreadPoolExecutor,
        settings: Collection,
    ) -> tuple[Outcome, str]:
        if fault := label_fault(link.label):
            return Outcome(Status.BAD_LABEL, fault), ""
        try:
            fetched = await fetch(session, link.url, settings, each_try=slot)
        except FetchError as error:
            return Outcome(error.status, error.detail, error.code, error.final_url), ""
        stored = await asyncio.get_running_loop().run_in_executor(
            threads, store, fetched.data, link.label, self._root, self._settings
        )
        outcome = Outcome(
            status=stored.status,
            detail=stored.detail,
            code=fetched.code,
            final_url=fetched.final_url,
            path=stored.path,
            size=len(fetched.data),
            sha256=stored.sha256,
            content=stored.content,
            width=stored.width,
            height=stored.height,
        )
        return outcome, stored.temporary

    async def _flush_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(_BATCH_SECONDS)
            self._flush()

    def _finish(self, stopped: bool = False) -> None:
        self._reached |= not stopped  # all were tried: what could not be reached has failed
        self._flush()
        self._placing.close()

    def _flush(self) -> None:
        batch, self._batch = self._batch, []
        if not self._reached:
            self._batch = [item for item in batch if item.outcome.status in _UNREACHED]
            batch = [item for item in batch if item.outcome.status not in _UNREACHED]
            if len(self._batch) >= _OFFLINE:
                status = self._batch[-1].outcome.status.value
                raise UnavailableError(
                    f"None of the first {len(self._batch)} links could be reached ({status}). Is this machine online? "
                    "They are not counted as failed: the same command tries them again."
                )
        if batch:
            self.counts.update(outcome.status for outcome in self._placing.place(batch))


class _Slot:
    """A place among the downloads at once: held from the start, given up after a try that failed, then got again."""

    def __init__(self, slots: asyncio.Semaphore) -> None:
        self._slots = slots
        self._held = True

    async def __aenter__(self) -> None:
        if not self._held:
            await self._slots.acquire()
            self._held = True

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.release()

    def release(self) -> None:
        if self._held:
            self._held = False
            self._slots.release()


def _timed(outcome: Outcome, began: float) -> Outcome:
    finished = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return replace(outcome, seconds=round(time.monotonic() - began, 3), finished=finished)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # on Windows
        return None
    return uvloop.new_event_loop
