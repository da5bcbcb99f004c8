"""A dataset as people have corrected it: other labels, images left out, images that wait for a label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gingham.curate.scan import Dataset
from gingham.records import Annotation, Skipped, SkipReason

__all__ = ["UNLABELLED", "corrected"]

UNLABELLED = frozenset({"unlabelled", "unlabeled"})
"""Folders beside those of the classes whose images have no label yet; any capitals."""


def corrected(dataset: Dataset, annotations: Mapping[str, Annotation]) -> Dataset:
    """Apply what people have said of the images; the files stay where they are.

    An image has the class that was said, else that of its folder, else, in a folder of ``UNLABELLED``, none. Excluded
    ones are left out. A class of which nothing is left by this is no class any more.

    Parameters
    ----------
    dataset : Dataset
        As it lies on the disk.
    annotations : mapping of str to Annotation
        By content.

    Returns
    -------
    Dataset
    """
    nothing = Annotation()
    files, unlabelled, excluded = [], [], []
    for file in dataset.files:
        said = annotations.get(file.content, nothing)
        if said.excluded:
            excluded.append(Skipped(file.path, SkipReason.EXCLUDED, said.note or "left out by an annotation"))
        elif said.label is not None:
            files.append(file if file.label == said.label else replace(file, label=said.label))
        elif file.label.casefold() in UNLABELLED:
            unlabelled.append(file)
        else:
            files.append(file)
    emptied = {file.label for file in dataset.files} - {file.label for file in files}
    folders = {name for name in dataset.classes if name.casefold() not in UNLABELLED}
    classes = (folders - emptied) | {file.label for file in files}
    return replace(
        dataset,
        classes=tuple(sorted(classes, key=_bytes)),
        files=tuple(files),
        skipped=tuple(sorted([*dataset.skipped, *excluded], key=lambda item: _bytes(item.path))),
        unlabelled=tuple(unlabelled),
    )


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
