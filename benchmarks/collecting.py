"""Downloading 5,000 photos of 40 KB, of which 5 % have faults, from a server on loopback: against img2dataset.

Run it with ``python -m benchmarks.collecting``. The same server answers ``gingham``, ``img2dataset`` and a plain
``asyncio.gather`` over aiohttp, in turn; each client is a process of its own whose processor time is told apart from
the server's. ``GINGHAM_BENCH_IMG2DATASET`` names the Python of an environment in which img2dataset is installed;
without it that client is left out.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LINKS = 5_000
ROUNDS = 3
CONCURRENCY = 64
PATTERNS = 40
SIZE = 40_000
FAULTS = ("404", "500", "html", "short", "cut")
"""Each of them in one link of a hundred: not there, broken, a page instead, a body cut off, an image cut off."""

STATUSES = {"404": "not_found", "500": "server_error", "html": "html", "short": "truncated", "cut": "truncated"}
PAGE = b"<!DOCTYPE html><html><body>Not an image</body></html>"

IMG2DATASET = """
import json, os, resource, sys, time
from img2dataset import download

def cpu():
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))

if __name__ == "__main__":
    began, before = time.perf_counter(), cpu()
    download(
        url_list=sys.argv[1], input_format="tsv", url_col="url", output_folder=sys.argv[2], output_format="files",
        processes_count=2, thread_count=int(sys.argv[3]), image_size=1000, resize_mode="keep_ratio_largest",
        resize_only_if_bigger=True, skip_reencode=True, number_sample_per_shard=1250, timeout=30, retries=0,
        enable_wandb=False,
    )
    print("RESULT " + json.dumps({"seconds": time.perf_counter() - began, "cpu": cpu() - before}))
"""


def fault_of(number: int) -> str:
    """Return which fault the n-th link has; empty for none."""
    return FAULTS[number % 100] if number % 100 < len(FAULTS) else ""


def photos() -> list[bytes]:
    """Return JPEGs of about 40 KB, 480 x 360: smooth shapes, a texture and the noise of a sensor."""
    import numpy as np
    import simplejpeg

    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:360, 0:480] / 480
    made = []
    for _ in range(PATTERNS):
        across, down = rng.uniform(-125, 125, (2, 6, 1, 1))
        waves = (rng.uniform(5, 40, (6, 1, 1)) * np.sin(across * x + down * y)).sum(axis=0)
        slopes = rng.uniform(-60, 60, (2, 3))
        colour = rng.uniform(60, 190, 3) + slopes[0] * x[..., None] + slopes[1] * y[..., None]
        pixels = colour + waves[..., None] * rng.uniform(0.3, 1, 3) + rng.normal(0, 9, (360, 480, 1))
        rgb = np.clip(pixels, 0, 255).astype(np.uint8)
        encoded = [simplejpeg.encode_jpeg(rgb, quality=quality) for quality in range(40, 96, 3)]
        made.append(min(encoded, key=lambda jpeg: abs(len(jpeg) - SIZE)))
    return made


def serve() -> None:
    """Answer ``/<n>.jpg`` on a free port, whose number is printed, until killed."""
    import uvloop

    images = photos()

    def answer(number: int) -> tuple[bytes, bool]:
        image = images[number % PATTERNS]
        body = image[:2] + b"\xff\xfe\0\x12%016d" % number + image[2:]  # a comment makes each file another one
        fault, code, length = fault_of(number), b"200 OK", 0
        if fault == "404":
            code, body = b"404 Not Found", PAGE
        elif fault == "500":
            code, body = b"500 Internal Server Error", PAGE
        elif fault == "html":
            body = PAGE
        elif fault == "cut":
            body = body[: len(body) // 2]
        elif fault == "short":
            length = 1000
        kind = b"text/html" if body is PAGE else b"image/jpeg"
        head = b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (code, kind, len(body) + length)
        return head + body, not length

    class Connection(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport: Any = transport
            self.received = b""

        def data_received(self, data: bytes) -> None:
            self.received += data
            while b"\r\n\r\n" in self.received:
                request, self.received = self.received.split(b"\r\n\r\n", 1)
                path = re.match(rb"GET (?:http://[^/]+)?/(\d+)\.jpg", request)
                reply, keep = answer(int(path[1])) if path else (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", True)
                self.transport.write(reply)
                if not keep or b"connection: close" in request.lower():
                    self.transport.close()

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, backlog=1024)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    uvloop.run(run())


def by_gingham(file: Path, folder: Path) -> dict[str, Any]:
    """Download by Gingham's engine: its defaults, but for the limit of one server, and one try like the others."""
    from gingham.collect.downloading import download
    from gingham.collect.ledger import Ledger
    from gingham.collect.links import read_links
    from gingham.config import Collection

    settings = Collection(concurrency=CONCURRENCY, per_host=CONCURRENCY, retries=0, allow_private=True)
    with Ledger(folder / "ledger.sqlite") as ledger:
        ledger.add("photos", read_links(file))
        download(ledger, "photos", folder / "photos", settings)
        wrong = Counter[str]()
        for row in ledger.rows("photos"):
            expected = STATUSES.get(fault_of(int(Path(row.link.url).stem)), "ok")
            if row.outcome is None or row.outcome.status != expected:
                wrong[f"{expected} as {row.outcome and row.outcome.status}"] += 1
    return {"stored": len(list((folder / "photos").rglob("*.jpg"))), "misnamed": dict(wrong)}


