"""Which of several copies of a picture to keep, and which may go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gingham.curate.hamming import distances
from gingham.records import ImageFile

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Copies", "Copy", "find_copies"]


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of another file's picture.

    Parameters
    ----------
    file : ImageFile
    distance : int
        Differing bits of the two hashes; 0 also where the bytes are equal.
    exact : bool
        Whether the bytes are equal.
    """

    file: ImageFile
    distance: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Copies:
    """A picture that several files show.

    Parameters
    ----------
    keep : ImageFile
        Of the files under its label the largest; of equally large ones the sharpest; of equally sharp ones the first by
        path.
    others : tuple of Copy
        Of the same label, by path: these may go.
    under_other_labels : tuple of Copy
        Of each other label the file to keep, by path. None of them may go before a person has said which label is
        right. Listed once, with the best of them all.
    """

    keep: ImageFile
    others: tuple[Copy, ...]
    under_other_labels: tuple[Copy, ...]


def find_copies(
    files: Sequence[ImageFile],
    groups: NDArray[np.int64],
    radius: int,
    sharpness: Callable[[Sequence[ImageFile]], Sequence[float]],
) -> list[Copies]:
    """Find the copies of each picture.

    Every copy lies within the radius of the file that is kept: that a chain of copies leads from one picture to
    another is no reason to let either go.

    Parameters
    ----------
    files : sequence of ImageFile, length n
    groups : int64 array of shape (n,)
        From :func:`gingham.curate.group_images` with this radius, without the user's groups.
    radius : int
        Largest number of differing bits, of 256.
    sharpness : callable
        Returns how sharp images are, the larger the sharper; called only for those of equal size and other content.

    Returns
    -------
    list of Copies
        Those with the most copies first, then by path.
    """
    members = defaultdict(list)
    for file, group in zip(files, groups.tolist(), strict=True):
        members[group].append(file)
    found = [each for alike in members.values() if len(alike) > 1 for each in _of_group(alike, radius, sharpness)]
    return sorted(found, key=lambda each: (-len(each.others) - len(each.under_other_labels), each.keep.path))


def _of_group(
    alike: Sequence[ImageFile], radius: int, sharpness: Callable[[Sequence[ImageFile]], Sequence[float]]
) -> Iterator[Copies]:
    by_label = defaultdict(list)
    for file in sorted(alike, key=lambda file: file.path):
        by_label[file.label].append(file)
    kept = {}
    for left in by_label.values():
        while left:
            keep = _best(left, sharpness)
            copies = tuple(_copies_of(keep, left, radius))
            kept[keep.path] = (keep, copies)
            gone = {keep.path, *(copy.file.path for copy in copies)}
            left = [file for file in left if file.path not in gone]
    waiting = sorted((keep for keep, _ in kept.values()), key=lambda file: file.path)
    while waiting:
        keep = _best(waiting, sharpness) if len(by_label) > 1 else waiting[0]
        others = [file for file in waiting if file.label != keep.label]
        elsewhere = tuple(_copies_of(keep, others, radius))
        if kept[keep.path][1] or elsewhere:
            yield Copies(keep, kept[keep.path][1], elsewhere)
        claimed = {copy.file.path for copy in elsewhere}
        for copy in elsewhere:
            if own := kept[copy.file.path][1]:
                yield Copies(copy.file, own, ())
        waiting = [file for file in waiting if file.path != keep.path and file.path not in claimed]


def _best(files: Sequence[ImageFile], sharpness: Callable[[Sequence[ImageFile]], Sequence[float]]) -> ImageFile:
    most = max(file.width * file.height for file in files)
    largest = [file for file in files if file.width * file.height == most]
    first: dict[str, ImageFile] = {}
    for file in largest:
        first.setdefault(file.content, file)
    distinct = list(first.values())
    if len(distinct) == 1:
        return distinct[0]
    sharp = sharpness(distinct)
    return distinct[max(range(len(distinct)), key=lambda i: (sharp[i], -i))]


def _copies_of(keep: ImageFile, files: Sequence[ImageFile], radius: int) -> list[Copy]:
    bits = np.full(len(files), radius + 1)
    hashed = [i for i, file in enumerate(files) if file.dhash is not None]
    if keep.dhash is not None:
        hashes = np.frombuffer(b"".join(files[i].dhash or b"" for i in hashed), np.uint8).reshape(-1, 32)
        bits[hashed] = distances(np.frombuffer(keep.dhash, np.uint8)[None], hashes)[0]
    return [
        Copy(file, 0 if file.content == keep.content else int(distance), file.content == keep.content)
        for file, distance in zip(files, bits, strict=True)
        if file.path != keep.path and (file.content == keep.content or distance <= radius)
    ]
