"""Text in pictures: in the installed fonts, as a box where none has a character, and never wider than it may be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from gingham.images import lettering, text_width, write_text


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """What is known of fonts belongs to one test."""
    caches = (lettering._font_files, lettering._fonts_with, lettering._opened)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def written(text: str, most: float = 10_000) -> tuple[np.ndarray, float]:
    sheet = Image.new("L", (700, 60), "white")
    end = write_text(ImageDraw.Draw(sheet), (10, 40), text, 24, "black", most)  # type: ignore[arg-type]
    return 255 - np.asarray(sheet).astype(int), end


@pytest.mark.parametrize("text", ["dress", "é ß", "платье", "فستان", "שמלה 1", "a\u0301", "x\u200dy"])
def test_text_is_written_as_wide_as_it_says(text: str) -> None:
    ink, end = written(text)
    columns = np.flatnonzero(ink.any(axis=0))
    assert columns.size
    assert end == pytest.approx(10 + text_width(text, 24))
    assert 8 <= columns[0] <= columns[-1] <= end + 3


def test_letters_of_one_script_are_not_boxes() -> None:
    assert not np.array_equal(written("п")[0], written("\ue123")[0])
    assert not np.array_equal(written("п")[0], written("ж")[0])


@pytest.mark.parametrize("character", ["\ue123", "条", "\U00012000"])
def test_what_no_font_has_is_a_box_each(character: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lettering, "_system_fonts", list)
    one, two = text_width(character, 24), text_width(character * 2, 24)
    assert written(character)[0].sum() > 0
    assert two == pytest.approx(2 * one, rel=0.1)


def test_without_matplotlib_and_without_any_font_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lettering.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(lettering, "_system_fonts", list)
    assert lettering._font_files() == (None,)
    assert not np.array_equal(written("a")[0], written("b")[0])
    assert written("платье")[0].sum() > 0


@pytest.mark.parametrize("text", ["x" * 300, "платье" * 60, "dress"])
def test_what_is_too_long_is_cut(text: str) -> None:
    _, end = written(text, 200)
    assert end <= 210
    assert (end > 180) == (len(text) > 10)


def test_a_font_that_cannot_be_read_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    monkeypatch.setattr(lettering, "_system_fonts", lambda: [tmp_path / "broken.ttf"])
    assert written("条")[0].sum() > 0
