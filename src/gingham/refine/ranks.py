"""The processes that train together: each takes its share of every batch, and their gradients are added up.

Words, which are small and show at once when a process has ended, go through gloo; gradients on GPUs through nccl.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gingham.errors import GinghamError, UnavailableError
from gingham.executors import Launch

__all__ = ["LostError", "Ranks", "joined", "open_ranks"]

_TO_MEET = datetime.timedelta(minutes=10)
_TO_WAIT = datetime.timedelta(days=60)
"""For process 0, which computes the features of all images before it calls the others."""


class LostError(UnavailableError):
    """Another of the processes that train together has ended."""


class Ranks:
    """A group of processes that train together, or one alone, for which everything here does nothing.

    What is summed, and what is raised, is the same in all of them.

    Parameters
    ----------
    launch : Launch, optional
        None: this process is alone.

    Attributes
    ----------
    rank : int
        This process's number. Process 0 has the project: only it writes, and talks.
    size : int
    local_rank : int
        Which GPU is its own.
    broken : bool
        A training ended in the middle: others may wait for an answer that does not come.
    """

    def __init__(self, launch: Launch | None = None) -> None:
        self.rank, self.size, self.local_rank = (launch.rank, launch.size, launch.local_rank) if launch else (0, 1, 0)
        self.broken = False
        self._words: Any = None
        if launch:
            self._meet()

    def _meet(self) -> None:
        import torch.distributed as dist

        try:
            dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=_TO_MEET)
            self._words = dist.new_group(backend="gloo", timeout=_TO_WAIT)
        except RuntimeError as error:
            raise UnavailableError(
                f"The {self.size} processes that torchrun started cannot reach each other ({_first_line(error)}). "
                f"Type: torchrun --standalone --nproc-per-node {self.size} -m gingham …"
            ) from error

    def close(self) -> None:
        """Leave the group; who waits for this process finds out."""
        if self._words is not None:
            import torch.distributed as dist

            with contextlib.suppress(RuntimeError):
                dist.destroy_process_group()
            self._words = None

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        """Have the others do something; if that ends by an error, they may be left in the middle of it."""
        self.broken = True
        yield
        self.broken = False

    def share(self, count: int) -> slice:
        """Return which of so many rows are this process's; all are somebody's, and none is twice."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def tell(self, what: Any) -> Any:
        """Return to all what process 0 gave; what the others gave does not count."""
        if self.size == 1:
            return what
        import torch.distributed as dist

        told = [what]
        with _lost():
            dist.broadcast_object_list(told, src=0, group=self._words)
        return told[0]

    def sum(self, *numbers: float) -> list[float]:
        """Add up numbers over the processes, in float64."""
        if self.size == 1:
            return list(numbers)
        import torch.distributed as dist

        added = torch.tensor(numbers, dtype=torch.float64)
        with _lost():
            dist.all_reduce(added, group=self._words)
        result: list[float] = added.tolist()
        return result

    def any(self, flag: bool) -> bool:
        """Tell whether a flag is set in one of the processes; none goes on before all have asked."""
        return self.sum(flag)[0] > 0

    @contextlib.contextmanager
    def same_fate(self) -> Iterator[None]:
        """Do what may go wrong in one process only: its error is raised in all."""
        error: GinghamError | None = None
        try:
            yield
        except LostError:
            raise
        except GinghamError as own:
            error = own
        if self.any(error is not None):
            raise next(found for found in self._gather(error) if found is not None)

    def _gather(self, what: GinghamError | None) -> Sequence[GinghamError | None]:
        if self.size == 1:
            return [what]
        import torch.distributed as dist

        all_of_them: list[GinghamError | None] = [None] * self.size
        with _lost():
            dist.all_gather_object(all_of_them, what, group=self._words)
        return all_of_them

    def copy_first(self, tensors: Sequence[Tensor]) -> None:
        """Make tensors everywhere what they are in process 0, in place."""
        if self.size == 1:
            return
        import torch.distributed as dist

        with _lost(), torch.no_grad():
            for tensor in tensors:
                sent = tensor.contiguous()
                dist.broadcast(sent, src=0, group=self._group_of(sent))
                tensor.copy_(sent)

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Add up the gradients over the processes, in place; a process without any counts as zeros."""
        if self.size == 1:
            return
        import torch.distributed as dist

        somewhere = self.sum(*(parameter.grad is not None for parameter in parameters))
        used = [parameter for parameter, count in zip(parameters, somewhere, strict=True) if count]
        if not used:
            return
        for parameter in used:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in used if parameter.grad is not None]
        row = torch.cat([gradient.reshape(-1) for gradient in gradients])
        with _lost():
            dist.all_reduce(row, group=self._group_of(row))
        for gradient, part in zip(gradients, torch.split(row, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view(gradient.shape))

    def _group_of(self, tensor: Tensor) -> Any:
        return None if tensor.is_cuda else self._words


_joined = Ranks()


def joined() -> Ranks:
    """Return the group that this process belongs to."""
    return _joined


@contextlib.contextmanager
def open_ranks(launch: Launch) -> Iterator[Ranks]:
    """Belong to a group for a while.

    Raises
    ------
    UnavailableError
        If the processes do not meet.
    """
    global _joined
    before, ranks = _joined, Ranks(launch)
    _joined = ranks
    try:
        yield ranks
    finally:
        _joined = before
        ranks.close()


@contextlib.contextmanager
def _lost() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise LostError(
            "Another of the processes that train together has ended; torchrun says below how. "
            "Type the same command again: it goes on from the last checkpoint."
        ) from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
