"""Flickr: photographs under a licence that their owners chose.

Documented at https://www.flickr.com/services/api/flickr.photos.search.html; needs a key, which is free for
non-commercial use. At most 3,600 requests an hour, 500 images a page and 4,000 for one query.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from gingham.collect.cleaning import web_address
from gingham.collect.licences import FLICKR_IDS, flickr_licence, matches
from gingham.collect.providers.asking import Answer, Asker, Manners, error_text
from gingham.collect.providers.parts import objects, part, whole_number
from gingham.collect.providers.provider import Found, ProviderError, provenance
from gingham.collect.providers.registry import register_provider
from gingham.config import tables

if TYPE_CHECKING:
    from aiohttp import ClientSession

__all__ = ["Flickr"]

KEY = "FLICKR_API_KEY"
_PAGE_SIZE = 500
_MOST_IMAGES = 4000
_MANNERS = Manners(rate=(1, 1))
_SIZES = ("z", "c", "l", "h", "k", "o")  # 640, 800, 1024, 1600, 2048 pixels, the original
_PASSING = frozenset({10, 105, 106, 201})  # search, service or writing not available
_GET_KEY = f"Get a key at https://www.flickr.com/services/api/keys/ and type: export {KEY}=…"


@register_provider("flickr")
class Flickr:
    """Flickr, for photos under any licence but *all rights reserved*.

    Parameters
    ----------
    settings : gingham.config.Collection
        From its `max_side` follows the size of the files.
    environment : mapping of str to str
        Holds the key as ``FLICKR_API_KEY``.
    base : str
        Where ``/services/rest/`` is.
    manners : Manners
        How often it may be asked.
    """

    name = "flickr"

    def __init__(
        self,
        settings: tables.Collection,
        environment: Mapping[str, str],
        *,
        base: str = "https://api.flickr.com",
        manners: Manners = _MANNERS,
    ) -> None:
        self.base = base
        self.settings = settings
        self._key = environment.get(KEY, "").strip()
        self._asker = Asker(self.name, settings, manners, _GET_KEY)

    async def search(
        self, query: str, count: int, licences: Collection[str], session: ClientSession
    ) -> AsyncGenerator[Found, None]:
        """Find images; see `Provider`."""
        if not self._key:
            raise ProviderError(self.name, f"flickr needs a key, and {KEY} is not set. {_GET_KEY}")
        numbers = [number for number in FLICKR_IDS if matches(flickr_licence(number).code, licences)]
        size = min(_PAGE_SIZE, count)
        parameters: dict[str, str | int] = {
            "method": "flickr.photos.search",
            "api_key": self._key,
            "format": "json",
            "nojsoncallback": 1,
            "text": query,
            "license": ",".join(map(str, numbers)),
            "media": "photos",
            "safe_search": 1,
            "sort": "relevance",
            "per_page": size,
            "extras": ",".join(["license", "owner_name", *(f"url_{letter}" for letter in _SIZES)]),
        }
        given = 0
        for page in range(1, -(-_MOST_IMAGES // size) + 1):
            answer = await self._asker.ask(
                session, f"{self.base}/services/rest/", parameters | {"page": page}, self._inspect
            )
            photos = part(answer, "photos", "photo")
            for photo in objects(photos):
                found = self._found(photo, query, licences)
                if found is not None:
                    yield found
                    given += 1
                    if given == count:
                        return
            if not photos or page >= whole_number(part(answer, "photos", "pages")):
                return

    def _inspect(self, answer: Answer, wait: float | None) -> None:
        """Find the error in an answer of status 200."""
        if answer.get("stat") == "fail":
            said = f"flickr answered with an error{error_text(answer)}."
            code = whole_number(answer.get("code"))
            if code in _PASSING:
                raise self._asker.passing(said, wait)
            raise ProviderError(self.name, f"{said} {_GET_KEY}" if code == 100 else said)
        if not isinstance(part(answer, "photos", "photo"), list):
            raise self._asker.unknown_form("no list `photos.photo`")

    def _found(self, photo: dict[str, Any], query: str, licences: Collection[str]) -> Found | None:
        """Return an image; None where its file, or a licence that is wanted, is not there."""
        licence = flickr_licence(photo.get("license"))
        url = self._file(photo)
        if not url or not licence.code or not matches(licence.code, licences):
            return None
        owner, number = (quote(str(photo.get(key) or ""), safe="@") for key in ("owner", "id"))
        return Found(
            url,
            provenance(
                self.name,
                query,
                licence,
                source="Flickr",
                page=f"https://www.flickr.com/photos/{owner}/{number}" if owner and number else "",
                title=photo.get("title"),
                creator=photo.get("ownername"),
                creator_url=f"https://www.flickr.com/people/{owner}" if owner else "",
            ),
        )

    def _file(self, photo: dict[str, Any]) -> str:
        """Return the smallest file that holds `max_side`, or the largest there is."""
        files = []
        for letter in _SIZES:
            url = web_address(photo.get(f"url_{letter}"))
            if url:
                sides = (whole_number(photo.get(f"{side}_{letter}")) for side in ("width", "height"))
                files.append((max(sides), url))
        large = [file for file in files if 0 < self.settings.max_side <= file[0]]
        return min(large)[1] if large else max(files, default=(0, ""))[1]
