"""Standard output carries the answer and nothing else; progress and messages go to standard error."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gingham.cli.progress import SECONDS_BETWEEN_LINES, ProgressBar
from tests.textures import environment, run_process

VERBS = ["init", "split", "featurize", "train", "evaluate", "run", "runs list", "runs show", "doctor"]


@pytest.mark.parametrize("verb", VERBS)
def test_json_is_one_object_and_quiet_is_quiet(gingham: Any, finished: Path, verb: str) -> None:
    if verb == "init":
        (finished / "gingham.toml").unlink()
    said = gingham(*verb.split(), "--project", finished, "--json", "--quiet")
    assert said.status == 0
    assert isinstance(said.json, dict)
    assert said.out.count("\n") == 1
    assert said.err == ""


@pytest.mark.parametrize("verb", VERBS)
def test_without_json_it_is_said_in_words(gingham: Any, finished: Path, verb: str) -> None:
    if verb == "init":
        (finished / "gingham.toml").unlink()
    said = gingham(*verb.split(), "--project", finished)
    assert said.status == 0
    assert not said.out.startswith("{")
    assert len(said.out.split()) > 8
    assert max(map(len, said.out.splitlines())) < 600


def test_a_real_process_keeps_the_streams_apart(project: Path) -> None:
    done = run_process("run", "--project", project, "--json", "--quiet")
    assert (done.status, done.err) == (0, "")
    assert done.json["dataset"]["images"] == 42


def test_progress_goes_to_standard_error_on_a_terminal(project: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "gingham", "split", "--project", str(project), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, text=True, env=environment()) as process:
        os.close(theirs)
        shown = b""
        try:
            while block := os.read(ours, 4096):
                shown += block
        except OSError:  # how a terminal ends on Linux
            pass
        out = process.communicate()[0]
    os.close(ours)
    assert process.returncode == 0
    assert out.startswith("{")
    assert b"Reading images" in shown


def test_elsewhere_progress_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 1000, 2))
    monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))
    with ProgressBar() as progress:
        for done in range(1, 7):
            progress("featurize", done, 10)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 6 * 2 // (SECONDS_BETWEEN_LINES + 1)
    assert lines == ["Computing features: 3 of 10", "Computing features: 6 of 10, 2.0 s each, 8 s left"]


def test_progress_that_nobody_reads_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    clock = iter(range(0, 1000, 2))
    stream = os.fdopen(writer, "w", buffering=1)
    with monkeypatch.context() as context:
        context.setattr("time.monotonic", lambda: float(next(clock)))
        context.setattr(sys, "stderr", stream)
        with ProgressBar() as progress:
            for done in range(1, 7):
                progress("featurize", done, 10)
    with pytest.raises(BrokenPipeError):  # so it did write
        stream.close()


def test_a_reader_that_leaves_is_no_error(finished: Path) -> None:
    command = f"{sys.executable} -m gingham runs show --project {finished} | head -c 5"
    piped = subprocess.run(["sh", "-c", command], capture_output=True, text=True, env=environment(), check=False)
    assert (piped.stdout, piped.stderr) == ("Run 2", "")
