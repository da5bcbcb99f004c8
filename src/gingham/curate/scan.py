"""Look at every file of a dataset once: which are images, what identifies each, and which must be left out."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gingham.curate.dhash import dhash
from gingham.errors import DataError, ImageError, did_you_mean
from gingham.executors import map_ordered
from gingham.images import decode, has_image_suffix, is_strewn, open_bytes
from gingham.project import KnownFile
from gingham.records import ImageFile, Skipped, SkipReason, content_hash, display_path

__all__ = ["Dataset", "Scan", "list_files", "loose_images", "scan"]

HASHED_SIDE = 64
RULES = 2  # raise it when decoding or hashing changes: everything is then read again
PASSING = frozenset({SkipReason.UNREADABLE, SkipReason.VANISHED})  # may be different next time


@dataclass(frozen=True)
class Dataset:
    """What a folder of images holds.

    Parameters
    ----------
    root : Path
    classes : tuple of str
        Names of the sub-folders of ``root``, sorted by bytes; a class may have no readable image.
    files : tuple of ImageFile
        Every readable image, sorted by the bytes of its path.
    skipped : tuple of Skipped
        Every file or folder that was left out, sorted likewise.
    unlabelled : tuple of ImageFile
        Readable images that have no label yet, sorted likewise.
    """

    root: Path
    classes: tuple[str, ...]
    files: tuple[ImageFile, ...]
    skipped: tuple[Skipped, ...]
    unlabelled: tuple[ImageFile, ...] = ()


@dataclass
class Scan:
    """A dataset as it is now, and how that differs from what was known of it before.

    Parameters
    ----------
    dataset : Dataset
    changed : dict of str to KnownFile
        What is new or different, by path.
    gone : set of str
        Paths that were known and are no longer there.
    """

    dataset: Dataset
    changed: dict[str, KnownFile] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)


def list_files(root: Path) -> tuple[tuple[str, ...], list[str], list[Skipped]]:
    """Walk a dataset. A class is a folder directly in ``root``; files at any depth below it belong to it.

    Hidden files and folders and what operating systems strew (``Thumbs.db``, ``__MACOSX``, …) are passed over, and
    so are files directly in ``root``, which have no class. Links to folders are followed inside ``root`` only, and to
    each folder once in a class. A link directly in ``root`` that leads nowhere is a class that cannot be read.

    Returns
    -------
    classes : tuple of str
    paths : list of str
        Relative to ``root``, ``/``-separated, sorted by their bytes.
    skipped : list of Skipped
        Folders that cannot be listed, and linked ones that lead outside ``root``, nowhere, or where the class has
        been already; sorted by the bytes of their paths.

    Raises
    ------
    DataError
        If ``root`` is missing or is not a folder.
    """
    if not root.is_dir():
        siblings = [entry.name for entry in root.parent.iterdir() if entry.is_dir()] if root.parent.is_dir() else []
        state = "is a file, not a folder" if root.exists() else "does not exist"
        raise DataError(
            f"The images folder {display_path(str(root))} {state}.{did_you_mean(root.name, siblings)} It must hold one "
            "sub-folder of images per class. `gingham sample` makes one to try; `gingham run FOLDER` uses your own."
        )
    real_root = os.path.realpath(root)
    classes: list[str] = []
    paths: list[str] = []
    skipped: list[Skipped] = []
    for entry in _entries(real_root, "", skipped):
        if _is_folder(entry):
            _walk_class(entry, real_root, paths, skipped)
        elif entry.is_symlink() and not _leads_somewhere(entry):  # perhaps a class on a disk that is not mounted
            skipped.append(Skipped(entry.name, SkipReason.BROKEN_LINK, "a link that leads nowhere"))
        else:
            continue
        classes.append(entry.name)
    paths.sort(key=os.fsencode)
    return tuple(classes), paths, sorted(skipped, key=_bytes_of_path)


def _walk_class(top: os.DirEntry[str], real_root: str, paths: list[str], skipped: list[Skipped]) -> None:
    """Add what one class holds; each folder once, under its own path before that of any link to it."""
    seen = {real_root}
    waiting = deque([(top.name, top.path, top.is_symlink())])
    while waiting:
        path, place, linked = waiting.popleft()
        folder = os.path.realpath(place) if linked else place
        if linked and not Path(folder).is_relative_to(real_root):
            skipped.append(Skipped(path, SkipReason.OUTSIDE_ROOT, "a link to a folder outside the dataset"))
        elif folder in seen:
            holds_it = linked and Path(place).is_relative_to(folder)
            detail = "a link to a folder that holds it" if holds_it else "a folder that its class holds already"
            skipped.append(Skipped(path, SkipReason.BROKEN_LINK, detail))
        else:
            seen.add(folder)
            for entry in _entries(folder, path, skipped):
                if not _is_folder(entry):
                    paths.append(f"{path}/{entry.name}")
                else:
                    link = entry.is_symlink()
                    (waiting.append if link else waiting.appendleft)((f"{path}/{entry.name}", entry.path, link))


def _entries(folder: str, path: str, skipped: list[Skipped]) -> list[os.DirEntry[str]]:
    """List a folder, sorted by bytes, without what is hidden or strewn by systems."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: os.fsencode(entry.name))
    except OSError as error:
        skipped.append(Skipped(path, SkipReason.UNREADABLE, error.strerror or "cannot be listed"))
        return []
    return [entry for entry in entries if not is_strewn(entry.name)]


