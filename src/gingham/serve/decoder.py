"""A process of its own that decodes images one after the other: what crashes or explodes costs one image.

It is started by :class:`gingham.serve.workers.Decoder` and spoken to over its standard input and output. A request is
a head (`REQUEST`) and the bytes of the file; the answer a head (`ANSWER`), then the reason if it cannot be decoded.
Pixels are left in memory that both have.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import struct
import sys
from typing import BinaryIO

from gingham.errors import ImageError
from gingham.images import network_input
from gingham.records import InputRecipe, SkipReason
from gingham.serve.shared_pixels import SharedPixels

__all__ = ["ANSWER", "FITS", "INTERPOLATIONS", "REQUEST"]

REQUEST = struct.Struct("<IQIBBd")
"""Length of the file, pixels allowed, resolution, place in `FITS`, place in `INTERPOLATIONS`, crop fraction."""
ANSWER = struct.Struct("<BI")
"""Whether it was decoded, and the length of what follows: nothing, or ``reason: detail``."""
FITS = ("crop", "squash")
INTERPOLATIONS = ("bilinear", "bicubic", "lanczos", "box")


def main(memory: int, shared: int) -> None:
    """Answer requests until standard input ends.

    Parameters
    ----------
    memory : int
        Bytes that it may take in all.
    shared : int
        Descriptor of the file for the pixels.
    """
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # for the server, which ends this by closing its input
        signal.signal(each, signal.SIG_IGN)
    _end_with_the_server()
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb", buffering=0)
    _silence()
    network_input(_WARM, InputRecipe(8))
    _limit_memory(memory)
    pixels = SharedPixels(shared)
    with contextlib.suppress(BrokenPipeError):  # the server has gone
        answers.write(ANSWER.pack(1, 0))
        while len(head := requests.read(REQUEST.size)) == REQUEST.size:
            length, max_pixels, resolution, fit, interpolation, crop_fraction = REQUEST.unpack(head)
            recipe = InputRecipe(resolution, FITS[fit], crop_fraction, INTERPOLATIONS[interpolation])  # type: ignore[arg-type]
            data = requests.read(length)
            if len(data) == length:
                _answer(answers, pixels, data, recipe, max_pixels)


def _answer(answers: BinaryIO, pixels: SharedPixels, data: bytes, recipe: InputRecipe, max_pixels: int) -> None:
    try:
        pixels.square(recipe.resolution)[...] = network_input(data, recipe, max_pixels=max_pixels)
    except ImageError as error:
        _refuse(answers, str(error))
    except MemoryError:
        _refuse(answers, f"{SkipReason.TOO_LARGE}: not enough memory to decode it")
    else:
        answers.write(ANSWER.pack(1, 0))


def _refuse(answers: BinaryIO, reason: str) -> None:
    content = reason.encode("utf-8", "backslashreplace")
    left = memoryview(ANSWER.pack(0, len(content)) + content)
    while left:
        left = left[answers.write(left) :]


def _silence() -> None:
    """Let nothing that a library prints of an image come between the answers, or into the log of the server."""
    sys.stderr = os.fdopen(os.dup(2), "w")  # for Python, whose last words are those of a bug
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def _end_with_the_server() -> None:
    """Have the system end this process when the server is killed, whatever image it is at work on."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def _limit_memory(size: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size if hard < 0 else min(size, hard), hard))


# A picture of one pixel: the decoders and the resampler are loaded before the first request comes.
_WARM = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154"
                      "789c63f8ffff3f0005fe02fe0def46b80000000049454e44ae426082")  # fmt: skip

if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
