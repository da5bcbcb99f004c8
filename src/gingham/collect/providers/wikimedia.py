"""Wikimedia Commons: free media files of all kinds; here its pixel images.

Documented at https://www.mediawiki.org/wiki/API:Search and API:Imageinfo; how to behave, in API:Etiquette: one request
at a time, a User-Agent that says whom to contact, ``maxlag``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from gingham.collect.cleaning import first_link, web_address
from gingham.collect.licences import CODES, Licence, matches, parse_licence
from gingham.collect.providers.asking import Answer, Asker, Manners, error_text
from gingham.collect.providers.parts import objects, part, whole_number
from gingham.collect.providers.provider import Found, ProviderError, provenance
from gingham.collect.providers.registry import register_provider
from gingham.config import tables

if TYPE_CHECKING:
    from aiohttp import ClientSession

__all__ = ["THUMBNAIL_WIDTHS", "Wikimedia"]

THUMBNAIL_WIDTHS = (20, 40, 60, 120, 250, 330, 500, 960, 1280, 1920, 3840)
"""The only ones that Commons serves."""

_PAGE_SIZE = 50
_MOST_PAGES = 100
_MANNERS = Manners(rate=(10, 10))
_KINDS = ("image/jpeg", "image/png", "image/webp", "image/gif", "image/tiff", "image/bmp", "image/avif")
_PASSING = frozenset({"maxlag", "ratelimited", "cirrussearch-too-busy-error", "cirrussearch-backend-error"})
_OF_THE_QUERY = ("bad", "invalid", "cirrussearch", "search")  # how the codes of errors begin that others need not meet
_CONTACT = (
    'Say whom it may contact: contact = "you@example.org" in the table [collection] of gingham.toml, or '
    "--contact you@example.org"
)
_FIELDS = "License|LicenseShortName|LicenseUrl|Artist"


@register_provider("wikimedia")
class Wikimedia:
    """Wikimedia Commons, or another wiki with its API.

    Parameters
    ----------
    settings : gingham.config.Collection
        Its `contact` must be there; from its `max_side` follows the size of the files.
    environment : mapping of str to str
        Not used.
    base : str
        Where ``/w/api.php`` is.
    manners : Manners
        How often it may be asked.
    """

    name = "wikimedia"

    def __init__(
        self,
        settings: tables.Collection,
        environment: Mapping[str, str],  # noqa: ARG002
        *,
        base: str = "https://commons.wikimedia.org",
        manners: Manners = _MANNERS,
    ) -> None:
        self.base = base
        self.settings = settings
        self._asker = Asker(self.name, settings, manners, _CONTACT)

    async def search(
        self, query: str, count: int, licences: Collection[str], session: ClientSession
    ) -> AsyncGenerator[Found, None]:
        """Find images; see `Provider`. Commons cannot filter by licence: that is done on its answers."""
        if not self.settings.contact.strip():
            raise ProviderError(self.name, f"wikimedia refuses programs that do not say who runs them. {_CONTACT}")
        width = self._width()
        parameters: dict[str, str | int] = {
            "action": "query",
            "format": "json",
            "formatversion": 2,
            "maxlag": 5,
            "generator": "search",
            "gsrsearch": f"{query} filetype:bitmap",
            "gsrnamespace": 6,
            "gsrlimit": min(_PAGE_SIZE, count) if not licences else _PAGE_SIZE,
            "prop": "imageinfo",
            "iiprop": "url|size|mime|extmetadata",
            "iiextmetadatafilter": _FIELDS,
        }
        if width:
            parameters["iiurlwidth"] = width
        given = 0
        further: dict[str, str | int] = {}
        for _ in range(_MOST_PAGES):
            answer = await self._asker.ask(session, f"{self.base}/w/api.php", parameters | further, self._inspect)
            pages = objects(part(answer, "query", "pages"))
            for page in sorted(pages, key=lambda page: whole_number(page.get("index")) or _PAGE_SIZE * _MOST_PAGES):
                found = self._found(page, query, width, licences)
                if found is not None:
                    yield found
                    given += 1
                    if given == count:
                        return
            before, further = further, _continued(answer)
            if not further or further == before:
                return

    def _width(self) -> int:
        """Return the smallest width of a thumbnail that holds `max_side`, or 0 for the original."""
        side = self.settings.max_side
        return next((width for width in THUMBNAIL_WIDTHS if width >= side), 0) if side else 0

    def _inspect(self, answer: Answer, wait: float | None) -> None:
        """Find the error in an answer of status 200."""
        error = answer.get("error") or next(iter(objects(answer.get("errors"))), None)
        if error:
            code = str(part(error, "code"))
            said = f"wikimedia answered with an error{error_text(error)}."
            if code in _PASSING:
                raise self._asker.passing(said, wait)
            raise ProviderError(self.name, said, this_query_only=code.startswith(_OF_THE_QUERY))
        if "query" in answer and not isinstance(part(answer, "query", "pages"), list):
            raise self._asker.unknown_form("no list `query.pages`")

    def _found(self, page: dict[str, Any], query: str, width: int, licences: Collection[str]) -> Found | None:
        """Return the image of a page; None where it has none that can be used."""
        info = next(iter(objects(page.get("imageinfo"))), {})
        about = info.get("extmetadata")
        licence = _licence(part(about, "License", "value"), part(about, "LicenseShortName", "value"))
        small = not width or 0 < whole_number(info.get("width")) <= width
        url = web_address(info.get("url") if small else info.get("thumburl")) or web_address(info.get("url"))
        if not url or info.get("mime", "image/jpeg") not in _KINDS or not matches(licence.code, licences):
            return None
        artist = part(about, "Artist", "value")
        return Found(
            url,
            provenance(
                self.name,
                query,
                licence,
                source="Wikimedia Commons",
                page=info.get("descriptionurl"),
                title=_title(page.get("title")),
                creator=artist,
                creator_url=first_link(artist),
            ),
        )


def _licence(name: object, short_name: object) -> Licence:
    licences = [parse_licence(name), parse_licence(short_name)]
    return next((licence for licence in licences if licence.code in CODES), licences[1] if short_name else licences[0])


def _title(value: object) -> str:
    return PurePosixPath(value.partition(":")[2] or value).stem if isinstance(value, str) else ""


def _continued(answer: Answer) -> dict[str, str | int]:
    """Return what to send back for the next page, as it came."""
    value = answer.get("continue")
    if not isinstance(value, dict):
        return {}
    return {key: each for key, each in value.items() if isinstance(each, str | int) and not isinstance(each, bool)}
