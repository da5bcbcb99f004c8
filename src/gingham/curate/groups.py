"""Which images belong together: copies, near-duplicates, and what the user says; and where their labels disagree."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gingham.curate.hamming import distances, near_duplicate_components
from gingham.curate.sets import DisjointSets
from gingham.errors import ConfigError
from gingham.records import ImageFile

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "NEAR_DUPLICATE_BITS",
    "DuplicateGroup",
    "LabelConflict",
    "LabelSuspect",
    "duplicate_groups",
    "group_images",
    "groups_by_folder",
    "groups_by_regex",
    "label_conflicts",
    "label_suspects",
]

NEAR_DUPLICATE_BITS = 12
"""Default radius; docs/decisions/split-grouping.md holds the measurements behind it."""

_ROWS_AT_ONCE = 64
_COMPARISONS = 2**24  # of one cluster; beyond 4,096 images only some of them look for their nearest


@dataclass(frozen=True, slots=True)
class LabelConflict:
    """The same image under two or more labels.

    Parameters
    ----------
    content : str
        Hash of the image's bytes.
    indices : tuple of int
        Positions of its files in the list that was searched.
    paths, labels : tuple of str
        Of those files, in the same order.
    """

    content: str
    indices: tuple[int, ...]
    paths: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LabelSuspect:
    """Two near-duplicates whose labels differ: perhaps one is wrong, perhaps they show the difference.

    Parameters
    ----------
    paths, labels : tuple of two str
    distance : int
        Differing bits of their hashes.
    sampled : bool
        Whether they come from a cluster so large that only some of its images were compared with all: it may hold
        more such pairs.
    """

    paths: tuple[str, str]
    labels: tuple[str, str]
    distance: int
    sampled: bool = False


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Images that are copies of each other.

    Parameters
    ----------
    paths : tuple of str
        Sorted; two or more.
    exact : bool
        Whether all are the same bytes; otherwise some are only near-duplicates.
    """

    paths: tuple[str, ...]
    exact: bool


def group_images(
    files: Sequence[ImageFile], radius: int, extra: Sequence[Hashable | None] | None = None
) -> NDArray[np.int64]:
    """Return the group of each image: what must stay on one side of a split.

    Two images are in one group if their bytes are equal, if their hashes differ in at most ``radius`` bits, if the
    user put them into one, or if a chain of such pairs leads from one to the other.

    Parameters
    ----------
    files : sequence of ImageFile, length n
    radius : int
        Largest number of differing bits of near-duplicates, of 256.
    extra : sequence of length n, optional
        The user's group of each image; None where it has none.

    Returns
    -------
    int64 array of shape (n,)
        Numbers 0, 1, … in the order in which the groups first occur.
    """
    sets = DisjointSets(len(files))
    _join_equal(sets, [file.content for file in files])
    if extra is not None:
        if len(extra) != len(files):
            raise ValueError(f"extra must give {len(files)} groups, one an image, not {len(extra)}")
        _join_equal(sets, extra)
    hashed, hashes = _hashes(files)
    components = near_duplicate_components(hashes, radius)
    sets.join(hashed, hashed[components])
    _, groups = np.unique(sets.labels(), return_inverse=True)
    return groups.astype(np.int64)


def _join_equal(sets: DisjointSets, keys: Iterable[Hashable | None]) -> None:
    """Unite the numbers whose keys are equal and not None."""
    first: dict[Hashable, int] = {}
    pairs = [(first.setdefault(key, i), i) for i, key in enumerate(keys) if key is not None]
    i, j = np.array(pairs, np.int64).reshape(-1, 2).T
    sets.join(i, j)


