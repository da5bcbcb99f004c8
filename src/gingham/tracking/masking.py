"""Secrets do not reach a file, a page or a message."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["MASK", "is_secret_name", "mask_secrets"]

MASK = "***"

# Everything up to the last @ of the host part; or, as SQLAlchemy reads it, a password that holds a slash.
_USER_INFO = re.compile(r"(?<=://)(?:[^/?#\s@]*(?:@[^/?#\s@]*)*|[^/:@\s]*:[^@\s]*)@")
_SECRET_WORD = r"(?:password|passwd|pwd|token|secret|api_?key|access_?key|signature)"  # noqa: S105
_QUERY_SECRET = re.compile(rf"([?&][\w.-]*{_SECRET_WORD}=)[^&#\s]+", re.IGNORECASE)
_SECRET_NAME = re.compile(rf"(?:^|[_.-]){_SECRET_WORD}$", re.IGNORECASE)


def mask_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """Return ``text`` without the credentials of the addresses in it and without the given secrets.

    Parameters
    ----------
    text : str
    secrets : iterable of str
        Further words to mask wherever they stand; those under three characters are left to the address rules,
        since they would blot out ordinary text.

    Examples
    --------
    >>> mask_secrets("no answer from https://ann:s3cret@mlflow.example:5000/api")
    'no answer from https://***@mlflow.example:5000/api'
    >>> mask_secrets("postgresql://db.example/runs?user=ann&password=s3cret")
    'postgresql://db.example/runs?user=ann&password=***'
    """
    text = _USER_INFO.sub(f"{MASK}@", text)
    text = _QUERY_SECRET.sub(rf"\1{MASK}", text)
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= 3:
            text = text.replace(secret, MASK)
    return text


def is_secret_name(name: str) -> bool:
    """Say whether a parameter of this name holds a secret.

    >>> [is_secret_name(name) for name in ("token", "flickr_api_key", "tokenizer", "keys")]
    [True, True, False, False]
    """
    return _SECRET_NAME.search(name) is not None
