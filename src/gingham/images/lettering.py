"""Text in pictures: names in any script, in the fonts that are installed, drawn by Pillow alone."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

    Font = FreeTypeFont | ImageFont

__all__ = ["text_width", "write_text"]

_NO_CHARACTER = "\U0010ffff"
_JOINERS = "\u200c\u200d"
_LATER = ("bold", "italic", "oblique", "mono", "serif", "thin", "light", "black", "condensed", "narrow", "math")
_NO_TEXT = ("lastresort", "stix", "cmex", "cmsy")
"""Fonts of formulas, and the one that shows every character as a box."""


def write_text(
    drawing: ImageDraw, place: tuple[float, float], text: str, size: int, colour: str, most: float = 10_000
) -> float:
    """Write a line of text, and return where it ends.

    Each character is drawn in the first font that has it; one that no font has is a box.

    Parameters
    ----------
    drawing : PIL.ImageDraw.ImageDraw
    place : (x, y)
        Of its beginning, on the base line, in pixels.
    text : str
        Printable.
    size : int
        In pixels.
    colour : str
    most : float
        Pixels; of what is longer, the end is cut off.
    """
    text = _cut(text, size, most)
    x, y = place
    for font, run in _runs(text, size):
        drawing.text((x, y), run, fill=colour, font=font, anchor="ls")
        x += font.getlength(run)
    return x


def text_width(text: str, size: int) -> float:
    """Return how many pixels a line of text takes."""
    return sum(font.getlength(run) for font, run in _runs(text, size))


def _cut(text: str, size: int, most: float) -> str:
    if text_width(text, size) <= most:
        return text
    shown = next((end for end in range(len(text) - 1, 0, -1) if text_width(f"{text[:end]}…", size) <= most), 0)
    return f"{text[:shown]}…"


def _runs(text: str, size: int) -> Iterator[tuple[Font, str]]:
    """Yield the parts of a text that are each written in one font: all of it where one has every character."""
    places = {c: _fonts_with(c) for c in text if not c.isspace() and c not in _JOINERS}
    common = sorted(set.intersection(*map(set, places.values()))) if places else [0]
    chosen: list[int] = []
    for c in text:
        found = common or places.get(c)
        chosen.append(found[0] if found else chosen[-1] if chosen and c not in places else 0)
    for number, run in groupby(zip(chosen, text, strict=True), key=lambda each: each[0]):
        yield _opened(_font_files()[number], size), "".join(c for _, c in run)


@cache
def _fonts_with(character: str) -> tuple[int, ...]:
    """Return the numbers of the fonts in which a character can be drawn: one or two are enough."""
    found: list[int] = []
    for number, file in enumerate(_font_files()):
        try:
            font = _opened(file, 16)
        except OSError:  # no font that can be read, or one of bitmaps in other sizes
            continue
        if bytes(font.getmask(character)) != bytes(font.getmask(_NO_CHARACTER)):
            found.append(number)
            if len(found) == _ENOUGH:
                break
    return tuple(found)


_ENOUGH = 4  # fonts, so that one of them may have all of a text


@cache
def _opened(file: Path | None, size: int) -> Font:
    from PIL import ImageFont

    return ImageFont.load_default(size) if file is None else ImageFont.truetype(os.fspath(file), size)


@cache
def _font_files() -> tuple[Path | None, ...]:
    """Return the fonts of Matplotlib where it is installed, Pillow's own (None), then those of the system."""
    found = importlib.util.find_spec("matplotlib")
    own = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" if found and found.origin else None
    return (*([own / "DejaVuSans.ttf"] if own and own.is_dir() else []), None, *_system_fonts())


def _system_fonts() -> list[Path]:
    home, windows = Path.home(), os.environ.get("WINDIR")
    folders = {
        "darwin": [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library" / "Fonts"],
        "win32": [Path(windows) / "Fonts"] if windows else [],
    }.get(
        sys.platform,
        [Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), home / ".fonts", home / ".local/share/fonts"],
    )
    files = (
        file for folder in folders for file in folder.rglob("*") if file.suffix.lower() in (".ttf", ".otf", ".ttc")
    )
    return sorted((file for file in files if not file.name.lower().startswith(_NO_TEXT)), key=_plainness)


def _plainness(file: Path) -> tuple[int, str]:
    """Return a key that sorts upright text fonts of one weight first."""
    name = file.stem.lower()
    return sum(word in name for word in _LATER), name
