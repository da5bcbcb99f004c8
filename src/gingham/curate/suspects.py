"""Which labels are probably wrong: the given label against probabilities that have not seen it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]
    Labels = NDArray[np.integer[Any]]

__all__ = ["Suspects", "doubted", "pooled", "suspect_labels"]

NEIGHBOUR_WEIGHT = 0.4
"""Of the neighbours' votes beside the model; docs/decisions/checking.md says how this and the rest was found."""

SHARE_OF_CHANCE = 1 / 3
"""Of 1 / k, what k classes get without knowing anything: the label of a suspect gets less."""

USUAL_FACTOR = 3.0
"""And less than this many times what the images of other classes get of it on average."""

MORE_LIKELY_THAN_NOT = 0.5
"""What another class must get at least."""

_DOUBT_RATIO = float(np.exp(-1))
_LEAST = 1e-12
_LOG_EXPONENTS = (-3.0, 3.0)
_CALIBRATION_ROWS = 50_000
_BLOCK_ELEMENTS = 1 << 22


@dataclass(frozen=True, slots=True)
class Suspects:
    """What the labels of a dataset are worth, one entry an image.

    Parameters
    ----------
    label_score : float32 array of shape (n,)
        In [0, 1]; the lower, the more probably the label is wrong. This is the ranking.
    is_suspect : bool array of shape (n,)
        Whether the label is claimed to be wrong.
    suggested : int64 array of shape (n,)
        The likeliest class. Of a suspect never its label.
    other_probability : float32 array of shape (n,)
        Of the likeliest class other than the label, calibrated: of a suspect that of ``suggested``.
    """

    label_score: NDArray[np.float32]
    is_suspect: NDArray[np.bool_]
    suggested: NDArray[np.int64]
    other_probability: NDArray[np.float32]


def suspect_labels(probabilities: Floats, labels: Labels) -> Suspects:
    """Rank the labels of a dataset and say which are probably wrong.

    The probabilities are first sharpened or softened by one exponent, the likeliest given the labels, so that
    over-confident models and timid ones are judged alike. The score of an image is then the geometric mean of the
    probability p of its label (self-confidence) and of p / (p + q), where q is that of the likeliest other class (the
    margin): the first ranks better where labels were mixed up at random, the second where like was taken for like.

    A label is suspect if another class is likelier than all the rest together (q of one half or more), and its own gets
    no more than three times what it gets, on average, of images that bear other labels, and no more than a third of
    what it would get by chance, 1 / k. The former, one for each class, is the threshold of confident learning seen from
    the other side. Where the model is weak, q seldom reaches one half and p is seldom so small: few are claimed.

    Parameters
    ----------
    probabilities : float array of shape (n, k)
        Of each class, by models that were not trained on the image: out of fold. Rows sum to 1.
    labels : integer array of shape (n,)
        The given classes, 0 … k - 1.

    Returns
    -------
    Suspects

    Raises
    ------
    ValueError
        If the shapes do not fit, a label is out of range, or a probability is negative or not a number.

    References
    ----------
    C. G. Northcutt, L. Jiang, I. L. Chuang, *Confident Learning: Estimating Uncertainty in Dataset Labels*, Journal of
    Artificial Intelligence Research 70, 2021.

    Examples
    --------
    >>> sure = np.array([[0.98, 0.02]] * 9 + [[0.02, 0.98]] * 10)
    >>> found = suspect_labels(sure, np.repeat([0, 1], [10, 9]))  # the last of class 0 looks like class 1
    >>> np.flatnonzero(found.is_suspect), found.suggested[9]
    (array([9]), np.int64(1))
    """
    _check(probabilities, labels)
    judged = _judge(probabilities, labels)
    score = judged.given / np.sqrt(judged.given + judged.other)
    limit = np.minimum(USUAL_FACTOR * judged.usual, SHARE_OF_CHANCE / probabilities.shape[1])
    suspect = (judged.other >= MORE_LIKELY_THAN_NOT) & (judged.given <= limit[labels])
    return Suspects(score.astype(np.float32), suspect, judged.likeliest, judged.other.astype(np.float32))


