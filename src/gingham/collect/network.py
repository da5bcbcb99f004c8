"""The way to the web: a session that reaches public addresses only, whatever a name or a redirect says."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from gingham.collect.addresses import is_public
from gingham.config import Collection

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.abc import AbstractResolver
    from aiohttp.connector import AddrInfoType

__all__ = ["BlockedAddressError", "blocked_address", "open_session", "user_agent"]

_IDLE_SECONDS = 15.0


class BlockedAddressError(OSError):
    """An address is not public, and nothing was sent there.

    An OSError, so that a name with several addresses is still reached by those that are public. Its words do not name
    the address: equal words are what keeps the class where several addresses fail together.
    """

    def __init__(self) -> None:
        super().__init__("the address is not public")


def blocked_address(error: BaseException | None) -> bool:
    """Tell whether a blocked address is behind an error."""
    while error is not None and not isinstance(error, BlockedAddressError):
        error = error.__cause__ or error.__context__
    return error is not None


def user_agent(contact: str) -> str:
    """Return what every server is told: who asks, and whom to write to."""
    import aiohttp

    from gingham import __version__

    who = "".join(c if " " <= c <= "~" and c not in "()\\" else " " for c in contact).strip()
    return f"gingham/{__version__} ({who or 'no contact given'}) aiohttp/{aiohttp.__version__}"


@contextlib.asynccontextmanager
async def open_session(
    settings: Collection, *, resolver: AbstractResolver | None = None
) -> AsyncIterator[aiohttp.ClientSession]:
    """Open the session with which everything is fetched: pages of providers, and images.

    It keeps no cookies, obeys no proxy variables and no netrc, and connects to no address that is not public, unless
    ``settings.allow_private``: what is judged is the address that a socket is about to be connected to, and the peer
    of the connection an answer comes over, so that it does not matter how an address was written or where a name
    pointed before. A refusal is an error for which :func:`blocked_address` is true. Redirects are to be followed by
    the caller, by :func:`gingham.collect.fetching.fetch`, and there is no time limit but the caller's.

    Parameters
    ----------
    settings : Collection
    resolver : aiohttp.abc.AbstractResolver, optional
        Turns names into addresses; by default the system's.
    """
    import aiohttp

    connector = aiohttp.TCPConnector(
        resolver=resolver,
        limit=settings.concurrency,
        limit_per_host=settings.per_host,
        keepalive_timeout=_IDLE_SECONDS,
        socket_factory=None if settings.allow_private else _public_socket,
    )
    async with aiohttp.ClientSession(
        connector=connector,
        headers={"User-Agent": user_agent(settings.contact)},
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        trust_env=False,
        response_class=aiohttp.ClientResponse if settings.allow_private else _checked_response(),
    ) as session:
        yield session


def _public_socket(address: AddrInfoType) -> socket.socket:
    family, kind, protocol, _, peer = address
    if not is_public(str(peer[0])):
        raise BlockedAddressError
    return socket.socket(family, kind, protocol)


def _checked_response() -> type[aiohttp.ClientResponse]:
    """Return the class of answers that look at who has sent them before anything is read."""
    import aiohttp

    class CheckedResponse(aiohttp.ClientResponse):
        async def start(self, connection: Any) -> aiohttp.ClientResponse:
            peer = connection.transport.get_extra_info("peername") if connection.transport else None
            if not peer or not is_public(str(peer[0])):
                connection.close()
                raise BlockedAddressError
            return await super().start(connection)

    return CheckedResponse
