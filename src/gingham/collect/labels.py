"""Which labels can be the name of a class folder."""

from __future__ import annotations

import functools
import os
import unicodedata

from gingham.images import is_strewn

__all__ = ["MAX_LABEL_BYTES", "label_fault"]

MAX_LABEL_BYTES = 255
"""What file systems allow in one name."""


@functools.lru_cache(maxsize=4096)
def label_fault(label: str) -> str:
    r"""Return why a label cannot be the name of a class folder; empty where it can.

    >>> label_fault("striped shirt"), label_fault("a/b")
    ('', 'a label is a folder name and cannot hold `/`')
    """
    if not label.strip():
        return "the label is empty"
    if label.startswith("."):
        return "folders whose names begin with a dot are not looked into"
    for mark in "/\\":
        if mark in label:
            return f"a label is a folder name and cannot hold `{mark}`"
    if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in label):
        return "a label cannot hold control characters"
    if is_strewn(label):
        return "folders of that name are not looked into"
    if len(os.fsencode(label)) > MAX_LABEL_BYTES:
        return f"a label can have at most {MAX_LABEL_BYTES} bytes"
    return ""
