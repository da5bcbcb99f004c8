"""Raster primitives of the sample: the only module here that calls Pillow's drawing and scipy's filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Array", "Box", "Canvas", "Field", "blur", "bounds", "cloud", "curve", "limb", "mask", "resize", "sample"]

Array = npt.NDArray[np.floating[Any]]
"""Of float32 here, throughout."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of whole pixels: ``top:bottom, left:right``."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.bottom - self.top, self.right - self.left

    @property
    def window(self) -> tuple[slice, slice]:
        """The index that cuts the box out of an image."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


class Canvas:
    """An RGB picture in the making.

    Parameters
    ----------
    pixels : float32 array of shape (height, width, 3)
        In [0, 1], changed in place.

    Attributes
    ----------
    solid : float32 array of shape (height, width)
        How far each pixel belongs to something in front of the backdrop, in [0, 1].
    """

    def __init__(self, pixels: Array) -> None:
        self.pixels = pixels
        self.solid: Array = np.zeros(pixels.shape[:2], np.float32)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def paint(self, outline: Array, colour: Any, opacity: float = 1.0) -> None:
        """Fill a closed outline, shape (n, 2) in pixels, with one colour."""
        box = bounds(outline, self.shape)
        if box is None:
            return
        cover = (mask([outline], box) * np.float32(opacity))[..., None]
        view, solid = self.pixels[box.window], self.solid[box.window]
        view += cover * (np.asarray(colour, np.float32) - view)
        np.maximum(solid, cover[..., 0], out=solid)

    def shade(
        self,
        outlines: Sequence[Array],
        offset: tuple[float, float],
        softness: float,
        strength: float,
        far: bool = False,
    ) -> None:
        """Cast one soft shadow of some outlines: darken them, moved by ``offset`` and blurred (pixels).

        With ``far`` the backdrop is too far away to catch it: it falls only on what stands before it.
        """
        moved = [outline + np.asarray(offset, np.float32) for outline in outlines]
        box = bounds(np.concatenate(moved), self.shape, margin=int(2.5 * softness) + 2)
        if box is None:
            return
        step = max(1, int(softness / 1.6))
        small = Box(0, -(-box.shape[0] // step), 0, -(-box.shape[1] // step))
        local = [(outline - (box.left, box.top)) / step for outline in moved]
        dark = resize(blur(mask(local, small, oversample=1), softness / step), box.shape)
        if far:
            dark *= self.solid[box.window]
        self.pixels[box.window] *= 1 - np.float32(strength) * dark[..., None]


class Field:
    """A smooth random function of the plane, periodic in 32 units, about unit variance.

    Value noise: independent normal values on the integers, joined by cubic splines that are tabulated once.

    Parameters
    ----------
    rng : numpy.random.Generator
    """

    _cells, _fine = 32, 5

    def __init__(self, rng: np.random.Generator) -> None:
        coarse = 1.35 * rng.standard_normal((self._cells, self._cells), dtype=np.float32)
        border, side = 4, (self._cells + 8) * self._fine
        smooth = resize(np.pad(coarse, border, mode="wrap"), (side, side), cubic=True)
        self._table = smooth[border * self._fine : -border * self._fine, border * self._fine : -border * self._fine]

    def __call__(self, x: Array, y: Array) -> Array:
        """Evaluate at points of any shape."""
        return sample(self._table, x * self._fine, y * self._fine)


def sample(table: Array, x: Array, y: Array) -> Array:
    """Read a periodic table between its entries, bilinearly."""
    from scipy import ndimage

    found: Array = ndimage.map_coordinates(table, [y, x], order=1, mode="grid-wrap", output=np.float32)
    return found


def resize(values: Array, shape: tuple[int, int], cubic: bool = False) -> Array:
    """Resample a 2-d array to ``shape``, bilinearly or bicubically."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(values, np.float32))
    return np.array(image.resize(shape[::-1], Image.Resampling.BICUBIC if cubic else Image.Resampling.BILINEAR))


def blur(values: Array, sigma: float) -> Array:
    """Gaussian blur of a 2-d array that is 0 outside."""
    from scipy import ndimage

    soft: Array = ndimage.gaussian_filter(values, sigma, mode="constant", truncate=2.5)
    return soft


