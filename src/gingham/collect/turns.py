"""Whose turn it is: server by server, so that a slow one holds up nobody but itself."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from gingham.collect.ledger import Ledger, Wanted

__all__ = ["Turns"]

_LINKS_AT_ONCE = 32


@dataclass(slots=True)
class _Server:
    name: str
    running: int = 0
    last: int = 0
    exhausted: bool = False
    waiting: deque[Wanted] = field(default_factory=deque)


class Turns:
    """Hands out the wanted links of a ledger: each time one of the server of which the fewest are in work.

    Only some servers, and a few links of each, are held in memory; each is dropped when it has no more.

    Parameters
    ----------
    ledger : Ledger
    dataset : str
    servers : int
        How many to take turns among.
    per_server : int
        Most links of one that are in work at once.
    """

    def __init__(self, ledger: Ledger, dataset: str, servers: int, per_server: int) -> None:
        self._ledger = ledger
        self._dataset = dataset
        self._most = servers
        self._per_server = per_server
        self._servers: dict[str, _Server] = {}
        self._after: str | None = ""

    def take(self) -> tuple[str, Wanted] | None:
        """Return a server and one of its links, which is in work until `give_back`; None where all must wait."""
        self._fill()
        free = [server for server in self._servers.values() if server.waiting and server.running < self._per_server]
        if not free:
            return None
        server = min(free, key=lambda server: server.running)
        link = server.waiting.popleft()
        server.last, server.running = link.id, server.running + 1
        return server.name, link

    def give_back(self, name: str) -> None:
        """Say that a link of this server is no longer in work."""
        self._servers[name].running -= 1

    @property
    def done(self) -> bool:
        """Whether there is no link left, in work or waiting."""
        self._fill()
        return not self._servers

    def _fill(self) -> None:
        for server in list(self._servers.values()):
            self._refill(server)
            if server.exhausted and not server.waiting and not server.running:
                del self._servers[server.name]
        while self._after is not None and len(self._servers) < self._most:
            self._after = self._ledger.next_host(self._dataset, self._after)
            if self._after is not None:
                self._servers[self._after] = _Server(self._after)
                self._refill(self._servers[self._after])

    def _refill(self, server: _Server) -> None:
        if server.waiting or server.exhausted:
            return
        server.waiting.extend(self._ledger.wanted(self._dataset, server.name, server.last, _LINKS_AT_ONCE))
        server.exhausted = not server.waiting
