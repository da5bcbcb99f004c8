"""Which copy is kept, and which may go."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from gingham.curate import group_images
from gingham.curate.copies import find_copies
from gingham.records import ImageFile

RADIUS = 4
FAR = range(99, 104)


def bits(*ones: int) -> bytes:
    array = np.zeros(256, np.uint8)
    array[list(ones)] = 1
    return np.packbits(array).tobytes()


def image(path: str, content: str, size: tuple[int, int] = (9, 9), dhash: bytes | None = bits(7)) -> ImageFile:
    return ImageFile(path, path.partition("/")[0], content, *size, "PNG", dhash)


def sharpness(files: Sequence[ImageFile]) -> list[float]:
    """As many as there are x in the content."""
    return [file.content.count("x") for file in files]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param([image("a/1", "p", dhash=bits()), image("a/2", "q", dhash=bits(*range(99)))], [], id="none"),
        pytest.param([image("a/2", "p"), image("a/1", "p")], [("a/1", ["a/2"], [])], id="same bytes: the first"),
        pytest.param([image("a/1", "p"), image("a/2", "q", (10, 9))], [("a/2", ["a/1"], [])], id="the largest"),
        pytest.param([image("a/1", "p"), image("a/2", "qx")], [("a/2", ["a/1"], [])], id="the sharpest"),
        pytest.param([image("a/1", "p"), image("a/2", "q")], [("a/1", ["a/2"], [])], id="equally sharp: the first"),
        pytest.param(
            [image("a/1", "p"), image("b/2", "p"), image("a/3", "p")], [("a/1", ["a/3"], ["b/2"])], id="other label"
        ),
        pytest.param(
            [image("a/1", "p"), image("b/2", "qx"), image("a/3", "p"), image("b/4", "p"), image("c/5", "p")],
            [("b/2", ["b/4"], ["a/1", "c/5"]), ("a/1", ["a/3"], [])],
            id="the best of each label stays, and is listed once",
        ),
        pytest.param(
            [
                image("a/1", "p", dhash=bits(0, 1, 2)),
                image("a/2", "q", (9, 10), bits(0, 1, 2, 3, 4, 5)),
                image("a/3", "r", dhash=bits(0, 1, 2, 3, 4, 5, 6, 7, 8)),
                image("a/4", "s", dhash=bits(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)),
            ],
            [("a/2", ["a/1", "a/3"], [])],
            id="a chain: only what is near the one that is kept",
        ),
        pytest.param(
            [image("a/1", "p", dhash=None), image("a/2", "p", dhash=None), image("a/3", "q", dhash=None)],
            [("a/1", ["a/2"], [])],
            id="without a hash, only the same bytes",
        ),
        pytest.param(
            [image("a/1", "p"), image("a/2", "p"), image("b/1", "q", dhash=bits(*FAR)),
             image("b/2", "q", dhash=bits(*FAR)), image("b/3", "q", dhash=bits(*FAR))],
            [("b/1", ["b/2", "b/3"], []), ("a/1", ["a/2"], [])],
            id="two pictures, that with more copies first",
        ),
    ],
)  # fmt: skip
def test_copies(files: list[ImageFile], expected: list[tuple[str, list[str], list[str]]]) -> None:
    found = find_copies(files, group_images(files, RADIUS), RADIUS, sharpness)
    assert [
        (each.keep.path, [c.file.path for c in each.others], [c.file.path for c in each.under_other_labels])
        for each in found
    ] == expected


def test_what_differs_is_said() -> None:
    files = [image("a/1", "p", (10, 10)), image("a/2", "p"), image("a/3", "q", dhash=bits(7, 8))]
    (each,) = find_copies(files, group_images(files, RADIUS), RADIUS, sharpness)
    assert [(copy.distance, copy.exact) for copy in each.others] == [(0, True), (1, False)]
