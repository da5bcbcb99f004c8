"""What a training says while it works."""

from __future__ import annotations

from gingham.records import Epoch

__all__ = ["epoch_in_words", "time_in_words"]


def epoch_in_words(epoch: Epoch, epochs: int) -> str:
    """Return the line on an epoch: its errors and its speed."""
    parts = [f"training error {epoch.train_error:.1%}"]
    if epoch.validation_error is not None:
        parts.append(f"validation error {epoch.validation_error:.1%}")
    if epoch.test_error is not None:
        parts.append(f"test error {epoch.test_error:.1%}")
    parts.append(f"{epoch.images_per_second:,.0f} images/s")
    return f"Epoch {epoch.epoch} of {epochs}: {', '.join(parts)}".replace("%", " %")


def time_in_words(seconds: float) -> str:
    """Round a time to what one plans with.

    >>> [time_in_words(seconds) for seconds in (8, 100, 3000, 9000)]
    ['10 s', '2 min', '50 min', '2.5 h']
    """
    if seconds < 55:
        return f"{max(10, round(seconds, -1)):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
