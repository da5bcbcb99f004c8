"""Classes with too few images, and classes out of balance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["FEW_IMAGES", "LARGE_RATIO", "Balance", "Imbalance", "SmallClass", "class_balance"]

FEW_IMAGES = 20
"""A class with fewer is too small to be judged: of 20, 5 are for testing."""

LARGE_RATIO = 10.0
"""Of the largest to the smallest class, above which a dataset is out of balance."""

_Z2 = 3.8415  # square of the normal quantile of a two-sided 95 % interval


@dataclass(frozen=True, slots=True)
class SmallClass:
    """A class with too few images.

    Parameters
    ----------
    label : str
    images : int
    test_images : int
        How many of them a split leaves for testing.
    lowest_recall : float
        Lower end of the 95 % Wilson interval of the class's accuracy if all of these are answered right.
    """

    label: str
    images: int
    test_images: int
    lowest_recall: float

    @property
    def meaning(self) -> str:
        """What follows from it, in words.

        >>> print(SmallClass("dotted", 12, 3, 0.438).meaning)
        12 images, of which 3 test: even if all of these are answered right, the class's accuracy may be as low as 44 %.
        """
        if not self.test_images:
            return f"{_images(self.images)}, none of which can be spared for testing: nothing is known of its accuracy."
        return (
            f"{_images(self.images)}, of which {self.test_images} test: even if all of these are answered right, the "
            f"class's accuracy may be as low as {100 * self.lowest_recall:.0f} %."
        )


@dataclass(frozen=True, slots=True)
class Imbalance:
    """Some classes have many times the images of others.

    Parameters
    ----------
    largest, smallest : str
        The classes; of several the first by name.
    most, fewest : int
        Their numbers of images.
    share_of_largest : float
        Of all images: the accuracy of always answering with the largest class.
    """

    largest: str
    smallest: str
    most: int
    fewest: int
    share_of_largest: float

    @property
    def ratio(self) -> float:
        """How many times the images of the smallest class the largest one has."""
        return self.most / self.fewest

    @property
    def meaning(self) -> str:
        """What follows from it, in words.

        >>> print(Imbalance("plain", "leopard", 900, 30, 0.9).meaning)
        plain has 30 times the images of leopard. Always to answer plain would be right in 90 % of the cases: look at
        the class-averaged accuracy.
        """
        return (
            f"{self.largest} has {self.ratio:.0f} times the images of {self.smallest}. Always to answer {self.largest} "
            f"would be right in {100 * self.share_of_largest:.0f} % of the cases: look at the class-averaged accuracy."
        )


@dataclass(frozen=True, slots=True)
class Balance:
    """What is wrong with the sizes of the classes.

    Parameters
    ----------
    small : tuple of SmallClass
        The smallest first, then by name.
    imbalance : Imbalance or None
    """

    small: tuple[SmallClass, ...]
    imbalance: Imbalance | None


def class_balance(
    counts: Mapping[str, int],
    *,
    few: int = FEW_IMAGES,
    ratio: float = LARGE_RATIO,
    test_fraction: float = 0.25,
) -> Balance:
    """Find the classes that are too small and say whether the classes are out of balance.

    Parameters
    ----------
    counts : mapping of str to int
        Usable images of each class. Classes without any are small, but make no ratio.
    few : int
        A class with fewer images is too small.
    ratio : float
        Of the largest to the smallest class, above which they are out of balance.
    test_fraction : float
        Share of the images of a class that a split leaves for testing.

    Examples
    --------
    >>> found = class_balance({"plain": 900, "leopard": 30, "dotted": 12})
    >>> [small.label for small in found.small], found.imbalance.ratio
    (['dotted'], 75.0)
    """
    small = []
    for label, images in sorted(counts.items(), key=lambda item: (item[1], item[0])):
        if images < few:
            test = max(1, min(images - 1, round(test_fraction * images))) if images > 1 else 0
            small.append(SmallClass(label, images, test, test / (test + _Z2)))
    present = sorted((images, label) for label, images in counts.items() if images)
    imbalance = None
    if present:
        most, fewest = present[-1][0], present[0][0]
        if most > ratio * fewest:
            largest = min(label for images, label in present if images == most)
            imbalance = Imbalance(largest, present[0][1], most, fewest, most / sum(counts.values()))
    return Balance(tuple(small), imbalance)


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"
