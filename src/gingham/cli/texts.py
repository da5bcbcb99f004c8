"""Pieces of what is printed: tables, numbers, paths."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from gingham.records import display_path, percent

__all__ = ["flat", "interval_text", "level", "near", "number_text", "padded", "percents", "tabulated"]


def tabulated(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return rows under a head, in columns."""
    from rich.cells import cell_len

    cells = [head, *rows]
    widths = [max(cell_len(row[column]) for row in cells) for column in range(len(head))]
    return "\n".join(
        "  ".join(padded(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def percents(value: float | None) -> str:
    """Write a fraction in percent."""
    return "–" if value is None else percent(value, 1)


def number_text(value: float | None) -> str:
    """Write a number that is about one."""
    return "–" if value is None else f"{value:.3f}"


def interval_text(value: tuple[float, float] | None) -> str:
    """Write an interval of fractions in percent."""
    from gingham.evaluate.wording import percent_range

    return "–" if value is None else percent_range(value, 1)


def level(confidence: float) -> str:
    """Return the head of a column of intervals."""
    return f"{100 * confidence:g} % interval"


def flat(table: dict[str, object], prefix: str = "") -> Iterable[tuple[str, object]]:
    """Yield the values of nested tables by their dotted names."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def near(path: Path) -> str:
    """Return a path relative to the current folder where it lies below it."""
    here = Path.cwd()
    return display_path(str(path.relative_to(here) if path.is_relative_to(here) else os.path.normpath(path)))


def padded(text: str, width: int) -> str:
    """Fill up to a width in cells of a terminal, of which a Chinese character takes two; what is longer stays whole."""
    from rich.cells import cell_len

    return text + " " * (width - cell_len(text))
