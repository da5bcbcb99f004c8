"""Whether this process is one of several that were started together, as `torchrun` starts them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from gingham.errors import UsageError

__all__ = ["Launch", "launched"]

_NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Launch:
    """One of several processes.

    Parameters
    ----------
    rank : int
        Its number, from 0.
    size : int
        How many there are.
    local_rank, local_size : int
        The same of those on this machine.
    """

    rank: int
    size: int
    local_rank: int
    local_size: int


def launched(environment: Mapping[str, str] = os.environ) -> Launch | None:
    """Return which of several processes this one is; None where it is alone.

    Parameters
    ----------
    environment : mapping of str to str
        Where ``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``, ``MASTER_ADDR`` and ``MASTER_PORT`` are all set, they count:
        some of them are set on clusters for other reasons.

    Raises
    ------
    UsageError
        If they do not make sense, or the processes are on several machines.

    Examples
    --------
    >>> launched({"RANK": "1"}) is None
    True
    >>> where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
    >>> launched({"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", **where})
    Launch(rank=1, size=2, local_rank=1, local_size=2)
    """
    if any(not environment.get(name) for name in _NAMES):
        return None
    names = [*_NAMES[:3], "LOCAL_WORLD_SIZE"]
    try:
        rank, size, local_rank, local_size = (int(environment.get(name) or environment["WORLD_SIZE"]) for name in names)
    except ValueError:
        local_rank = -1
    if local_rank < 0 or not (local_rank < local_size and 0 <= rank < size):
        found = ", ".join(f"{name}={environment[name]}" for name in names if environment.get(name))
        raise UsageError(
            f"{found} cannot be: each is a whole number, and the ranks are below the sizes. "
            "Start with torchrun, which sets them, or unset RANK"
        )
    if local_size != size:
        raise UsageError(
            f"torchrun started {size} processes on several machines, but they share a project's folder, so they must "
            f"be on one. Type: torchrun --standalone --nproc-per-node {local_size} -m gingham …"
        )
    return Launch(rank, size, local_rank, local_size) if size > 1 else None
