"""The queue of images to look at: suspects, then the unsure, then the unlike; each once, and none that is settled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from gingham.evaluate.next_images import CLOSE, NextImage, Reason, next_images

CLASSES = ("cat", "dog", "cow")
SURE, CLOSE_CALL, CLOSER = (0.9, 0.05, 0.05), (0.45, 0.40, 0.15), (0.41, 0.40, 0.19)


def queue(rows: Sequence[dict[str, Any]], **options: Any) -> list[NextImage]:
    """Ask about images each unlike every other, sure and labelled cat unless a row says something else."""

    def column(name: str, default: Any) -> np.ndarray:
        return np.array([row.get(name, default(i) if callable(default) else default) for i, row in enumerate(rows)])

    features = np.eye(max(1, len(rows)))[: len(rows)]
    for i, row in enumerate(rows):
        if "like" in row:
            features[i] = features[row["like"]]
    return next_images(
        column("probabilities", SURE).reshape(-1, 3),
        column("label", 0).astype(int),
        features,
        suspect=column("suspect", False).astype(bool),
        label_score=column("score", 1.0),
        suggested=column("suggested", 1).astype(int),
        distances=column("distance", 0.3),
        limit=0.5,
        groups=column("group", lambda i: 1000 + i).astype(int),
        settled=column("settled", False).astype(bool),
        classes=CLASSES,
        **options,
    )


def order(rows: Sequence[dict[str, Any]], **options: Any) -> list[tuple[int, str]]:
    return [(each.index, each.reason.value) for each in queue(rows, **options)]


SUSPECT = {"suspect": True, "score": 0.1}
UNSURE = {"probabilities": CLOSE_CALL, "label": -1}
UNLIKE = {"distance": 0.9, "label": -1}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([], [], id="no image"),
        pytest.param([{}, {}], [], id="nothing to ask"),
        pytest.param(
            [UNLIKE, UNSURE, SUSPECT], [(2, "suspect"), (1, "unsure"), (0, "unlike")], id="suspect, unsure, unlike"
        ),
        pytest.param(
            [{**SUSPECT, "score": 0.3}, SUSPECT, {**SUSPECT, "score": 0.2}],
            [(1, "suspect"), (2, "suspect"), (0, "suspect")],
            id="the least label score first",
        ),
        pytest.param(
            [UNSURE, {**UNSURE, "probabilities": CLOSER}], [(1, "unsure"), (0, "unsure")], id="the least margin first"
        ),
        pytest.param(
            [{**UNSURE, "label": 0, "probabilities": CLOSER}, UNSURE],
            [(1, "unsure"), (0, "unsure")],
            id="without a label first",
        ),
        pytest.param(
            [UNLIKE, {**UNLIKE, "distance": 1.2}, {**UNLIKE, "label": 2, "distance": 1.0}],
            [(1, "unlike"), (2, "unlike"), (0, "unlike")],
            id="the farthest first",
        ),
        pytest.param([{**UNSURE, "distance": 0.9}], [(0, "unlike")], id="probabilities of the unlike say nothing"),
        pytest.param([{**SUSPECT, **UNSURE, "label": 0, "distance": 0.9}], [(0, "suspect")], id="one reason each"),
        pytest.param(
            [{**row, "settled": True} for row in (SUSPECT, UNSURE, UNLIKE)], [], id="what is settled is left out"
        ),
        pytest.param(
            [{**UNSURE, "group": 1}, {**UNSURE, "group": 1, "probabilities": CLOSER}, {**UNLIKE, "group": 1}],
            [(1, "unsure")],
            id="of copies the first",
        ),
        pytest.param(
            [{**SUSPECT, "group": 1}, {**SUSPECT, "group": 1, "score": 0.05}, {**UNSURE, "group": 1}],
            [(1, "suspect")],
            id="of suspect copies the worst",
        ),
        pytest.param(
            [{"settled": True, "group": 1}, {**UNSURE, "group": 1}, {**UNLIKE, "group": 1}],
            [],
            id="a settled copy speaks for its copies",
        ),
        pytest.param(
            [{"settled": True, "group": 1}, {**SUSPECT, "group": 1}],
            [(1, "suspect")],
            id="but not for a suspect",
        ),
        pytest.param(
            [{**UNSURE, "probabilities": CLOSER}, {**UNSURE, "probabilities": CLOSER, "like": 0}, UNSURE],
            [(0, "unsure"), (2, "unsure"), (1, "unsure")],
            id="what looks alike is put off",
        ),
        pytest.param(
            [{**UNLIKE, "distance": 1.2}, {**UNLIKE, "distance": 1.2, "like": 0}, UNLIKE],
            [(0, "unlike"), (2, "unlike"), (1, "unlike")],
            id="also of the unlike",
        ),
        pytest.param(
            [{**SUSPECT, "score": 0.1}, {**SUSPECT, "score": 0.2, "like": 0}, {**SUSPECT, "score": 0.3}],
            [(0, "suspect"), (1, "suspect"), (2, "suspect")],
            id="but not of suspects: each is a wrong label",
        ),
    ],
)
def test_the_order(rows: list[dict[str, Any]], expected: list[tuple[int, str]]) -> None:
    assert order(rows) == expected


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        pytest.param(0, [], id="none"),
        pytest.param(1, [3, 1, 0], id="one of each"),
        pytest.param(2, [3, 4, 1, 2, 0, 5], id="two of each"),
    ],
)
def test_so_many_for_each_reason(most: int, expected: list[int]) -> None:
    rows = [UNLIKE, UNSURE, {**UNSURE, "label": 0}, SUSPECT, {**SUSPECT, "score": 0.2}, UNLIKE]
    assert [each.index for each in queue(rows, most=most)] == expected


def test_what_is_unsure_ends_where_one_class_is_clearly_likelier() -> None:
    just = [(0.5 + margin / 2, 0.5 - margin / 2, 0.0) for margin in (CLOSE - 0.01, CLOSE + 0.01)]
    assert order([{"probabilities": row, "label": -1} for row in just]) == [(0, "unsure")]


@pytest.mark.parametrize(
    ("row", "suggested", "probability", "score", "why"),
    [
        pytest.param(SUSPECT, 1, 0.05, 0.9, "Labelled “cat”, but looks like “dog”.", id="suspect"),
        pytest.param(UNSURE, 0, 0.45, 0.95, "Is it “cat” (45 %) or “dog” (40 %)?", id="unsure"),
        pytest.param(
            {**UNSURE, "label": 2}, 0, 0.45, 0.95, "Labelled “cow”; could be “cat” (45 %) or “dog” (40 %).",
            id="unsure, labelled",
        ),
        pytest.param(
            UNLIKE, 0, 0.9, 1.8, "Unlike all labelled images. Is it “cat”, or none of the classes?", id="unlike"
        ),
        pytest.param(
            {**UNLIKE, "label": 0}, 0, 0.9, 1.8,
            "Unlike the other labelled images. Is it “cat”, or none of the classes?", id="unlike, labelled",
        ),
    ],
)  # fmt: skip
def test_an_entry(row: dict[str, Any], suggested: int, probability: float, score: float, why: str) -> None:
    (found,) = queue([row, {}])
    assert found == NextImage(
        0,
        found.reason,
        pytest.approx(score),
        suggested,
        pytest.approx(probability),
        why,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"label_score": np.ones(3)}, "every array must have 4 rows", id="too few rows"),
        pytest.param({"classes": ("a",)}, "2 classes at least", id="one class"),
        pytest.param({"classes": ("a", "b", "c")}, r"shape \(n, 3\)", id="classes without a column"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], words: str) -> None:
    given: dict[str, Any] = {
        "suspect": np.zeros(4, bool), "label_score": np.ones(4), "suggested": np.zeros(4, int),
        "distances": np.ones(4), "limit": 1.0, "groups": np.arange(4), "settled": np.zeros(4, bool),
        "classes": ("a", "b"),
    }  # fmt: skip
    with pytest.raises(ValueError, match=words):
        next_images(np.full((4, 2), 0.5), np.zeros(4, int), np.eye(4), **(given | changes))


@pytest.mark.parametrize("alike", [pytest.param(False, id="all kinds"), pytest.param(True, id="all alike")])
def test_many_images(alike: bool) -> None:
    rng = np.random.default_rng(0)
    n, k = 20_000, 10
    features = rng.normal(size=(1 if alike else n, 64)) + 0.01 * rng.normal(size=(n, 64))
    probabilities = np.full((n, k), 1 / k) if alike else rng.dirichlet(np.full(k, 0.3), n)
    found = next_images(
        probabilities,
        np.full(n, -1),
        (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32),
        suspect=np.zeros(n, bool),
        label_score=np.ones(n),
        suggested=np.zeros(n, int),
        distances=np.full(n, 0.3),
        limit=0.5,
        groups=np.arange(n),
        settled=np.zeros(n, bool),
        classes=[f"c{i}" for i in range(k)],
    )
    assert len(found) == 50
    assert {each.reason for each in found} == {Reason.UNSURE}