def _hashes(files: Sequence[ImageFile]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return which files have a hash, int64 [m], and their hashes, uint8 [m, 32]."""
    present = [(i, file.dhash) for i, file in enumerate(files) if file.dhash is not None]
    hashes = np.frombuffer(b"".join(dhash for _, dhash in present), np.uint8).reshape(-1, 32)
    return np.array([i for i, _ in present], np.int64), hashes


def groups_by_folder(paths: Sequence[str], level: int = 1) -> list[str | None]:
    """Group images by the folder that holds them, ``level`` folders below the class.

    Folders of one name under two classes are two groups; to join them, use a regular expression.

    Parameters
    ----------
    paths : sequence of str
        Relative to the dataset, ``/``-separated.
    level : int
        1 for the sub-folders of the class folders, 2 for their sub-folders, …

    Returns
    -------
    list of str or None
        The folder's path; None for an image that lies less deep.

    Raises
    ------
    ConfigError
        If no image lies so deep.

    >>> groups_by_folder(["cat/tom/1.jpg", "cat/tom/2.jpg", "cat/3.jpg"])
    ['cat/tom', 'cat/tom', None]
    """
    if level < 1:
        raise ConfigError(f"splits.group_level must be at least 1, the folders below the class, not {level}.")
    parts = [path.split("/") for path in paths]
    groups = ["/".join(p[: level + 1]) if len(p) > level + 1 else None for p in parts]
    if paths and not any(groups):
        deepest = max(len(p) - 2 for p in parts)
        raise ConfigError(
            f"splits.group_level is {level}, but no image lies so many folders below its class; the deepest lies "
            f"{deepest} below. "
            'Lower the level, or turn grouping by folder off: splits.group_by = "".'
        )
    return groups


def groups_by_regex(paths: Sequence[str], pattern: str) -> list[str | None]:
    r"""Group images by a part of their path that a regular expression finds.

    Parameters
    ----------
    paths : sequence of str
        Relative to the dataset, ``/``-separated, the class first.
    pattern : str
        Searched anywhere in the path. Its group named ``group``, otherwise its first group, is the key.

    Returns
    -------
    list of str or None
        The key; None for an image that the expression does not match, or where the key is empty.

    Raises
    ------
    ConfigError
        If the expression is not valid, has no group, or finds no key at all.

    >>> groups_by_regex(["cat/tom_1.jpg", "cat/tom_2.jpg", "dog/x.jpg"], r"/([a-z]+)_\d+")
    ['tom', 'tom', None]
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"splits.group_regex `{pattern}` is not a regular expression: {error}.") from error
    if not expression.groups:
        raise ConfigError(
            f"splits.group_regex `{pattern}` has no group. Put the part of the path that images of one group share in "
            "parentheses, as in `/([^/_]+)_[0-9]+`."
        )
    key = "group" if "group" in expression.groupindex else 1
    groups = [(match[key] or None) if (match := expression.search(path)) else None for path in paths]
    if paths and not any(groups):
        raise ConfigError(
            f"splits.group_regex `{pattern}` finds a group in none of the {len(paths)} paths. "
            f"They look like `{paths[0]}`."
        )
    return groups


def label_conflicts(files: Sequence[ImageFile]) -> list[LabelConflict]:
    """Find the images that lie under two or more labels, by their bytes.

    Returns
    -------
    list of LabelConflict
        Sorted by the first path.
    """
    same = defaultdict(list)
    for i, file in enumerate(files):
        same[file.content].append(i)
    conflicts = []
    for content, indices in same.items():
        indices.sort(key=lambda i: files[i].path)
        labels = tuple(files[i].label for i in indices)
        if len(set(labels)) > 1:
            conflicts.append(LabelConflict(content, tuple(indices), tuple(files[i].path for i in indices), labels))
    return sorted(conflicts, key=lambda conflict: conflict.paths)


def label_suspects(files: Sequence[ImageFile], radius: int) -> list[LabelSuspect]:
    """Find near-duplicates whose labels differ: for each image its nearest one under another label.

    The same bytes under two labels are a conflict and are not listed here. In a cluster of more than 4,096 images only
    some, evenly spaced, look for their nearest, so that the time does not grow with the square of its size.

    Parameters
    ----------
    files : sequence of ImageFile
    radius : int
        Largest number of differing bits, of 256.

    Returns
    -------
    list of LabelSuspect
        Each pair once, the nearest first.
    """
    hashed, hashes = _hashes(files)
    _, component = np.unique(near_duplicate_components(hashes, radius), return_inverse=True)
    _, label = np.unique(np.array([files[i].label for i in hashed], object), return_inverse=True)
    _, content = np.unique(np.array([files[i].content for i in hashed], object), return_inverse=True)
    order = np.argsort(component, kind="stable")
    suspects = {}
    for members in np.split(order, np.flatnonzero(np.diff(component[order])) + 1):
        if len(members) < 2 or (label[members] == label[members[0]]).all():
            continue
        searching = members[:: -(-(len(members) ** 2) // _COMPARISONS)]
        sampled = len(searching) < len(members)
        for start in range(0, len(searching), _ROWS_AT_ONCE):
            rows = searching[start : start + _ROWS_AT_ONCE]
            distance = distances(hashes[rows], hashes[members]).astype(np.int64)
            same = label[rows][:, None] == label[members]
            distance[same | (content[rows][:, None] == content[members])] = radius + 1
            nearest = distance.argmin(axis=1)
            for row, column, bits in zip(rows, nearest, distance.min(axis=1), strict=True):
                if bits <= radius:
                    pair = sorted((files[hashed[row]], files[hashed[members[column]]]), key=lambda file: file.path)
                    paths = (pair[0].path, pair[1].path)
                    suspects[paths] = LabelSuspect(paths, (pair[0].label, pair[1].label), int(bits), sampled)
    return sorted(suspects.values(), key=lambda suspect: (suspect.distance, suspect.paths))


def duplicate_groups(files: Sequence[ImageFile], groups: NDArray[np.int64]) -> list[DuplicateGroup]:
    """List the groups of two or more images.

    Parameters
    ----------
    files : sequence of ImageFile, length n
    groups : int64 array of shape (n,)
        From `group_images` without the user's groups, whose members need not be copies.

    Returns
    -------
    list of DuplicateGroup
        The largest first, then by path.
    """
    members = defaultdict(list)
    for file, group in zip(files, groups.tolist(), strict=True):
        members[group].append(file)
    found = [
        DuplicateGroup(tuple(sorted(file.path for file in alike)), len({file.content for file in alike}) == 1)
        for alike in members.values()
        if len(alike) > 1
    ]
    return sorted(found, key=lambda group: (-len(group.paths), group.paths))
