"""Made-up learning curves, whose law is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gingham.evaluate.learning import extrapolate
from gingham.evaluate.outlook import LearningFindings

SHARES = np.array([0.08, 0.13, 0.22, 0.36, 0.6, 1.0])
FOLDS, DRAWS = 5, 3
TRAINED = (FOLDS - 1) / FOLDS

Law = tuple[float, float, float]
"""a, b and c of the error a + b m^-c of m images that were trained on."""


def error(law: Law, trained: Any) -> Any:
    a, b, c = law
    return np.minimum(0.98, a + b * np.maximum(trained, 1.0) ** -c)


def curves(
    counts: Sequence[int], laws: Sequence[Law], *, stolen: float = 0.0, copies: int = 1, seed: int = 0
) -> tuple[NDArray[Any], ...]:
    """Return labels, groups, folds, sizes and what is right of classes of so many images, each with its law.

    Every class's images are as hard as they are, at all sizes. Of what one class gains, the others lose the share
    ``stolen``. Each image is there ``copies`` times.
    """
    rng = np.random.default_rng(seed)
    K = len(counts)
    labels = np.repeat(np.arange(K), counts)
    n = len(labels)
    fold = np.concatenate([rng.permutation(np.arange(count) % FOLDS) for count in counts])
    hard = np.concatenate([rng.permutation((np.arange(count) + rng.random()) / count) for count in counts])
    hard = rng.random(n) if seed else hard
    full = TRAINED * np.asarray(counts, float)
    sizes = np.maximum(1, np.vstack([np.outer(full, SHARES), full.sum() * SHARES]))
    right = np.zeros((K + 1, len(SHARES), DRAWS, n), bool)
    for k in range(K + 1):
        for s, share in enumerate(SHARES):
            for draw in range(DRAWS if share < 1 else 1):
                trained = full * np.where((np.arange(K) == k) | (k == K), share, 1.0)
                errors = np.array([error(law, m) for law, m in zip(laws, trained, strict=True)])
                if k < K:
                    won = error(laws[k], trained[k]) - error(laws[k], full[k])
                    errors[np.arange(K) != k] -= stolen * won / (K - 1)
                noise = 0.02 * rng.normal(size=n) if share < 1 else 0.0
                right[k, s, draw] = hard + noise >= errors[labels]
    right[:, -1] = right[0, -1, 0]
    rows = np.repeat(np.arange(n), copies)
    return labels[rows], rows, fold[rows], sizes * copies, right[..., rows]


def findings(counts: Sequence[int], laws: Sequence[Law], *, stolen: float = 0.0, **options: Any) -> LearningFindings:
    return extrapolate(*curves(counts, laws, stolen=stolen), **({"resamples": 200} | options))
