"""The service at ten times its capacity, among slow and vanishing clients, told to stop 50 times, fed damaged files.

Run it with ``python -m benchmarks.overload FOLDER [PART…]``, the folder that holds clothing/. Whatever of a part does
not hold at all ends it with an AssertionError; what is a matter of degree is returned. The goodput under overload is
set against the mean of that of 16 clients just before and just after it, three times, and the median is told: the
machine's own speed changes by a tenth within a minute. The network is one at 448 pixels, so that the generator of the
load, on the same processors, does not decide what is measured; what it took is told too.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gingham import Project
from tests.serve.load import Generator, Tally, closed_loop, request
from tests.serve.process import ServiceProcess, alive, contents, within
from tests.serve.test_mutations import ALLOWED, send_all
from tests.serve.test_resilience import dripping, half_a_body, nothing, vanish
from tests.textures import PARAMETERS, write_textures

MEBIBYTE = 1 << 20
ROUNDS = 3


def main(photos: Path, parts: tuple[str, ...] = ()) -> dict[str, Any]:
    """Measure and return the figures of each part, or of those that are named.

    Parameters
    ----------
    photos : Path
        Holds clothing/.
    """
    files = sorted((photos / "clothing").glob("*/*.jpg"))[::10][:60]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        slow, quick = _model(folder / "slow", 448), _model(folder / "quick", 96)
        measures: dict[str, Callable[[], dict[str, Any]]] = {
            "closed_loop": lambda: _overloads(slow, folder, files, "closed"),
            "open_loop": lambda: _overloads(slow, folder, files, "open"),
            "slow_clients": lambda: _slow_clients(slow, folder, files),
            "vanishing_clients": lambda: _vanishing_clients(quick, folder, files),
            "ends": lambda: _ends(quick, folder, files),
            "mutations": lambda: _mutations(quick, folder),
            "swaps": lambda: _swaps(quick, slow, folder, files),
            "starts": lambda: _starts(quick, folder),
        }
        return {name: measure() for name, measure in measures.items() if not parts or name in parts}


def _model(project: Path, resolution: int) -> Path:
    write_textures(project / "images" / "textures")
    (project / "gingham.toml").write_text(PARAMETERS.replace("resolution = 96", f"resolution = {resolution}"))
    Project(project, environment={}).run()
    return next(project.glob("runs/*/model.onnx"))


def _overloads(model: Path, folder: Path, files: list[Path], kind: str) -> dict[str, Any]:
    """Overload it several times, and return that whose share of the peak is in the middle."""
    runs = sorted((_overload(model, folder, files, kind) for _ in range(ROUNDS)), key=lambda run: run["share"])
    return runs[ROUNDS // 2] | {"shares": [run["share"] for run in runs]}


def _overload(model: Path, folder: Path, files: list[Path], kind: str, seconds: float = 60.0) -> dict[str, Any]:
    """160 clients that come again at once, or ten times as many requests a second as can be served."""
    with ServiceProcess(model, folder) as service:
        Generator(service.port, "closed", 16, 3, files).finish()
        before = Generator(service.port, "closed", 16, 15, files).finish()
        generator = Generator(service.port, kind, 160 if kind == "closed" else 10 * before.goodput, seconds, files)
        lives: list[float] = []
        memory: list[int] = []
        while generator.running:
            began = time.perf_counter()
            assert service.get("/health/live")[0] == 200
            lives.append(time.perf_counter() - began)
            assert service.get("/metrics")[0] == 200
            memory.append(service.memory())
            time.sleep(0.1)
        during = generator.finish()
        after = Generator(service.port, "closed", 16, 15, files).finish()
        assert set(during.statuses) == {200, 503}
        assert during.without_retry_after == len(during.lost) == 0
        assert service.idle()
        third = len(memory) // 3
        return {
            "goodput_before": before.goodput,
            "goodput": during.goodput,
            "goodput_after": after.goodput,
            "share": during.goodput / ((before.goodput + after.goodput) / 2),
            "generator": during.processor_seconds / during.seconds,
            "refused_a_second": during.statuses[503] / during.seconds,
            "p50": during.percentile(0.5),
            "p99": during.percentile(0.99),
            "live_p99": sorted(lives)[int(0.99 * len(lives))],
            "memory_first_third": sum(memory[:third]) / third / MEBIBYTE,
            "memory_last_third": sum(memory[-third:]) / third / MEBIBYTE,
        }


def _slow_clients(model: Path, folder: Path, files: list[Path], count: int = 1000) -> dict[str, Any]:
    """Ask beside a thousand of whom a third each never ends its head, never ends its body, or says nothing."""
    with ServiceProcess(model, folder) as service:
        Generator(service.port, "closed", 8, 3, files).finish()
        before = Generator(service.port, "closed", 8, 9, files).finish()
        generator = Generator(service.port, "closed", 8, 9, files)
        slow = [service.connect() for _ in range(count)]
        for place, connection in enumerate(slow):
            connection.sendall((dripping, half_a_body, nothing)[place % 3](service.port))
        beside = generator.finish()
        assert set(beside.statuses) == {200}
        assert within(15, lambda: service.connections() == 0)
        after = Generator(service.port, "closed", 8, 9, files).finish()
        for connection in slow:
            connection.close()
        assert service.idle()
        return {
            "connections": count,
            "p99_before": before.percentile(0.99),
            "p99_beside": beside.percentile(0.99),
            "p99_after": after.percentile(0.99),
        }


def _vanishing_clients(model: Path, folder: Path, files: list[Path], count: int = 1000) -> dict[str, Any]:
    rng = random.Random(1)
    with ServiceProcess(model, folder) as service:
        bodies = contents(service.port, files)
        for _ in range(count):
            vanish(service, rng.choice(bodies), rng)
        assert service.idle()
        assert within(5, lambda: service.connections() == 0)
        assert "Traceback" not in service.log
        gone = [event for event in service.events("request") if event["status"] == 499]
        return {
            "clients": count,
            "requests_without_client": len(gone),
            "images": service.metric("gingham_images_total"),
        }


def _ends(model: Path, folder: Path, files: list[Path], count: int = 50) -> dict[str, Any]:
    """SIGTERM under load, at a random moment."""
    rng = random.Random(2)
    total = Tally()
    longest = 0.0
    for _ in range(count):
        with ServiceProcess(model, folder) as service:
            children = service.children()
            live = [request(service.port, path="/health/live")]
            bodies = contents(service.port, files)

            async def load(
                service: ServiceProcess = service, live: list[bytes] = live, bodies: list[bytes] = bodies
            ) -> tuple[Tally, ...]:
                asyncio.get_running_loop().call_later(rng.uniform(0.2, 1.0), os.kill, service.pid, signal.SIGTERM)
                return await asyncio.gather(
                    closed_loop(service.port, bodies, 16, 60),
                    closed_loop(service.port, live + bodies[:3], 6, 60, keep=False),
                    closed_loop(service.port, live, 6, 60, pause=0.3),
                )

            for tally in asyncio.run(load()):
                total.statuses += tally.statuses
                total.lost += tally.lost
            assert service.process.wait(30) == 0
            assert not any(map(alive, children))
            (stopping,), (stopped,) = service.events("stopping"), service.events("stopped")
            longest = max(longest, _seconds(stopped["time"]) - _seconds(stopping["time"]))
    assert set(total.statuses) == {200}
    return {"signals": count, "answers": total.statuses[200], "lost": len(total.lost), "longest": longest}


def _seconds(moment: str) -> float:
    return datetime.datetime.fromisoformat(moment).timestamp()


def _mutations(model: Path, folder: Path, count: int = 20_000) -> dict[str, Any]:
    with ServiceProcess(model, folder, "--no-access-log") as service:
        tally = asyncio.run(send_all(service.port, count))
        assert set(tally.statuses) <= ALLOWED
        assert tally.lost == []
        replaced = service.metric("gingham_decoders_replaced")
        return {"statuses": {str(status): n for status, n in sorted(tally.statuses.items())}, "replaced": replaced}


def _swaps(one: Path, other: Path, folder: Path, files: list[Path], count: int = 30) -> dict[str, Any]:
    """Let models replace each other while eight clients ask."""
    served = folder / "served.onnx"
    served.write_bytes(one.read_bytes())
    memory, threads = [], []
    with ServiceProcess(served, folder) as service:
        generator = Generator(service.port, "closed", 8, 4.0 * count, files)
        for place in range(count):
            (folder / "new").write_bytes((other, one)[place % 2].read_bytes())
            (folder / "new").replace(served)
            assert within(30, lambda place=place: service.metric("gingham_model_loads_total") == place + 1)
            memory.append(service.memory())
            threads.append(len(list(Path(f"/proc/{service.pid}/task").iterdir())))
        tally = generator.finish()
        assert set(tally.statuses) == {200}
        assert tally.lost == []
        return {
            "swaps": count,
            "answers": tally.statuses[200],
            "memory_after_10": memory[9] / MEBIBYTE,
            "memory_at_the_end": memory[-1] / MEBIBYTE,
            "threads_after_10": threads[9],
            "threads_at_the_end": threads[-1],
        }


def _starts(model: Path, folder: Path, count: int = 5) -> dict[str, Any]:
    seconds = []
    for _ in range(count):
        began = time.perf_counter()
        with ServiceProcess(model, folder) as service:
            assert service.get("/health/ready")[0] == 200
            seconds.append(time.perf_counter() - began)
    return {"seconds": sorted(seconds)}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), tuple(sys.argv[2:])), indent=2))
