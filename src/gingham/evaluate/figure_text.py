"""Class names in figures: any script, no markup, and no warning about a glyph that no font has."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from gingham.evaluate.wording import shorten
from gingham.records import display_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Lettering"]

_NO_TEXT = ("STIX", "cm", "Last Resort")
"""Fonts of formulas, and the one that shows every character as a box."""


class Lettering:
    r"""The fonts that a figure needs for its names, and the names as these fonts can show them.

    Characters that Matplotlib's own font lacks are looked for in the installed fonts; those that no font has
    appear escaped, as ``\u4e2d``.

    Parameters
    ----------
    names : iterable of str
        All names that the figure shows.
    """

    def __init__(self, names: Iterable[str]) -> None:
        missing = {ord(c) for name in names for c in shorten(display_path(name))} - _default_glyphs()
        self._families = ["DejaVu Sans"]
        for family, glyphs in _installed_fonts() if missing else ():
            if missing & glyphs:
                self._families.append(family)
                missing -= glyphs
            if not missing:
                break
        self._missing = missing

    def label(self, name: str, most: int = 24) -> str:
        """Return a class name, shortened, as text that Matplotlib draws letter by letter."""
        shown = "".join(
            c.encode("unicode_escape").decode() if ord(c) in self._missing else c
            for c in shorten(display_path(name), most)
        )
        return shown.replace("$", r"\$")

    def apply(self, figure: Figure) -> None:
        """Give all text of a figure these fonts."""
        from matplotlib.text import Text

        for text in figure.findobj(Text):
            text.set_fontfamily(self._families)


@cache
def _default_glyphs() -> frozenset[int]:
    from matplotlib.font_manager import findfont

    return _glyphs(str(findfont("DejaVu Sans")))


@cache
def _installed_fonts() -> tuple[tuple[str, frozenset[int]], ...]:
    """Return family and characters of every scalable, upright text font."""
    from matplotlib.font_manager import fontManager

    files = {
        entry.name: entry.fname
        for entry in fontManager.ttflist
        if entry.style == "normal" and entry.size == "scalable" and not entry.name.startswith(_NO_TEXT)
    }
    return tuple((family, _glyphs(file)) for family, file in sorted(files.items()))


def _glyphs(file: str) -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(file).get_charmap())
    except (OSError, RuntimeError):
        # A font that was removed, or that FreeType cannot read, shows no character.
        return frozenset()
