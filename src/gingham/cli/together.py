"""One command in several processes: the first does it, the others help it to train, and neither write nor talk."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gingham.cli.execute import INTERRUPTED, report
from gingham.cli.execute import execute as execute_alone
from gingham.errors import GinghamError
from gingham.executors import Launch, launched

if TYPE_CHECKING:
    from gingham.refine.ranks import Ranks

__all__ = ["execute"]


def execute(arguments: Sequence[str]) -> int:
    """Run the command that ``arguments`` spell, alone or beside others, and return the exit status."""
    try:
        launch = launched()
        return execute_alone(arguments) if launch is None else _beside_others(arguments, launch)
    except GinghamError as error:
        return report(error, "--json" in arguments)
    except KeyboardInterrupt:  # while it waits for the others, or leaves them
        return INTERRUPTED


def _beside_others(arguments: Sequence[str], launch: Launch) -> int:
    if launch.rank > 0:  # Ctrl-C reaches all, and the first decides what comes of it
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        from gingham.refine.ranks import open_ranks
    except ModuleNotFoundError:  # another torch started it
        return execute_alone(arguments) if launch.rank == 0 else 0
    try:
        with open_ranks(launch) as ranks:
            if launch.rank > 0:
                return _help(ranks)
            status = execute_alone(arguments)
            _dismiss(ranks)
            return status
    except GinghamError:
        if launch.rank > 0:
            return 0
        raise


def _help(ranks: Ranks) -> int:
    from gingham.refine import help_to_refine

    help_to_refine(ranks)
    return 0


def _dismiss(ranks: Ranks) -> None:
    """Let the others end, who wait for work; where a training broke off, they find out when this process ends."""
    from gingham.refine.ranks import LostError

    if not ranks.broken:
        with contextlib.suppress(LostError):
            ranks.tell(None)
