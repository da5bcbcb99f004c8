"""Writing the sample to disk: whole files only, in several processes, again where it was left off."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gingham.collect.sample.plan import COUNTS, Entry, plan, render
from gingham.errors import UnavailableError, UsageError

__all__ = ["SampleSummary", "render_sample", "work"]

Progress = Callable[[int, int], None]

_MARKER = "SOURCE.txt"
_STAGING = ".rendering"
_HARMLESS = {".DS_Store", "Thumbs.db", "desktop.ini", _STAGING}
_NOTE = """\
Gingham sample, rendering 1, seed {seed}

These pictures are computed, not photographed: garments with a dotted, a leopard or a striped pattern, made
for trying out Gingham. Like a real folder, this one holds a few copies of the same picture and one broken
file. `gingham sample` writes it anew, file for file the same.
"""


@dataclass(frozen=True, slots=True)
class SampleSummary:
    """What `render_sample` left behind.

    Parameters
    ----------
    directory : Path
    images : dict of str to int
        Readable images of each class.
    rendered, kept : int
        Files that were written now, and files that were already there; together all files.
    corrupt : tuple of str
        The files that cannot be read, on purpose; relative to ``directory``.
    size : int
        Bytes of all files.
    """

    directory: Path
    images: dict[str, int]
    rendered: int
    kept: int
    corrupt: tuple[str, ...]
    size: int


def render_sample(directory: Path, seed: int = 0, workers: int = 2, progress: Progress | None = None) -> SampleSummary:
    """Write the built-in example dataset, one folder for each class.

    The same seed gives the same bytes with the same versions of numpy, scipy and Pillow, whatever
    ``workers`` is. Each file appears whole, by one rename; a rendering that was broken off is completed by
    the next call, and a complete one is left as it is.

    Parameters
    ----------
    directory : Path
        New, empty, or an earlier rendering with the same seed.
    seed : int
        Not negative.
    workers : int
        Processes that render. 1 renders in this process.
    progress : callable, optional
        Called with the number of files that are there and of all files, after each.

    Returns
    -------
    SampleSummary

    Raises
    ------
    UsageError
        ``directory`` holds something else, or the seed or the number of workers is out of range.
    UnavailableError
        A file cannot be written.
    """
    if seed < 0:
        raise UsageError(f"seed must be 0 or more, not {seed}")
    if workers < 1:
        raise UsageError(f"workers must be 1 or more, not {workers}")
    entries = plan(seed)
    note = _NOTE.format(seed=seed)
    _refuse_foreign(directory, note)
    missing = [entry for entry in entries if not _is_whole(directory / entry.path, entry)]
    done = kept = len(entries) - len(missing)
    if missing:
        try:
            _write(directory, _MARKER, note.encode())
            with _rendered(missing, seed, workers) as pictures:
                for entry, data in pictures:
                    _write(directory, entry.path, data)
                    done += 1
                    if progress is not None:
                        progress(done, len(entries))
        finally:
            _clear(directory / _STAGING, {_MARKER, *(Path(entry.path).name for entry in entries)})
    return SampleSummary(
        directory=directory,
        images=dict(COUNTS),
        rendered=len(missing),
        kept=kept,
        corrupt=tuple(entry.path for entry in entries if entry.kind == "truncated"),
        size=sum((directory / entry.path).stat().st_size for entry in entries),
    )


def work(seed: int) -> None:
    """Render in a process of its own: indices of entries come in as lines, pictures go out behind their length."""
    entries = plan(seed)
    for line in sys.stdin.buffer:
        data = render(entries[int(line)], seed)
        sys.stdout.buffer.write(len(data).to_bytes(8, "big") + data)
        sys.stdout.buffer.flush()


def _refuse_foreign(directory: Path, note: str) -> None:
    """Raise unless the folder is new, empty, or holds this very sample."""
    if not directory.exists():
        return
    if not directory.is_dir():
        raise UsageError(f"{directory} is a file. Name a new or an empty folder for the sample.")
    marker = directory / _MARKER
    if marker.is_file():
        found = marker.read_text(encoding="utf-8", errors="replace")
        if found == note:
            return
        if found.startswith("Gingham sample"):
            raise UsageError(
                f"{directory} holds another rendering ({found.splitlines()[0]}). Name another folder or delete it."
            )
    foreign = sorted(path.name for path in directory.iterdir() if path.name not in _HARMLESS)
    if foreign:
        raise UsageError(
            f"{directory} is not empty: it holds {foreign[0]!r}. The sample is written only into a new or an "
            "empty folder; name another one."
        )


def _is_whole(path: Path, entry: Entry) -> bool:
    """Tell whether a file is there from its first to its last byte (a power cut may leave holes)."""
    if not path.is_file():
        return False
    data = path.read_bytes()
    return data.startswith(b"\xff\xd8") and data.endswith(b"\xff\xd9") != (entry.kind == "truncated")


def _write(directory: Path, name: str, data: bytes) -> None:
    """Write a file whole, by one rename."""
    path = directory / name
    part = directory / _STAGING / f"{path.name}.{os.getpid()}"
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        raise UnavailableError(
            f"cannot write {path}: {error.strerror}. What was written so far is kept; "
            "mend this and run the same command again to complete the sample."
        ) from error


def _clear(staging: Path, names: set[str]) -> None:
    """Remove what this or an earlier rendering was writing when it ended; a folder of that name may be the user's."""
    with suppress(OSError):
        for file in staging.iterdir():
            name, _, process = file.name.rpartition(".")
            if name in names and process.isdecimal() and file.is_file():
                file.unlink(missing_ok=True)
        staging.rmdir()


