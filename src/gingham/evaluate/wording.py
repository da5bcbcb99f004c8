"""Numbers and counts in words, for pages and messages: data keep fractions."""

from __future__ import annotations

from collections.abc import Sequence

from gingham.records import count_of, display_path, percent, shorten

__all__ = [
    "class_name",
    "count_of",
    "digits_for",
    "listing",
    "percent",
    "percent_range",
    "quoted",
    "short_range",
    "shorten",
]


def digits_for(n_images: int) -> int:
    """Return how many decimals a percentage of ``n_images`` deserves.

    >>> [digits_for(n) for n in (20, 199, 200)]
    [0, 0, 1]
    """
    return 0 if n_images < 200 else 1


def percent_range(interval: tuple[float, float], digits: int = 0) -> str:
    """Write an interval of fractions in percent.

    Its ends are estimates, so they may round to 0 % and 100 %.

    >>> percent_range((0.859, 0.962))
    '86 % to 96 %'
    """
    low, high = (f"{100 * end:.{digits}f} %" for end in interval)
    return f"{low} to {high}"


def short_range(interval: tuple[float, float]) -> str:
    """Write an interval of fractions in whole percent, for a table's cell.

    >>> short_range((0.459, 0.812))
    '46–81 %'
    """
    low, high = (f"{100 * end:.0f}" for end in interval)
    return f"{low}–{high} %"


def listing(items: Sequence[str], most: int = 5) -> str:
    """Join items in a sentence, and count those that are left out.

    >>> listing(["a", "b", "c"]), listing(list("abcdefg"), most=3)
    ('a, b and c', 'a, b, c and 4 more')
    """
    if len(items) > most:
        return f"{', '.join(items[:most])} and {len(items) - most:,} more"
    return " and ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


def quoted(name: str) -> str:
    """Write a class name inside a sentence.

    >>> quoted("striped")
    '“striped”'
    """
    return f"“{shorten(class_name(name), 40)}”"


def class_name(name: str) -> str:
    """Return a class name as text that can be seen, also where it is only spaces.

    >>> class_name("striped"), class_name("  ")
    ('striped', '␠␠')
    """
    shown = display_path(name)
    return shown if shown.strip() else "␠" * len(shown)
