"""Which images to look at next: what a person's look at them would teach most, each with a reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gingham.evaluate.spread import spread_out
from gingham.evaluate.wording import percent, quoted

__all__ = ["NextImage", "Reason", "next_images"]

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]
Flags = NDArray[np.bool_]

CLOSE = 0.25
"""Two classes whose probabilities differ by less are hard to tell apart."""

_ALIKE = 0.5  # of the usual distance from a class: images nearer to each other show much the same
_BLOCK_ELEMENTS = 1 << 22


class Reason(StrEnum):
    """Why to look at an image, in the order of looking."""

    SUSPECT = "suspect"
    UNSURE = "unsure"
    UNLIKE = "unlike"


@dataclass(frozen=True)
class NextImage:
    """An image to look at.

    Parameters
    ----------
    index : int
        Its row.
    reason : Reason
    score : float
        Within its reason the higher, the sooner, before what looks alike is put off: one minus the label score, one
        minus the margin, or the distance over the limit.
    suggested : int
        The class that it seems to be.
    probability : float
        Of that class.
    why : str
        A sentence.
    """

    index: int
    reason: Reason
    score: float
    suggested: int
    probability: float
    why: str


def next_images(
    probabilities: Floats,
    labels: Ints,
    features: Floats,
    *,
    suspect: Flags,
    label_score: Floats,
    suggested: Ints,
    distances: Floats,
    limit: float,
    groups: Ints,
    settled: Flags,
    classes: Sequence[str],
    most: int = 50,
) -> list[NextImage]:
    """Make the queue of images to look at.

    First the labels that are probably wrong, the worst first: each spoils the training and the numbers. Then images
    between two classes, by margin; those without a label before those with one, which teach the classifier nothing new
    when they are right. Last what is unlike anything labelled, the farthest first: what lies outside the limit is only
    here, because its probabilities say nothing.

    Among the unsure and the unlike, an image that is much like one before it is put off; of copies only one is shown.

    Parameters
    ----------
    probabilities : float array of shape (n, k)
        Calibrated, k at least 2; of a labelled image by a model that was not trained on it.
    labels : integer array of shape (n,)
        0 … k - 1, or -1 without a label.
    features : float array of shape (n, d)
        Of unit length; read only where images are compared.
    suspect : bool array of shape (n,)
        Whether the label is probably wrong; False without a label.
    label_score : float array of shape (n,)
        In [0, 1]; the lower, the more probably the label is wrong.
    suggested : integer array of shape (n,)
        What a suspect is instead.
    distances : float array of shape (n,)
        From the nearest class, as ``limit``.
    limit : float
        Positive: images farther than this are unlike anything labelled.
    groups : integer array of shape (n,)
        Copies share one.
    settled : bool array of shape (n,)
        What a person has looked at already: left out, and of its copies all but suspects.
    classes : sequence of str, length k
    most : int
        Images for each reason.

    Returns
    -------
    list of NextImage
        In order.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Notes
    -----
    The least margin asks for more than the least confidence: B. Settles, *Active learning literature survey*,
    University of Wisconsin–Madison (2009), section 3.1. That what is asked for at once must be spread out, the farthest
    first: O. Sener and S. Savarese, *Active learning for convolutional neural networks: a core-set approach* (2018).
    """
    columns = (suspect, label_score, suggested, distances, groups, settled)
    if any(len(column) != len(labels) for column in (probabilities, features, *columns)):
        raise ValueError(f"every array must have {len(labels)} rows, one for each label")
    if probabilities.ndim != 2 or probabilities.shape[1] != len(classes) or len(classes) < 2:
        raise ValueError(f"probabilities must have shape (n, {len(classes)}), and there must be 2 classes at least")
    queue: list[NextImage] = []
    wrong = np.flatnonzero(suspect & ~settled)
    by_score = wrong[np.argsort(label_score[wrong], kind="stable")].tolist()
    shown: set[int] = set()
    for row in _one_of_each_group(by_score, groups, shown, most):
        why = f"Labelled {quoted(classes[labels[row]])}, but looks like {quoted(classes[suggested[row]])}."
        queue.append(_entry(row, Reason.SUSPECT, 1 - label_score[row], int(suggested[row]), probabilities, why))
    shown |= set(groups[settled].tolist())
    rest = ~suspect & ~settled
    likeliest, second, margin = _two_likeliest(probabilities)
    outside = distances > limit
    radius = _ALIKE * float(np.median(distances)) if len(distances) else 0.0

    between = rest & ~outside & (margin < CLOSE)
    left = most
    for side in (labels < 0, labels >= 0):
        rows = np.flatnonzero(between & side)
        chosen = _one_of_each_group(spread_out(rows, 1 - margin[rows], features, radius), groups, shown, left)
        left -= len(chosen)
        for row in chosen:
            first, other = int(likeliest[row]), int(second[row])
            why = _between(classes, labels[row], (first, other), probabilities[row])
            queue.append(_entry(row, Reason.UNSURE, 1 - margin[row], first, probabilities, why))

    rows = np.flatnonzero(rest & outside)
    far = distances[rows] / limit
    for row in _one_of_each_group(spread_out(rows, far, features, radius), groups, shown, most):
        others = "the other labelled" if labels[row] >= 0 else "all labelled"
        why = f"Unlike {others} images. Is it {quoted(classes[likeliest[row]])}, or none of the classes?"
        score = distances[row] / limit
        queue.append(_entry(row, Reason.UNLIKE, score, int(likeliest[row]), probabilities, why))
    return queue


def _entry(row: int, reason: Reason, score: float, suggested: int, probabilities: Floats, why: str) -> NextImage:
    return NextImage(row, reason, float(score), suggested, float(probabilities[row, suggested]), why)


def _one_of_each_group(rows: Iterable[int], groups: Ints, shown: set[int], most: int) -> list[int]:
    """Return the first ``most`` rows whose group was not shown before, and note theirs as shown."""
    chosen: list[int] = []
    for row in rows if most > 0 else ():
        group = int(groups[row])
        if group not in shown:
            shown.add(group)
            chosen.append(row)
            if len(chosen) == most:
                break
    return chosen


def _two_likeliest(probabilities: Floats) -> tuple[Ints, Ints, Floats]:
    """Return the likeliest class, the second and by how much the first is likelier, each of shape (n,)."""
    n, k = probabilities.shape
    first, second, margin = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n)
    size = max(1, _BLOCK_ELEMENTS // k)
    for start in range(0, n, size):
        block = np.array(probabilities[start : start + size], np.float64)
        part, rows = slice(start, start + size), np.arange(len(block))
        first[part] = block.argmax(axis=1)
        margin[part] = block[rows, first[part]]
        block[rows, first[part]] = -1
        second[part] = block.argmax(axis=1)
        margin[part] -= block[rows, second[part]]
    return first, second, margin


def _between(classes: Sequence[str], label: int, two: tuple[int, int], row: Floats) -> str:
    told = [f"{quoted(classes[k])} ({percent(float(row[k]))})" for k in two]
    if label < 0:
        return f"Is it {told[0]} or {told[1]}?"
    if label in two:
        other = told[1] if label == two[0] else told[0]
        return f"Labelled {quoted(classes[label])} ({percent(float(row[label]))}), but {other} is about as likely."
    return f"Labelled {quoted(classes[label])}; could be {told[0]} or {told[1]}."
