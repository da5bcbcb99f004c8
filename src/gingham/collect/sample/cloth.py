"""Cloth in light: folds as a height field, shading from its slope, the pattern carried along."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gingham.collect.sample.garments import Part
from gingham.collect.sample.patterns import Pattern
from gingham.collect.sample.raster import Array, Box, Canvas, Field, blur, bounds, mask, resize

__all__ = ["Cloth", "Light", "Placement"]


@dataclass(frozen=True, slots=True)
class Light:
    """One main light.

    Parameters
    ----------
    towards : tuple of float
        Unit vector to the light; x right, y down, z to the viewer.
    key, ambient : float
        Strength of the main light on a surface that faces it, and of the light from everywhere.
    warmth : float32 array of shape (3,)
        How much more of each colour there is in what is lit than in what lies in shadow.
    """

    towards: tuple[float, float, float]
    key: float
    ambient: float
    warmth: Array

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Light:
        """Draw a light from above, from any side, hard or soft."""
        side, height = rng.uniform(-1.3, 1.3), rng.uniform(0.55, 1.15)
        level = math.cos(height)
        towards = (level * math.sin(side), -level * math.cos(side), math.sin(height))
        ambient = rng.uniform(0.42, 0.66)
        warm = rng.normal(0.08, 0.1)
        warmth = np.array([warm, 0.0, -warm], np.float32)
        return cls(towards, (1 - ambient) / towards[2], ambient, warmth)

    def offset(self, distance: float) -> tuple[float, float]:
        """Return where the shadow of something ``distance`` above the ground falls."""
        x, y, z = self.towards
        return -x / z * distance, -y / z * distance


@dataclass(frozen=True, slots=True)
class Placement:
    """Where garment units lie in the picture: pixels = centre + matrix @ units."""

    centre: tuple[float, float]
    matrix: Array

    @property
    def scale(self) -> float:
        """Pixels a unit."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix))))

    def pixels(self, points: Array) -> Array:
        """Map points, shape (n, 2), from garment units to pixels."""
        return np.asarray(points @ self.matrix.T + np.array(self.centre), np.float32)

    def units(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Map pixels to garment units."""
        (a, b), (c, d) = np.linalg.inv(self.matrix).astype(np.float32)
        x, y = x - np.float32(self.centre[0]), y - np.float32(self.centre[1])
        return a * x + b * y, c * x + d * y


class Cloth:
    """A material with a pattern, its folds and its sheen: paints parts of garments.

    Parameters
    ----------
    rng : numpy.random.Generator
    light : Light
    fills : mapping of str to Pattern or float32 array of shape (3,)
        What each `Part.fill` looks like.
    depth : float
        How deep the folds are; 1 is a worn cotton shirt.
    far : bool
        Whether the backdrop is too far away to catch shadows.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        light: Light,
        fills: Mapping[str, Pattern | Array],
        depth: float = 1.0,
        far: bool = False,
    ) -> None:
        self._light, self._fills, self._depth, self._far = light, fills, depth, far
        self._noise = Field(rng)
        self._grain = rng.uniform(0.006, 0.03)
        self._knit = rng.uniform(0.04, 0.09) if rng.random() < 0.3 else 0.0
        self._gloss = rng.uniform(0.1, 0.35) if rng.random() < 0.2 else 0.0
        self._pleats = rng.uniform(3.0, 8.0)
        self._crease = rng.uniform(0.4, 1.2)
        self._slant = rng.uniform(-0.5, 0.5)
        self._origin = rng.uniform(0, 20, 2).astype(np.float32)
        self._rng = rng

    def paint(self, canvas: Canvas, part: Part, place: Placement, order: int = 0) -> None:
        """Paint one part, and before it the shadow that it casts."""
        outline = place.pixels(part.outline)
        scale = place.scale
        fill = self._fills[part.fill]
        if part.lift * scale > 0.8:
            softness = max(1.0, part.lift * scale * 1.2)
            canvas.shade([outline], self._light.offset(part.lift * scale * 0.7), softness, 0.42, self._far)
        box = bounds(outline, canvas.shape)
        if box is None:
            return
        if min(np.ptp(outline, axis=0)) < 5 and not callable(fill):
            canvas.paint(outline, 0.93 * fill)
            return
        cover = mask([outline], box)
        found = np.flatnonzero(cover)
        if len(found) == 0:
            return
        rows, columns = np.divmod(found, cover.shape[1])
        light, carry = self._relief(part, place, box, cover, order)
        u, v, turned = _unroll(
            part,
            *place.units((columns + box.left).astype(np.float32) + 0.5, (rows + box.top).astype(np.float32) + 0.5),
        )
        bright = (resize(light, box.shape).take(found) * self._texture(part, u, v, turned, scale))[:, None]
        if callable(fill):
            shift, start = np.float32(0.1 * self._depth), self._origin * (1 + order % 3)
            across, along = (shift * resize(slope, box.shape).take(found) for slope in carry)
            fill = fill(u + across + start[0], v + along + start[1], 1.1 / scale)
        lit = np.clip(fill * bright * (1 + (bright - 0.8) * self._light.warmth), 0, 1)
        view, solid = canvas.pixels[box.window], canvas.solid[box.window]
        np.maximum(solid, cover, out=solid)
        below = view[rows, columns]
        view[rows, columns] = below + cover.take(found)[:, None] * (lit - below)

    def _relief(
        self, part: Part, place: Placement, box: Box, cover: Array, order: int
    ) -> tuple[Array, tuple[Array, Array]]:
        """Return the light on a box, about 1, and the two slopes that carry the pattern, on a coarse grid."""
        step = int(np.clip(place.scale / 28, 1, 4))
        height, width = max(2, -(-box.shape[0] // step)), max(2, -(-box.shape[1] // step))
        grid_x, grid_y = np.meshgrid(
            (np.arange(width, dtype=np.float32) + 0.5) * step + box.left,
            (np.arange(height, dtype=np.float32) + 0.5) * step + box.top,
        )
        u, v, _ = _unroll(part, *place.units(grid_x, grid_y), flat=True)
        spacing = step / place.scale
        folds = self._folds(part, u, v, 6.5 * (order % 3))
        slope_y, slope_x = np.gradient(folds, spacing)
        carry = (blur(np.asarray(slope_x), 0.06 / spacing), blur(np.asarray(slope_y), 0.06 / spacing))
        inside = resize(cover, (height, width))
        soft = blur(inside, max(0.6, min(0.07, 0.2 * min(np.ptp(part.outline, axis=0))) / spacing))
        rise_y, rise_x = np.gradient(np.sqrt(np.clip(2 * soft - 0.9, 0, 1)) * 0.07, spacing)
        rise_x, rise_y = np.clip(rise_x, -0.9, 0.9), np.clip(rise_y, -0.9, 0.9)
        cos, sin = math.cos(part.angle), math.sin(part.angle)
        lean = slope_x
        if part.girth:
            turned = np.clip(u / part.girth, -0.93, 0.93)
            lean = slope_x - 0.5 * turned / np.sqrt(1 - turned**2)
        across = lean * cos - slope_y * sin + rise_x
        down = lean * sin + slope_y * cos + rise_y
        length = np.sqrt(across**2 + down**2 + 1)
        lx, ly, lz = self._light.towards
        facing = np.clip((-across * lx - down * ly + lz) / length, 0, None)
        hollow = np.clip(1 + 1.1 * (folds - blur(folds, 0.12 / spacing)), 0.6, 1.15)
        edge = 1 - 0.22 * np.clip(1.7 - 2.2 * soft, 0, 1)
        light = (self._light.ambient * hollow + self._light.key * facing) * edge
        if self._gloss:
            middle = math.sqrt(2 + 2 * lz)
            shine = np.clip((-across * lx - down * ly + lz + 1) / (middle * length), 0, 1) ** 24
            light = light + self._gloss * shine
        return light, carry

    def _folds(self, part: Part, u: Array, v: Array, shift: float) -> Array:
        """Return the height of the cloth, in units, over coordinates along and across a part."""
        noise, deep = self._noise, self._depth
        height: Array
        if part.folds == "none":
            return 0.015 * deep * noise(u * 2 + shift, v * 2)
        across, along = u + self._slant * v, v - self._slant * u
        warp = 0.35 * noise(u * 0.9 + shift, v * 0.9)
        if part.folds == "pleats":
            fan = u / (0.75 + 0.28 * np.abs(v - 1.0)) + 0.12 * warp
            ramp = np.clip((v - 1.7) / 1.6, 0.05, 1)
            waves = np.sin(self._pleats * fan * 1.9 + shift) + 0.4 * np.sin(self._pleats * fan * 3.7 + 1.0)
            height = deep * (0.11 * ramp * waves / (self._pleats / 5) + 0.04 * noise(u * 2.4, v * 1.1 + shift))
            return height
        if part.folds == "limb":
            across, along = v * 1.15 + 0.5 * u, u
        broad = 0.07 * noise(across * 1.5 + warp + shift, along * 0.45)
        ridge = np.clip(1 - 1.6 * np.abs(noise(across * 1.7 + 1.4 * warp + 9.5, along * 0.6 + shift)), 0, 1)
        second = np.clip(1 - 2.2 * np.abs(noise(u * 1.5 + warp, v * 1.9 - u + 5.5 + shift)), 0, 1)
        where = np.clip(0.4 + 0.8 * noise(u * 0.7 + 3.5, v * 0.7 + shift), 0, 1)
        crease = self._crease * (0.1 * where * ridge + 0.05 * (1 - where) * second)
        fine = 0.01 * noise(across * 6.5, along * 3.0 + shift)
        height = deep * (broad + crease + fine)
        return height

    def _texture(self, part: Part, u: Array, v: Array, turned: Array, scale: float) -> Array:
        """Return the fine structure of the cloth around 1: grain, knit, ribs, and the turn of a body away."""
        texture = 1 + self._grain * self._rng.standard_normal(len(u), dtype=np.float32)
        if part.ribbed and scale > 45:
            texture += 0.09 * np.sin(u * 2 * np.pi / 0.07)
        elif part.fill == "hair":
            texture += 0.09 * self._noise(u * 17 + 2 * self._noise(u, v), v * 0.6)
        elif self._knit and scale > 75 and part.fill in ("pattern", "trim", "collar", "edge"):
            texture += self._knit * np.sin(2 * np.pi * (v / 0.05 + 0.35 * np.abs(np.sin(np.pi * u / 0.05))))
        if part.girth:
            texture *= 1 - 0.15 * turned**4
        return texture


def _unroll(part: Part, x: Array, y: Array, flat: bool = False) -> tuple[Array, Array, Array]:
    """Turn garment units into coordinates of the cloth: along the part, and around the body inside.

    Returns
    -------
    u, v, turned : float32 arrays
        ``turned`` is 0 in the middle of the body and 1 where the cloth turns away from the viewer.
    """
    cos, sin = np.float32(np.cos(part.angle)), np.float32(np.sin(part.angle))
    centre = part.outline.mean(axis=0) if part.angle else np.zeros(2, np.float32)
    x, y = x - centre[0], y - centre[1]
    u, v = x * cos + y * sin, y * cos - x * sin
    if not part.girth:
        return u, v, np.zeros_like(u)
    turned = np.clip(u / np.float32(part.girth), -0.96, 0.96)
    around = u if flat else np.float32(part.girth) * np.arcsin(turned)
    return around, v, np.abs(turned)
