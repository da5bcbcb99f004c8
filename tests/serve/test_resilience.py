"""Overload, slow and vanishing clients, too many of them: the others are served, and nothing is left behind."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.images import makers
from tests.serve.load import Generator, Tally, request
from tests.serve.process import ServiceProcess, alive, read, within

PHOTO = makers.jpeg()


@pytest.fixture
def files(photos: Path) -> list[Path]:
    """Real photos, to be sent."""
    return sorted((photos / "clothing").glob("*/*.jpg"))[:40]


@pytest.fixture(scope="module")
def impatient(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A service that waits two seconds for a request."""
    with ServiceProcess(model, tmp_path_factory.mktemp("serve"), "--read-timeout", "2") as service:
        yield service
        assert "Traceback" not in service.log


# --- overload


def test_at_ten_times_its_capacity_it_goes_on_answering_as_many(model: Path, files: list[Path], tmp_path: Path) -> None:
    with ServiceProcess(model, tmp_path) as service:
        Generator(service.port, "closed", 8, 1, files).finish()
        before = Generator(service.port, "closed", 16, 3, files).finish()
        generator = Generator(service.port, "closed", 160, 6, files)
        lives: list[float] = []
        memory: list[int] = []
        while generator.running:
            began = time.perf_counter()
            assert service.get("/health/live")[0] == 200
            lives.append(time.perf_counter() - began)
            assert "gingham_requests_total" in service.get("/metrics")[1]
            memory.append(service.memory())
            time.sleep(0.2)
        during = generator.finish()
        assert set(during.statuses) == {200, 503}
        assert during.without_retry_after == 0
        assert during.lost == []
        assert during.goodput > 0.6 * before.goodput  # 0.9 on a machine of its own: benchmarks/overload.py
        assert sorted(lives)[len(lives) // 2] < 0.5
        assert memory[-1] < 1.1 * memory[len(memory) // 3]
        assert service.idle()
        assert "Traceback" not in service.log


def test_who_comes_again_at_once_is_answered_when_it_was_told_to(model: Path, tmp_path: Path) -> None:
    with ServiceProcess(model, tmp_path, "--queue", "1", "--workers", "1") as service:
        assert service.post(PHOTO)[0] == 200
        (decoder,) = service.children()
        os.kill(decoder, signal.SIGSTOP)
        waiting = [service.connect() for _ in range(2)]
        for connection in waiting:
            connection.sendall(request(service.port, PHOTO))
        assert within(5, lambda: service.metric("gingham_images_pending") == 2)
        with service.connect() as connection:
            began = time.monotonic()
            connection.sendall(request(service.port, PHOTO))
            assert read(connection)[0] == 503
            assert time.monotonic() - began < 0.5
            connection.sendall(request(service.port, path="/health/live"))
            assert read(connection)[0] == 200
            assert 0.9 < time.monotonic() - began < 3
        os.kill(decoder, signal.SIGCONT)
        assert [read(connection)[0] for connection in waiting] == [200, 200]
        for connection in waiting:
            connection.close()
        assert service.idle()


# --- slow clients


def dripping(port: int) -> bytes:
    return f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-Slow: ".encode()


def half_a_body(port: int) -> bytes:
    return request(port, PHOTO)[: -len(PHOTO) // 2]


def nothing(port: int) -> bytes:
    return b""


def test_slow_clients_take_nothing_from_the_others(impatient: ServiceProcess, files: list[Path]) -> None:
    Generator(impatient.port, "closed", 8, 1, files).finish()
    alone = Generator(impatient.port, "closed", 8, 2, files).finish()
    generator = Generator(impatient.port, "closed", 8, 3, files)
    slow = []
    for content in (dripping, half_a_body, nothing):
        for _ in range(100):
            connection = impatient.connect()
            connection.sendall(content(impatient.port))
            slow.append(connection)
    beside = generator.finish()
    assert set(beside.statuses) == {200}
    assert_near(beside, alone)
    assert within(6, lambda: impatient.connections() == 0)
    for connection in slow[100:200]:
        status, body = read(connection)
        assert (status, "too_slow" in body) == (408, True)
    for connection in slow:
        connection.close()
    assert impatient.idle()


def assert_near(beside: Tally, alone: Tally) -> None:
    """A factor of two on a machine of its own: benchmarks/overload.py."""
    assert beside.percentile(0.9) < 4 * alone.percentile(0.9)


@pytest.mark.parametrize(
    ("first", "then", "answer"),
    [
        (dripping, b"a", b""),
        (nothing, b"\r\n", b""),
        (half_a_body, b"a", b"HTTP/1.1 408 "),
        (lambda port: request(port, path="/health/live") + b"GET / HTTP/1.1\r\nX: ", b"a", b"HTTP/1.1 200 "),
        # The Host is wrong, and so the answer is there before the body.
        (lambda port: request(port + 1, PHOTO)[:-9], b"", b"HTTP/1.1 421 "),
    ],
    ids=["head", "blank lines", "body", "second head", "body of a request that was refused"],
)
def test_a_slow_request_ends_at_its_deadline(
    impatient: ServiceProcess, first: Callable[[int], bytes], then: bytes, answer: bytes
) -> None:
    """Bytes that come in time do not put it off."""
    with impatient.connect() as connection:
        began = time.monotonic()
        connection.sendall(first(impatient.port))
        connection.settimeout(0.3)
        received = b""
        while time.monotonic() - began < 10:
            try:
                connection.sendall(then)
                if not (part := connection.recv(1 << 16)):
                    break
                received += part
            except TimeoutError:
                pass
            except (ConnectionResetError, BrokenPipeError):
                break
        assert 1.5 < time.monotonic() - began < 5
        assert received.startswith(answer)
        assert bool(answer) == bool(received)


def test_who_does_not_read_its_answers_is_sent_away(impatient: ServiceProcess) -> None:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", impatient.port))
        connection.settimeout(10)
        began = time.monotonic()
        sent = 0
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            while time.monotonic() - began < 40:
                sent += connection.send(request(impatient.port, path="/openapi.json") * 20)
        assert time.monotonic() - began < 30
    assert impatient.idle()


# --- what is no request


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (b"hello\r\n\r\n", b"HTTP/1.1 400 "),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 400_000, b"HTTP/1.1 431 "),
        (b"\r\n" * 200_000, b"HTTP/1.1 431 "),
        (b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
         + b"X-Trailer: much\r\n" * 20_000, b"HTTP/1.1 4"),
        (b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nTransfer-Encoding: chunked\r\n\r\n"
         + b"1;" + b"e" * 400_000, b"HTTP/1.1 4"),
    ],
    ids=["no HTTP", "endless head", "endless blank lines", "endless trailers", "endless extension of a chunk"],
)  # fmt: skip
def test_what_is_no_request_is_cut_off(impatient: ServiceProcess, content: bytes, answer: bytes) -> None:
    with impatient.connect() as connection:
        received = b""
        try:
            connection.sendall(content.replace(b"%d", str(impatient.port).encode()))
            while part := connection.recv(1 << 16):
                received += part
        except (ConnectionResetError, BrokenPipeError):
            pass
        overtaken = not received and len(content) > 1 << 16  # by the reset, which what is unread brings about
        assert received.startswith(answer) or overtaken
    assert impatient.idle()


