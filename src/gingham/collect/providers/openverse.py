"""Openverse: openly licensed images of many collections.

Documented at https://api.openverse.org/v1/. Without a key: 20 images a page, 20 requests a minute and 200 a day, and
never more than 240 images for one query.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping
from typing import TYPE_CHECKING

from gingham.collect.cleaning import web_address
from gingham.collect.licences import matches, parse_licence
from gingham.collect.providers.asking import Asker, Manners
from gingham.collect.providers.parts import objects, whole_number
from gingham.collect.providers.provider import Found, ProviderError, provenance
from gingham.collect.providers.registry import register_provider
from gingham.config import tables

if TYPE_CHECKING:
    from aiohttp import ClientSession

__all__ = ["Openverse"]

_PAGE_SIZE = 20
_MOST_PAGES = 20
_LONGEST_QUERY = 200
_MANNERS = Manners(rate=(5, 20), budget=200)


@register_provider("openverse")
class Openverse:
    """Openverse, without a key.

    Parameters
    ----------
    settings : gingham.config.Collection
    environment : mapping of str to str
        Not used.
    base : str
        Where the API is.
    manners : Manners
        How often it may be asked.
    """

    name = "openverse"

    def __init__(
        self,
        settings: tables.Collection,
        environment: Mapping[str, str],  # noqa: ARG002
        *,
        base: str = "https://api.openverse.org",
        manners: Manners = _MANNERS,
    ) -> None:
        self.base = base
        self._asker = Asker(self.name, settings, manners, "It may have changed its terms: see https://openverse.org.")

    async def search(
        self, query: str, count: int, licences: Collection[str], session: ClientSession
    ) -> AsyncGenerator[Found, None]:
        """Find images; see `Provider`."""
        if len(query) > _LONGEST_QUERY:
            raise ProviderError(
                self.name,
                f"openverse takes queries of at most {_LONGEST_QUERY} characters; this one has {len(query)}.",
                this_query_only=True,
            )
        given = 0
        for page in range(1, _MOST_PAGES + 1):
            parameters: dict[str, str | int] = {"q": query, "page": page, "page_size": min(_PAGE_SIZE, count)}
            if licences:
                parameters["license"] = ",".join(licences)
            answer = await self._asker.ask(session, f"{self.base}/v1/images/", parameters)
            results = answer.get("results")
            if not isinstance(results, list):
                raise self._asker.unknown_form("no list `results`")
            for result in objects(results):
                licence = parse_licence(result.get("license"), result.get("license_version"))
                url = web_address(result.get("url"))
                if url and matches(licence.code, licences):
                    yield Found(
                        url,
                        provenance(
                            self.name,
                            query,
                            licence,
                            source="Openverse",
                            page=result.get("foreign_landing_url"),
                            title=result.get("title"),
                            creator=result.get("creator"),
                            creator_url=result.get("creator_url"),
                            attribution=result.get("attribution"),
                        ),
                    )
                    given += 1
                    if given == count:
                        return
            if not results or page >= whole_number(answer.get("page_count")):
                return
