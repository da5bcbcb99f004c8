"""What a refinement leaves: the network with its last layer, and how it came about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gingham.records import Epoch

__all__ = ["Refined"]


@dataclass(frozen=True)
class Refined:
    """A refined network.

    Parameters
    ----------
    tensors : mapping of str to ndarray
        Every weight of the network without its last layer, under timm's names.
    coef : float64 array of shape (n_classes, n_features)
    intercept : float64 array of shape (n_classes,)
        The last layer: scores are ``features @ coef.T + intercept``.
    epochs : tuple of Epoch
        Of all trainings, one after the other.
    kept_epochs : tuple of int
        After which the weights were taken; those of several trainings are averaged.
    validation_error : float or None
        Share of the validation images that the network classifies wrongly; None where there are none.
    stopped : {"", "patience", "interrupted"}
        Why it ended before its last epoch.
    depth : str
        What was trained, such as ``last-3-stages``.
    device, precision : str
    trained_parameters, parameters : int
        Numbers that were trained, of all.
    """

    tensors: Mapping[str, NDArray[Any]]
    coef: NDArray[np.float64]
    intercept: NDArray[np.float64]
    epochs: tuple[Epoch, ...]
    kept_epochs: tuple[int, ...]
    validation_error: float | None
    stopped: str
    depth: str
    device: str
    precision: str
    trained_parameters: int
    parameters: int
