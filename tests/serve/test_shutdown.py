"""The end of the service: nothing that it has accepted is lost, and nothing holds it up."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.images import makers
from tests.serve.load import Tally, closed_loop, request
from tests.serve.process import ServiceProcess, alive, contents, read, within

PHOTO = makers.jpeg()


@pytest.fixture
def files(photos: Path) -> list[Path]:
    """Real photos, to be sent."""
    return sorted((photos / "clothing").glob("*/*.jpg"))[:20]


def load_until_the_end(service: ServiceProcess, bodies: list[bytes], number: int, after: float) -> list[Tally]:
    """Busy, new, and half-idle connections; a signal comes in the midst of it."""
    live = [request(service.port, path="/health/live")]

    async def main() -> list[Tally]:
        asyncio.get_running_loop().call_later(after, os.kill, service.pid, number)
        return await asyncio.gather(
            closed_loop(service.port, bodies, 16, 60),
            closed_loop(service.port, live + bodies[:2], 6, 60, keep=False),
            closed_loop(service.port, live, 6, 60, pause=0.3),
            closed_loop(service.port, live, 6, 60, pause=0.6),
        )

    return asyncio.run(main())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("flags", [(), ("--drain", "1")], ids=["at once", "drained"])
def test_no_request_is_lost(
    model: Path, files: list[Path], tmp_path: Path, number: signal.Signals, flags: tuple[str, ...]
) -> None:
    with ServiceProcess(model, tmp_path, *flags) as service:
        children = service.children()
        tallies = load_until_the_end(service, contents(service.port, files), number, 0.6)
        assert [tally.lost for tally in tallies] == [[], [], [], []]
        assert all(set(tally.statuses) == {200} for tally in tallies)
        assert service.process.wait(10) == 0
        assert not any(map(alive, children))
        assert [event["cut_off"] for event in service.events("stopped")] == [0]


def test_while_it_drains_it_answers_but_is_not_ready(model: Path, tmp_path: Path) -> None:
    with ServiceProcess(model, tmp_path, "--drain", "4") as service:
        assert service.get("/health/ready")[0] == 200
        os.kill(service.pid, signal.SIGTERM)
        assert within(1, lambda: service.get("/health/ready")[0] == 503)
        assert service.get("/health/live")[0] == 200
        assert service.post(PHOTO)[0] == 200
        assert service.process.wait(10) == 0


def unread(service: ServiceProcess) -> socket.socket:
    """A client that takes none of the answer."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", service.port))
    connection.sendall(request(service.port, path="/openapi.json") * 20)
    return connection


def half_sent(service: ServiceProcess) -> socket.socket:
    """A client that does not go on with its body."""
    connection = service.connect()
    connection.sendall(request(service.port, PHOTO)[:-10])
    return connection


@pytest.mark.parametrize("stuck", [unread, half_sent])
def test_a_stuck_client_holds_it_up_no_longer_than_the_grace(model: Path, tmp_path: Path, stuck: object) -> None:
    with ServiceProcess(model, tmp_path, "--grace", "1") as service, stuck(service):  # type: ignore[operator]
        time.sleep(0.3)
        began = time.monotonic()
        assert service.end() == 0
        assert 0.9 < time.monotonic() - began < 4
        assert "Traceback" not in service.log


def test_a_second_signal_ends_it_at_once(model: Path, tmp_path: Path) -> None:
    """An image is being decoded, and others wait; the processes end with it all the same."""
    with ServiceProcess(model, tmp_path, "--workers", "1") as service:
        assert service.post(PHOTO)[0] == 200
        (decoder,) = service.children()
        os.kill(decoder, signal.SIGSTOP)
        connections = [half_sent(service), *(service.connect() for _ in range(3))]
        for connection in connections[1:]:
            connection.sendall(request(service.port, PHOTO))
        assert within(5, lambda: service.metric("gingham_images_pending") == 3)
        os.kill(service.pid, signal.SIGTERM)
        assert within(5, lambda: bool(service.events("stopping")))
        began = time.monotonic()
        assert service.end() == 0
        assert time.monotonic() - began < 4
        for connection in connections:
            connection.close()
        assert "Traceback" not in service.log
        assert "Exception" not in service.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("after", [0.2, 0.7, 1.4])
def test_a_signal_while_it_starts_ends_it(model: Path, tmp_path: Path, number: signal.Signals, after: float) -> None:
    service = ServiceProcess(model, tmp_path)
    try:
        time.sleep(after)
        children = service.children()
        os.kill(service.pid, number)
        assert service.process.wait(10) in (0, 130, -number)
        assert within(5, lambda: not any(map(alive, children)))
        assert "Traceback" not in service.log or after < 0.5  # before Python has come so far as to catch it
    finally:
        service.__exit__(None, None, None)


def test_killed_it_leaves_no_process(model: Path, tmp_path: Path) -> None:
    with ServiceProcess(model, tmp_path) as service:
        assert service.post(PHOTO)[0] == 200
        assert service.end(signal.SIGKILL) == -signal.SIGKILL
        assert "Traceback" not in service.log


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends the children of a process that is killed")
def test_killed_it_leaves_not_even_a_process_that_hangs(model: Path, tmp_path: Path) -> None:
    with ServiceProcess(model, tmp_path) as service:
        assert service.post(PHOTO)[0] == 200
        children = service.children()
        assert children
        for child in children:
            os.kill(child, signal.SIGSTOP)
        assert service.end(signal.SIGKILL) == -signal.SIGKILL
        assert within(10, lambda: not any(map(alive, children)))


def test_what_waits_to_be_accepted_is_answered(tmp_path: Path) -> None:
    """A listener whose newcomers are refused still has those who were there before; the others try in vain."""
    program = """
import socket, sys
from gingham.serve.listener import listen, refuse_newcomers
listener = listen("127.0.0.1", 0)
listener.listen(10)
before = socket.create_connection(listener.getsockname())
refuse_newcomers(listener)
after = socket.socket()
after.settimeout(0.3)
try:
    after.connect(listener.getsockname())
except TimeoutError:
    before.sendall(b"still here")
    print(listener.accept()[0].recv(100).decode())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout == "still here\n"


def test_a_request_that_comes_as_its_connection_is_closed_is_answered(model: Path, tmp_path: Path) -> None:
    """A connection that has been idle is closed at the end, unless a request lies in it unread."""
    with ServiceProcess(model, tmp_path) as service, service.connect() as connection:
        connection.sendall(request(service.port, path="/health/live"))
        assert read(connection)[0] == 200
        time.sleep(1.2)
        os.kill(service.pid, signal.SIGSTOP)
        os.kill(service.pid, signal.SIGTERM)
        connection.sendall(request(service.port, PHOTO))
        os.kill(service.pid, signal.SIGCONT)
        assert read(connection)[0] == 200
        assert service.process.wait(10) == 0
