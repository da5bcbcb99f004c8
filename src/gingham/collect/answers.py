"""What an answer's code, headers and first bytes say."""

from __future__ import annotations

import datetime
import email.utils
import re
from collections.abc import Iterable

from gingham.collect.records import Status

__all__ = ["asked_pause", "has_no_ai", "looks_like_html", "status_of"]

_STATUSES = {
    401: Status.FORBIDDEN,
    403: Status.FORBIDDEN,
    404: Status.NOT_FOUND,
    408: Status.TIMEOUT,
    410: Status.NOT_FOUND,
    429: Status.THROTTLED,
    451: Status.FORBIDDEN,
}
_OUR_NAMES = ("", "*", "gingham")
_WITH_VALUE = ("unavailable_after", "max-snippet", "max-image-preview", "max-video-preview")
"""Rules that hold a colon, and are no names of robots."""

_HTML = re.compile(
    rb"(?>\s+|<\?xml[^>]*>|(?><!--.*?-->))*+<(?:!doctype\s+html|html|head|body|title|script|meta)[\s>]", re.I | re.S
)
"""Atomic, so that no content makes it try the same comments in many ways."""


def status_of(code: int, pause: float | None) -> Status:
    """Return what a code other than that of success means; a 503 that asks for a pause is no broken server."""
    if code == 503 and pause is not None:
        return Status.THROTTLED
    if code in _STATUSES:
        return _STATUSES[code]
    return Status.SERVER_ERROR if code >= 500 else Status.HTTP_ERROR


def asked_pause(retry_after: str) -> float | None:
    """Return the seconds to wait that a Retry-After header asks for, as a number or as a date; None without one.

    >>> asked_pause("120"), asked_pause("Wed, 21 Oct 2015 07:28:00 GMT"), asked_pause("soon")
    (120.0, 0.0, None)
    """
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        until = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=datetime.UTC)
    return max(0.0, (until - datetime.datetime.now(datetime.UTC)).total_seconds())


def has_no_ai(robots_tags: Iterable[str]) -> bool:
    """Tell whether X-Robots-Tag headers say noai or noimageai to everyone or to Gingham.

    >>> has_no_ai(["noindex, noai"]), has_no_ai(["otherbot: noai"]), has_no_ai(["otherbot: noindex", "*: noimageai"])
    (True, False, True)
    """
    for tag in robots_tags:
        robot = ""
        for part in tag.lower().split(","):
            name, colon, rule = part.partition(":")
            if colon and name.strip() not in _WITH_VALUE:
                robot = name.strip()
            else:
                rule = part
            if robot in _OUR_NAMES and rule.strip() in ("noai", "noimageai"):
                return True
    return False


def looks_like_html(data: bytes) -> bool:
    r"""Tell whether a body is a web page, whatever its headers say.

    >>> looks_like_html(b"\n<!-- 1 --><!DOCTYPE html><html>"), looks_like_html(b"<svg></svg>")
    (True, False)
    """
    return _HTML.match(data[:1024].removeprefix(b"\xef\xbb\xbf")) is not None
