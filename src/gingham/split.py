"""Which images train and which test: stratified by class, groups whole, stable when images are added.

Everything is drawn from the hashes of the images' bytes and the seed, so that neither the order of the files nor their
names nor the machine matters. docs/decisions/split-grouping.md explains the rules.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from gingham.errors import ConfigError, DataError
from gingham.records import ImageFile, display_path

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Split", "data_fingerprint", "leaks", "make_split", "test_fingerprint"]

_TRAIN, _TEST, _NONE = "train", "test", "none"
_NAMED_AT_MOST = 5
_FAR_FROM_TARGET = 0.1
_ROUNDS = 3


@dataclass(frozen=True)
class Split:
    """The side of each image.

    Parameters
    ----------
    sides : array of str, shape (n,)
        ``train``, ``test``, or ``none`` for an image that is left out.
    warnings : tuple of str
        Sentences for the user.
    """

    sides: NDArray[np.str_]
    warnings: tuple[str, ...] = ()

    @property
    def train(self) -> NDArray[np.int64]:
        """Positions of the training images, int64."""
        return np.flatnonzero(self.sides == _TRAIN)

    @property
    def test(self) -> NDArray[np.int64]:
        """Positions of the test images, int64."""
        return np.flatnonzero(self.sides == _TEST)


def make_split(
    files: Sequence[ImageFile],
    groups: NDArray[np.int64],
    *,
    test_fraction: float = 0.25,
    seed: int = 0,
    previous: Mapping[str, str] | None = None,
    dedicated: Mapping[str, str] | None = None,
    excluded: Collection[int] = (),
) -> Split:
    """Assign each image to training or to testing.

    Parameters
    ----------
    files : sequence of ImageFile, length n
    groups : int64 array of shape (n,)
        Images of one group stay on one side.
    test_fraction : float
        Wanted share of each class in the test set, in (0, 1).
    seed : int
    previous : mapping of str to {"train", "test"}, optional
        Sides assigned earlier, by content hash. These images do not move; new images join the side of their group.
    dedicated : mapping of str to {"train", "test"}, optional
        Sides that the user fixed, by path. They override everything else, groups too; other images are left out.
    excluded : collection of int
        Positions of images to leave out, such as those that lie under two labels.

    Returns
    -------
    Split

    Raises
    ------
    ConfigError
        If the test fraction is out of its range.
    DataError
        If a class has no image left to train on, or nothing is left to test on.
    """
    if not 0 < test_fraction < 1:
        raise ConfigError(f"splits.test_fraction must lie between 0 and 1, both excluded, not {test_fraction}.")
    if len(groups) != len(files):
        raise ValueError(f"groups must have {len(files)} entries, one an image, not {len(groups)}")
    left_out = set(excluded)
    used = [i for i in range(len(files)) if i not in left_out]
    if dedicated is not None:
        _require_sides("dedicated", dedicated)
        sides, warnings = _dedicated_sides(files, used, dedicated)
    else:
        _require_sides("previous", previous or {})
        draw = _Draw(files, groups, used, test_fraction, seed, previous or {})
        sides, warnings = draw.sides(), draw.warnings()
    _require_train_and_test(files, sides)
    return Split(sides, tuple(warnings))


def leaks(split: Split, groups: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say which test images have a copy, a near-duplicate or another image of their group among the training images.

    Parameters
    ----------
    split : Split
    groups : int64 array of shape (n,)

    Returns
    -------
    bool array of shape (n_test,)
        In the order of ``split.test``.
    """
    return np.isin(groups[split.test], groups[split.train])


def data_fingerprint(files: Iterable[ImageFile]) -> str:
    """Return a hash of all images and their labels: 32 hexadecimal digits, whatever their order and names."""
    return _fingerprint(files)


def test_fingerprint(files: Sequence[ImageFile], sides: NDArray[np.str_]) -> str:
    """Return a hash of the test images and their labels: runs can be compared where it is the same."""
    return _fingerprint(file for file, side in zip(files, sides.tolist(), strict=True) if side == _TEST)


test_fingerprint.__test__ = False  # type: ignore[attr-defined]  # it is not a test that pytest should collect


