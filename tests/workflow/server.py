"""Starts commands quickly, each in a process of its own that can be killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.textures import environment

# Forks a child per command, with all that is slow to load loaded already, so that random moments fall into the work.
SERVER = """
import gc, importlib, json, os, re, signal, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
from gingham.cli.execute import execute

def kill_before(pattern):
    def look(event, arguments):
        names = " -> ".join(map(str, arguments[: 2 if event == "os.rename" else 1]))
        if event in ("open", "os.rename", "os.remove") and re.search(pattern, f"{event} {names}"):
            os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(look)

gc.collect(), gc.freeze()
print("ready", flush=True)
for line in sys.stdin:
    request = json.loads(line)
    if (child := os.fork()) == 0:
        output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1), os.dup2(output, 2)
        if request["kill_before"]:
            kill_before(request["kill_before"])
        status = execute(request["arguments"])
        sys.stdout.flush(), sys.stderr.flush()
        os._exit(status)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
LOADED = (
    "matplotlib.backends.backend_agg", "matplotlib.figure", "onnx", "openvino", "scipy.optimize",
    "sklearn.model_selection", "gingham.classifiers", "gingham.cli.commands", "gingham.evaluate.report",
    "gingham.export", "gingham.features", "gingham.workflow",
)  # fmt: skip


class Server:
    """Runs one command after the other."""

    def __init__(self, process: subprocess.Popen[str], output: Path) -> None:
        self.process = process
        self.output = output

    def read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def start(self, *arguments: object, kill_before: str = "") -> int:
        """Start a command; return its process.

        SIGKILL comes right before the first file operation that matches the regular expression ``kill_before``.
        """
        assert self.process.stdin is not None
        request = {"arguments": list(map(str, arguments)), "output": str(self.output), "kill_before": kill_before}
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return int(self.read())

    def end(self, child: int, kind: signal.Signals | None = None, after: float = 0) -> tuple[int, float, str]:
        """Wait for its end; return status, seconds and output.

        A signal may be sent ``after`` seconds, which then do not count.
        """
        began = time.perf_counter()
        if kind is not None:
            time.sleep(after)
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, kind)
            began = time.perf_counter()
        status = int(self.read())
        return status, time.perf_counter() - began, self.output.read_text()

    def run(
        self, project: Path, kind: signal.Signals | None = None, after: float = 0, kill_before: str = ""
    ) -> tuple[int, float, str]:
        """Do the main job; see `start` and `end`."""
        return self.end(self.start("run", "--project", project, "--json", kill_before=kill_before), kind, after)


@contextlib.contextmanager
def serving(folder: Path, *more: str) -> Iterator[Server]:
    """Start a server, with more modules loaded than the main job needs; ``folder`` takes the output of a command."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, *LOADED, *more],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(),
    ) as process:  # fmt: skip
        server = Server(process, folder / "output")
        assert server.read() == "ready"
        yield server
        assert process.stdin is not None
        process.stdin.close()