def cloud(rng: np.random.Generator, shape: tuple[int, int], cells: float, stretch: float = 1.0) -> Array:
    """Return smooth noise over an image, about unit variance.

    Parameters
    ----------
    shape : (int, int)
        Height and width.
    cells : float
        Lumps along the longer side.
    stretch : float
        How much longer than high a lump is.
    """
    cell = max(shape) / cells
    rows = min(shape[0], max(2, round(shape[0] / cell * stretch**0.5)))
    columns = min(shape[1], max(2, round(shape[1] / cell / stretch**0.5)))
    return resize(rng.standard_normal((rows, columns), dtype=np.float32), shape, cubic=True)


def bounds(outline: Array, shape: tuple[int, int], margin: int = 1) -> Box | None:
    """Return the part of an image that an outline touches, or None where it lies outside."""
    left, top = np.floor(outline.min(axis=0)).astype(int) - margin
    right, bottom = np.ceil(outline.max(axis=0)).astype(int) + margin + 1
    box = Box(max(top, 0), min(bottom, shape[0]), max(left, 0), min(right, shape[1]))
    return box if box.bottom > box.top and box.right > box.left else None


def mask(outlines: Sequence[Array], box: Box, oversample: int = 2) -> Array:
    """Rasterise closed outlines inside a box: coverage in [0, 1] of each pixel."""
    from PIL import Image, ImageDraw

    height, width = box.shape
    image = Image.new("L", (width * oversample, height * oversample))
    draw = ImageDraw.Draw(image)
    for outline in outlines:
        points = (outline - np.array((box.left, box.top), np.float32)) * oversample - 0.5
        draw.polygon(points.ravel().tolist(), fill=255)
    if oversample > 1:
        image = image.reduce(oversample)
    return np.asarray(image, np.float32) / 255


def curve(points: list[tuple[float, float]], corners: tuple[int, ...] = (), closed: bool = True) -> Array:
    """Join points by a Catmull-Rom spline, sharp at the points whose numbers are ``corners``.

    Returns
    -------
    float32 array of shape (n, 2)
    """
    knots = np.asarray(points, np.float32)
    count = len(knots)
    before, after = np.roll(knots, 1, axis=0), np.roll(knots, -1, axis=0)
    if not closed:
        before[0], after[-1] = knots[0], knots[-1]
    steps = np.linspace(0, 1, 10, endpoint=False, dtype=np.float32)[:, None]
    h1, h2 = 2 * steps**3 - 3 * steps**2 + 1, steps**3 - 2 * steps**2 + steps
    h3, h4 = -2 * steps**3 + 3 * steps**2, steps**3 - steps**2
    pieces = []
    for i in range(count if closed else count - 1):
        j = (i + 1) % count
        chord = knots[j] - knots[i]
        leave = chord if i in corners else (after[i] - before[i]) / 2
        arrive = chord if j in corners else (after[j] - before[j]) / 2
        pieces.append(h1 * knots[i] + h2 * leave + h3 * knots[j] + h4 * arrive)
    if not closed:
        pieces.append(knots[-1:])
    return np.concatenate(pieces)


def limb(path: list[tuple[float, float]], widths: list[float], rounded: bool = False) -> Array:
    """Outline a band along a path: ``widths`` are its half-widths at the path's points.

    Returns
    -------
    float32 array of shape (n, 2)
    """
    spine = curve(path, closed=False)
    along = np.linspace(0, len(path) - 1, len(spine))
    half = np.interp(along, np.arange(len(path)), widths).astype(np.float32)
    tangent = np.gradient(spine, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-6
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1) * half[:, None]
    pieces = [spine + normal]
    if rounded:
        turn = np.linspace(np.pi / 2, -np.pi / 2, 8, dtype=np.float32)[1:-1, None]
        for end, sign in ((-1, 1), (0, -1)):
            arc = sign * (np.sin(turn) * normal[end] + np.cos(turn) * tangent[end] * half[end])
            pieces.append(spine[end] + arc)
            if sign == 1:
                pieces.append((spine - normal)[::-1])
    else:
        pieces.append((spine - normal)[::-1])
    return np.concatenate(pieces).astype(np.float32)
