"""Where a page is to be written."""

from __future__ import annotations

import os
from pathlib import Path

from gingham.errors import UsageError
from gingham.project.files import refuse_unwritable, user_path

__all__ = ["page_path"]


def page_path(output: str | os.PathLike[str] | None, example: str) -> Path | None:
    """Return the path of a page that a user named, once it is known that it can be written; None where none is named.

    Parameters
    ----------
    output : path, optional
    example : str
        A name to suggest.

    Raises
    ------
    UsageError
        If it is not an HTML file.
    UnavailableError
        If it cannot be written.
    """
    if output is None:
        return None
    page = user_path(output).absolute()
    if page.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"The page is written to an .html file, not to {page.name}. Type: -o {example}")
    refuse_unwritable(page)
    return page