def by_gather(file: Path, folder: Path) -> dict[str, Any]:
    """Download by what one would write in an hour: aiohttp, a semaphore, Pillow in threads."""
    import hashlib
    import io

    import aiohttp
    import uvloop
    from PIL import Image

    def store(data: bytes, label: str) -> int:
        try:
            with Image.open(io.BytesIO(data)) as image:
                image.load()
        except OSError:
            return 0
        path = folder / "photos" / label / f"{hashlib.sha256(data).hexdigest()}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return 1

    async def fetch(session: aiohttp.ClientSession, places: asyncio.Semaphore, label: str, url: str) -> int:
        async with places:
            try:
                async with session.get(url) as answer:
                    answer.raise_for_status()
                    data = await answer.read()
            except aiohttp.ClientError:
                return 0
            return await asyncio.to_thread(store, data, label)

    async def run() -> int:
        places = asyncio.Semaphore(CONCURRENCY)
        rows = [line.split("\t") for line in file.read_text().splitlines()[1:]]
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONCURRENCY)) as session:
            return sum(await asyncio.gather(*[fetch(session, places, label, url) for label, url in rows]))

    return {"stored": uvloop.run(run())}


def measured(name: str, file: Path, folder: Path) -> dict[str, Any]:
    """Run one client in a process of its own, and return its seconds and its processor time."""
    if name == "img2dataset":
        script = folder / "client.py"
        script.write_text(IMG2DATASET)  # a file, because its workers import it
        command = [os.environ["GINGHAM_BENCH_IMG2DATASET"], str(script), str(file), str(folder), str(CONCURRENCY)]
    else:
        command = [sys.executable, "-m", "benchmarks.collecting", name, str(file), str(folder)]
    environment = {**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    found: dict[str, Any] = json.loads(line.removeprefix("RESULT "))
    found.setdefault("stored", len(list(folder.rglob("*.jpg"))))
    return found


@contextmanager
def running_server() -> Iterator[int]:
    """Serve in a process of its own; give its port."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.collecting", "serve"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def main(links: int = LINKS, rounds: int = ROUNDS) -> dict[str, Any]:
    """Measure all clients in turn and return the medians."""
    clients = ["gingham", "gather"]
    if os.environ.get("GINGHAM_BENCH_IMG2DATASET"):
        clients.insert(1, "img2dataset")
    else:
        print("img2dataset is left out: GINGHAM_BENCH_IMG2DATASET does not name a Python that has it.")
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in clients}
    with running_server() as port, tempfile.TemporaryDirectory() as place:
        file = Path(place) / "links.tsv"
        rows = [f"class-{n % 10}\thttp://127.0.0.1:{port}/{n}.jpg" for n in range(links)]
        file.write_text("\n".join(["label\turl", *rows, ""]))
        for turn in range(rounds):
            for name in clients:
                folder = Path(place) / f"{name}-{turn}"
                folder.mkdir()
                results[name].append(measured(name, file, folder))
                print(turn, name, results[name][-1], flush=True)
    figures: dict[str, Any] = {"links": links, "with_faults": sum(bool(fault_of(n)) for n in range(links))}
    for name, found in results.items():
        seconds, cpu = (statistics.median(each[key] for each in found) for key in ("seconds", "cpu"))
        figures[name] = {
            "rate": links / seconds, "seconds": seconds, "cpu_seconds": cpu, "cpu_ms_a_link": 1000 * cpu / links,
            "stored": found[-1]["stored"],
        }  # fmt: skip
    figures["misnamed"] = results["gingham"][-1]["misnamed"]
    for other in clients[1:]:
        figures[f"rate_of_{other}"] = figures["gingham"]["rate"] / figures[other]["rate"]
        figures[f"cpu_of_{other}"] = figures["gingham"]["cpu_seconds"] / figures[other]["cpu_seconds"]
    return figures


def client(name: str, file: Path, folder: Path) -> None:
    """Run one client here, and print what it took without its imports."""
    work = {"gingham": by_gingham, "gather": by_gather}[name]
    for module in ("aiohttp", "stamina", "uvloop", "gingham.collect.downloading"):
        importlib.import_module(module)
    began, before = time.perf_counter(), sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    found = work(file, folder)
    found["seconds"] = time.perf_counter() - began
    found["cpu"] = sum(resource.getrusage(resource.RUSAGE_SELF)[:2]) - before
    print("RESULT " + json.dumps(found))


if __name__ == "__main__":
    if len(sys.argv) > 3:
        client(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
    elif sys.argv[1:] == ["serve"]:
        serve()
    else:
        print(json.dumps(main(), indent=1))
