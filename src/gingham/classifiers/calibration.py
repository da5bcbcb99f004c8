"""Probabilities from decision values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gingham.classifiers.head import two_sided

__all__ = ["Calibration", "fit_calibration"]

Floats = NDArray[np.floating[Any]]

_BLOCK_ELEMENTS = 1 << 22  # scores looked at together: of many rows and classes, every copy would be large
_ROUNDING = 1e-6  # of the largest score: scores that differ by less do not differ


@dataclass(frozen=True)
class Calibration:
    """softmax(scale · scores + offsets): a multinomial logistic regression with one slope.

    Three ONNX operators, Mul, Add and Softmax, compute the same.

    Parameters
    ----------
    scale : float
        Positive: calibration does not change which class is first before the offsets.
    offsets : float64 array of shape (K,)
        Their sum is 0.
    """

    scale: float
    offsets: NDArray[np.float64]

    def __post_init__(self) -> None:
        if not (np.isfinite(self.scale) and self.scale > 0 and np.isfinite(self.offsets).all()):
            raise ValueError(f"scale must be positive, scale and offsets finite, not {self.scale} and {self.offsets}")

    def apply(self, scores: Floats) -> NDArray[np.float64]:
        """Return the probabilities of the classes.

        Parameters
        ----------
        scores : array of shape (n, K), or (n,) where there are two classes
            Decision values; of two classes, those of the second.

        Returns
        -------
        float64 array of shape (n, K)
            Each row sums to 1.
        """
        logits = two_sided(scores).astype(np.float64)
        logits *= self.scale
        logits += self.offsets
        logits -= logits.max(axis=1, keepdims=True)
        np.exp(logits, out=logits)
        logits /= logits.sum(axis=1, keepdims=True)
        return logits


def fit_calibration(
    scores: Floats, label: NDArray[np.integer[Any]], offset_penalty: float = np.inf, *, pooled: bool = False
) -> Calibration:
    """Fit a calibration to out-of-fold scores by penalised maximum likelihood.

    A multinomial Platt scaling with one slope. Probabilities stay sane where the classes are separable or tiny: like
    Platt (*Probabilistic outputs for support vector machines*, 1999) it fits targets a little short of 0 and 1, with a
    prior worth one row in all (Perks); and offsets, if wanted, are held to 0 by a ridge.

    Parameters
    ----------
    scores : array of shape (n, K), or (n,) where there are two classes
        Out-of-fold decision values.
    label : integer array of shape (n,)
        True classes, 0 … K - 1.
    offset_penalty : float
        Ridge on the offsets, in rows. Infinite: no offsets, so that the likeliest class is always that of the largest
        score; ``docs/decisions/calibration.md`` says why that is the default.
    pooled : bool
        Take all rows for rows of one class in the targets: for so few rows that a class has a handful, of which the
        prior would leave no confidence.

    Returns
    -------
    Calibration
    """
    from scipy.optimize import minimize

    scores = two_sided(scores)
    n, K = scores.shape
    count = np.full(K, n) if pooled else np.bincount(label, minlength=K)
    # A row of class k counts as it with (N_k + 1/K) / (N_k + 1), else evenly. Platt's own prior, a row for each class,
    # would leave little of a class of 40 rows among 16.
    true = (count + 1 / K) / (count + 1)
    rest = (1 - true) / max(K - 1, 1)
    size = max(1, _BLOCK_ELEMENTS // K)
    blocks = [slice(start, start + size) for start in range(0, n, size)]
    spread = _spread(scores, blocks)

    with_offset = np.isfinite(offset_penalty)

    def loss_of(block: slice, parameters: Floats) -> tuple[float, Floats]:
        scaled = scores[block].astype(np.float64) / spread
        row, of = np.arange(len(scaled)), label[block]
        scale = np.exp(parameters[0])
        logits = scale * scaled + parameters[1:] if with_offset else scale * scaled
        logits -= logits.max(axis=1, keepdims=True)
        probability = np.exp(logits)
        total = probability.sum(axis=1, keepdims=True)
        probability /= total
        logits -= np.log(total)  # now the logarithms of the probabilities
        t, r = true[of], rest[of]
        value = -float(((t - r) * logits[row, of]).sum() + (r * logits.sum(axis=1)).sum())
        probability -= r[:, None]
        probability[row, of] -= t - r
        gradient = np.empty_like(parameters)
        gradient[1:] = probability.sum(axis=0) if with_offset else 0
        probability *= scaled
        gradient[0] = scale * float(probability.sum())
        return value, gradient

    def loss(parameters: Floats) -> tuple[float, Floats]:
        value, gradient = loss_of(blocks[0], parameters)
        for block in blocks[1:]:
            more, further = loss_of(block, parameters)
            value += more
            gradient += further
        if with_offset:
            value += 0.5 * offset_penalty * float(parameters[1:] @ parameters[1:])
            gradient[1:] += offset_penalty * parameters[1:]
        return value / n, gradient / n

    start = np.zeros(1 + (K if with_offset else 0))
    # scale from 1/150 to 150 of the scores' spread: beyond, nothing is learnt from finitely many rows
    bounds = [(-5.0, 5.0)] + [(None, None)] * (len(start) - 1)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500, "ftol": 1e-8}).x
    offset = found[1:] - found[1:].mean() if with_offset else np.zeros(K)
    return Calibration(float(np.exp(found[0]) / spread), offset)


def _spread(scores: Floats, blocks: Sequence[slice]) -> float:
    """Return the standard deviation of scores (n, K); where they do not differ, what size they have."""
    mean = scores.mean(dtype=np.float64)
    squares = sum(float(((scores[block].astype(np.float64) - mean) ** 2).sum()) for block in blocks)
    spread = float(np.sqrt(squares / scores.size))
    largest = max(float(np.abs(scores[block]).max()) for block in blocks)
    # Of rows that are all alike the scores differ by rounding, which must not be taken for a scale.
    return spread if spread > _ROUNDING * largest else largest or 1.0
