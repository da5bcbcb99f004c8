"""Whose turn it is: server by server, so that a slow one holds up nobody but itself."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from gingham.collect.ledger import Ledger, Wanted

__all__ = ["Turns"]

_LINKS_AT_ONCE = 32
_MOST_WAITING = 16


@dataclass(slots=True)
class _Server:
    name: str
    running: int = 0
    last: int = 0
    waiting: deque[Wanted] = field(default_factory=deque)


class Turns:
    """Hands out the wanted links of a ledger: each time one of the server of which the fewest are in work.

    Only some servers, and a few links of each, are held in memory; each is dropped when it has no more.

    Parameters
    ----------
    ledger : Ledger
    dataset : str
    servers : int
        Among how many to take turns; up to 16 times as many where some of them must wait.
    per_server : int
        Most links of one that are in work at once.
    """

    def __init__(self, ledger: Ledger, dataset: str, servers: int, per_server: int) -> None:
        self._ledger = ledger
        self._dataset = dataset
        self._usual = servers
        self._per_server = per_server
        self._servers: dict[str, _Server] = {}
        self._after: str | None = ""

    def take(self) -> tuple[str, Wanted] | None:
        """Return a server and one of its links, which is in work until `give_back`; None where all must wait."""
        while len(self._servers) < self._usual and self._next_server():
            pass
        free = self._free()
        while not free and len(self._servers) < _MOST_WAITING * self._usual and self._next_server():
            free = self._free()
        if not free:
            return None
        server = min(free, key=lambda server: server.running)
        link = server.waiting.popleft()
        server.last, server.running = link.id, server.running + 1
        self._refill(server)
        return server.name, link

    def give_back(self, name: str) -> None:
        """Say that a link of this server is no longer in work."""
        server = self._servers[name]
        server.running -= 1
        if not server.running and not server.waiting:
            del self._servers[name]

    @property
    def done(self) -> bool:
        """Whether no link is left, in work or waiting; to be asked when `take` has given none."""
        return not self._servers

    def _free(self) -> list[_Server]:
        return [server for server in self._servers.values() if server.waiting and server.running < self._per_server]

    def _next_server(self) -> bool:
        """Let one more server take part; False where there is none."""
        if self._after is not None:
            self._after = self._ledger.next_host(self._dataset, self._after)
        if self._after is None:
            return False
        self._servers[self._after] = _Server(self._after)
        self._refill(self._servers[self._after])
        return True

    def _refill(self, server: _Server) -> None:
        if not server.waiting:
            server.waiting.extend(self._ledger.wanted(self._dataset, server.name, server.last, _LINKS_AT_ONCE))