def _bytes_of_path(item: Skipped) -> bytes:
    return os.fsencode(item.path)


def loose_images(root: Path) -> tuple[str, ...]:
    """Return the names of what looks like an image and lies directly in a dataset's folder, sorted: it has no class."""
    names = (entry.name for entry in os.scandir(root) if entry.is_file())
    return tuple(sorted(name for name in names if not is_strewn(name) and has_image_suffix(name)))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself; whoever reads it as a file finds out
        return False


def _leads_somewhere(link: os.DirEntry[str]) -> bool:
    try:
        link.stat()
    except OSError:
        return False
    return True


def scan(
    root: Path,
    known: Mapping[str, KnownFile],
    *,
    max_pixels: int,
    workers: int,
    progress: Callable[[int, int], None] | None = None,
    checkpoint: Callable[[Mapping[str, KnownFile]], None] | None = None,
) -> Scan:
    """Read every new or changed file of a dataset; trust what is known of the others.

    Parameters
    ----------
    root : Path
    known : mapping of str to KnownFile
        What an earlier scan found, by path.
    max_pixels : int
        Larger images are skipped as ``too_large``.
    workers : int
        Threads.
    progress : callable, optional
        Called with the numbers of files done and in all.
    checkpoint : callable, optional
        Called from time to time with what was found since the last call, so that an interrupted scan goes on.

    Raises
    ------
    DataError
        If ``root`` is missing or is not a folder.
    """
    classes, paths, skipped_folders = list_files(root)
    stamps = {path: _stamp(root, path, max_pixels) for path in paths}
    stale = [path for path in paths if path not in known or _is_stale(known[path], stamps[path])]
    by_content = {
        entry.outcome.content: entry.outcome
        for entry in known.values()
        if isinstance(entry.outcome, ImageFile) and entry.stamp.startswith(_rules(max_pixels))
    }

    def look(path: str) -> KnownFile:
        return KnownFile(stamps[path], _examine(root, path, max_pixels, by_content))

    result = Scan(Dataset(root, classes, (), ()), gone=set(known) - set(paths))
    pending: dict[str, KnownFile] = {}
    for done, (path, entry) in enumerate(_in_order(look, stale, workers), start=1):
        result.changed[path] = pending[path] = entry
        if progress:
            progress(done, len(stale))
        if checkpoint and len(pending) >= 2000:
            checkpoint(pending)
            pending = {}
    outcomes = [(result.changed.get(path) or known[path]).outcome for path in paths]
    result.dataset = Dataset(
        root,
        classes,
        tuple(outcome for outcome in outcomes if isinstance(outcome, ImageFile)),
        tuple(
            sorted(
                skipped_folders + [outcome for outcome in outcomes if isinstance(outcome, Skipped)], key=_bytes_of_path
            )
        ),
    )
    return result


def _in_order(look: Callable[[str], KnownFile], paths: list[str], workers: int) -> Iterator[tuple[str, KnownFile]]:
    return zip(paths, map_ordered(look, paths, workers=workers, window=8 * workers), strict=True)


def _stamp(root: Path, path: str, max_pixels: int) -> str:
    try:
        status = (root / path).stat()
    except OSError:
        return "gone"
    return f"{_rules(max_pixels)}{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"


def _rules(max_pixels: int) -> str:
    return f"{RULES} {max_pixels} "


def _is_stale(entry: KnownFile, stamp: str) -> bool:
    passing = isinstance(entry.outcome, Skipped) and entry.outcome.reason in PASSING
    return passing or entry.stamp != stamp


def _examine(root: Path, path: str, max_pixels: int, by_content: Mapping[str, ImageFile]) -> ImageFile | Skipped:
    label, _, name = path.partition("/")
    try:
        data = open_bytes(root / path, root=root)
        content = content_hash(data)
        if (same := by_content.get(content)) and same.path.rpartition(".")[2] == path.rpartition(".")[2]:
            return ImageFile(path, label, content, same.width, same.height, same.format, same.dhash, same.notes)
        image = decode(data, min_side=HASHED_SIDE, max_pixels=max_pixels, name=name)
    except ImageError as error:
        return Skipped(path, error.reason, display_path(error.detail))
    return ImageFile(
        path,
        label,
        content,
        image.width,
        image.height,
        image.format,
        dhash(image.rgb, box=image.box),
        tuple(image.notes),
    )
