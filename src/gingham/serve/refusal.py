"""What a request is refused with."""

from __future__ import annotations

import json
from collections.abc import Mapping

from gingham.errors import ImageError
from gingham.records import SkipReason

__all__ = ["Refusal", "refusal_of_image"]

STATUS_OF_REASON = {
    SkipReason.TOO_LARGE: 413,
    SkipReason.UNSUPPORTED_FORMAT: 415,
    SkipReason.NOT_AN_IMAGE: 415,
}


class Refusal(Exception):  # noqa: N818  an answer more than an error
    """The answer to a request that cannot be served.

    Parameters
    ----------
    status : int
        Of HTTP.
    reason : str
        A code that does not change between versions.
    message : str
        What came, what is allowed, what to do.
    headers : mapping of str to str, optional
    """

    def __init__(self, status: int, reason: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.headers = dict(headers or {})

    def body(self) -> bytes:
        """Return the body of the answer, JSON."""
        return json.dumps({"error": {"reason": self.reason, "message": self.message}}).encode()


def refusal_of_image(error: ImageError) -> Refusal:
    """Return 413 for an image that is too large, 415 for what is none, 422 for one that is damaged."""
    return Refusal(STATUS_OF_REASON.get(error.reason, 422), error.reason.value, f"The image cannot be used: {error}.")
