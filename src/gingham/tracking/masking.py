"""Secrets do not reach a file, a page or a message."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote_plus, urlsplit

__all__ = ["MASK", "is_secret_name", "mask_secrets", "secrets_of"]

MASK = "***"

HARMLESS = frozenset({
    "application_name", "charset", "connect_timeout", "database", "dbname", "driver", "host", "hostaddr", "mode",
    "port", "server", "sslmode", "timeout", "uid", "user", "username",
})  # fmt: skip
"""The only parameters of an address whose values are shown: nobody can list all the names that secrets go by."""

# Everything up to the last @ of the host part; or, as SQLAlchemy reads it, a password that holds a slash.
_USER_INFO = re.compile(r"(?<=://)(?:[^/?#\s@]*(?:@[^/?#\s@]*)*|[^/:@\s]*:[^@\s]*)@")
_ADDRESS = re.compile(r"://\S+")
_SECRET_WORD = r"(?:pass(?:word|wd|phrase)?|pwd|token|secret|(?:api_?|access_?)?key|credentials?|sig(?:nature)?)"  # noqa: S105
# Outside an address, as where a library names the path that it asked for.
_QUERY_SECRET = re.compile(rf"([?&;#][\w.-]*{_SECRET_WORD}=)[^&#\s]+", re.IGNORECASE)
_SECRET_NAME = re.compile(rf"(?:^|[_.-]){_SECRET_WORD}$", re.IGNORECASE)


def mask_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """Return ``text`` without the credentials of the addresses in it and without the given secrets.

    Of an address (``…://…``) user and password are masked, and every parameter that is not known to be harmless.

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
    text = _ADDRESS.sub(_without_credentials, text)
    text = _QUERY_SECRET.sub(rf"\1{MASK}", text)
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= 3:
            text = text.replace(secret, MASK)
    return text


def secrets_of(uri: str) -> frozenset[str]:
    """Return what `mask_secrets` hides in an address, as it stands there and decoded: an answer may repeat it alone.

    >>> sorted(secrets_of("mssql://host/db?odbc_connect=UID%3Dann%3BPWD%3Ds3cret"))
    ['UID%3Dann%3BPWD%3Ds3cret', 'UID=ann;PWD=s3cret', 's3cret']
    """
    try:
        parts = urlsplit(uri)
        found = [parts.username or "" if parts.password is None else parts.password]
    except ValueError:  # no address at all
        found = []
    for value in _hidden(uri.partition("?")[2], "&"):
        found += [value, *(inner.strip("{}") for inner in _hidden(unquote_plus(value), ";"))]
    return frozenset({*found, *map(unquote_plus, found)} - {""})


def is_secret_name(name: str) -> bool:
    """Say whether a parameter of this name holds a secret.

    >>> [is_secret_name(name) for name in ("token", "flickr_api_key", "tokenizer", "keys")]
    [True, True, False, False]
    """
    return _SECRET_NAME.search(name) is not None


def _without_credentials(address: re.Match[str]) -> str:
    before, at, after = address[0].rpartition("@")  # the pattern would look for an @ again and again where none is left
    place, mark, query = (_USER_INFO.sub(f"{MASK}@", before + at) + after).partition("?")
    return place + mark + "&".join(map(_masked, query.split("&")))


def _masked(parameter: str) -> str:
    name, _, value = parameter.partition("=")
    if not parameter or name.lower() in HARMLESS:
        return parameter
    return f"{name}={MASK}" if value.strip("=") else MASK  # a lone word may be the secret, and end in =


def _hidden(query: str, separator: str) -> Iterator[str]:
    """Yield the values that are not shown; a lone word is one."""
    for parameter in query.split(separator):
        name, _, value = parameter.partition("=")
        if name.lower() not in HARMLESS:
            yield value if value.strip("=") else parameter