def _fingerprint(files: Iterable[ImageFile]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for content, label in sorted((file.content.encode(), _bytes(file.label)) for file in files):
        digest.update(content + b"\0" + label + b"\0")  # neither can hold a zero byte
    return digest.hexdigest()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


# --- the drawn split --------------------------------------------------------------------------------------------------


@dataclass
class _Group:
    """What the draw knows of one group: how many of its images each class has, and its place in the random order."""

    members: list[int]
    classes: Counter[str]
    rank: bytes
    side: str = ""
    free: bool = True


@dataclass
class _Class:
    """How many images of a class there are, are wanted in the test set, and are there."""

    total: int = 0
    target: int = 0
    test: int = 0
    groups: list[_Group] = field(default_factory=list)

    @property
    def train(self) -> int:
        return self.total - self.test


class _Draw:
    """The draw over groups; groups that hold an image assigned earlier are on their side from the start."""

    def __init__(
        self,
        files: Sequence[ImageFile],
        groups: NDArray[np.int64],
        used: Sequence[int],
        test_fraction: float,
        seed: int,
        previous: Mapping[str, str],
    ) -> None:
        self._files = files
        self._test_fraction = test_fraction
        self._torn: list[_Group] = []
        self._redrawn: list[str] = []
        self._kept: dict[int, str] = {}
        self._groups = self._collect(groups, used, seed)
        self._classes: dict[str, _Class] = defaultdict(_Class)
        for group in self._groups:
            for label, count in group.classes.items():
                self._classes[label].total += count
                self._classes[label].groups.append(group)
        for each in self._classes.values():
            wanted = int(test_fraction * each.total + 0.5)
            each.target = min(max(wanted, 1), each.total - 1)
        self._keep(previous)
        self._fill()
        self._approach_targets()
        self._supply_both_sides()

    def warnings(self) -> list[str]:
        """Return what the user should know of this draw."""
        warnings = []
        if self._redrawn:
            warnings.append(
                f"All images of {_named(self._redrawn)} had been assigned to one side, so that they could not both "
                "train and test. They were divided anew."
            )
        if self._torn:
            examples = _named(min(self._files[i].path for i in group.members) for group in self._torn)
            warnings.append(
                f"{_count(len(self._torn), 'group')} of images that belong together had already been split between "
                f"training and test ({examples}). No image was moved; their test images count as leaks."
            )
        labels = sorted(self._classes, key=_bytes)
        if single := [label for label in labels if self._is_one_group(label)]:
            warnings.append(
                f"All images of the same class belong together in {_named(single)} (copies, near-duplicates or one "
                "group), so that they cannot both train and test. Add other images."
            )
        if off := [label for label in labels if self._is_off(label)]:
            shares = [f"{label} ({_percent(self._classes[label].test / self._classes[label].total)})" for label in off]
            warnings.append(
                f"Of {_count(len(off), 'class', 'classes')} another share than {_percent(self._test_fraction)} is in "
                f"the test set, because groups and images assigned earlier stay where they are: {_named(shares)}."
            )
        return warnings

    def _is_off(self, label: str) -> bool:
        each = self._classes[label]
        far = abs(each.test - each.target) > max(1, _FAR_FROM_TARGET * each.total)
        return far and not self._is_one_group(label)

    def _is_one_group(self, label: str) -> bool:
        each = self._classes[label]
        return len(each.groups) == 1 and not (each.train and each.test)

    def sides(self) -> NDArray[np.str_]:
        sides = [_NONE] * len(self._files)
        for group in self._groups:
            for i in group.members:
                sides[i] = self._kept.get(i, group.side)
        return np.array(sides, "<U5")

    def _collect(self, groups: NDArray[np.int64], used: Sequence[int], seed: int) -> list[_Group]:
        """Return the groups in random order: that of the smallest keyed hash among each one's images."""
        members = defaultdict(list)
        for i in used:
            members[int(groups[i])].append(i)
        key = str(seed).encode()
        ranks = {i: hashlib.blake2b(self._files[i].content.encode(), key=key, digest_size=16).digest() for i in used}
        found = [
            _Group(alike, Counter(self._files[i].label for i in alike), min(ranks[i] for i in alike))
            for alike in members.values()
        ]
        return sorted(found, key=lambda group: group.rank)

    def _keep(self, previous: Mapping[str, str]) -> None:
        """Leave assigned images where they are, and put their groups' new images beside them."""
        one_sided = self._one_sided(previous)
        for group in self._groups:
            if set(group.classes) <= one_sided:
                continue
            before = {i: previous[self._files[i].content] for i in group.members if self._files[i].content in previous}
            if not before:
                continue
            # A group that has images on both sides takes new ones for training: the test set stays what it was.
            group.free = False
            group.side = _TEST if set(before.values()) == {_TEST} else _TRAIN
            if len(set(before.values())) > 1:
                self._torn.append(group)
            self._kept |= before
            for i in group.members:
                if before.get(i, group.side) == _TEST:
                    self._classes[self._files[i].label].test += 1

    def _one_sided(self, previous: Mapping[str, str]) -> set[str]:
        """Return the classes that must be drawn anew: images were relabelled or removed, and one side is left.

        Only those whose groups allow otherwise, and which have no new image to fill the other side.
        """
        sides: dict[str, set[str]] = defaultdict(set)
        own = Counter(next(iter(group.classes)) for group in self._groups if len(group.classes) == 1)
        for group in self._groups:
            for i in group.members:
                sides[self._files[i].label].add(previous.get(self._files[i].content, "new"))
        found = {label for label, seen in sides.items() if seen in ({_TRAIN}, {_TEST}) and own[label] > 1}
        self._redrawn = sorted(found, key=_bytes)
        return found

    def _fill(self) -> None:
        """Put groups into the test set in random order as long as each of their classes has room there.

        Groups of several classes come first, because the others can make up for what these leave open; and they
        get a second chance, because there may be room for one of their classes only.
        """
        free = [group for group in self._groups if group.free]
        for group in free:
            group.side = _TRAIN
        shared = [group for group in free if len(group.classes) > 1]
        own = [group for group in free if len(group.classes) == 1]
        for group in shared:
            if self._has_room(group):
                self._move(group)
        for group in shared:
            if group.side == _TRAIN and self._can_move(group) and self._cost_of_moving(group) < 0:
                self._move(group)
        for group in own:
            if self._has_room(group):
                self._move(group)

    def _has_room(self, group: _Group) -> bool:
        classes = self._classes
        return all(classes[label].test + count <= classes[label].target for label, count in group.classes.items())

    def _move(self, group: _Group) -> None:
        sign = -1 if group.side == _TEST else 1
        group.side = _TRAIN if group.side == _TEST else _TEST
        for label, count in group.classes.items():
            self._classes[label].test += sign * count

    def _approach_targets(self) -> None:
        """Move the group of a class that brings its share closest to the wanted one, a few times at most."""
        for _ in range(_ROUNDS):
            for label in sorted(self._classes, key=_bytes):
                each = self._classes[label]
                best = self._best_move(each.groups) if each.test != each.target else None
                if best and self._cost_of_moving(best) < 0:
                    self._move(best)

    def _best_move(self, groups: Iterable[_Group]) -> _Group | None:
        """Return the group that can be moved at the least cost, or None where none can."""
        choice = [group for group in groups if group.free and self._can_move(group)]
        return min(choice, key=lambda group: (self._cost_of_moving(group), group.rank), default=None)

    def _supply_both_sides(self) -> None:
        """Give each class that can have it an image on each side, at the least cost to the shares of the classes.

        Always succeeds where a class has two groups of its own. With groups of several classes it need not be
        possible for all classes at once (it is the 2-colouring of a hypergraph); then as many as this finds.
        """
        for side in (_TRAIN, _TEST):
            for label in sorted(self._classes, key=_bytes):
                each = self._classes[label]
                if not getattr(each, side) and (best := self._best_move(each.groups)):
                    self._move(best)

    def _can_move(self, group: _Group) -> bool:
        """Say whether each class of a group keeps an image on the side that the group would leave."""
        return all(getattr(self._classes[label], group.side) > count for label, count in group.classes.items())

    def _cost_of_moving(self, group: _Group) -> float:
        """Return by how much a move increases the squared deviation of the shares from the wanted ones."""
        sign = -1 if group.side == _TEST else 1
        cost = []
        for label, count in group.classes.items():
            each = self._classes[label]
            before, after = each.test - each.target, each.test + sign * count - each.target
            cost.append((after**2 - before**2) / each.total**2)
        return math.fsum(cost)  # the same in any order of the classes


def _require_sides(name: str, sides: Mapping[str, str]) -> None:
    if wrong := set(sides.values()) - {_TRAIN, _TEST}:
        raise ValueError(f"{name} may hold train and test, not {', '.join(sorted(wrong))}")


# --- the dedicated split, and what holds of every split ---------------------------------------------------------------


def _dedicated_sides(
    files: Sequence[ImageFile], used: Sequence[int], dedicated: Mapping[str, str]
) -> tuple[NDArray[np.str_], list[str]]:
    chosen = [_NONE] * len(files)
    for i in used:
        chosen[i] = dedicated.get(files[i].path, _NONE)
    sides = np.array(chosen, "<U5")
    absent = [files[i].path for i in used if files[i].path not in dedicated]
    if not absent:
        return sides, []
    verb = "is" if len(absent) == 1 else "are"
    return sides, [
        f"{_count(len(absent), 'image')} of the dataset {verb} not in the given split and {verb} left out: "
        f"{_named(absent)}."
    ]


def _require_train_and_test(files: Sequence[ImageFile], sides: NDArray[np.str_]) -> None:
    labels = {file.label for file in files}
    trained = {file.label for file, side in zip(files, sides.tolist(), strict=True) if side == _TRAIN}
    if untrained := sorted(labels - trained, key=_bytes):
        raise DataError(
            f"No training image is left of {_named(untrained)}. Add images that are no copies of others; where a file "
            "gives the split, put some on the training side; an image that lies under two classes is used for neither "
            "until it is removed from one."
        )
    if not (sides == _TEST).any():
        raise DataError(
            "No image is left to test on. Add images that are no copies of each other, or name test images in the "
            "split."
        )


def _named(names: Iterable[str]) -> str:
    shown = [display_path(name) for name in names]
    more = f" and {len(shown) - _NAMED_AT_MOST} more" if len(shown) > _NAMED_AT_MOST else ""
    return ", ".join(shown[:_NAMED_AT_MOST]) + more


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.0f} %"


def _count(n: int, noun: str, plural: str = "") -> str:
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"
