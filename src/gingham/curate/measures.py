"""What can be measured on one image: how bright, colourful, sharp and full it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SIDE", "Measures", "measure"]

SIDE = 256
"""Shorter side at which images are measured, in pixels; smaller ones as they are."""

LONGEST = 4
"""Sides that an image is reduced to have, at most: a ribbon's longer side is LONGEST x SIDE."""

_WHITE = 255
_WINDOW = 7
_STRONGEST = 0.1
_FLAT = 10  # a window whose grey levels differ by less has no edge that could be sharp
_DETAIL = 15  # grey levels


@dataclass(frozen=True, slots=True)
class Measures:
    """Measures of one image, each in [0, 1].

    Parameters
    ----------
    darkest, median, brightest : float
        The 5th, 50th and 99th percentile of the brightness (luma) of the pixels; 0 is black, 1 white.
    brightness : float
        Its mean.
    saturation : float
        Mean over the pixels of (max - min) / max of red, green and blue; 0 is grey.
    sharpness : float
        Share of the contrast of an edge that lies between two neighbouring pixels: about 0.6 in a sharp photo, 0.2 in
        one blurred by a Gaussian of 2 pixels (at 256). 1 where there is no edge.
    information : float
        Share of the picture that shows anything: where the brightness differs by 6 % or more within 7 x 7 pixels.
    """

    darkest: float
    median: float
    brightest: float
    brightness: float
    saturation: float
    sharpness: float
    information: float


def measure(rgb: NDArray[np.uint8], *, box: tuple[float, float, float, float] | None = None) -> Measures:
    """Measure an image at a standard size, so that its resolution does not matter.

    The sharpness is that of the strongest edges, for a sharp thing before a blurred background is a sharp photo: of the
    7 x 7 windows with an edge the tenth whose brightness differs most, and of these the median of the largest step from
    pixel to pixel divided by the window's range. Sharp edges need one step, blurred ones many; a Gaussian blur of s
    pixels leaves steps of 1 / (s sqrt(2 pi)) of an edge. It is a relative of the width of edges of Marziliano et al.

    Parameters
    ----------
    rgb : uint8 array of shape (height, width, 3)
        Upright; best decoded so that the shorter side is at least 256 pixels, or as it is if smaller.
    box : tuple of four floats, optional
        Part of the array that the image covers, in pixels: left, upper, right, lower; `Decoded.box`. By default all.

    Returns
    -------
    Measures

    References
    ----------
    P. Marziliano, F. Dufaux, S. Winkler, T. Ebrahimi, *A no-reference perceptual blur metric*, ICIP 2002.

    Examples
    --------
    >>> measure(np.zeros((8, 8, 3), np.uint8))
    Measures(darkest=0.0, median=0.0, brightest=0.0, brightness=0.0, saturation=0.0, sharpness=1.0, information=0.0)
    """
    small = _standard(rgb, box or (0.0, 0.0, float(rgb.shape[1]), float(rgb.shape[0])))
    grey = _grey(small)
    darkest, median, brightest = (np.percentile(grey, (5, 50, 99), method="lower") / _WHITE).tolist()
    step, extent = _steps_and_extents(grey)
    edges = extent >= _FLAT
    sharpness = 1.0
    if edges.any():
        strong = extent >= np.quantile(extent[edges], 1 - _STRONGEST)
        sharpness = float(np.median(step[strong] / extent[strong]))
    return Measures(
        darkest=darkest,
        median=median,
        brightest=brightest,
        brightness=float(grey.mean() / _WHITE),
        saturation=_saturation(small),
        sharpness=sharpness,
        information=float((extent >= _DETAIL).mean()),
    )


def _standard(rgb: NDArray[np.uint8], box: tuple[float, float, float, float]) -> NDArray[np.uint8]:
    """Reduce the image by averaging so that its shorter side is SIDE, and its longer one no more than LONGEST SIDEs."""
    from PIL import Image

    width, height = box[2] - box[0], box[3] - box[1]
    factor = max(1.0, min(width, height) / SIDE, max(width, height) / (LONGEST * SIDE))
    size = max(1, round(width / factor)), max(1, round(height / factor))
    if size == (rgb.shape[1], rgb.shape[0]):
        return rgb
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BOX, box=box))


def _grey(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    from PIL import Image

    return np.asarray(Image.fromarray(rgb).convert("L"))  # the luma of ITU-R BT.601


def _steps_and_extents(grey: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return for each 7 x 7 window the largest step between neighbours beside or below each other, and the range."""
    largest, smallest = _sliding(grey, _WINDOW, 0), _sliding(~grey, _WINDOW, 0)
    extent = _sliding(largest, _WINDOW, 1) - ~_sliding(smallest, _WINDOW, 1)
    beside = np.maximum(grey[:, 1:], grey[:, :-1]) - np.minimum(grey[:, 1:], grey[:, :-1])
    below = np.maximum(grey[1:], grey[:-1]) - np.minimum(grey[1:], grey[:-1])
    # A window of 7 pixels holds 6 steps.
    beside = _sliding(_sliding(beside, _WINDOW, 0), _WINDOW - 1, 1)
    below = _sliding(_sliding(below, _WINDOW - 1, 0), _WINDOW, 1)
    return np.maximum(beside, below), extent


def _sliding(values: NDArray[np.uint8], window: int, axis: int) -> NDArray[np.uint8]:
    """Return the maximum of each window along an axis; of the whole where that is no longer than a window."""
    values = np.moveaxis(values, axis, 0)
    if len(values) <= window:
        found = values.max(axis=0, keepdims=True, initial=0)
    else:
        found, width = values, 1
        while width < window:
            shift = min(width, window - width)
            found, width = np.maximum(found[:-shift], found[shift:]), width + shift
    return np.moveaxis(found, 0, axis)


def _saturation(rgb: NDArray[np.uint8]) -> float:
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    largest = np.maximum(np.maximum(red, green), blue).astype(np.float32)
    smallest = np.minimum(np.minimum(red, green), blue)
    return float(((largest - smallest) / np.maximum(largest, 1)).mean(dtype=np.float64))
