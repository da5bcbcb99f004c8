"""Limits that a service was given, met over HTTP."""

from __future__ import annotations

import json
import os
import signal
import socket
from contextlib import ExitStack
from pathlib import Path

from tests.images import makers
from tests.serve.load import request
from tests.serve.process import ServiceProcess, read, within

PHOTO = makers.jpeg()


def reason(answer: tuple[int, str]) -> tuple[int, str]:
    return answer[0], json.loads(answer[1])["error"]["reason"]


def hanging(service: ServiceProcess) -> tuple[int, socket.socket]:
    """Send an image to a decoder that has been stopped; its process and the connection."""
    assert service.post(PHOTO)[0] == 200
    (decoder,) = service.children()
    os.kill(decoder, signal.SIGSTOP)
    connection = service.connect()
    connection.sendall(request(service.port, PHOTO))
    assert within(5, lambda: service.metric("gingham_images_pending") == 1)
    return decoder, connection


def test_pixels(model: Path, tmp_path: Path) -> None:
    with ServiceProcess(model, tmp_path, "--max-pixels", "1000") as service:
        assert reason(service.post(PHOTO)) == (413, "too_large")
        assert service.post(makers.png())[0] == 413
        assert json.loads(service.get("/model")[1])["limits"]["max_pixels"] == 1000


def test_the_time_that_decoding_takes(model: Path, tmp_path: Path) -> None:
    with ServiceProcess(model, tmp_path, "--workers", "1", "--decode-timeout", "0.5") as service:
        decoder, connection = hanging(service)
        with connection:
            status, body = read(connection)
        assert reason((status, body)) == (413, "too_large")
        assert "0.5 seconds" in body
        assert service.post(PHOTO)[0] == 200
        assert service.metric("gingham_decoders_replaced") == 1
        assert decoder not in service.children()
        assert service.idle()


def test_a_decoder_that_crashes(model: Path, tmp_path: Path) -> None:
    with ServiceProcess(model, tmp_path, "--workers", "1") as service:
        decoder, connection = hanging(service)
        os.kill(decoder, signal.SIGKILL)
        with connection:
            status, body = read(connection)
        assert reason((status, body)) == (422, "corrupt")
        assert service.post(PHOTO)[0] == 200
        assert service.metric("gingham_decoders_replaced") == 1
        assert service.idle()


def test_all_bodies_together(model: Path, tmp_path: Path) -> None:
    """At most 8 times the largest, here 8 MiB."""
    with ServiceProcess(model, tmp_path, "--max-body", "1") as service, ExitStack() as opened:
        almost = request(service.port, bytes(1 << 20))[:-1]
        for _ in range(8):
            opened.enter_context(service.connect()).sendall(almost)
        assert within(5, lambda: service.metric("gingham_body_bytes_held") == 8 * ((1 << 20) - 1))
        status, body = service.send(almost)
        assert reason((status, body)) == (503, "overloaded")
        assert "Too much is being sent at once" in body
        opened.close()
        assert service.idle()
        assert service.post(PHOTO)[0] == 200
