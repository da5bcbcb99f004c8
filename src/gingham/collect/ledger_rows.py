"""What goes into the ledger and comes out of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from gingham.collect.records import Link, Outcome, Provenance

__all__ = ["Done", "Row", "Wanted", "key_of", "server_of", "storable", "values_of_outcome", "values_of_provenance"]

_SERVER = re.compile(r"https?://([^/?#\\]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A link that is yet to be fetched.

    Parameters
    ----------
    id : int
        In the ledger.
    label, url : str
    """

    id: int
    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Done:
    """A link that was fetched, or could not be.

    Parameters
    ----------
    id : int
        In the ledger.
    outcome : Outcome
    temporary : str
        Name of its file until that gets the name in ``outcome.path``; empty where there is none.
    """

    id: int
    outcome: Outcome
    temporary: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """What the ledger knows of a link.

    Parameters
    ----------
    link : Link
    outcome : Outcome or None
        None while it is yet to be fetched.
    """

    link: Link
    outcome: Outcome | None


_outcome: Callable[[Outcome], tuple[Any, ...]] = attrgetter(*Outcome.__match_args__)
_provenance: Callable[[Provenance], tuple[Any, ...]] = attrgetter(*Provenance.__match_args__)


def values_of_outcome(outcome: Outcome) -> list[Any]:
    """Return its fields, in order, as the database takes them."""
    return [storable(value) for value in _outcome(outcome)]


def values_of_provenance(provenance: Provenance) -> list[Any]:
    """Return its fields, in order, as the database takes them."""
    return [storable(value) for value in _provenance(provenance)]


def storable(value: Any) -> Any:
    """Return a value that the database takes; text from strangers may hold halves of surrogate pairs."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "backslashreplace").decode()
    return value


def key_of(dataset: str, link: Link) -> int:
    """Return the number by which a link of a dataset is known: 64 bits of a hash of the dataset, the label and the URL.

    Among a million links two have the same by a chance of 1 in 37 million; the second would be taken for the first.
    """
    text = f"{dataset}\0{link.label}\0{link.url}".encode("utf-8", "backslashreplace")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big", signed=True)


def server_of(url: str) -> str:
    """Return what stands where an address names its server, whether there is one of that name or not; ``-`` for none.

    >>> server_of("https://Example.org:8000/a.jpg"), server_of("nonsense")
    ('example.org:8000', '-')
    """
    match = _SERVER.match(url)
    return storable(match[1].lower()) if match else "-"
