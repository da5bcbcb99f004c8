"""The colours of the report, shared by its style sheet and its figures."""

from __future__ import annotations

import re
from dataclasses import astuple, dataclass

__all__ = ["DARK", "LIGHT", "Theme", "in_dark"]


@dataclass(frozen=True, slots=True)
class Theme:
    """One set of colours, each as ``#rrggbb``.

    Parameters
    ----------
    paper, raised : str
        The page, and what lies on it.
    ink, muted, line : str
        Text, secondary text, hairlines.
    accent, error, caution : str
        What is right, what is wrong, what to be careful about.
    series : tuple of str
        Curves that must be told apart.
    """

    paper: str
    raised: str
    ink: str
    muted: str
    line: str
    accent: str
    error: str
    caution: str
    series: tuple[str, ...]


LIGHT = Theme(
    paper="#ffffff",
    raised="#f6f7f6",
    ink="#1b2022",
    muted="#5f686c",
    line="#e1e5e4",
    accent="#0f6e6a",
    error="#b5482f",
    caution="#8a6100",
    series=("#0f6e6a", "#c2562f", "#4a5fc1", "#a87a08", "#8e4585", "#2f86b0", "#66881f", "#a04a58"),
)

DARK = Theme(
    paper="#121516",
    raised="#1a1f20",
    ink="#e6eaea",
    muted="#98a3a6",
    line="#2b3233",
    accent="#5cc8bd",
    error="#f08a6c",
    caution="#e0b04a",
    series=("#5cc8bd", "#f08a6c", "#93a4ff", "#e0b04a", "#d08fc8", "#7cc4ea", "#a9cc5c", "#e79aa5"),
)


def in_dark(svg: bytes) -> bytes | None:
    """Return a figure that was drawn in `LIGHT` in the colours of `DARK`; None where it has others, blends perhaps."""
    if b"<image" in svg or not set(_COLOUR.findall(svg)) <= _DARK_OF.keys():
        return None
    return _COLOUR.sub(lambda found: _DARK_OF[found[0]], svg)


def _colours(theme: Theme) -> list[bytes]:
    *single, series = astuple(theme)
    return [colour.encode() for colour in (*single, *series)]


_COLOUR = re.compile(rb"(?<=: )#[0-9a-f]{6}\b")
_DARK_OF = dict(zip(_colours(LIGHT), _colours(DARK), strict=True))
