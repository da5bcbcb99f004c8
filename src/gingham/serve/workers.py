"""Threads that bring images through decoding and inference, each with a decoding process of its own."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from gingham.errors import ImageError
from gingham.export import Outputs, Predictor
from gingham.records import InputRecipe, SkipReason
from gingham.serve.decoder import ANSWER, FITS, INTERPOLATIONS, REQUEST
from gingham.serve.refusal import Refusal
from gingham.serve.shared_pixels import SharedPixels, new_file

__all__ = ["Decoder", "Job", "Workers"]

_MEMORY_OF_A_DECODER = 1 << 30
"""Beside what its pixels need: libraries, buffers and the file."""
_BYTES_PER_PIXEL = 16
"""The most that any decoder and its conversions hold at once."""
_SECONDS_TO_START = 60.0
_LONGEST_REASON = 1 << 16


@dataclass(eq=False, slots=True)
class Job:
    """One image on its way, or one that is square already.

    Parameters
    ----------
    predictor : Predictor
        Which answers it, whatever is loaded meanwhile.
    image : bytes, or uint8 array of shape (resolution, resolution, 3)
    done : callable of (job)
        Called in a worker's thread when ``outputs`` or ``error`` is there.
    cancelled : bool
        Nobody waits for it any more: it is dropped when its turn comes.
    outputs, error
        What became of it; ``error`` is the fault of the image.
    failure : Exception, optional
        A fault of the service, for whoever waits for the job.
    queued, decoded, inferred : float
        Seconds that it waited, was decoded, and was computed.
    """

    predictor: Predictor
    image: bytes | NDArray[np.uint8]
    done: Callable[[Job], None]
    cancelled: bool = False
    outputs: Outputs | None = None
    error: ImageError | None = None
    failure: Exception | None = None
    began: float = field(default_factory=time.perf_counter)
    queued: float = 0.0
    decoded: float = 0.0
    inferred: float = 0.0


class Decoder:
    """A decoding process, started when it is needed and replaced when it ends.

    Parameters
    ----------
    max_pixels : int
        An image that claims more is refused.
    seconds : float
        A decoding that takes longer is killed.
    """

    def __init__(self, max_pixels: int, seconds: float) -> None:
        self.max_pixels = max_pixels
        self.seconds = seconds
        self.replaced = 0
        self._file: BinaryIO | None = None
        self._lock = threading.Lock()
        self._deadline = float("inf")
        self._killed = False
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def absent(self) -> bool:
        """Whether the next image would have to wait for a process to start."""
        return self._process is None

    def start(self) -> None:
        """Start the process, unless it runs, and wait until it is ready.

        Raises
        ------
        OSError, EOFError
            If it cannot be started.
        """
        if self._process is not None and (self._killed or self._process.poll() is not None):
            self._replace()
        if self._process is not None:
            return
        memory = _MEMORY_OF_A_DECODER + self.max_pixels * _BYTES_PER_PIXEL
        if self._file is None:
            self._file = new_file()
            self._pixels = SharedPixels(self._file.fileno())
        shared = self._file.fileno()
        # Nothing in it computes in threads; their stacks would count as memory.
        alone = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        hidden = {name: value for name, value in os.environ.items() if not name.startswith("GINGHAM_")}
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "gingham.serve.decoder", str(memory), str(shared)],  # -P: not from this folder
            pass_fds=[shared],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=hidden | alone,
            start_new_session=True,  # Ctrl-C is meant for the server alone
        )
        _enlarge(process)
        with self._lock:
            self._process = process
        try:
            with self._within(_SECONDS_TO_START):
                self._receive(process, bytearray(ANSWER.size))
        except (OSError, EOFError):
            self.stop()
            raise

    def decode(self, data: bytes, recipe: InputRecipe) -> NDArray[np.uint8]:
        """Turn the bytes of an image file into the square that a network sees; the process must have been started.

        Returns
        -------
        uint8 array of shape (recipe.resolution, recipe.resolution, 3)
            It holds this image until the next one is decoded.

        Raises
        ------
        ImageError
            If it cannot be decoded; ``corrupt`` if the process died of it, ``too_large`` if it took too long.
        """
        assert self._process is not None
        try:
            with self._within(self.seconds):
                return self._ask(self._process, data, recipe)
        except (OSError, EOFError, ValueError) as error:  # ValueError: what it answers makes no sense
            late = self._killed
            self._replace()
            if late:
                raise ImageError(SkipReason.TOO_LARGE, f"decoding took more than {self.seconds:g} seconds") from error
            raise ImageError(SkipReason.CORRUPT, "the decoder crashed on it") from error

    def kill_if_late(self) -> None:
        """Kill the process if the image in it is overdue; from any thread."""
        with self._lock:
            if self._process is not None and time.monotonic() >= self._deadline:
                self._killed = True
                self._process.kill()

    def kill(self) -> None:
        """Kill the process, whatever it does; from any thread."""
        with self._lock:
            if self._process is not None:
                self._process.kill()

    def stop(self) -> None:
        """End the process."""
        with self._lock:
            process, self._process, self._killed = self._process, None, False
        if process is not None:
            process.kill()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    if pipe is not None:
                        pipe.close()
            process.wait()

    def close(self) -> None:
        """End the process, for good."""
        self.stop()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _replace(self) -> None:
        self.stop()
        self.replaced += 1

    @contextlib.contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        with self._lock:
            self._deadline = time.monotonic() + seconds
        try:
            yield
        finally:
            with self._lock:
                self._deadline = float("inf")

    def _ask(self, process: subprocess.Popen[bytes], data: bytes, recipe: InputRecipe) -> NDArray[np.uint8]:
        assert process.stdin is not None
        square = self._pixels.square(recipe.resolution)
        fit, interpolation = FITS.index(recipe.fit), INTERPOLATIONS.index(recipe.interpolation)
        head = REQUEST.pack(len(data), self.max_pixels, recipe.resolution, fit, interpolation, recipe.crop_fraction)
        _send(process.stdin, memoryview(head + data))
        good, length = ANSWER.unpack(self._receive(process, bytearray(ANSWER.size)))
        if length > (0 if good else _LONGEST_REASON):
            raise ValueError(f"an answer of {length} bytes")
        if good:
            return square
        reason, _, detail = self._receive(process, bytearray(length)).decode().partition(": ")
        raise ImageError(SkipReason(reason), detail)

    @staticmethod
    def _receive(process: subprocess.Popen[bytes], into: bytearray) -> bytearray:
        assert process.stdout is not None
        left = memoryview(into)
        while left:
            count = process.stdout.readinto(left)  # type: ignore[attr-defined]
            if not count:
                raise EOFError("the decoder ended")
            left = left[count:]
        return into


class Workers:
    """A fixed number of threads that take jobs in the order in which they came.

    Parameters
    ----------
    count : int
    max_pixels : int
    seconds : float
        As for `Decoder`.
    """

    def __init__(self, count: int, max_pixels: int, seconds: float) -> None:
        self._waiting: deque[Job] = deque()
        self._idle: list[queue.SimpleQueue[Job | None]] = []
        self._lock = threading.Lock()
        self.decoders = [Decoder(max_pixels, seconds) for _ in range(count)]
        self._threads = [threading.Thread(target=self._work, args=(each,), daemon=True) for each in self.decoders]
        self._stopping = threading.Event()
        self._watch = threading.Thread(target=self._kill_the_late, daemon=True)

    def start(self) -> None:
        """Start threads and processes, without waiting for them."""
        for thread in (*self._threads, self._watch):
            thread.start()

    def stop(self) -> None:
        """End threads and processes, whatever they do: nobody waits for an answer any more."""
        self._stopping.set()
        with self._lock:
            while self._idle:
                self._idle.pop().put(None)
        for thread, decoder in zip(self._threads, self.decoders, strict=True):
            while thread.is_alive():
                decoder.kill()
                thread.join(0.05)
        self._watch.join()

    def submit(self, job: Job) -> None:
        """Give a job to the idle worker that was at work last, whose memory is still in the caches; or let it wait."""
        with self._lock:
            if self._idle:
                self._idle.pop().put(job)
            else:
                self._waiting.append(job)

    @property
    def replaced(self) -> int:
        """How many decoding processes died or were killed so far."""
        return sum(decoder.replaced for decoder in self.decoders)

    def _work(self, decoder: Decoder) -> None:
        inbox: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        while not self._stopping.is_set():
            if decoder.absent:
                with contextlib.suppress(OSError, EOFError):  # the next image tries again, and says so
                    decoder.start()
            job = self._next(inbox)
            if job is not None and not self._stopping.is_set():
                if not job.cancelled:
                    _do(job, decoder)
                job.done(job)
        decoder.close()

    def _next(self, inbox: queue.SimpleQueue[Job | None]) -> Job | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            if self._stopping.is_set():
                return None
            self._idle.append(inbox)
        return inbox.get()

    def _kill_the_late(self) -> None:
        while not self._stopping.wait(0.1):
            for decoder in self.decoders:
                decoder.kill_if_late()


def _do(job: Job, decoder: Decoder) -> None:
    began = time.perf_counter()
    job.queued = began - job.began
    try:
        square = job.image
        if isinstance(square, bytes):
            _ensure(decoder)
            square = decoder.decode(square, job.predictor.info.recipe)
        decoded = time.perf_counter()
        job.decoded = decoded - began
        job.outputs = job.predictor.run(square[None])
        job.inferred = time.perf_counter() - decoded
    except ImageError as error:
        job.error = error
    except Exception as error:  # a bug; the thread must go on
        job.failure = error


def _ensure(decoder: Decoder) -> None:
    try:
        decoder.start()
    except (OSError, EOFError) as error:
        message = "No process can be started in which to decode images. Try again in a second."
        raise Refusal(503, "overloaded", message, {"Retry-After": "1"}) from error


def _send(pipe: Any, content: memoryview) -> None:
    while content:
        content = content[pipe.write(content) :]


def _enlarge(process: subprocess.Popen[bytes]) -> None:
    """Let a whole picture fit into the pipe, so that nobody waits for somebody to read the rest."""
    if sys.platform == "linux":
        import fcntl

        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):  # a user may hold only so much in pipes
                fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, 1 << 20)
