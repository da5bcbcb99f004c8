"""An explanation as a picture that needs no other words: the image, what spoke for the answer, and a caption."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gingham.images import GROUND, colours_of, overlay, resized, text_width, thumbnail_jpeg, write_text
from gingham.records import display_path, percent

if TYPE_CHECKING:
    from gingham.export.explanation import Explanation

__all__ = ["captioned_jpeg"]

_LEAST_SIDE = 448
_MARGIN, _GAP = 20, 16
_STRIP = 92  # the caption's height
_LARGE, _SMALL = 26, 16  # letters
_BAR = 96, 14
_PAPER, _INK, _MUTED = "#ffffff", "#1b2022", "#5f686c"
_QUALITY = 90


def captioned_jpeg(explanation: Explanation) -> bytes:
    """Return a JPEG: at the left what the network saw, at the right that with what spoke for the class in colour.

    Below stands the class, its probability, and what the colour means. Either side has at least 448 pixels.

    Parameters
    ----------
    explanation : Explanation
    """
    from PIL import Image, ImageDraw

    side = max(_LEAST_SIDE, len(explanation.square))
    right = _MARGIN + side + _GAP
    sheet = Image.new("RGB", (right + side + _MARGIN, _MARGIN + side + _STRIP), _PAPER)
    sheet.paste(Image.fromarray(resized(explanation.square, side)), (_MARGIN, _MARGIN))
    sheet.paste(Image.fromarray(overlay(explanation.square, explanation.evidence, side)), (right, _MARGIN))
    drawing = ImageDraw.Draw(sheet)

    chances = explanation.probabilities
    word = "answer" if chances[explanation.label] == max(chances.values()) else "class"
    line = _MARGIN + side + 27
    write_text(drawing, (_MARGIN, line), "What the network saw", _SMALL, _MUTED)
    if explanation.evidence.max() > 0:
        x = write_text(drawing, (right, line), f"What spoke for this {word}:  nothing ", _SMALL, _MUTED)
        scale = colours_of(np.tile(np.linspace(0, 1, _BAR[0]), (_BAR[1], 1)), sum(GROUND) / 2)
        sheet.paste(Image.fromarray(scale), (round(x), line - _BAR[1] + 2))
        write_text(drawing, (x + _BAR[0], line), " most", _SMALL, _MUTED)
    else:
        why = ": it is the least unlikely" if word == "answer" else ""
        write_text(drawing, (right, line), f"No place spoke for this {word}{why}", _SMALL, _MUTED)

    line += 42
    chance = f", {percent(chances[explanation.label], 1)} probable"
    x = write_text(drawing, (_MARGIN, line), f"{word.capitalize()}: ", _LARGE, _MUTED)
    left = sheet.width - _MARGIN - x - text_width(chance, _LARGE)
    x = write_text(drawing, (x, line), display_path(explanation.label), _LARGE, _INK, left)
    write_text(drawing, (x, line), chance, _LARGE, _MUTED)
    return thumbnail_jpeg(np.asarray(sheet), max(sheet.size), quality=_QUALITY)
