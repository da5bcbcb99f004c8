"""Digests of what results depend on: equal ones mean that the same would come out."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

__all__ = ["digest", "file_digest"]


def digest(value: Any) -> str:
    """Return the digest of a value that JSON can hold.

    >>> digest([1, "a"]) == digest((1, "a"))
    True
    """
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def file_digest(path: Path) -> str:
    """Return the digest of a file; ``missing`` where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()
    except OSError:
        return "missing"