@contextmanager
def _rendered(entries: Sequence[Entry], seed: int, workers: int) -> Iterator[Iterator[tuple[Entry, bytes]]]:
    """Give the pictures of ``entries`` as they become ready, in any order."""
    workers = min(workers, -(-len(entries) // 8))
    if workers == 1 or not sys.executable:
        yield ((entry, render(entry, seed)) for entry in entries)
        return
    # Plain child processes instead of multiprocessing: that one imports the caller's main module again, which
    # fails from standard input and in scripts without a guard, or forks a process that may hold threads.
    code = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); " + (
        f"from gingham.collect.sample.dataset import work; work({seed})"
    )
    command = [sys.executable, "-c", code, json.dumps(sys.path)]
    index = {entry: number for number, entry in enumerate(plan(seed))}
    waiting: queue.SimpleQueue[Entry] = queue.SimpleQueue()
    for entry in entries:
        waiting.put(entry)
    ready: queue.SimpleQueue[tuple[Entry, bytes] | None] = queue.SimpleQueue()
    # A session of their own: an interrupt reaches this process alone, which then ends them. If this process
    # is killed, their input ends, and they with it.
    children = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=os.name == "posix")
        for _ in range(workers)
    ]

    def serve(child: subprocess.Popen[bytes]) -> None:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            while True:
                entry = waiting.get_nowait()
                child.stdin.write(b"%d\n" % index[entry])
                child.stdin.flush()
                size = child.stdout.read(8)
                data = child.stdout.read(int.from_bytes(size, "big"))
                if len(size) < 8 or len(data) < int.from_bytes(size, "big"):
                    ready.put(None)
                    return
                ready.put((entry, data))
        except queue.Empty:
            return
        except (OSError, ValueError):  # the child has gone
            ready.put(None)

    def arrive() -> Iterator[tuple[Entry, bytes]]:
        for _ in entries:
            picture = ready.get()
            if picture is None:
                raise UnavailableError(
                    "a process that renders the sample ended early (out of memory?). Run the same command again; "
                    "what was written so far is kept."
                )
            yield picture

    threads = [threading.Thread(target=serve, args=(child,), daemon=True) for child in children]
    for thread in threads:
        thread.start()
    try:
        yield arrive()
    finally:
        for child in children:
            child.kill()
        for thread, child in zip(threads, children, strict=True):
            thread.join()
            child.communicate()
