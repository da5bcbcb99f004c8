"""Ask a service from a process of its own: so many clients, each on one connection, one request after the other.

``python -m benchmarks.load URL FOLDER KIND CLIENTS REQUESTS`` prints a JSON object: requests a second, seconds of each.
KIND is how an image is sent: ``raw``, as it is; ``litserve`` or ``mlflow``, base64 in JSON.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop

WAYS = {
    "raw": ("/predict", "image/jpeg", lambda data: data),
    "litserve": ("/predict", "application/json", lambda data: json.dumps({"image": _text(data)}).encode()),
    "mlflow": (
        "/invocations",
        "application/json",
        lambda data: json.dumps({"dataframe_split": {"columns": ["image"], "data": [[_text(data)]]}}).encode(),
    ),
}


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def main(url: str, folder: Path, kind: str, clients: int, requests: int) -> dict[str, Any]:
    """Send the photos of a folder, in turn, and return what it took."""
    path, content_type, body_of = WAYS[kind]
    host, port = urlsplit(url).hostname, urlsplit(url).port
    head = f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: {content_type}\r\nContent-Length: "
    bodies = [body_of(file.read_bytes()) for file in sorted(folder.glob("*/*.jpg"))[::10]]
    messages = [f"{head}{len(body)}\r\n\r\n".encode() + body for body in bodies]
    seconds: list[float] = []
    statuses: Counter[str] = Counter()

    async def client(number: int, count: int) -> None:
        reader, writer = await asyncio.open_connection(host, port)
        for turn in range(count):
            began = time.perf_counter()
            writer.write(messages[(37 * number + turn) % len(messages)])
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = answer.partition(b"content-length: ")[2].partition(b"\r")[0]
            await reader.readexactly(int(length))
            statuses[answer[9:12].decode()] += 1
            seconds.append(time.perf_counter() - began)
        writer.close()

    async def together() -> float:
        began = time.perf_counter()
        await asyncio.gather(*(client(number, requests // clients) for number in range(clients)))
        return time.perf_counter() - began

    took = uvloop.run(together())  # the less the clients cost, the more is left to the server
    assert set(statuses) == {"200"}, statuses
    return {"rate": len(seconds) / took, "seconds": sorted(seconds)}


if __name__ == "__main__":
    url, folder, kind, clients, requests = sys.argv[1:]
    print(json.dumps(main(url, Path(folder), kind, int(clients), int(requests))))
