"""Which of several trainings from the same start one is: that makes its order and its views its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Turn"]


@dataclass(frozen=True)
class Turn:
    """One of several trainings.

    Parameters
    ----------
    number : int
        From 0.
    trainings : int
        How many there are.
    epochs : int
        Of each.
    """

    number: int
    trainings: int
    epochs: int

    @property
    def before(self) -> int:
        """Epochs of the trainings before it, when none of them ends early."""
        return self.number * self.epochs

    def seed(self, seed: int) -> int:
        """Return the seed of what is drawn; the first one's is that of a single training.

        >>> [Turn(number, 2, 8).seed(7) == 7 for number in range(2)]
        [True, False]
        """
        return int(np.random.SeedSequence([seed, self.number]).generate_state(1)[0]) if self.number else seed

    def view(self, epoch: int, views: int) -> int:
        """Return the view that an epoch shows; each training begins with another one.

        >>> [[Turn(number, 2, 2).view(epoch, 4) for epoch in range(2)] for number in range(2)]
        [[0, 1], [2, 3]]
        """
        return (epoch + self.number * views // self.trainings) % views
