"""Faults on the way to an image, each under the name that the ledger gives it."""

from __future__ import annotations

import os
import socket
import ssl

from gingham.collect.network import blocked_address
from gingham.collect.records import Status
from gingham.config import Collection

__all__ = ["FetchError", "as_fetch_error"]


class FetchError(Exception):
    """An image could not be fetched.

    Parameters
    ----------
    status : Status
    detail : str
        The status in words; never from the body of an answer.
    code : int, optional
        Of the HTTP answer, where there was one.
    pause : float, optional
        Seconds that the server asks to wait before the next try.

    Attributes
    ----------
    final_url : str
        The last address that was asked; empty where none was.
    """

    def __init__(self, status: Status, detail: str, *, code: int | None = None, pause: float | None = None) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status
        self.detail = detail
        self.code = code
        self.pause = pause
        self.final_url = ""


def as_fetch_error(error: Exception, settings: Collection) -> FetchError:
    """Return the fault that an exception of the session stands for; one that stands for none is raised again."""
    import aiohttp

    if isinstance(error, FetchError):
        return error
    if blocked_address(error):
        return FetchError(Status.BLOCKED_ADDRESS, "the address is not public; --allow-private would allow it")
    if isinstance(error, aiohttp.ClientConnectorDNSError | socket.gaierror):
        return FetchError(Status.DNS, "the server's name is not known")
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError | ssl.SSLError):
        return FetchError(Status.TLS, _tls_in_words(error))
    if isinstance(error, TimeoutError):
        return FetchError(Status.TIMEOUT, f"not done within {settings.timeout:g} s")
    if isinstance(error, aiohttp.InvalidURL | UnicodeError):
        return FetchError(Status.BAD_URL, "the address cannot be read as one")
    if isinstance(error, aiohttp.ClientPayloadError):
        if "content-encoding" in str(error):
            return FetchError(Status.CORRUPT, "the answer's compression is damaged")
        return FetchError(Status.TRUNCATED, "the answer ended too early")
    if isinstance(error, aiohttp.ClientResponseError):
        return FetchError(Status.HTTP_ERROR, "the answer is not valid HTTP")
    if isinstance(error, aiohttp.ClientError | OSError):
        number = getattr(error, "errno", None)
        return FetchError(Status.CONNECTION, os.strerror(number) if number else "the server closed the connection")
    raise error


def _tls_in_words(error: Exception) -> str:
    cause = getattr(error, "certificate_error", error.__cause__ or error)
    return str(getattr(cause, "verify_message", "") or getattr(cause, "reason", "") or "no secure connection")
