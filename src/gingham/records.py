"""The values that pass between the steps: small, frozen, checked when they are made."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

__all__ = [
    "Annotation",
    "Epoch",
    "ImageFile",
    "InputRecipe",
    "SkipReason",
    "Skipped",
    "View",
    "Views",
    "content_hash",
    "count_of",
    "display_path",
    "encodable",
    "percent",
    "shorten",
    "spreadsheet_cell",
    "views_of",
]

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "'")

Fit = Literal["crop", "squash"]
Interpolation = Literal["bilinear", "bicubic", "lanczos", "box"]
Views = Literal["one", "flip", "crops", "crops-and-flips"]


class SkipReason(StrEnum):
    """Why a file was left out. The codes are part of the public contract."""

    EMPTY = "empty"
    NOT_AN_IMAGE = "not_an_image"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    TOO_LARGE = "too_large"
    UNSUPPORTED_FORMAT = "unsupported_format"
    UNREADABLE = "unreadable"
    VANISHED = "vanished"
    NOT_A_FILE = "not_a_file"
    OUTSIDE_ROOT = "outside_root"
    BROKEN_LINK = "broken_link"
    EXCLUDED = "excluded"


@dataclass(frozen=True, slots=True)
class InputRecipe:
    """How an image becomes the square array that a network sees.

    Parameters
    ----------
    resolution : int
        Side of the square, in pixels.
    fit : {"crop", "squash"}
        ``crop`` scales the shorter side to ``resolution / crop_fraction`` and keeps the centre;
        ``squash`` scales the whole image to the square, whatever its aspect ratio.
    crop_fraction : float
        In (0, 1]; belongs to the weights. Unused by ``squash``.
    interpolation : {"bilinear", "bicubic", "lanczos", "box"}
        Antialiased resampling filter; belongs to the weights.
    """

    resolution: int = 224
    fit: Fit = "crop"
    crop_fraction: float = 0.875
    interpolation: Interpolation = "bicubic"

    def __post_init__(self) -> None:
        if self.resolution < 1:
            raise ValueError(f"resolution must be at least 1, not {self.resolution}")
        if not 0 < self.crop_fraction <= 1:
            raise ValueError(f"crop_fraction must lie in (0, 1], not {self.crop_fraction}")


@dataclass(frozen=True, slots=True)
class View:
    """A part of an input square that the network sees, mirrored or not.

    Parameters
    ----------
    left, top : int
        In pixels of the square.
    mirrored : bool
        Left and right exchanged.
    """

    left: int
    top: int
    mirrored: bool = False


def views_of(views: Views, outer: int, inner: int) -> tuple[View, ...]:
    """Return what the network sees of an input square, and whose features are averaged.

    Parameters
    ----------
    views : {"one", "flip", "crops", "crops-and-flips"}
        The square; that and its mirror image; its four corners and its centre; those and their mirror images, the ten
        views of Krizhevsky et al. (*ImageNet classification with deep convolutional neural networks*, 2012).
    outer, inner : int
        Side of the square, and of what the network sees at once, in pixels.

    Examples
    --------
    >>> views_of("flip", 224, 224)
    (View(left=0, top=0, mirrored=False), View(left=0, top=0, mirrored=True))
    """
    edge = outer - inner
    places = [(0, 0)]
    if views.startswith("crops"):
        places = [(edge // 2, edge // 2), (0, 0), (edge, 0), (0, edge), (edge, edge)]
    mirrored = (False, True) if views.endswith(("flip", "flips")) else (False,)
    return tuple(View(left, top, flip) for flip in mirrored for left, top in places)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that was left out, and why.

    Parameters
    ----------
    path : str
        Relative to the dataset, ``/``-separated; bytes that are not UTF-8 as surrogate escapes.
    reason : SkipReason
    detail : str
        The reason in words.
    """

    path: str
    reason: SkipReason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One readable image file of a dataset.

    Parameters
    ----------
    path : str
        Relative to the dataset, ``/``-separated; bytes that are not UTF-8 as surrogate escapes.
    label : str
        Its class.
    content : str
        BLAKE2b-128 of the file's bytes in hexadecimal: the identity of the image.
    width, height : int
        In pixels, as displayed (after the EXIF rotation).
    format : str
        ``JPEG``, ``PNG``, …, by content.
    dhash : bytes or None
        256-bit difference hash, 32 bytes; None where the image has too little detail to tell it from others.
    notes : tuple of str
        What is unusual but harmless: ``animated``, ``wrong_extension``, ``broken_exif`` …
    """

    path: str
    label: str
    content: str
    width: int
    height: int
    format: str
    dhash: bytes | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Annotation:
    """What a person has said of an image, whichever file holds it.

    Parameters
    ----------
    label : str or None
        Its class; None: that of its folder.
    excluded : bool
        It has no part in anything.
    ambiguous : bool
        Its class cannot be told for sure. It trains and tests all the same: without the hard images the test would
        be too easy.
    note : str
    """

    label: str | None = None
    excluded: bool = False
    ambiguous: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch in numbers.

    Parameters
    ----------
    epoch : int
        From 1, through all trainings.
    train_loss, train_error : float
        Of the varied images, while the weights still changed: mean loss, and share of wrong answers.
    validation_loss, validation_error : float or None
        Of the validation part, after the epoch; None where there is none.
    test_error : float or None
        For looking only; None where it was not measured after this epoch.
    learning_rate : float
        At its end.
    images_per_second : float
        Trained; what came before, and the measuring after, left out.
    seconds : float
        Of all of it.
    training : int
        Which of several trainings from the same start it belongs to; from 1.
    """

    epoch: int
    train_loss: float
    train_error: float
    validation_loss: float | None
    validation_error: float | None
    test_error: float | None
    learning_rate: float
    images_per_second: float
    seconds: float
    training: int = 1


