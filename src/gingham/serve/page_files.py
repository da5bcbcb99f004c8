"""The page at / and what it loads: all the files that the service gives away."""

from __future__ import annotations

from importlib.resources import files

__all__ = ["PAGE"]

TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}

PAGE: dict[str, tuple[bytes, str]] = {
    "/" if file.name == "page.html" else f"/assets/{file.name}": (file.read_bytes(), TYPES[kind])
    for file in files("gingham.serve").joinpath("page").iterdir()
    if (kind := file.name.rpartition(".")[2]) in TYPES
}
"""Content and media type of each, by its path."""
