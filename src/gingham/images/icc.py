"""A check of embedded colour profiles, which are noted when broken and otherwise left unused."""

from __future__ import annotations

__all__ = ["is_broken_profile"]

_HEADER = 128


def is_broken_profile(head: bytes, size: int) -> bool:
    """Tell whether an ICC profile is cut short or is none at all.

    Parameters
    ----------
    head : bytes
        Its first bytes, 128 at least.
    size : int
        Number of bytes that the file holds of it.
    """
    return size < _HEADER or head[36:40] != b"acsp" or int.from_bytes(head[:4], "big") > size
