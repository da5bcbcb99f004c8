"""The page of check and next: what is wrong with a folder of images, or which of them to look at, with pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gingham.evaluate.pages import jpeg_url, new_environment, style_sheet
from gingham.evaluate.wording import count_of

__all__ = ["MOST_CARDS", "MOST_GROUPS", "Card", "Section", "render_check"]

MOST_CARDS = 36
"""Pictures of one section at most, with all their thumbnails inside the page."""
MOST_GROUPS = 16
MOST_IN_GROUP = 8


@dataclass(frozen=True)
class Card:
    """An image and what is said of it.

    Parameters
    ----------
    path : str
        Relative to the dataset.
    thumbnail : bytes
        A small JPEG, or nothing.
    label : str
        Its class; empty where it has none.
    suggested : str
        The class that it seems to be; or empty.
    facts : tuple of str
    whole : bool
        Show all of it, not the square in its middle.
    """

    path: str
    thumbnail: bytes
    label: str
    suggested: str = ""
    facts: tuple[str, ...] = ()
    whole: bool = False


@dataclass(frozen=True)
class Section:
    """One kind of finding.

    Parameters
    ----------
    anchor, title : str
    count : int
        How many there are in all.
    unit : str
        What is counted: ``image``, ``group``, ``file`` or ``class``.
    lead : str
        What it means and what to do.
    commands : tuple of str
        To type, if that helps.
    cards : sequence of Card
    groups : sequence of sequences of Card
        Of each the first is the one to keep.
    rows : sequence of (str, str)
        Findings without pictures: what, and what of it.
    total : int
        How many cards, groups or rows there are, if more than are given.
    """

    anchor: str
    title: str
    count: int
    unit: str
    lead: str
    commands: tuple[str, ...] = ()
    cards: Sequence[Card] = ()
    groups: Sequence[Sequence[Card]] = ()
    rows: Sequence[tuple[str, str]] = ()
    total: int = 0

    @property
    def note(self) -> str:
        """Say that there are more than are shown, where there are."""
        shown = len(self.cards or self.groups or self.rows)
        return f"Showing {shown:,} of {self.total:,}; the table has all." if shown < self.total else ""


def render_check(
    sections: Sequence[Section],
    *,
    dataset: str,
    images: int,
    classes: Sequence[tuple[str, int]],
    fine: Sequence[str],
    notes: Sequence[str],
    table: str,
    purpose: str = "what is wrong with the images",
) -> str:
    """Write the page, one file that needs nothing else.

    Parameters
    ----------
    sections : sequence of Section
        What was found, the gravest first.
    dataset : str
    images : int
        Readable ones.
    classes : sequence of (str, int)
        Names and numbers of images.
    fine : sequence of str
        What was looked for and not found.
    notes : sequence of str
        What was not looked for, and why.
    table : str
        Name of the table beside the page.
    purpose : str
        What the page is about.
    """
    environment = new_environment()
    environment.filters["jpeg_url"] = jpeg_url
    return environment.get_template("check.html.j2").render(
        style=style_sheet(),
        sections=sections,
        dataset=dataset,
        images=count_of(images, "image"),
        classes=[(name, count, count / max(1, max(n for _, n in classes))) for name, count in classes],
        fine=fine,
        notes=notes,
        table=table,
        purpose=purpose,
        count_of=count_of,
    )
