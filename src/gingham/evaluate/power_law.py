"""The inverse power law of learning: error falls with the number of images towards what no number of them removes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["EXPONENTS", "PowerLaws", "fit_power_laws"]

Floats = NDArray[np.float64]

EXPONENTS = np.geomspace(0.1, 1.5, 29)
"""That are tried."""


@dataclass(frozen=True)
class PowerLaws:
    """Curves error(m) = a + b (m / unit)^-c.

    Parameters
    ----------
    a, b, c : float64 arrays of shape (B,)
    unit : float
        The largest size that was measured: b is then what more images may still remove.
    """

    a: Floats
    b: Floats
    c: Floats
    unit: float

    def at(self, sizes: ArrayLike) -> Floats:
        """Return the errors at sizes of shape (G,), in [0, 1], of shape (B, G)."""
        m = np.asarray(sizes, np.float64) / self.unit
        errors = self.a[:, None] + self.b[:, None] * m ** -self.c[:, None]
        return np.clip(errors, 0.0, 1.0)


def fit_power_laws(sizes: Floats, errors: Floats, weights: Floats) -> PowerLaws:
    """Fit many curves over the same sizes by weighted least squares, with a >= 0, b >= 0 and c of `EXPONENTS`.

    For each exponent the best a and b are known in closed form, so that only the exponent is searched.

    Parameters
    ----------
    sizes : float64 array of shape (S,)
        Positive, ascending.
    errors : float64 array of shape (B, S)
    weights : float64 array of shape (S,)

    Returns
    -------
    PowerLaws

    Notes
    -----
    The law, and weights by which the larger sizes count for more: R. L. Figueroa et al., *Predicting sample size
    required for classification performance*, BMC Medical Informatics and Decision Making 12 (2012). That networks
    follow it over many sizes, and how steeply: J. Hestness et al., *Deep learning scaling is predictable, empirically*
    (2017).

    Examples
    --------
    >>> m = np.array([10.0, 20.0, 40.0, 80.0])
    >>> found = fit_power_laws(m, 0.05 + 0.8 * m[None] ** -0.5, np.ones(4))
    >>> found.at([160])[0].round(2)  # 0.05 + 0.8 / √160
    array([0.11])
    """
    unit = float(sizes[-1])
    x = (sizes / unit) ** -EXPONENTS[:, None]  # exponents x S
    w = weights / weights.sum()
    wx, wxx = x @ w, (x * x) @ w
    we, wxe = errors @ w, errors @ (x * w).T
    spread = wxx - wx * wx
    with np.errstate(divide="ignore", invalid="ignore"):
        b = np.where(spread > 1e-12, (wxe - we[:, None] * wx) / spread, 0.0)
    b = np.maximum(b, 0.0)
    a = we[:, None] - b * wx
    b = np.where(a < 0, np.maximum(wxe / wxx, 0.0), b)
    a = np.maximum(a, 0.0)
    # What is left of the squares, but for the errors' own.
    loss = a * a + 2 * a * b * wx + b * b * wxx - 2 * a * we[:, None] - 2 * b * wxe
    best = loss.argmin(axis=1)
    rows = np.arange(len(errors))
    return PowerLaws(a[rows, best], b[rows, best], EXPONENTS[best], unit)