def doubted(probabilities: Floats, labels: Labels) -> NDArray[np.bool_]:
    """Say which images a model had better not be trained on when it is to judge the labels.

    A model that has been trained on wrong labels gives them some right. Trained a second time without the doubtful
    images it tells wrong labels apart better, also theirs.

    Parameters
    ----------
    probabilities : float array of shape (n, k)
        Out of fold.
    labels : integer array of shape (n,)

    Returns
    -------
    bool array of shape (n,)
        Where another class is e times as likely as the label, or more; but of every class at most half, the doubtful
        ones first.
    """
    _check(probabilities, labels)
    judged = _judge(probabilities, labels)
    ratio = judged.given / judged.other
    order = np.lexsort((ratio, labels))
    counts = np.bincount(labels, minlength=probabilities.shape[1])
    rank = np.empty(len(labels), np.int64)
    rank[order] = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    return (ratio <= _DOUBT_RATIO) & (rank < counts[labels] // 2)


def pooled(probabilities: Floats, neighbours: Floats, weight: float = NEIGHBOUR_WEIGHT) -> NDArray[np.float64]:
    """Pool the probabilities of a model with the votes of the neighbours: their weighted geometric mean.

    The two err in different places.

    Parameters
    ----------
    probabilities, neighbours : float arrays of shape (n, k)
    weight : float
        Of the neighbours, in [0, 1].

    Returns
    -------
    float64 array of shape (n, k)
        Rows sum to 1.

    References
    ----------
    C. Genest, J. V. Zidek, *Combining Probability Distributions: A Critique and an Annotated Bibliography*, Statistical
    Science 1, 1986 (the logarithmic opinion pool).
    """
    return _softmax((1 - weight) * _log(probabilities) + weight * _log(neighbours))


def _check(probabilities: Floats, labels: Labels) -> None:
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1]:
        raise ValueError(
            f"probabilities must have shape (n, k) and labels (n,), not {probabilities.shape} and {labels.shape}"
        )
    if len(labels) and not (labels.min() >= 0 and labels.max() < probabilities.shape[1]):
        raise ValueError(
            f"labels must lie between 0 and {probabilities.shape[1] - 1}, the columns of probabilities, "
            f"not between {labels.min()} and {labels.max()}"
        )
    if not (probabilities >= 0).all():
        raise ValueError("probabilities must not be negative or NaN")


class _Judged(NamedTuple):
    """Calibrated: the probability of the label, that of the likeliest other class, the likeliest class, all (n,); and
    what each class gets on average of images of other classes, (k,).
    """

    given: NDArray[np.float64]
    other: NDArray[np.float64]
    likeliest: NDArray[np.int64]
    usual: NDArray[np.float64]


def _judge(probabilities: Floats, labels: Labels) -> _Judged:
    n, k = probabilities.shape
    exponent = _exponent(probabilities, labels) if n and k > 1 else 1.0
    given, other = np.empty(n), np.empty(n)
    likeliest = np.empty(n, np.int64)
    total = np.zeros(k)
    size = max(1, _BLOCK_ELEMENTS // k)
    for start in range(0, n, size):
        block = slice(start, start + size)
        calibrated = _softmax(exponent * _log(probabilities[block]))
        rows = np.arange(len(calibrated)), labels[block]
        likeliest[block] = calibrated.argmax(axis=1)
        given[block] = calibrated[rows]
        total += calibrated.sum(axis=0)
        calibrated[rows] = 0
        other[block] = calibrated.max(axis=1)
    of_own = np.bincount(labels, given, minlength=k)
    usual = (total - of_own) / np.maximum(1, n - np.bincount(labels, minlength=k))
    return _Judged(np.maximum(given, _LEAST), np.maximum(other, _LEAST), likeliest, usual)


def _exponent(probabilities: Floats, labels: Labels) -> float:
    """Return the power of the probabilities, rows scaled to sum 1 again, under which the labels are likeliest."""
    from scipy.optimize import minimize_scalar

    rows = np.linspace(0, len(labels) - 1, min(len(labels), _CALIBRATION_ROWS)).astype(np.int64)
    rows = rows[:: max(1, len(rows) * probabilities.shape[1] // _BLOCK_ELEMENTS)]
    logs = _log(probabilities[rows])
    logs -= logs[np.arange(len(rows)), labels[rows], None]  # relative to the label: its loss is log sum exp

    def loss(log_exponent: float) -> float:
        scaled = np.exp(log_exponent) * logs
        largest = scaled.max(axis=1)
        return float((largest + np.log(np.exp(scaled - largest[:, None]).sum(axis=1))).mean())

    return float(np.exp(minimize_scalar(loss, bounds=_LOG_EXPONENTS, method="bounded").x))


def _log(probabilities: Floats) -> NDArray[np.float64]:
    logs: NDArray[np.float64] = np.log(np.maximum(probabilities, _LEAST, dtype=np.float64))
    return logs


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits
