"""A dataset as people have corrected it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gingham.curate.corrections import corrected
from gingham.curate.scan import Dataset
from gingham.records import Annotation, ImageFile, Skipped, SkipReason


def lying(*paths: str, classes: tuple[str, ...] | None = None) -> Dataset:
    """Files whose content is called like their name."""
    files = tuple(ImageFile(p, p.partition("/")[0], p.rpartition("/")[2], 9, 9, "PNG") for p in sorted(paths))
    names = tuple(sorted({file.label for file in files})) if classes is None else classes
    return Dataset(Path("images"), names, files, (Skipped("cat/broken.jpg", SkipReason.TRUNCATED),))


PETS = ("cat/a", "cat/b", "dog/c")


@pytest.mark.parametrize(
    ("dataset", "said", "classes", "labels", "unlabelled", "excluded"),
    [
        pytest.param(lying(*PETS), {}, ["cat", "dog"], ["cat", "cat", "dog"], [], [], id="as it lies"),
        pytest.param(
            lying(*PETS), {"a": Annotation("dog")}, ["cat", "dog"], ["dog", "cat", "dog"], [], [], id="another label"
        ),
        pytest.param(
            lying(*PETS), {"a": Annotation("cow")}, ["cat", "cow", "dog"], ["cow", "cat", "dog"], [], [], id="new class"
        ),
        pytest.param(
            lying(*PETS), {"c": Annotation("cat")}, ["cat"], ["cat", "cat", "cat"], [], [], id="a class is emptied"
        ),
        pytest.param(
            lying(*PETS), {"c": Annotation(excluded=True)}, ["cat"], ["cat", "cat"], [], ["dog/c"], id="excluded"
        ),
        pytest.param(
            lying(*PETS, classes=("cat", "dog", "empty")),
            {},
            ["cat", "dog", "empty"],
            ["cat", "cat", "dog"],
            [],
            [],
            id="an empty folder stays a class, to be refused",
        ),
        pytest.param(
            lying(*PETS, "Unlabelled/d", "Unlabelled/e"),
            {"d": Annotation("dog")},
            ["cat", "dog"],
            ["dog", "cat", "cat", "dog"],
            ["Unlabelled/e"],
            [],
            id="images without a label",
        ),
        pytest.param(
            lying(*PETS), {"a": Annotation(ambiguous=True, note="?")}, ["cat", "dog"], ["cat", "cat", "dog"], [], [],
            id="ambiguous ones have their part",
        ),
        pytest.param(
            lying("cat/a", "dog/a", "cat/b", "dog/c"), {"a": Annotation("dog")}, ["cat", "dog"],
            ["dog", "cat", "dog", "dog"], [], [], id="every file of the image",
        ),
    ],
)  # fmt: skip
def test_corrections(
    dataset: Dataset,
    said: dict[str, Annotation],
    classes: list[str],
    labels: list[str],
    unlabelled: list[str],
    excluded: list[str],
) -> None:
    after = corrected(dataset, said)
    assert list(after.classes) == classes
    assert [file.label for file in after.files] == labels
    assert [file.path for file in after.unlabelled] == unlabelled
    assert [item.path for item in after.skipped if item.reason is SkipReason.EXCLUDED] == excluded
    assert [item.path for item in after.skipped if item.reason is SkipReason.TRUNCATED] == ["cat/broken.jpg"]
    assert dataset.files == tuple(sorted(dataset.files, key=lambda file: file.path)), "what lies there is as it was"
