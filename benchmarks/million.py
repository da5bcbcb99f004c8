"""Every command that answers from a ledger, an index or annotations of a million rows: seconds and memory.

Run it with ``python -m benchmarks.million``. It takes 2 GB of disk, and a million files, below ``TMPDIR``. A project is
built by the classes' own methods: links of which all are done, a fifth of them with provenance, their files (empty
ones), what the index knows of them, and an event of annotation for each. Another one holds a hundredth of that: what
both take is what a command takes anyway. Each command is a process of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from gingham.collect.ledger import Done
    from gingham.collect.records import Link
    from gingham.project import KnownFile, Said

ROWS = 1_000_000
SMALL = 10_000
REPEATS = 3
CLASSES = 20
WITH_PROVENANCE = 5
"""Of so many links, one."""

AT_ONCE = 20_000
SAID_AT_ONCE = 100_000
IMAGES = "images/collected"


class Command(NamedTuple):
    """A command that is measured.

    Parameters
    ----------
    name : str
    words : list of str
        ``{}`` stands for the number of the repeat.
    handles : str
        Which rows it reads or writes, all of them; empty where it should only answer.
    """

    name: str
    words: list[str]
    handles: str = ""


COMMANDS = (
    Command("label IMAGE CLASS", ["label", "class-00/{}.jpg", "class-07"]),
    Command("label exclude IMAGE", ["label", "exclude", "class-00/{}.jpg"]),
    Command("label undo", ["label", "undo"]),
    Command("label history", ["label", "history"]),
    Command("label history IMAGE", ["label", "history", "class-00/{}.jpg"]),
    Command("label clear IMAGE", ["label", "clear", "class-00/{}.jpg"]),
    Command("collect status", ["collect", "status", IMAGES]),
    Command("collect urls LIST", ["collect", "urls", "links.tsv", "--into", IMAGES]),
    Command("collect urls LIST, a new one of known links", ["collect", "urls", "{}.tsv", "--into", IMAGES], "reads"),
    Command("collect status -o", ["collect", "status", IMAGES, "-o", "status.csv"], "writes"),
    Command("collect attribution -o", ["collect", "attribution", IMAGES, "-o", "credits.csv"], "writes"),
    Command("label export", ["label", "export", "annotations.csv"], "writes"),
)


def main(rows: int = ROWS, small: int = SMALL, repeats: int = REPEATS) -> dict[str, Any]:
    """Build both projects, run each command in each, and return medians: seconds, and MiB at the peak."""
    figures: dict[str, Any] = {"rows": rows, "small": small, "repeats": repeats, "commands": []}
    with tempfile.TemporaryDirectory() as place:
        for count in (small, rows):
            folder = Path(place) / str(count)
            began = time.perf_counter()
            _child("build", folder, count, repeats)
            figures["seconds_to_build"] = time.perf_counter() - began
            print(f"built {count:,} rows in {figures['seconds_to_build']:.0f} s", flush=True)
        for command in COMMANDS:
            row: dict[str, Any] = {"name": command.name, "handles": command.handles}
            for title, count in (("small", small), ("large", rows)):
                took = [_measured(command, Path(place) / str(count), turn) for turn in range(repeats)]
                row |= {
                    f"seconds_{title}": statistics.median(each["seconds"] for each in took),
                    f"cpu_seconds_{title}": statistics.median(each["cpu_seconds"] for each in took),
                    f"peak_{title}": max(each["peak"] for each in took),
                }
            figures["commands"].append(row)
            print(
                f"{command.name:46} {row['seconds_small']:6.2f} s {row['peak_small']:4.0f} MiB -> "
                f"{row['seconds_large']:6.2f} s ({row['cpu_seconds_large']:.2f} s of processor time) "
                f"{row['peak_large']:4.0f} MiB {command.handles}",
                flush=True,
            )
    return figures


def _measured(command: Command, folder: Path, turn: int) -> dict[str, float]:
    words = [word.format(turn) for word in command.words]
    found: dict[str, float] = json.loads(_child("measure", folder, *words, "--quiet"))
    return found


def _child(task: str, folder: Path, *words: str | int) -> str:
    """Do something in another process; a command's peak of memory begins with that of the process that starts it."""
    command = [sys.executable, "-m", "benchmarks.million", task, str(folder), *map(str, words)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def measure(folder: Path, words: list[str]) -> dict[str, float]:
    """Run one command of ``gingham`` in a folder; return its seconds and its peak of memory, in MiB."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "gingham", *words], cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if status:
        raise SystemExit(f"gingham {' '.join(words)}: status {os.waitstatus_to_exitcode(status)}")
    unit = 1 if sys.platform == "darwin" else 1024
    cpu = usage.ru_utime + usage.ru_stime
    return {"seconds": seconds, "cpu_seconds": cpu, "peak": usage.ru_maxrss * unit / 2**20}


# --- the projects


def build(folder: Path, rows: int, repeats: int) -> None:
    """Make a project that knows so much, with lists of links of which nothing is left to do."""
    from gingham.collect.ledger import Ledger
    from gingham.project import ProjectFolder
    from gingham.project.digests import file_digest

    project = ProjectFolder(folder)
    project.prepare()
    paths = [_path(n) for n in range(rows)]
    _write_files(folder / IMAGES, paths, repeats)
    _write_lists(folder, rows, repeats)
    with Ledger(project.ledger) as ledger:
        ledger.add(IMAGES, _links(rows))
        for part in _portions(_done(paths), AT_ONCE):
            ledger.record(IMAGES, part)
            ledger.settle(each.id for each in part)
        ledger.note_list(IMAGES, file_digest(folder / "links.tsv"))
    with project.index() as index:
        for part in _portions(_known_files(sorted(paths)), AT_ONCE):
            index.update_files(IMAGES, dict(part))
    with project.annotations() as annotations:
        for part in _portions(_said(paths), SAID_AT_ONCE):
            annotations.add(part)


def _portions(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    remaining = iter(items)
    while portion := list(islice(remaining, size)):
        yield portion


def _class(n: int) -> str:
    return f"class-{n % CLASSES:02}"


def _path(n: int) -> str:
    return f"{_class(n)}/{hashlib.blake2b(n.to_bytes(8, 'big'), digest_size=16).hexdigest()}.jpg"


def _url(n: int) -> str:
    return f"https://host{n % 5000}.example.org/photos/2026/{n:07}-some-title-of-it.jpg"


def _write_files(folder: Path, paths: list[str], repeats: int) -> None:
    from PIL import Image

    for n in range(CLASSES):
        (folder / _class(n)).mkdir(parents=True)
    for path in paths:
        os.close(os.open(folder / path, os.O_CREAT | os.O_WRONLY))
    for n in range(repeats):
        Image.new("RGB", (64, 48), (80 * n, 128, 128)).save(folder / _class(0) / f"{n}.jpg")


def _write_lists(folder: Path, rows: int, repeats: int) -> None:
    lines = [f"{_class(n)}\t{_url(n)}\n" for n in range(rows)]
    (folder / "links.tsv").write_text("".join(["label\turl\n", *lines]))
    for n in range(repeats):  # the same links in another order, which makes it another list
        (folder / f"{n}.tsv").write_text("".join(["label\turl\n", *lines[n + 1 :], *lines[: n + 1]]))


def _links(rows: int) -> Iterator[Link]:
    from gingham.collect.records import Link, Provenance

    for n in range(rows):
        page, maker = f"https://example.org/photos/{n}", f"Photographer {n % 30_000}"
        found = Provenance(
            "openverse", "striped shirt", page, f"A shirt, {n}", maker, f"https://example.org/people/{n % 30_000}",
            "by-sa", "4.0", "https://creativecommons.org/licenses/by-sa/4.0/",
            f'"A shirt, {n}" by {maker} is licensed under CC BY-SA 4.0.',
        )  # fmt: skip
        yield Link(_class(n), _url(n), None if n % WITH_PROVENANCE else found)


def _done(paths: list[str]) -> Iterator[Done]:
    from gingham.collect.ledger import Done
    from gingham.collect.records import Outcome, Status

    for n, path in enumerate(paths):
        content, time = path[-36:-4], "2026-11-28T01:00:00+00:00"
        yield Done(n + 1, Outcome(Status.OK, "", 200, _url(n), path, 40_000, content * 2, content, 640, 480, 0.3, time))


def _known_files(paths: list[str]) -> Iterator[tuple[str, KnownFile]]:
    from gingham.project import KnownFile
    from gingham.records import ImageFile

    for path in paths:
        content = path[-36:-4]
        image = ImageFile(path, path.partition("/")[0], content, 640, 480, "JPEG", bytes.fromhex(content * 2))
        yield path, KnownFile(f"2 100000000 40000 1764291600000000000 1764291600000000000 {content[:7]}", image)


def _said(paths: list[str]) -> Iterator[Said]:
    from gingham.project import Kind, Said

    others = ((Kind.EXCLUDED, "yes"), (Kind.NOTE, "a shirt or a dress?"))
    for n, path in enumerate(paths):
        kind, value = others[n % 2] if n % 10 < 2 else (Kind.LABEL, _class(n + 1))
        yield Said(path[-36:-4], path, kind, value)


if __name__ == "__main__":
    if sys.argv[1:2] == ["build"]:
        build(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    elif sys.argv[1:2] == ["measure"]:
        print(json.dumps(measure(Path(sys.argv[2]), sys.argv[3:])))
    else:
        print(json.dumps(main(), indent=1))
