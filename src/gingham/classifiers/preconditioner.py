"""Approximate inverses of I + XᵀDX, the Hessian of a squared-hinge problem."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Preconditioner", "identity_plus", "identity_plus_gram"]

Floats = NDArray[np.floating[Any]]

_ROWS_PER_FEATURE = 8  # more rows than this many times d are thinned: the estimate is good enough
_BLOCK_ROWS = 2048


class Preconditioner(Protocol):
    """A symmetric positive definite matrix, to be applied to columns."""

    def __call__(self, columns: Floats) -> Floats:
        """Return M⁻¹ ``columns``, both of shape (d, p)."""
        ...  # pragma: no cover


class _Cholesky:
    """M = LLᵀ, where there are more rows than features."""

    def __init__(self, matrix: Floats) -> None:
        from scipy.linalg import lapack

        factorise = lapack.spotrf if matrix.dtype == np.float32 else lapack.dpotrf
        # Rounding can cost a badly scaled matrix its definiteness; a preconditioner may be shifted a little.
        for shift in (0.0, 1e-6, 1e-4, 1e-2):
            shifted = np.array(matrix.T, order="F")  # its transpose is itself, and so the copy is contiguous
            shifted[np.diag_indices_from(shifted)] *= 1 + shift
            self._factor, failed = factorise(shifted, lower=1, overwrite_a=1, clean=0)
            if not failed:
                break
        else:  # not every LAPACK says that it met NaN
            raise np.linalg.LinAlgError("the Hessian has entries that are not finite")
        self._solve = lapack.spotrs if matrix.dtype == np.float32 else lapack.dpotrs

    def __call__(self, columns: Floats) -> Floats:
        solved: Floats = self._solve(self._factor, columns.astype(self._factor.dtype), lower=1)[0]
        return solved


class _Woodbury:
    """M⁻¹ = I - Bᵀ(I + BBᵀ)⁻¹B, where there are fewer rows than features."""

    def __init__(self, rows: Floats) -> None:
        self._rows = rows
        gram = rows @ rows.T
        gram[np.diag_indices_from(gram)] += 1
        self._gram = _Cholesky(gram)

    def __call__(self, columns: Floats) -> Floats:
        columns = columns.astype(self._rows.dtype)
        applied: Floats = columns - self._rows.T @ self._gram(self._rows @ columns)
        return applied


def identity_plus(X: Floats, weight: Floats) -> Preconditioner:
    """Return the inverse of I + Xᵀ diag(weight) X.

    Parameters
    ----------
    X : array of shape (n, d)
    weight : array of shape (n,)
        Not negative. Rows of weight 0 are left out; where very many are left, every k-th stands for k.
    """
    active = np.flatnonzero(weight)
    stride = max(1, len(active) // (_ROWS_PER_FEATURE * X.shape[1]))
    active = active[::stride]
    root = np.sqrt(weight[active] * stride).astype(X.dtype)[:, None]
    if 2 * len(active) < X.shape[1]:
        return _Woodbury(X[active] * root)
    matrix = np.eye(X.shape[1], dtype=X.dtype)
    for start in range(0, len(active), _BLOCK_ROWS):
        part = slice(start, start + _BLOCK_ROWS)
        rows = X[active[part]]
        rows *= root[part]
        matrix += rows.T @ rows
    return _Cholesky(matrix)


def identity_plus_gram(gram: Floats, weight: float) -> Preconditioner:
    """Return the inverse of I + ``weight`` ``gram``, of shape (d, d)."""
    matrix = gram * gram.dtype.type(weight)
    matrix[np.diag_indices_from(matrix)] += 1
    return _Cholesky(matrix)