def test_an_answer_is_read_though_the_body_was_not(impatient: ServiceProcess) -> None:
    """It says that the connection ends, and still what the client sends does not reset it."""
    content = request(impatient.port + 1, bytes(4 << 20)).replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
    with impatient.connect() as connection:
        connection.sendall(content[:1000])
        time.sleep(0.2)
        connection.sendall(content[1000:])
        status, body = read(connection)
        assert (status, "unknown_host" in body) == (421, True)
        assert connection.recv(1) == b""


# --- too many connections


@pytest.mark.parametrize("content", [nothing, dripping, half_a_body])
def test_with_few_files_the_slowest_make_room(model: Path, tmp_path: Path, content: Callable[[int], bytes]) -> None:
    limited = ("bash", "-c", 'ulimit -n 256; exec "$@"', "-")
    with ServiceProcess(model, tmp_path, through=limited) as service:
        slow = []
        for _ in range(400):
            with contextlib.suppress(ConnectionResetError):  # so many at once are too many for the queue of the kernel
                slow.append(service.connect())
                slow[-1].sendall(content(service.port))
        assert within(5, lambda: service.connections() < 200)
        assert service.post(PHOTO)[0] == 200
        victim = service.children()[0]
        os.kill(victim, signal.SIGKILL)
        assert within(10, lambda: not alive(victim) and len(service.children()) > 2)
        assert [service.post(PHOTO)[0] for _ in range(4)] == [200] * 4
        for connection in slow:
            connection.close()
        assert within(5, lambda: service.connections() == 0)
        assert [service.post(PHOTO)[0] for _ in range(4)] == [200] * 4
        assert "Traceback" not in service.log


# --- clients that go


def test_clients_that_go_at_any_moment_leave_nothing(model: Path, files: list[Path], tmp_path: Path) -> None:
    rng = random.Random(0)
    with ServiceProcess(model, tmp_path) as service:
        bodies = [request(service.port, file.read_bytes()) for file in files]
        for _ in range(200):
            vanish(service, rng.choice(bodies), rng)
        assert service.idle()
        assert within(5, lambda: service.connections() == 0)
        assert service.metric("gingham_decoders_replaced") == 0
        assert service.post(PHOTO)[0] == 200
        assert "Traceback" not in service.log
        assert service.events("bug") == []
        assert 500 not in {event["status"] for event in service.events("request")}


def vanish(service: ServiceProcess, content: bytes, rng: random.Random) -> None:
    """Send some or all of a request, wait a moment, and go, with or without a word."""
    connection = service.connect()
    connection.sendall(content[: rng.choice([rng.randrange(1, 60), rng.randrange(len(content)), len(content)])])
    time.sleep(rng.choice([0, rng.uniform(0, 0.05)]))
    if rng.random() < 0.5:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close resets
    connection.close()


def test_what_nobody_waits_for_is_not_computed(model: Path, tmp_path: Path) -> None:
    with ServiceProcess(model, tmp_path, "--workers", "1") as service:
        assert service.post(PHOTO)[0] == 200
        (decoder,) = service.children()
        os.kill(decoder, signal.SIGSTOP)
        connections = [service.connect() for _ in range(20)]
        for connection in connections:
            connection.sendall(request(service.port, PHOTO))
        assert within(5, lambda: service.metric("gingham_images_pending") == 20)
        for connection in connections[:19]:
            connection.close()
        assert within(5, lambda: service.connections() <= 2)  # that of the question itself
        time.sleep(1)  # a connection that is gone is heard of a moment later
        os.kill(decoder, signal.SIGCONT)
        assert read(connections[19])[0] == 200
        connections[19].close()
        assert service.idle()
        assert service.metric("gingham_images_total") == 2
        assert [event["status"] for event in service.events("request") if event["path"] == "/predict"].count(499) == 19
