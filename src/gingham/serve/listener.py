"""The socket on which the service listens, and how much of the machine its connections may take."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import socket
import struct
import sys

from gingham.errors import UnavailableError, UsageError

__all__ = ["BACKLOG", "allow_many_files", "listen", "refuse_newcomers", "taken"]

BACKLOG = 2048
"""Who may wait to be accepted."""
FILES = 16_384
SO_ATTACH_FILTER = 26


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that is bound, and listens once a server is made of it.

    Raises
    ------
    UsageError
        If this machine has no such address.
    UnavailableError
        If the port cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise UsageError(f"`service.host` is {host}, which is no address of this machine: {error.strerror}.") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise taken(host, port, error) from None
    return listener


def taken(host: str, port: int, error: OSError) -> UnavailableError:
    """Return the error for a port that cannot be had."""
    return UnavailableError(
        f"Cannot listen on {host}, port {port}: {os.strerror(error.errno or 0)}. Choose another with --port, or "
        "--port 0 for any that is free."
    )


def allow_many_files() -> int:
    """Let thousands of connections be open, where that is allowed, and return how many files can be open at once.

    The usual limit, 1,024, is one that slow clients reach.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = max(soft, FILES if hard == resource.RLIM_INFINITY else min(FILES, hard))
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    except (OSError, ValueError):  # not here
        return soft
    return allowed


def refuse_newcomers(listener: socket.socket) -> None:
    """Have the kernel drop who tries to connect, so that closing the listener resets nobody who is in its queue.

    Linux only: a filter in the old Berkeley form, which looks at the byte of a TCP header that holds the flags.
    """
    if sys.platform == "linux":
        code = b"".join(
            struct.pack("=HBBI", *line)
            for line in ((0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))
        )  # load byte 13; unless it has SYN, skip one; drop; keep
        buffer = ctypes.create_string_buffer(code)
        program = struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
        with contextlib.suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
