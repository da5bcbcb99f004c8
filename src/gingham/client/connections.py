"""Requests and answers over connections that are kept open."""

from __future__ import annotations

import socket
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPException, HTTPResponse, IncompleteRead, RemoteDisconnected
from typing import cast

from gingham.client.address import Address
from gingham.client.deadline import Deadline
from gingham.client.timed_socket import TimedSocket

__all__ = ["Answer", "Connections", "NoAnswerError"]

CONNECTING = 10.0
"""Seconds for a connection to come about."""
MOST = 16 << 20
"""Bytes of an answer."""
PASSING = frozenset({502, 503, 504})


class NoAnswerError(Exception):
    """What came is no answer, or none came.

    Parameters
    ----------
    words : str
        Why, as the end of a sentence that begins with the service.
    passing : bool
        Whether another try may do better.
    """

    def __init__(self, words: str, *, passing: bool) -> None:
        super().__init__(words)
        self.passing = passing


@dataclass(frozen=True)
class Answer:
    """What a server answered.

    Parameters
    ----------
    status : int
    headers : mapping of str to str
        Names in lower case.
    body : bytes
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def passing(self) -> bool:
        """Whether another try may do better."""
        return self.status in PASSING


class Connections:
    """Connections to one service; threads may share them.

    Proxies and redirects are not followed: a token goes to the address that it was given for, and nowhere else.

    Parameters
    ----------
    address : Address
    headers : mapping of str to str
        Of every request.
    """

    def __init__(self, address: Address, headers: Mapping[str, str]) -> None:
        self._address = address
        self._headers = {"Host": address.authority, "Accept-Encoding": "identity", **headers}
        self._idle: deque[TimedSocket] = deque()

    def exchange(self, method: str, target: str, body: bytes, deadline: Deadline) -> Answer:
        """Send one request and return the answer, whatever its status.

        Parameters
        ----------
        method : str
        target : str
            Behind the address's prefix.
        body : bytes
            Empty for none.

        Raises
        ------
        NoAnswerError, TooLateError, CalledOffError
        """
        lines = [f"{method} {self._address.prefix}{target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in self._headers.items()]
        if method == "POST":
            lines += ["Content-Type: application/octet-stream", f"Content-Length: {len(body)}"]
        request = "\r\n".join([*lines, "", ""]).encode("ascii") + body
        while True:
            try:
                connection, fresh = self._idle.pop(), False
            except IndexError:
                connection, fresh = self._connect(deadline), True
            connection.deadline = deadline
            answer = None
            try:
                answer, kept = _exchange(connection, method, request)
            except (OSError, HTTPException) as error:
                # The server may close an idle connection at any time; only a fresh one tells how it is.
                if fresh:
                    raise _no_answer(error) from error
                continue
            finally:
                if answer is None or not kept:
                    connection.close()
            if kept:
                self._idle.append(connection)
            return answer

    def close(self) -> None:
        """Close the connections that are idle."""
        while self._idle:
            self._idle.pop().close()

    def _connect(self, deadline: Deadline) -> TimedSocket:
        address = self._address
        try:
            connected = socket.create_connection((address.host, address.port), min(CONNECTING, deadline.remaining()))
            try:
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if address.scheme == "https":
                    connected = self._tls.wrap_socket(connected, server_hostname=address.host)
            except BaseException:
                connected.close()
                raise
        except OSError as error:
            raise _no_answer(error) from error
        return TimedSocket(connected, deadline)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()


def _exchange(connection: TimedSocket, method: str, request: bytes) -> tuple[Answer, bool]:
    """Return the answer, and whether the connection may be used again."""
    sent = True
    try:
        connection.sendall(request)
    except ConnectionError:  # refused while it was being sent; why may have arrived
        sent = False
    response = HTTPResponse(cast("socket.socket", connection), method=method)
    with response:
        response.begin()
        body = bytearray()
        while part := response.read(1 << 16):
            body += part
            if len(body) > MOST:
                raise NoAnswerError(f"sends an answer of more than {MOST:,} bytes.", passing=False)
        if response.length:
            raise RemoteDisconnected("The connection broke off inside the answer")
        answer = Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, bytes(body))
        return answer, sent and not response.will_close


def _no_answer(error: OSError | HTTPException) -> NoAnswerError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return NoAnswerError(f"shows a certificate that is not trusted: {error.verify_message}.", passing=False)
    if isinstance(error, ssl.SSLError):
        return NoAnswerError(f"does not speak TLS: {error.reason or error}. Is it an http address?", passing=False)
    if isinstance(error, socket.gaierror):
        return NoAnswerError("cannot be reached: its name is not known.", passing=error.errno == socket.EAI_AGAIN)
    if isinstance(error, ConnectionRefusedError):
        return NoAnswerError("cannot be reached: nothing listens there. `gingham serve` starts one.", passing=True)
    if isinstance(error, ConnectionError | IncompleteRead):  # RemoteDisconnected among them
        return NoAnswerError("breaks the connection off before it answers.", passing=True)
    if isinstance(error, HTTPException):
        return NoAnswerError("does not speak HTTP: it is no Gingham service.", passing=False)
    words = "no connection comes about" if isinstance(error, TimeoutError) else error.strerror or str(error)
    return NoAnswerError(f"cannot be reached: {words}.", passing=True)
