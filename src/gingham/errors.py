"""The errors that Gingham raises, and the exit status that each gives the command line.

GinghamError
├── UsageError        2   the call or the configuration is wrong
│   └── ConfigError       a parameter: unknown, of the wrong type, out of range
├── DataError         3   the images cannot be used
│   └── ImageError        one image cannot: carries a reason code
└── UnavailableError  4   something is not installed, not found, or in use by another process
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from gingham.records import SkipReason

__all__ = ["ConfigError", "DataError", "GinghamError", "ImageError", "UnavailableError", "UsageError", "did_you_mean"]


class GinghamError(Exception):
    """Base of every error that Gingham raises on purpose.

    The message says what came, what is allowed and what to type next.
    """

    exit_status = 1


class UsageError(GinghamError):
    """The call is wrong: an argument, a path, a combination of options."""

    exit_status = 2


class ConfigError(UsageError):
    """A parameter is unknown, of the wrong type or out of its range."""


class DataError(GinghamError):
    """The images as they lie there cannot be used."""

    exit_status = 3


class ImageError(DataError):
    """One image cannot be used.

    Parameters
    ----------
    reason : SkipReason
        Why, as a code that does not change between versions.
    detail : str
        Why, in words.
    """

    def __init__(self, reason: SkipReason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail


class UnavailableError(GinghamError):
    """Something is not installed, not found, or held by another process."""

    exit_status = 4


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a question that names the nearest known word, or an empty string.

    >>> did_you_mean("fold", ["folds", "c_grid"])
    ' Did you mean `folds`?'
    >>> did_you_mean("xyzzy", ["folds", "c_grid"])
    ''
    """
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" Did you mean `{near[0]}`?" if near else ""
