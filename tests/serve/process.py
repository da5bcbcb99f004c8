"""A service as a process that a test may signal, starve, and kill, and what can be seen of it from outside."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.serve.load import request


class ServiceProcess:
    """``gingham serve MODEL``, on a free port.

    Parameters
    ----------
    model : Path
    folder : Path
        For its log, ``serve.log``.
    flags : str
    through : sequence of str
        A command line that runs the one given after it, such as a shell that sets limits.
    """

    def __init__(self, model: Path, folder: Path, *flags: str, through: Sequence[str] = ()) -> None:
        self.log_file = folder / "serve.log"
        self._began = self.log_file.stat().st_size if self.log_file.exists() else 0
        command = [*through, sys.executable, "-m", "gingham", "serve", str(model), "--port", "0", "--json", *flags]
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL)
        self.pid = self.process.pid

    def opened(self) -> ServiceProcess:
        """Wait until it answers."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.log
        self.port = int(json.loads(line)["url"].rpartition(":")[2])
        return self

    def __enter__(self) -> ServiceProcess:
        try:
            return self.opened()
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    @property
    def log(self) -> str:
        """What it has written on standard error."""
        return self.log_file.read_bytes()[self._began :].decode()

    def events(self, name: str) -> list[dict[str, Any]]:
        """The lines of the log about one kind of event."""
        lines = (json.loads(line) for line in self.log.splitlines())
        return [line for line in lines if line["event"] == name]

    def children(self) -> list[int]:
        """Its processes that decode."""
        return children_of(self.pid)

    def get(self, path: str) -> tuple[int, str]:
        """Ask for something; status and body."""
        return self.send(request(self.port, path=path))

    def post(self, image: bytes) -> tuple[int, str]:
        """Have one image predicted; status and body."""
        return self.send(request(self.port, image))

    def send(self, content: bytes) -> tuple[int, str]:
        """Send bytes on a connection of their own and read the answer."""
        with self.connect() as connection:
            connection.sendall(content)
            return read(connection)

    def connect(self) -> socket.socket:
        """Open a connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        _, page = self.get("/metrics")
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", page, re.MULTILINE))

    def idle(self, seconds: float = 20.0) -> bool:
        """Wait until nothing is on its way any more; the one request in flight is that for the metrics."""
        gauges = ("gingham_images_pending", "gingham_body_bytes_held")
        return within(
            seconds,
            lambda: not any(map(self.metric, gauges)) and self.metric("gingham_requests_in_flight") == 1,
        )

    def connections(self) -> int:
        """Connections that the server has not let go yet, seen from the table of the kernel."""
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        return sum(
            int(line.split()[1].rpartition(":")[2], 16) == self.port and line.split()[3] in ("01", "08")
            for line in lines
        )

    def memory(self) -> int:
        """Bytes in memory, of it and its children."""
        found = 0
        for pid in (self.pid, *self.children()):
            status = Path(f"/proc/{pid}/status").read_text()
            found += int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) << 10
        return found

    def end(self, number: int = signal.SIGTERM, seconds: float = 30.0) -> int:
        """Signal it and wait for its exit status; its children must be gone then."""
        children = self.children()
        os.kill(self.pid, number)
        status = self.process.wait(seconds)
        assert within(5, lambda: not any(map(alive, children)))
        return status


def read(connection: socket.socket) -> tuple[int, str]:
    """Read one answer; status and body."""
    with connection.makefile("rb") as stream:
        status = int(stream.readline().split()[1])
        length = 0
        while (line := stream.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        return status, stream.read(length).decode()


def children_of(pid: int) -> list[int]:
    """The processes that one has started."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        found += map(int, task.read_text().split())
    return found


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def within(seconds: float, condition: Any) -> bool:
    """Wait until something holds; whether it does in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def contents(port: int, files: Iterable[Path]) -> list[bytes]:
    """Requests with one image each."""
    return [request(port, file.read_bytes()) for file in files]
