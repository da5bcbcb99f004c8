"""The colours of the report, shared by its style sheet and its figures."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DARK", "LIGHT", "Theme"]


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
