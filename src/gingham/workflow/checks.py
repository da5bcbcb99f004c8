"""What a folder of images makes one say: that no classifier can come of it, or what to know of the one that does."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gingham.curate.corrections import UNLABELLED
from gingham.curate.scan import Dataset, loose_images
from gingham.errors import DataError
from gingham.records import Annotation, display_path

if TYPE_CHECKING:
    from gingham.workflow.steps import Steps

__all__ = ["dataset_warnings", "refuse_hopeless"]

COPIES_NOT_WORTH_A_WORD = 0.02
NAMED = 5


def refuse_hopeless(dataset: Dataset) -> None:
    """Refuse a dataset of which no classifier could come.

    Raises
    ------
    DataError
        Fewer than two classes, or a class with fewer than two readable images.
    """
    counts = Counter(file.label for file in dataset.files)
    names = [display_path(name) for name in dataset.classes]
    where = display_path(str(dataset.root))
    if len(names) < 2:
        found = f"one sub-folder, {names[0]}" if names else "no sub-folder"
        raise DataError(
            f"{where} holds {found}. A classifier needs at least two classes: make one sub-folder per class, "
            "named like the class, with its images inside."
        )
    if hopeless := [name for name in dataset.classes if counts[name] < 2]:
        each = [f"{display_path(name)} has {_what_is_left(name, counts[name], dataset)}" for name in hopeless[:NAMED]]
        more = f"; and {len(hopeless) - NAMED:,} more classes" if len(hopeless) > NAMED else ""
        raise DataError(
            f"In {where} the class {'; the class '.join(each)}{more}. Each class needs at least two: one to learn "
            f"from and one to test on. Add images, or remove the folder{'s' if len(hopeless) > 1 else ''}."
        )


def _what_is_left(name: str, count: int, dataset: Dataset) -> str:
    bad = [item for item in dataset.skipped if item.path == name or item.path.startswith(f"{name}/")]
    reasons = Counter(item.reason.value for item in bad)
    why = f" ({', '.join(f'{n} skipped as {reason}' for reason, n in reasons.items())})" if bad else ""
    return f"{'only one readable image' if count else 'no readable image'}{why}"


def dataset_warnings(steps: Steps) -> Iterator[str]:
    """Yield sentences on the images and their labels, the gravest first."""
    yield from _conflicts(steps)
    yield from _suspects(steps)
    yield from _alike_classes(steps)
    yield from _images_without_class(steps)
    yield from _unlabelled(steps)
    yield from _corrected_test(steps)
    yield from _ambiguous_test(steps)
    yield from _copies_that_test(steps)
    yield from _fraction_without_effect(steps)


def _conflicts(steps: Steps) -> Iterator[str]:
    if steps.conflicts:
        first = " and ".join(map(display_path, steps.conflicts[0].paths))
        number = len(steps.conflicts)
        yield (
            f"{'A picture lies' if number == 1 else f'{number:,} pictures lie'} under more than one label, such as "
            f"{first}. They neither train nor test: remove the wrong ones."
        )


def _suspects(steps: Steps) -> Iterator[str]:
    if steps.suspects:
        first = " and ".join(map(display_path, steps.suspects[0].paths))
        number = "A pair" if len(steps.suspects) == 1 else f"{len(steps.suspects):,} pairs"
        if any(suspect.sampled for suspect in steps.suspects):
            number = f"At least {number}"
        yield f"{number} of nearly equal images under different labels, such as {first}: is one label wrong?"


def _alike_classes(steps: Steps) -> Iterator[str]:
    alike: dict[str, list[str]] = {}
    for name in steps.classes:
        alike.setdefault(unicodedata.normalize("NFKC", name).casefold(), []).append(name)
    for names in alike.values():
        if len(names) > 1:
            yield f"The classes {' and '.join(names)} differ in capitals or accents' spelling only: are they one?"


def _images_without_class(steps: Steps) -> Iterator[str]:
    loose = loose_images(steps.root)
    if loose:
        number = "An image lies" if len(loose) == 1 else f"{len(loose):,} images lie"
        yield f"{number} in no class's folder, such as {display_path(loose[0])}, and had no part in this."


def _unlabelled(steps: Steps) -> Iterator[str]:
    if waiting := len(steps.dataset.unlabelled):
        number = "An image waits" if waiting == 1 else f"{waiting:,} images wait"
        yield f"{number} for a label and had no part in this: `gingham next` says which to look at first."


def _corrected_test(steps: Steps) -> Iterator[str]:
    """Say how many test images were corrected: who corrects what a model doubts makes it look better than it is."""
    test = [steps.files[row] for row in steps.rows("test")]
    folders = [file.path.partition("/")[0] for file in test]
    wrong = [file.label != name and name.casefold() not in UNLABELLED for file, name in zip(test, folders, strict=True)]
    if relabelled := sum(wrong):
        images = "1 test image has" if relabelled == 1 else f"{relabelled:,} test images have"
        yield (
            f"{images} another label than the folder, by an annotation. Where only images that a model doubts are "
            "looked at, its mistakes are corrected and its lucky hits are not: then the accuracy is a little too high."
        )


def _ambiguous_test(steps: Steps) -> Iterator[str]:
    test = [steps.files[row] for row in steps.rows("test")]
    if ambiguous := sum(steps.annotations.get(file.content, Annotation()).ambiguous for file in test):
        images = "1 test image is" if ambiguous == 1 else f"{ambiguous:,} test images are"
        yield f"{images} marked as ambiguous: no classifier can be sure of {'it' if ambiguous == 1 else 'them'}."


def _copies_that_test(steps: Steps) -> Iterator[str]:
    test = steps.rows("test")
    distinct = len(np.unique(steps.groups[test]))
    if len(test) - distinct > COPIES_NOT_WORTH_A_WORD * len(test):
        yield (
            f"Of the {len(test):,} test images only {distinct:,} are independent: the others are copies of them, "
            "or belong to their groups. So the intervals are narrower than they should be."
        )


def _fraction_without_effect(steps: Steps) -> Iterator[str]:
    settings = steps.config.splits
    if steps.split_file and settings.test_fraction != type(settings)().test_fraction:
        yield f"splits.test_fraction had no effect, because {steps.split_file.name} says which images test."
