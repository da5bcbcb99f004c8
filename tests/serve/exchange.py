"""One request and its answer, as they are on the wire: no library tidies up what a test sends."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any

BOUNDARY = "gingham-boundary"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


@dataclass(frozen=True)
class Answer:
    """What came back; names of headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, which says itself that it is JSON."""
        assert self.headers["content-type"] == "application/json", self
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        """The code of an error, whose body has the shape that every error has."""
        assert self.json.keys() == {"error"}, self
        assert self.json["error"].keys() == {"reason", "message"}, self
        assert self.json["error"]["message"].endswith("."), self
        return str(self.json["error"]["reason"])


@dataclass(frozen=True)
class Asker:
    """Sends requests to a port of this machine, each on a connection of its own.

    Parameters
    ----------
    port : int
    headers : mapping of str to str, optional
        Sent with every request.
    """

    port: int
    headers: Mapping[str, str] | None = None

    def __call__(self, method: str, path: str, body: bytes = b"", **headers: str | None) -> Answer:
        """Send a request; ``content_type="text/plain"`` is a header, and None leaves one out."""
        default = {"host": f"127.0.0.1:{self.port}", "content-length": str(len(body)) if body else None}
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        lines = {**default, **(self.headers or {}), **given}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
        return self.raw(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body, method)

    def raw(self, content: bytes, method: str = "POST") -> Answer:
        """Send bytes and read one answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(content)
            return read(connection, method)

    def form(self, *parts: bytes, path: str = "/predict", **headers: str | None) -> Answer:
        """Post a form made of `part` and `file_part`."""
        return self("POST", path, form_of(parts), **{"content_type": FORM, **headers})

    def json(self, content: Any, path: str = "/predict") -> Answer:
        """Post JSON; bytes as they are."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self("POST", path, body, content_type="application/json")


def read(connection: socket.socket, method: str = "POST") -> Answer:
    """Read one answer."""
    with HTTPResponse(connection, method=method) as response:
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read())


def form_of(parts: Iterable[bytes]) -> bytes:
    """Put parts into the body of a form."""
    return b"".join(b"--%s\r\n%s\r\n" % (BOUNDARY.encode(), part) for part in parts) + b"--%s--\r\n" % BOUNDARY.encode()


def file_part(content: bytes, filename: str | bytes = "a.jpg", name: str = "image") -> bytes:
    """Return a part that is a file."""
    encoded = filename if isinstance(filename, bytes) else filename.encode()
    return b'Content-Disposition: form-data; name="%s"; filename="%s"\r\n\r\n%s' % (name.encode(), encoded, content)


def part(name: str, value: str) -> bytes:
    """Return a part that is a field."""
    return f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode()
