"""Images as users name them become what they are: a content, in a dataset of the project."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gingham.config import Config
from gingham.errors import DataError, ImageError, UsageError
from gingham.executors import map_ordered
from gingham.images import open_bytes
from gingham.project import ProjectFolder
from gingham.records import content_hash, display_path

__all__ = ["LocatedImage", "locate"]

NAMED = 3


@dataclass(frozen=True, slots=True)
class LocatedImage:
    """An image that was named.

    Parameters
    ----------
    content : str
    path : str
        Relative to its dataset, ``/``-separated; as it was named where it lies in none.
    root : Path
        Its dataset; where it lies in none that is known, the folder that holds the one in which it lies.
    """

    content: str
    path: str
    root: Path


def locate(folder: ProjectFolder, config: Config, named: Iterable[str | os.PathLike[str]]) -> list[LocatedImage]:
    """Find images by their paths: as they stand, or as reports and tables give them, relative to a dataset.

    Raises
    ------
    UsageError
        If none is named, or one is not there.
    DataError
        If one cannot be read.
    """
    paths = [os.fspath(path) for path in named]
    if not paths:
        raise UsageError("Name images, such as: my-photos/cat/1.jpg, or cat/1.jpg as the report gives it.")
    roots = _roots(folder, config)
    places = [(path, _place(path, roots)) for path in paths]
    if missing := [path for path, place in places if place is None]:
        raise UsageError(
            f"There is no image {_listed(missing)}, neither here nor in {display_path(str(roots[0]))}. "
            "Nothing has been changed."
        )
    found = [place for _, place in places if place is not None]
    contents = list(map_ordered(_content, found))
    if unread := [display_path(str(place)) for place, content in zip(found, contents, strict=True) if not content]:
        raise DataError(f"Cannot read {_listed(unread)}. Nothing has been changed.")
    return [_located(place, content, roots) for place, content in zip(found, contents, strict=True)]


def _roots(folder: ProjectFolder, config: Config) -> list[Path]:
    with folder.index() as index:
        known = [folder.dataset(name) for name in index.datasets()]
    return list(dict.fromkeys([folder.dataset(config.dataset), *known]))


def _place(named: str, roots: Sequence[Path]) -> Path | None:
    for place in (Path(named), *(root / named for root in roots)):
        if os.path.lexists(place) and not place.is_dir():
            return place
    return None


def _content(place: Path) -> str:
    try:
        return content_hash(open_bytes(place))
    except ImageError:
        return ""


def _located(place: Path, content: str, roots: Sequence[Path]) -> LocatedImage:
    absolute = Path(os.path.abspath(place))  # noqa: PTH100  without following links, unlike resolve
    inside = [root for root in roots if absolute.is_relative_to(root)]
    root = max(inside, key=lambda each: len(each.parts)) if inside else absolute.parent.parent
    return LocatedImage(content, absolute.relative_to(root).as_posix(), root)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(display_path(name) for name in names[:NAMED])
    return shown + (f" and {len(names) - NAMED:,} more" if len(names) > NAMED else "")
