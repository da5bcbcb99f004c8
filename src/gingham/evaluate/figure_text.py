"""Text in figures: class names in any script, without markup or missing glyphs, and where a label can be read."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gingham.evaluate.theme import Theme
from gingham.evaluate.wording import class_name, shorten

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Lettering", "free_side", "readable_on"]

MISSING = "□"
"""Stands for each character that no font has: an escape such as ``\\u4e2d`` would be six times as wide."""

_JOINERS = "\u200c\u200d"
_LEFT_TO_RIGHT = "\u200e"
_NO_TEXT = ("STIX", "cm", "Last Resort")
"""Fonts of formulas, and the one that shows every character as a box."""


class Lettering:
    """The fonts that a figure needs for its names, and the names as these fonts can show them.

    Characters that Matplotlib's own font lacks are looked for in the installed fonts; those that no font has,
    or that cannot be printed, appear as one box each.

    Parameters
    ----------
    names : iterable of str
        All names that the figure shows.
    """

    def __init__(self, names: Iterable[str]) -> None:
        missing = {ord(c) for name in names for c in _visible(name)} - _default_glyphs()
        self._families = ["DejaVu Sans"]
        for family, glyphs in _installed_fonts() if missing else ():
            if missing & glyphs:
                self._families.append(family)
                missing -= glyphs
            if not missing:
                break
        self._missing = missing

    def label(self, name: str, most: int = 24) -> str:
        """Return a class name, shortened, as text that Matplotlib draws letter by letter.

        A name that is written from right to left is closed off, so that what follows it stays on its right.
        """
        shown = "".join(MISSING if ord(c) in self._missing else c for c in shorten(_visible(name), most))
        if any(unicodedata.bidirectional(c) in ("R", "AL") for c in shown):
            shown = f"{_LEFT_TO_RIGHT}{shown}{_LEFT_TO_RIGHT}"
        return shown.replace("$", r"\$")

    def apply(self, figure: Figure) -> None:
        """Give all text of a figure these fonts."""
        from matplotlib.text import Text

        for text in figure.findobj(Text):
            text.set_fontfamily(self._families)


def free_side(heights: Sequence[float], place: int, *, near_bottom: bool) -> tuple[tuple[int, int], str, str]:
    """Return offset in points and alignment of a label beside a point of a line, where the line does not pass."""
    here, last = heights[place], len(heights) - 1
    before, after = heights[max(0, place - 1)], heights[min(last, place + 1)]
    if before < here < after:
        return (-8, 4), "right", "bottom"
    if before > here >= after:
        return (8, 4), "left", "bottom"
    along = "left" if place == 0 else "right" if place == last else "center"
    if max(before, after) <= here or near_bottom:
        return (0, 10), along, "bottom"
    return (0, -10), along, "top"


def readable_on(colour: NDArray[np.float64], theme: Theme) -> str:
    """Return paper or ink, whichever has the higher contrast (WCAG 2) with a colour."""
    from matplotlib.colors import to_rgb

    def light(rgb: Any) -> float:
        channels = np.asarray(rgb, dtype=np.float64)
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return 0.05 + float(linear @ [0.2126, 0.7152, 0.0722])

    behind = light(colour)
    return max((theme.paper, theme.ink), key=lambda text: abs(np.log(light(to_rgb(text)) / behind)))


def _visible(name: str) -> str:
    return class_name("".join(c if c.isprintable() else MISSING for c in name if c not in _JOINERS))


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
