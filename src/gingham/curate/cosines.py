"""Lengths of feature vectors, so that their cosines come from products without a scaled copy of them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["inverse_lengths"]


def inverse_lengths(features: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Return one over the length of each row, float32 of shape (n,); 0 for a row of zeros, which is like nothing.

    Raises
    ------
    ValueError
        If a value is not finite.
    """
    lengths = np.sqrt(np.einsum("ij,ij->i", features, features, dtype=np.float64))
    finite = np.isfinite(lengths)
    if not finite.all():
        raise ValueError(f"features must be finite; row {int(finite.argmin())} is not")
    return np.where(lengths > 0, 1 / np.where(lengths > 0, lengths, 1), 0).astype(np.float32)
