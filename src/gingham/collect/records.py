"""What collecting is about: a link that is wanted, where it was found, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["FAULTS_THAT_MAY_PASS", "Link", "Outcome", "Provenance", "Status"]


class Status(StrEnum):
    """What became of a link. The codes are part of the public contract."""

    OK = "ok"
    DUPLICATE = "duplicate"
    BAD_URL = "bad_url"
    BAD_LABEL = "bad_label"
    BLOCKED_ADDRESS = "blocked_address"
    DNS = "dns"
    CONNECTION = "connection"
    TLS = "tls"
    TIMEOUT = "timeout"
    REDIRECTS = "redirects"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    THROTTLED = "throttled"
    SERVER_ERROR = "server_error"
    HTTP_ERROR = "http_error"
    NOAI = "noai"
    HTML = "html"
    EMPTY = "empty"
    NOT_AN_IMAGE = "not_an_image"
    UNSUPPORTED_FORMAT = "unsupported_format"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    TOO_SMALL = "too_small"
    TOO_LARGE = "too_large"


FAULTS_THAT_MAY_PASS = frozenset(
    {Status.DNS, Status.CONNECTION, Status.TIMEOUT, Status.THROTTLED, Status.SERVER_ERROR, Status.TRUNCATED}
)
"""Worth another try at once; all others only when asked for."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an image was found and under which terms, as its provider says.

    All of it is text from strangers: never a path, never HTML, never more than one line.

    Parameters
    ----------
    provider : str
        Name in the registry.
    query : str
        What was searched for.
    page : str
        Address of the page that shows the image and its terms.
    title, creator, creator_url : str
        Empty where they are not known.
    licence : str
        Code such as ``cc0``, ``by-sa``; empty where it is not known.
    licence_version, licence_url : str
    attribution : str
        A sentence that names title, creator and licence.
    """

    provider: str
    query: str
    page: str
    title: str
    creator: str
    creator_url: str
    licence: str
    licence_version: str
    licence_url: str
    attribution: str


@dataclass(frozen=True, slots=True)
class Link:
    """An image that is wanted.

    Parameters
    ----------
    label : str
        Its class.
    url : str
    provenance : Provenance, optional
        None where the link comes from a list.
    """

    label: str
    url: str
    provenance: Provenance | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a link.

    Parameters
    ----------
    status : Status
    detail : str
        The status in words, never from the body of an answer.
    code : int or None
        Of the last HTTP answer.
    final_url : str
        After all redirects; empty where there was no answer.
    path : str
        Of the stored file, or of that of which it is a duplicate; relative to the dataset, ``/``-separated.
    size : int
        Bytes received.
    sha256 : str
        Of them; empty where not all were.
    content : str
        Identity of the stored file, as :func:`gingham.records.content_hash` says.
    width, height : int
        Of the stored image, in pixels.
    seconds : float
        Of all tries.
    finished : str
        ISO 8601, UTC.
    """

    status: Status
    detail: str = ""
    code: int | None = None
    final_url: str = ""
    path: str = ""
    size: int = 0
    sha256: str = ""
    content: str = ""
    width: int = 0
    height: int = 0
    seconds: float = 0.0
    finished: str = ""
