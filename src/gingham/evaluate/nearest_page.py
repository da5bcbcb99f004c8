"""The page of nearest: each image beside the training images most like it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gingham.evaluate.pages import jpeg_url, new_environment, style_sheet
from gingham.evaluate.wording import count_of, percent

__all__ = ["SHOWN", "Card", "ImageRow", "render_nearest"]

SHOWN = 200
"""So many images at most, with all their thumbnails inside the page."""


@dataclass(frozen=True)
class Card:
    """A training image.

    Parameters
    ----------
    path : str
        Relative to the dataset.
    thumbnail : bytes
        A small JPEG, or nothing.
    label : str
    similarity : float
        At most 1.
    """

    path: str
    thumbnail: bytes
    label: str
    similarity: float


@dataclass(frozen=True)
class ImageRow:
    """An image and the training images most like it.

    Parameters
    ----------
    path : str
        As it was given.
    thumbnail : bytes
        A small JPEG, or nothing.
    answer : str or None
        None where it could not be read.
    probability : float or None
    error : str or None
        Why it could not be read.
    trained_as : str or None
        Its label in training, where it is itself a training image.
    nearest : tuple of Card
        The most alike first.
    """

    path: str
    thumbnail: bytes
    answer: str | None
    probability: float | None
    error: str | None
    trained_as: str | None
    nearest: tuple[Card, ...]


def render_nearest(rows: Sequence[ImageRow], *, total: int, dataset: str, run_id: str) -> str:
    """Write the page, one file that needs nothing else.

    Parameters
    ----------
    rows : sequence of ImageRow
        Those that are shown, at most `SHOWN`.
    total : int
        How many images there are.
    dataset, run_id : str
        Of the training images.
    """
    environment = new_environment()
    environment.filters["jpeg_url"] = jpeg_url
    environment.filters["percent"] = lambda fraction: percent(fraction, 1)
    return environment.get_template("nearest.html.j2").render(
        style=style_sheet(),
        dataset=dataset,
        run_id=run_id,
        count=count_of(total, "image"),
        shown=f"Showing {len(rows):,} of {total:,}." if len(rows) < total else "",
        rows=rows,
    )
