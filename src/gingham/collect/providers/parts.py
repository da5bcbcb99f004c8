"""Parts of an answer, whatever it holds in their place."""

from __future__ import annotations

from typing import Any

__all__ = ["objects", "part", "whole_number"]


def part(value: object, *keys: str) -> Any:
    """Return what lies below some keys, or None where there is nothing.

    >>> part({"a": {"b": 1}}, "a", "b"), part({"a": []}, "a", "b"), part(None, "a")
    (1, None, None)
    """
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def objects(value: object) -> list[dict[str, Any]]:
    """Return the objects of a list; nothing for what is no list.

    >>> objects([{"a": 1}, None, "b"]), objects({})
    ([{'a': 1}], [])
    """
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def whole_number(value: object) -> int:
    """Return a number that was sent as one or as a text; 0 for anything else.

    >>> whole_number(7), whole_number("7"), whole_number(None), whole_number("-7"), whole_number(7.5)
    (7, 7, 0, 0, 0)
    """
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value[:9])
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
