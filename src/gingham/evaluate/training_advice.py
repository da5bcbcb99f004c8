"""What the curves of a training say, in words; nothing where the numbers do not show it."""

from __future__ import annotations

from collections.abc import Sequence

from gingham.evaluate.intervals import wilson_interval
from gingham.evaluate.wording import percent
from gingham.records import Epoch

__all__ = ["diagnose_training"]

_HIGH_ERROR = 0.05
_GAP = 0.10
_CONFIDENCE = 0.95


def diagnose_training(epochs: Sequence[Epoch], n_validation: int) -> tuple[str, ...]:
    """Return advice for the next training, by the rules of thumb of the 2017 sample.

    Parameters
    ----------
    epochs : sequence of Epoch
        Of several trainings the last one counts.
    n_validation : int
        Images behind each validation error: of few, a difference may be chance, and is then not told.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> from dataclasses import replace
    >>> epoch = Epoch(1, 0.9, 0.2, None, None, None, 5e-4, 100.0, 6.0)
    >>> diagnose_training([epoch, replace(epoch, epoch=2, train_error=0.12)], 0)
    ('Training error is still 12 % at the end: ...',)
    """
    if not epochs:
        return ()
    last = epochs[-1]
    epochs = [epoch for epoch in epochs if epoch.training == last.training]
    found = []
    if last.train_error > _HIGH_ERROR:
        falling = len(epochs) > 1 and last.train_error < 0.8 * epochs[len(epochs) // 2].train_error
        remedy = (
            "it was still falling, so train longer (--refinement.epochs)"
            if falling
            else "raise the learning rate (--refinement.learning_rate), or train more of the network "
            "(--refinement.depth)"
        )
        found.append(f"Training error is still {percent(last.train_error)} at the end: {remedy}.")
    if last.validation_error is not None and n_validation:
        wrong = round(last.validation_error * n_validation)
        least, _ = wilson_interval(wrong, n_validation, _CONFIDENCE)
        gap = last.validation_error - last.train_error
        if gap > _GAP and least > last.train_error:
            found.append(
                f"Validation error is {round(100 * gap)} points above training error: more dropout "
                "(--refinement.dropout), more weight decay (--refinement.weight_decay), or, best, more images."
            )
        errors = [epoch.validation_error for epoch in epochs if epoch.validation_error is not None]
        best = len(errors) - 1 - errors[::-1].index(min(errors))
        # Not the loss: with smoothed labels it rises while the answers get better.
        if best < len(errors) - 2 and least > errors[best]:
            found.append(
                f"Validation error was lowest after epoch {epochs[best].epoch} and has risen since: "
                f"fewer epochs would do (--refinement.epochs {best + 1})."
            )
    return tuple(found)
