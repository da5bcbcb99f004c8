"""A generator of requests that costs little beside the service: raw HTTP/1.1 on kept connections, no client library.

``python -m tests.serve.load PORT {closed,open} CLIENTS-OR-RATE SECONDS FILE...`` runs it in a process of its own and
prints what came back as JSON; :class:`Generator` does that.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Tally:
    """What came back of many requests.

    ``lost`` holds what was written on an open connection and got no complete answer; ``processor_seconds`` is what the
    asking itself took.
    """

    seconds: float = 0.0
    processor_seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: dict[int, list[float]] = field(default_factory=dict)
    without_retry_after: int = 0
    unconnected: int = 0
    lost: list[str] = field(default_factory=list)
    late: int = 0

    def add(self, answer: Answer, seconds: float) -> None:
        """Count one answer."""
        self.statuses[answer.status] += 1
        self.latencies.setdefault(answer.status, []).append(seconds)
        if answer.status == 503 and "retry-after" not in answer.headers:
            self.without_retry_after += 1

    @property
    def goodput(self) -> float:
        """Requests answered 200 in a second."""
        return self.statuses[200] / self.seconds

    def percentile(self, share: float, status: int = 200) -> float:
        """Seconds within which such a share of the answers came."""
        ordered = sorted(self.latencies.get(status, [0.0]))
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def to_json(self) -> str:
        """Return it as one line."""
        return json.dumps(vars(self))

    @classmethod
    def from_json(cls, text: str) -> Tally:
        """Read what :meth:`to_json` wrote."""
        fields = json.loads(text)
        fields["statuses"] = Counter({int(status): count for status, count in fields["statuses"].items()})
        fields["latencies"] = {int(status): each for status, each in fields["latencies"].items()}
        return cls(**fields)


def request(port: int, body: bytes = b"", path: str = "/predict", kind: str = "application/octet-stream") -> bytes:
    """Return the bytes of a POST, or of a GET where there is no body."""
    head = f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    if body:
        head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


class Connection:
    """One connection, opened again when the server has closed it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def ask(self, content: bytes) -> Answer:
        """Send a request and wait for its answer.

        Raises
        ------
        ConnectionRefusedError
            If no connection could be made.
        ConnectionResetError, asyncio.IncompleteReadError
            If there is no complete answer.
        """
        if self.reader is None or self.writer is None or self.reader.at_eof() or self.writer.is_closing():
            self.close()
            try:
                self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError as error:
                raise ConnectionRefusedError(*error.args) from error
        self.writer.write(content)
        answer = await read_answer(self.reader)
        if answer.headers.get("connection") == "close":
            self.close()
        return answer

    def close(self) -> None:
        """Hang up."""
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """Read one answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").rstrip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    return Answer(int(first[9:12]), headers, await reader.readexactly(int(headers["content-length"])))


async def closed_loop(
    port: int,
    contents: Sequence[bytes],
    clients: int,
    seconds: float,
    *,
    check: Callable[[Answer, bytes], None] | None = None,
    keep: bool = True,
    pause: float = 0.0,
    times: int | None = None,
) -> Tally:
    """Let so many clients ask, each again as soon as it has an answer, until the time is over, or so many times.

    A client that can connect no more ends. Without ``keep``, each request has a connection of its own.
    """
    tally = Tally()
    began = time.perf_counter()

    async def client(place: int) -> None:
        connection = Connection(port)
        end = None if times is None else place + times
        while (start := time.perf_counter()) - began < seconds and place != end:
            place += 1
            content = contents[place % len(contents)]
            try:
                answer = await connection.ask(content)
            except ConnectionRefusedError:
                tally.unconnected += 1
                return
            except (OSError, asyncio.IncompleteReadError) as error:
                tally.lost.append(f"{time.perf_counter() - start:.3f} s: {error!r}")
                connection.close()
                continue
            tally.add(answer, time.perf_counter() - start)
            if check is not None:
                check(answer, content)
            if not keep:
                connection.close()
            if pause:
                await asyncio.sleep(pause)
        connection.close()

    await asyncio.gather(*(client(place * 37) for place in range(clients)))
    tally.seconds = time.perf_counter() - began
    return tally


async def open_loop(port: int, contents: Sequence[bytes], rate: float, seconds: float) -> Tally:
    """Ask so often in a second, whatever comes back; ``late`` counts requests that were not sent when they should."""
    tally = Tally()
    idle: list[Connection] = []
    asked: set[asyncio.Task[None]] = set()
    began = time.perf_counter()

    async def one(content: bytes) -> None:
        connection = idle.pop() if idle else Connection(port)
        start = time.perf_counter()
        try:
            answer = await connection.ask(content)
        except ConnectionRefusedError:
            tally.unconnected += 1
        except (OSError, asyncio.IncompleteReadError) as error:
            tally.lost.append(f"{time.perf_counter() - start:.3f} s: {error!r}")
            connection.close()
        else:
            tally.add(answer, time.perf_counter() - start)
            idle.append(connection)

    for place in range(int(rate * seconds)):
        due = began + place / rate
        while (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        tally.late += wait < -0.1
        task = asyncio.create_task(one(contents[place % len(contents)]))
        asked.add(task)
        task.add_done_callback(asked.discard)
        if place % 16 == 0:
            await asyncio.sleep(0)
    await asyncio.gather(*asked)
    tally.seconds = time.perf_counter() - began
    for connection in idle:
        connection.close()
    return tally


class Generator:
    """A load in a process of its own, from now on; ``kind`` is ``closed`` (so many clients) or ``open`` (a rate)."""

    def __init__(self, port: int, kind: str, amount: float, seconds: float, files: Sequence[Path]) -> None:
        self._out = tempfile.TemporaryFile("w+")  # noqa: SIM115  until finish
        command = [sys.executable, "-m", "tests.serve.load", str(port), kind, str(amount), str(seconds)]
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen([*command, *map(str, files)], stdout=self._out, cwd=root)

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self._process.poll() is None

    def finish(self) -> Tally:
        """Wait for the end and return what came back."""
        with self._out:
            assert self._process.wait() == 0
            self._out.seek(0)
            return Tally.from_json(self._out.read())


def main(port: str, kind: str, amount: str, seconds: str, *files: str) -> None:
    """Run one load and print what came back."""
    contents = [request(int(port), Path(file).read_bytes()) for file in files]
    before = time.process_time()
    if kind == "closed":
        tally = asyncio.run(closed_loop(int(port), contents, int(float(amount)), float(seconds)))
    else:
        tally = asyncio.run(open_loop(int(port), contents, float(amount), float(seconds)))
    tally.processor_seconds = time.process_time() - before
    print(tally.to_json())  # noqa: T201


if __name__ == "__main__":
    import uvloop

    uvloop.install()
    main(*sys.argv[1:])
