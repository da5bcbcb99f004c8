"""What a provider is, what it finds, and how it fails."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from gingham.collect.cleaning import one_line, plain_text, web_address
from gingham.collect.licences import CODES, Licence, licence_name
from gingham.collect.records import Provenance
from gingham.errors import UnavailableError

if TYPE_CHECKING:
    from aiohttp import ClientSession

__all__ = ["Found", "Provider", "ProviderError", "provenance"]


@dataclass(frozen=True, slots=True)
class Found:
    """An image that a provider has found.

    Parameters
    ----------
    url : str
        Of the image file.
    provenance : Provenance
    """

    url: str
    provenance: Provenance


class Provider(Protocol):
    """Something that finds images on the web.

    Attributes
    ----------
    name : str
        In the registry.
    """

    name: str

    def search(
        self, query: str, count: int, licences: Collection[str], session: ClientSession
    ) -> AsyncGenerator[Found, None]:
        """Find images, the best first.

        Parameters
        ----------
        query : str
        count : int
            Most images that are wanted.
        licences : collection of str
            Codes that are wanted; empty: any.
        session : aiohttp.ClientSession

        Raises
        ------
        ProviderError
        """
        ...


class ProviderError(UnavailableError):
    """A provider has not answered, or not with images.

    Parameters
    ----------
    provider : str
        Name in the registry.
    sentence : str
        What has happened, and what to do.
    this_query_only : bool
        Whether it may still answer others.
    """

    def __init__(self, provider: str, sentence: str, *, this_query_only: bool = False) -> None:
        super().__init__(sentence)
        self.provider = provider
        self.sentence = sentence
        self.this_query_only = this_query_only


def provenance(
    provider: str,
    query: str,
    licence: Licence,
    *,
    source: str,
    page: object = "",
    title: object = "",
    creator: object = "",
    creator_url: object = "",
    attribution: object = "",
) -> Provenance:
    """Make a provenance of what a provider answers; nothing of it is trusted, all of it is cleaned here.

    Parameters
    ----------
    provider : str
        Name in the registry.
    query : str
    licence : Licence
    source : str
        The provider's name for people.
    page, title, creator, creator_url, attribution : object
        As they came; what is neither text nor, for the addresses, one of the web becomes empty.

    Examples
    --------
    >>> provenance("x", "fox", Licence("by", "4.0"), source="X", title="<b>Fox</b>", creator="Ann").attribution
    '"Fox" by Ann is licensed under CC BY 4.0, via X.'
    """
    title, creator = plain_text(title), plain_text(creator)
    return Provenance(
        provider=provider,
        query=one_line(query),
        page=web_address(page),
        title=title,
        creator=creator,
        creator_url=web_address(creator_url),
        licence=licence.code,
        licence_version=licence.version,
        licence_url=licence.url,
        attribution=plain_text(attribution) or _attribution(title, creator, licence, source),
    )


def _attribution(title: str, creator: str, licence: Licence, source: str) -> str:
    """Return a sentence of the form that Creative Commons recommends: title, author, source, licence."""
    name = licence_name(licence.code, licence.version)
    if licence.code not in CODES:
        terms = f"has the licence {name}" if name else "has no licence that is known"
    elif licence.code.startswith("by"):
        terms = f"is licensed under {name}"
    else:
        terms = f"is marked with {name}" if licence.version else f"is in the {name}"
    work = f'"{title}"' if title else "This image"
    return f"{work}{f' by {creator}' if creator else ''} {terms}, via {source}."
