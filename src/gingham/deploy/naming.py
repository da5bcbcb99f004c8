"""What a deployed model is called, wherever names may hold little more than letters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from gingham.errors import UsageError

__all__ = ["LONGEST", "checked_name", "name_of"]

LONGEST = 40
"""Pods add 17 characters to the name of their Deployment, and a name in the DNS has 63 at most."""
PREFIX = "gingham"
SAFE = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
"""A label of RFC 1035: narrower than RFC 1123 in that it begins with a letter, as the name of a Service must."""
NO_TEXT = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
"""What YAML takes for something else."""


def name_of(labels: Sequence[str]) -> str:
    """Return a name for a model of these classes; the same when it is trained again.

    >>> name_of(["Été", "T-shirt / long", "猫"])
    'gingham-ete-t-shirt-long'
    >>> name_of(["猫", "犬"])
    'gingham-model'
    """
    name = PREFIX
    for word in filter(None, map(_safe, labels)):
        if len(name) + 1 + len(word) > LONGEST:
            break
        name = f"{name}-{word}"
    return name if name != PREFIX else f"{PREFIX}-model"


def checked_name(name: str) -> str:
    """Return a name as it is, if it can be one.

    Raises
    ------
    UsageError
        If images, Services and the DNS could not bear it.
    """
    if _allowed(name):
        return name
    plain = _safe(name)[:LONGEST].strip("-")
    proposal = plain if _allowed(plain) else f"{PREFIX}-{plain or 'model'}"[:LONGEST].strip("-")
    raise UsageError(
        f"A deployment cannot be called {name!r}: small letters, digits and hyphens, beginning with a letter, "
        f"{LONGEST} at most. Type: --name {proposal}"
    )


def _allowed(name: str) -> bool:
    return len(name) <= LONGEST and SAFE.fullmatch(name) is not None and name not in NO_TEXT


def _safe(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
