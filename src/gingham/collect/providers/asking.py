"""How a provider is asked: politely, again where that may help, and without trust in what it answers."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gingham.collect.answers import asked_pause
from gingham.collect.cleaning import plain_text
from gingham.collect.network import blocked_address
from gingham.collect.providers.provider import ProviderError
from gingham.config.tables import Collection

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

__all__ = ["MOST_BYTES", "Answer", "Asker", "Manners", "PassingError", "error_text"]

MOST_BYTES = 8 * 2**20
Answer = dict[str, Any]

logging.getLogger("stamina").addHandler(logging.NullHandler())  # or Python prints its notes on retries to stderr


@dataclass(frozen=True, slots=True)
class Manners:
    """How often and how hard a provider may be asked.

    Parameters
    ----------
    rate : (float, float), optional
        A leaky bucket: so many questions may come at once, and as many more in each period of so many seconds. Hence
        ``(5, 20)`` lets through at most 20 in any minute. None: no limit.
    at_once : int
        Questions under way.
    budget : int, optional
        Most questions in all; None: no limit.
    pause : float
        Seconds before the first further try where the provider names none; later ones wait longer.
    """

    rate: tuple[float, float] | None = None
    at_once: int = 1
    budget: int | None = None
    pause: float = 0.5


class PassingError(ProviderError):
    """A fault that may pass.

    Parameters
    ----------
    provider, sentence : str
        As of `ProviderError`.
    wait : float or None
        Seconds that the provider asks to wait.
    """

    def __init__(self, provider: str, sentence: str, wait: float | None = None) -> None:
        super().__init__(provider, sentence)
        self.wait = wait


class Asker:
    """Asks one provider, and answers with a JSON object or a `ProviderError`.

    Parameters
    ----------
    provider : str
        Name in the registry.
    settings : Collection
        Its `timeout`, `retries` and `max_wait`.
    manners : Manners
    refused : str
        What to do when it answers 401 or 403.
    """

    def __init__(self, provider: str, settings: Collection, manners: Manners, refused: str) -> None:
        self.provider = provider
        self.settings = settings
        self.manners = manners
        self.refused = refused
        self._asked = 0
        self._under_way = asyncio.Semaphore(manners.at_once)
        self._limiter: Any = None

    async def ask(
        self,
        session: ClientSession,
        url: str,
        parameters: Mapping[str, str | int],
        inspect: Callable[[Answer, float | None], None] | None = None,
    ) -> Answer:
        """Return what a GET request answers.

        Parameters
        ----------
        session : aiohttp.ClientSession
        url : str
        parameters : mapping
            Of the query; they may hold a key, and are in no message.
        inspect : callable, optional
            Takes an answer of status 200, and the Retry-After that came with it; raises what is wrong in it.

        Raises
        ------
        ProviderError
        """
        import stamina

        pause = self.manners.pause
        answer: Answer = {}
        async for attempt in stamina.retry_context(
            on=self._again, attempts=self.settings.retries + 1, timeout=None,
            wait_initial=pause, wait_jitter=pause, wait_max=16 * pause,
        ):  # fmt: skip
            with attempt:
                answer, wait = await self._ask_once(session, url, parameters)
                if inspect is not None:
                    inspect(answer, wait)
        return answer

    def _again(self, error: Exception) -> bool | float:
        """Tell stamina whether to try again, and after how many seconds if the provider says so."""
        if not isinstance(error, PassingError):
            return False
        return True if error.wait is None else error.wait

    async def _ask_once(
        self, session: ClientSession, url: str, parameters: Mapping[str, str | int]
    ) -> tuple[Answer, float | None]:
        import aiohttp

        async with self._under_way:
            await self._wait_for_turn()
            try:
                async with session.get(
                    url,
                    params=parameters,
                    timeout=aiohttp.ClientTimeout(total=self.settings.timeout),
                    allow_redirects=False,  # none of them documents any
                    headers={"Accept": "application/json"},
                ) as response:
                    body = await self._read(response)
                    wait = asked_pause(response.headers.get("Retry-After", ""))
                    self._check_status(response.status, body, wait)
            except TimeoutError:
                raise PassingError(
                    self.provider, f"{self.provider} did not answer within {self.settings.timeout:g} seconds."
                ) from None
            except (aiohttp.ClientError, OSError) as error:  # whose text may hold the address, with a key
                if blocked_address(error):
                    raise ProviderError(
                        self.provider,
                        f"{self.provider} is not at a public address; --allow-private would allow it.",
                    ) from None
                raise PassingError(
                    self.provider, f"{self.provider} could not be reached. Is this machine online?"
                ) from None
        return self._object(body), wait

    async def _wait_for_turn(self) -> None:
        from aiolimiter import AsyncLimiter

        if self.manners.budget is not None and self._asked >= self.manners.budget:
            raise ProviderError(
                self.provider,
                f"{self.provider} allows {self.manners.budget} requests a day, and they are spent. Run the same "
                "command again tomorrow: it goes on from here.",
            )
        self._asked += 1
        if self.manners.rate is not None:
            self._limiter = self._limiter or AsyncLimiter(*self.manners.rate)
            await self._limiter.acquire()

    async def _read(self, response: ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_chunked(2**16):
            body += chunk
            if len(body) > MOST_BYTES:
                raise ProviderError(self.provider, f"{self.provider} answered with more than {MOST_BYTES:,} bytes.")
        return bytes(body)

    def _check_status(self, status: int, body: bytes, wait: float | None) -> None:
        if status == 200:
            return
        who, said = self.provider, error_text(_parse(body))
        if status == 429:
            raise self.passing(f"{who} says that it is asked too often (429){said}.", wait)
        if status == 202 or status >= 500:
            raise self.passing(f"{who} has no answer now ({status}){said}.", wait)
        if status in {401, 403}:
            raise ProviderError(who, f"{who} refuses the request ({status}){said}. {self.refused}")
        if 300 <= status < 400:
            raise ProviderError(who, f"{who} answered with a redirect ({status}), which is not followed.")
        raise ProviderError(
            who, f"{who} does not understand the query ({status}){said}.", this_query_only=status == 400
        )

    def _object(self, body: bytes) -> Answer:
        if body.lstrip()[:1] == b"<":
            raise ProviderError(self.provider, f"{self.provider} answered with a web page instead of data.")
        answer = _parse(body)
        if answer is None:
            raise ProviderError(self.provider, f"{self.provider} answered with what is not JSON.")
        if not isinstance(answer, dict):
            raise self.unknown_form("no object")
        return answer

    def passing(self, sentence: str, wait: float | None) -> ProviderError:
        """Return the error for a fault that may pass: worth another try, unless that would take too long."""
        if wait is not None and wait > self.settings.max_wait:
            return ProviderError(
                self.provider,
                f"{sentence} It asks to wait {wait:,.0f} seconds, longer than --max-wait "
                f"({self.settings.max_wait:g}). Run the same command again later: it goes on from here.",
            )
        return PassingError(self.provider, f"{sentence} Run the same command again later: it goes on from here.", wait)

    def unknown_form(self, what: str) -> ProviderError:
        """Return the error for an answer that is not as documented."""
        return ProviderError(
            self.provider, f"{self.provider} answered in a form that is not known: {what}. Is there a newer Gingham?"
        )


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def error_text(value: object) -> str:
    """Return what an error says, as one short line with a colon before it; empty where it says nothing.

    >>> error_text({"detail": {"license": ["License <b>x</b> does not exist."]}}), error_text(None)
    (': License x does not exist', '')
    """
    for _ in range(5):  # levels
        if isinstance(value, dict):
            known = [value[key] for key in ("detail", "info", "message", "error", "errors") if value.get(key)]
            value = next(iter(known or value.values()), None)
        elif isinstance(value, list):
            value = value[0] if value else None
        else:
            break
    line = plain_text(value, 200).rstrip(".")
    return f": {line}" if line else ""
