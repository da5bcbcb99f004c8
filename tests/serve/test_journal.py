"""The log: JSON, a line each, and no reason to wait for whoever should read it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from gingham.serve.journal import LONGEST, Journal
from tests.serve.exchange import Asker


def lines(reader: int) -> list[dict[str, Any]]:
    return [json.loads(line) for line in os.read(reader, 1 << 20).splitlines()]


def test_where_nobody_reads_lines_are_dropped_and_counted() -> None:
    reader, writer = os.pipe()
    journal = Journal(requests=True, descriptor=writer)
    for number in range(5000):
        journal.request(id=str(number), path="x" * 100)
    kept = lines(reader)
    assert 0 < len(kept) < 5000
    assert [line["id"] for line in kept] == [str(number) for number in range(len(kept))]
    journal.event("stopping")
    told, last = lines(reader)
    assert (told["event"], told["count"], last["event"]) == ("lines_dropped", 5000 - len(kept), "stopping")
    os.close(reader)
    journal.event("nobody is left")
    os.close(writer)


def test_of_a_long_line_the_end_is_kept() -> None:
    reader, writer = os.pipe()
    Journal(requests=False, descriptor=writer).event("bug", traceback="x" * 9999 + "the end")
    (line,) = lines(reader)
    assert line["event"] == "bug"
    assert line["cut"].rstrip('"}').endswith("the end")
    assert len(json.dumps(line)) < LONGEST
    os.close(reader)
    os.close(writer)


def test_requests_are_left_out_where_they_are_not_wanted() -> None:
    reader, writer = os.pipe()
    journal = Journal(requests=False, descriptor=writer)
    journal.request(id="1")
    journal.event("stopping")
    assert [line["event"] for line in lines(reader)] == ["stopping"]
    os.close(reader)
    os.close(writer)


def test_a_service_whose_log_nobody_reads_goes_on(model: Path) -> None:
    command = [sys.executable, "-m", "gingham", "serve", str(model), "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            ask = Asker(int(json.loads(process.stdout.readline())["url"].rpartition(":")[2]))
            assert [ask("GET", "/health/live").status for _ in range(1000)] == [200] * 1000
            process.terminate()
            assert process.wait(20) == 0
        finally:
            process.kill()