def content_hash(data: bytes) -> str:
    """Return the identity of an image: BLAKE2b-128 of its file's bytes, in hexadecimal.

    >>> content_hash(b"")
    'cae66941d9efbd404e4d88758ea67670'
    """
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def display_path(path: str) -> str:
    r"""Return ``path`` as text that can be printed and encoded: undecodable bytes and controls escaped.

    >>> display_path("striped/a\nb.jpg")
    'striped/a\\nb.jpg'
    """
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def encodable(text: str) -> str:
    r"""Return ``text`` as it is, or with ``\xff`` for each byte of a name that is not UTF-8.

    >>> print(encodable("a\udcff.jpg"), encodable("é.jpg"))
    a\xff.jpg é.jpg
    """
    return text if text.isascii() else os.fsencode(text).decode("utf-8", "backslashreplace")


def spreadsheet_cell(text: str) -> str:
    """Return ``text`` as a cell of a CSV file: an apostrophe in front of what would be taken for a formula.

    >>> spreadsheet_cell("=1+1"), spreadsheet_cell("a.jpg")
    ("'=1+1", 'a.jpg')
    """
    shown = encodable(text)
    return f"'{shown}" if shown.startswith(_FORMULA_STARTS) else shown


def percent(fraction: float, digits: int = 0) -> str:
    """Write a fraction as a percentage that never rounds to 0 % or 100 % what is not.

    >>> [percent(0.925), percent(1), percent(0.9996), percent(0.9999999), percent(0.001), percent(-0.021, 1)]
    ['92 %', '100 %', '99.96 %', '99.99 %', '0.1 %', '-2.1 %']
    """
    value = 100 * fraction
    decimals = digits
    while decimals < 2 and _falsely_whole(value, decimals):
        decimals += 1
    if _falsely_whole(value, decimals):
        edge = 10.0**-decimals
        value = 100 - edge if value > 50 else edge
    return f"{value:.{decimals}f} %"


def count_of(n: int, noun: str, plural: str = "") -> str:
    """Write a number with its noun.

    >>> count_of(1, "image"), count_of(1000, "image"), count_of(2, "class", "classes")
    ('1 image', '1,000 images', '2 classes')
    """
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {plural or noun + 's'}"


def shorten(text: str, most: int = 24) -> str:
    """Cut the middle out of a long name.

    >>> shorten("a" * 20 + "b" * 20, most=11)
    'aaaaa…bbbbb'
    """
    if len(text) <= most:
        return text
    head = most // 2
    return f"{text[:head]}…{text[len(text) - (most - head - 1) :]}"


def _falsely_whole(value: float, decimals: int) -> bool:
    rounded = round(value, decimals)
    return (rounded >= 100 and value < 100) or (rounded == 0 and value > 0)
