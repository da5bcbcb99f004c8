"""The process that decodes: what it answers, what it withstands, and when it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from gingham.errors import ImageError
from gingham.images import network_input
from gingham.records import InputRecipe, SkipReason
from gingham.serve.decoder import REQUEST
from gingham.serve.shared_pixels import new_file
from gingham.serve.workers import Decoder
from tests.images import makers
from tests.serve.process import alive, within

RECIPE = InputRecipe(32)
PHOTO = makers.jpeg()
GOOD, BAD = makers.good_files(), makers.bad_files()


@contextmanager
def started(max_pixels: int = 90_000_000) -> Iterator[Decoder]:
    decoder = Decoder(max_pixels, seconds=10)
    try:
        decoder.start()
        yield decoder
    finally:
        decoder.close()


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    """A decoder that has started, for a test that does it harm."""
    with started() as decoder:
        yield decoder


@pytest.fixture(scope="module")
def shared() -> Iterator[Decoder]:
    """One for tests that only decode."""
    with started() as decoder:
        yield decoder


def process_of(decoder: Decoder) -> int:
    assert decoder._process is not None
    return decoder._process.pid


@pytest.mark.parametrize("name", GOOD)
def test_pixels_are_those_of_training(shared: Decoder, name: str) -> None:
    data = GOOD[name]
    assert np.array_equal(shared.decode(data, RECIPE), network_input(data, RECIPE))


def test_a_network_of_another_size_has_its_square_too(shared: Decoder) -> None:
    for size in (32, 320, 64):  # it grows, and then only a part is used
        recipe = InputRecipe(size)
        assert np.array_equal(shared.decode(PHOTO, recipe), network_input(PHOTO, recipe))


@pytest.mark.parametrize("recipe", [InputRecipe(48, "squash"), InputRecipe(20, "crop", 0.875, "bilinear")])
def test_every_part_of_a_recipe_arrives(shared: Decoder, recipe: InputRecipe) -> None:
    assert np.array_equal(shared.decode(PHOTO, recipe), network_input(PHOTO, recipe))


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_has_its_reason_and_costs_nobody_else(shared: Decoder, name: str) -> None:
    data, reason = BAD[name]
    with pytest.raises(ImageError) as error:
        shared.decode(data, RECIPE)
    assert error.value.reason == reason
    assert shared.decode(PHOTO, RECIPE).shape == (32, 32, 3)
    assert shared.replaced == 0


def test_a_large_picture_fits_into_its_memory(shared: Decoder) -> None:
    picture = makers.png(np.zeros((8000, 8000, 3), np.uint8), compress_level=1)
    assert shared.decode(picture, RECIPE).shape == (32, 32, 3)


def test_a_bomb_is_refused_without_its_pixels(decoder: Decoder) -> None:
    """A file of some kilobytes that would become 4 gigabytes."""
    with pytest.raises(ImageError) as error:
        decoder.decode(makers.png_claiming(40_000, 40_000), RECIPE)
    assert error.value.reason == SkipReason.TOO_LARGE
    status = Path(f"/proc/{process_of(decoder)}/status").read_text()
    assert int(status.partition("VmHWM:")[2].split()[0]) < 300_000  # kB


def test_what_needs_more_memory_than_there_is_is_too_large() -> None:
    with started(max_pixels=1) as decoder:  # and so the limit is that for no pixels at all
        decoder.max_pixels = 1 << 40
        with pytest.raises(ImageError) as error:
            decoder.decode(makers.png_claiming(40_000, 40_000), RECIPE)
        assert error.value.reason == SkipReason.TOO_LARGE
        assert "memory" in str(error.value)
        assert decoder.decode(PHOTO, RECIPE).shape == (32, 32, 3)
        assert decoder.replaced == 0


def test_killed_at_work_it_costs_one_image(decoder: Decoder) -> None:
    process = process_of(decoder)
    os.kill(process, signal.SIGSTOP)
    threading.Timer(0.2, os.kill, (process, signal.SIGKILL)).start()
    with pytest.raises(ImageError) as error:
        decoder.decode(PHOTO, RECIPE)
    assert error.value.reason == SkipReason.CORRUPT
    decoder.start()
    assert decoder.decode(PHOTO, RECIPE).shape == (32, 32, 3)
    assert decoder.replaced == 1


def test_killed_while_it_waits_it_costs_none(decoder: Decoder) -> None:
    os.kill(process_of(decoder), signal.SIGKILL)
    assert within(5, lambda: not alive(process_of(decoder)))
    decoder.start()
    assert decoder.decode(PHOTO, RECIPE).shape == (32, 32, 3)
    assert decoder.replaced == 1


@pytest.mark.parametrize("size", [1, 1 << 24])
def test_what_hangs_is_killed_at_the_deadline(decoder: Decoder, size: int) -> None:
    """While it reads the file, which does not fit into the pipe, as well as afterwards."""
    decoder.seconds = 0.3
    os.kill(process_of(decoder), signal.SIGSTOP)
    stop = threading.Event()
    watch = threading.Thread(target=lambda: [decoder.kill_if_late() for _ in iter(lambda: stop.wait(0.02), True)])
    watch.start()
    began = time.monotonic()
    try:
        with pytest.raises(ImageError) as error:
            decoder.decode(bytes(size), RECIPE)
    finally:
        stop.set()
        watch.join()
    assert error.value.reason == SkipReason.TOO_LARGE
    assert "0.3 seconds" in str(error.value)
    assert time.monotonic() - began < 2


def test_one_that_was_killed_after_its_answer_is_replaced(decoder: Decoder) -> None:
    """The image was done just as the deadline passed: the next one must not pay for it."""
    decoder.decode(PHOTO, RECIPE)
    killed = process_of(decoder)
    decoder._deadline = 0.0
    decoder.kill_if_late()
    decoder._deadline = float("inf")
    decoder.start()
    assert (decoder.replaced, process_of(decoder) == killed) == (1, False)
    assert decoder.decode(PHOTO, RECIPE).shape == (32, 32, 3)


def test_signals_for_the_server_do_not_reach_it(decoder: Decoder) -> None:
    process = process_of(decoder)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(process, number)
    assert os.getpgid(process) != os.getpgid(os.getpid())
    assert decoder.decode(PHOTO, RECIPE).shape == (32, 32, 3)
    assert process_of(decoder) == process


@pytest.mark.parametrize(
    "sent",
    [b"", b"\0" * (REQUEST.size - 1), REQUEST.pack(1000, 1000, 32, 0, 0, 1.0) + b"half",
     REQUEST.pack(len(PHOTO), 1 << 30, 32, 0, 0, 1.0) + PHOTO],
    ids=["nothing", "half a head", "half a file", "a file, and nobody reads"],
)  # fmt: skip
def test_it_ends_in_silence_with_the_server(sent: bytes) -> None:
    with new_file() as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "gingham.serve.decoder", str(4 << 30), str(file.fileno())],
            pass_fds=[file.fileno()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        process.stdout.close()
        process.stdin.write(sent)
        process.stdin.close()
        process.stdin = None
        assert process.stderr.read() == b""
        assert process.wait(10) == 0


def test_no_module_of_the_current_folder_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "PIL.py").write_text("raise SystemExit('taken over')")
    (tmp_path / "struct.py").write_text("raise SystemExit('taken over')")
    monkeypatch.chdir(tmp_path)
    with started() as decoder:
        assert decoder.decode(PHOTO, RECIPE).shape == (32, 32, 3)


NONSENSE = {
    "something after a good answer": "<BI, 1, 5",
    "too long a reason": "<BI, 0, 2**31",
    "an unknown reason": "<BI5s, 0, 5, b'magic'",
    "a reason that is no text": "<BI2s, 0, 2, bytes([255, 255])",
}


@pytest.mark.parametrize("answer", NONSENSE.values(), ids=NONSENSE)
def test_one_that_answers_nonsense_is_replaced(answer: str, decoder: Decoder) -> None:
    shape, _, values = answer.partition(", ")
    program = f"import os, struct, time; os.read(0, 9); os.write(1, struct.pack('{shape}', {values})); time.sleep(60)"
    decoder.stop()
    pipe = subprocess.PIPE
    decoder._process = subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, bufsize=0)
    with pytest.raises(ImageError) as refused:
        decoder.decode(PHOTO, RECIPE)
    assert refused.value.reason is SkipReason.CORRUPT
    assert decoder.replaced == 1
    decoder.start()
    assert decoder.decode(PHOTO, RECIPE).shape == (32, 32, 3)
