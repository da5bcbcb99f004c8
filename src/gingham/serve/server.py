"""Run the service: listen, answer, reload on SIGHUP, stop in good order on SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import ipaddress
import logging
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from gingham.config import Service as Settings
from gingham.errors import ConfigError
from gingham.executors import usable_cpus
from gingham.export import Predictor
from gingham.serve.app import build_app
from gingham.serve.bodies import Bodies
from gingham.serve.guard import Guard
from gingham.serve.journal import Journal
from gingham.serve.line import Line
from gingham.serve.listener import BACKLOG, allow_many_files, listen, refuse_newcomers, taken
from gingham.serve.metrics import Metrics
from gingham.serve.protocol import TimedProtocol, timed_protocol
from gingham.serve.served_model import ServedModel
from gingham.serve.service import Service
from gingham.serve.workers import Workers

__all__ = ["Opened", "serve"]

BODIES_TOGETHER = 8
"""So many of the largest bodies may be in memory at once."""
MOST_CONNECTIONS = 8_192
"""Each may hold the 64 KiB of a head that never ends: half a gigabyte in all."""
FILES_BESIDE = 64
FILES_OF_A_WORKER = 8
"""Open files that are no connections: without a reserve, no decoding process could be replaced."""
QUIET = 1.0
"""Seconds after which a connection that brings nothing is closed, once no more are accepted."""


@dataclass(frozen=True)
class Opened:
    """A service that takes requests.

    Parameters
    ----------
    url : str
    model : Path
    model_id : str
        BLAKE2b-128 of the model file.
    labels : tuple of str
    needs_token : bool
    """

    url: str
    model: Path
    model_id: str
    labels: tuple[str, ...]
    needs_token: bool

    def to_json(self) -> dict[str, Any]:
        """Return it as one JSON object."""
        return dataclasses.asdict(self) | {"model": str(self.model), "labels": list(self.labels)}


Announce = Callable[[Opened], None]


def serve(model: str | os.PathLike[str], settings: Settings, announce: Announce) -> None:
    """Serve a model until SIGTERM or Ctrl-C.

    Parameters
    ----------
    model : path
        A model file; loaded again when it changes, and on SIGHUP.
    settings : gingham.config.Service
    announce : callable of (Opened)
        Called once it takes requests.

    Raises
    ------
    ConfigError
        For an address that can be reached from elsewhere, without a token.
    UnavailableError
        If there is no such model, or the address or port cannot be had.
    DataError
        If the file is no model of Gingham's.
    """
    _refuse_unprotected(settings)
    _open_what_is_closed()
    listener = listen(settings.host, settings.port)
    workers = Workers(settings.workers or usable_cpus() + 1, settings.max_pixels, settings.decode_timeout)
    workers.start()
    try:
        served = ServedModel(Path(model).absolute(), settings.precision)
        connections = allow_many_files() - FILES_BESIDE - FILES_OF_A_WORKER * len(workers.decoders)
        connections = max(1, min(connections, MOST_CONNECTIONS))
        server = _Server(settings, listener, served, workers, announce, connections)
        server.run([listener])
    finally:
        listener.close()
        workers.stop()


def _refuse_unprotected(settings: Settings) -> None:
    if settings.token and (len(settings.token) < 16 or not settings.token.isascii() or " " in settings.token):
        raise ConfigError("`service.token` is too weak: 16 characters or more, ASCII, without spaces.")
    if not settings.token and not _is_loopback(settings.host):
        raise ConfigError(
            f"`service.host` is {settings.host}, which other machines can reach, and that needs a token: set "
            "GINGHAM_SERVICE__TOKEN to 16 characters or more, or leave the host at 127.0.0.1."
        )


def _open_what_is_closed() -> None:
    """Let no socket become standard input, output or error, which decoding processes inherit."""
    while (lowest := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(lowest, True)
    os.close(lowest)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Server(uvicorn.Server):
    """uvicorn's server with an orderly end: nothing that was accepted is lost."""

    def __init__(
        self,
        settings: Settings,
        listener: socket.socket,
        model: ServedModel,
        workers: Workers,
        announce: Announce,
        connections: int,
    ) -> None:
        self._settings = settings
        self._announce = announce
        self._listener = listener
        self._workers = workers
        self._model = model
        self._journal = Journal(settings.access_log)
        self._line = Line(workers, settings.queue)
        largest = settings.max_body << 20
        bodies = Bodies(largest, BODIES_TOGETHER * largest, settings.read_timeout)
        self._metrics = Metrics(lambda: self._line.pending, lambda: bodies.held, lambda: workers.replaced)
        self._metrics.model.info({"id": model.current.digest, "run_id": model.current.info.run_id})
        self._service = Service(
            model,
            self._line,
            bodies,
            self._metrics,
            max_images=settings.max_images,
            max_pixels=settings.max_pixels,
        )
        self._guard = Guard(
            build_app(self._service),
            token=settings.token,
            hosts=settings.hosts,
            line=self._line,
            metrics=self._metrics,
            journal=self._journal,
        )
        config: Any = {
            "app": self._guard,
            "http": timed_protocol(settings.read_timeout, connections),
            "ws": "none",
            "lifespan": "off",
            "log_config": None,
            "access_log": False,
            "server_header": False,
            "proxy_headers": False,
            "backlog": BACKLOG,
        }
        super().__init__(uvicorn.Config(**config))

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Stop on SIGTERM and SIGINT, at once on the second; load the model again on SIGHUP."""
        loop = asyncio.get_running_loop()
        for stop in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(stop, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        try:
            yield
        finally:
            for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(each)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the door, and say so."""
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # what clients do wrong is no news
        await asyncio.to_thread(_warm, self._model.current)
        try:
            await super().startup(sockets)
        except OSError as error:  # another one bound the same port, and listened first
            raise taken(self._settings.host, self._settings.port, error) from None
        self._watching = asyncio.create_task(self._model.watch(self._metrics, self._journal))
        address, port = self._listener.getsockname()[:2]
        address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104  all addresses: so this one
        url = f"http://{f'[{address}]' if ':' in address else address}:{port}"
        predictor, token = self._model.current, bool(self._settings.token)
        self._announce(Opened(url, predictor.path, predictor.digest, predictor.labels, token))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        """Accept no more, finish what has come, close what is quiet; and hang up when the time is over."""
        deadline = time.monotonic() + self._settings.grace
        self._watching.cancel()
        refuse_newcomers(self._listener)
        waiting = selectors.DefaultSelector()
        waiting.register(self._listener, selectors.EVENT_READ)
        for _ in range(100):  # who waits to be accepted is
            await asyncio.sleep(0.01)
            if not waiting.select(0):
                break
        waiting.close()
        for server in self.servers:
            server.close()
        self._listener.close()
        while self.server_state.connections and time.monotonic() < deadline and not self.force_exit:
            for connection in self._connections():
                connection.close_if_idle(QUIET)
            await asyncio.sleep(0.02)
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # that they were cancelled is no news either
        for connection in self._connections():
            connection.transport.abort()
        tasks = list(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._journal.event("stopped", cut_off=len(tasks))

    def _connections(self) -> list[TimedProtocol]:
        return [each for each in self.server_state.connections if isinstance(each, TimedProtocol)]

    def _stop(self) -> None:
        if self._guard.draining:
            self.force_exit = self.should_exit = True
            return
        self._journal.event("stopping", drain=self._settings.drain, grace=self._settings.grace)
        self._service.ready = False
        self._guard.draining = True
        asyncio.get_running_loop().call_later(self._settings.drain, self._exit)

    def _exit(self) -> None:
        self.should_exit = True

    def _reload(self) -> None:
        self._reloading = asyncio.ensure_future(self._model.load(self._metrics, self._journal))


def _warm(predictor: Predictor) -> None:
    import numpy as np

    size = predictor.info.resolution
    predictor.run(np.zeros((1, size, size, 3), np.uint8))
