"""Which images are for what, which of them an epoch shows in which order, and how pairs of them are blended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gingham.config import Refinement
from gingham.refine.ranks import Ranks

__all__ = ["Parts", "blend", "class_weights", "epoch_rows", "share_of_batches"]

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Parts:
    """Which files are for what.

    Parameters
    ----------
    train, validation, test : intp array
        Positions among the files. The test images are only looked at.
    labels : int64 array of shape (n_files,)
    n_classes : int
    shared : intp array, optional
        The files of which views are kept for several trainings, each on some of them; by default those that train.
    """

    train: Rows
    validation: Rows
    test: Rows
    labels: NDArray[np.int64]
    n_classes: int
    shared: Rows | None = None

    @property
    def varied(self) -> Rows:
        """The files of which there are views."""
        return self.train if self.shared is None else self.shared

    @property
    def plain(self) -> Rows:
        """The files of which that is kept which is seen in testing."""
        return np.concatenate([self.validation if self.shared is None else self.shared, self.test])


def epoch_rows(rows: Rows, labels: NDArray[np.int64], settings: Refinement, seed: int, epoch: int) -> Rows:
    """Return the images of an epoch in their order.

    Parameters
    ----------
    rows : intp array of shape (n,)
        The training images.
    labels : int64 array
        Of every file.
    settings : Refinement
    seed, epoch : int
        The same ones give the same order.

    Returns
    -------
    intp array
        Longer than ``rows`` where rare classes are duplicated.
    """
    rng = np.random.default_rng([seed, epoch])
    if settings.balance == "duplicate":
        counts = np.bincount(labels[rows])
        times, rest = np.divmod(counts.max(), np.maximum(counts, 1))
        more = []
        for label in np.flatnonzero(counts):
            of_class = rows[labels[rows] == label]
            more += [np.tile(of_class, times[label]), rng.permutation(of_class)[: rest[label]]]
        rows = np.concatenate(more)
    order = rng.permutation(rows)
    return order[: settings.max_images_per_epoch] if settings.max_images_per_epoch else order


def share_of_batches(order: Rows, size: int, ranks: Ranks) -> tuple[Rows, int, int]:
    """Return which images of an epoch are this process's: its part of each batch, one after the other.

    Parameters
    ----------
    order : intp array of shape (n,)
        The epoch's images, those of all processes.
    size : int
        Of a batch of all processes.
    ranks : Ranks

    Returns
    -------
    rows : intp array
    size : int
        How many of them belong to one batch; 0 where there are more processes than images.
    steps : int
        How many batches there are.
    """
    whole, steps = min(size, len(order)), max(1, len(order) // size)
    if ranks.size == 1:
        return order, size, steps
    part = ranks.share(whole)
    return order[: steps * whole].reshape(steps, whole)[:, part].reshape(-1), part.stop - part.start, steps


def class_weights(labels: NDArray[np.int64], n_classes: int) -> NDArray[np.float32]:
    """Return a weight for each class so that all weigh alike and the mean over the images is 1.

    >>> class_weights(np.array([0, 0, 0, 1]), 2)
    array([0.6666667, 2.       ], dtype=float32)
    """
    counts = np.bincount(labels, minlength=n_classes)
    present = np.count_nonzero(counts)
    return np.where(counts, len(labels) / (present * np.maximum(counts, 1)), 0).astype(np.float32)


def blend(inputs: Tensor, settings: Refinement, rng: np.random.Generator) -> tuple[Tensor, NDArray[Any], float]:
    """Blend a batch with itself in another order, or do nothing, as often as each of the ways is switched on.

    Mixup (Zhang et al., 2018) of activations is manifold mixup (Verma et al., 2019); CutMix is Yun et al., 2019.

    Parameters
    ----------
    inputs : Tensor of shape (N, …)
        Images or activations; only maps (N, C, H, W) can be cut.
    settings : Refinement
    rng : Generator

    Returns
    -------
    inputs : Tensor
    partner : int array of shape (N,)
    share : float
        How much of each image is itself; 1 where nothing was done.
    """
    nobody = np.arange(len(inputs))
    ways = [("mixup", settings.mixup), ("cutmix", settings.cutmix if inputs.ndim == 4 else 0.0)]
    on = [(way, alpha) for way, alpha in ways if alpha > 0]
    if not on or rng.random() < 0.5:
        return inputs, nobody, 1.0
    way, alpha = on[int(rng.integers(len(on)))]
    partner = rng.permutation(len(inputs))
    share = float(rng.beta(alpha, alpha))
    other = inputs[torch.from_numpy(partner).to(inputs.device)]
    if way == "mixup":
        share = max(share, 1 - share)
        return share * inputs + (1 - share) * other, partner, share
    height, width = inputs.shape[2:]
    tall, wide = round(height * (1 - share) ** 0.5), round(width * (1 - share) ** 0.5)
    top, left = int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1))
    cut = inputs.clone()
    cut[:, :, top : top + tall, left : left + wide] = other[:, :, top : top + tall, left : left + wide]
    return cut, partner, 1 - tall * wide / (height * width)
