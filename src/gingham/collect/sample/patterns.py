"""The three patterns, as colour over a plane of cloth.

A pattern is a function of cloth coordinates (1 unit is half a shoulder width, about 21 cm) that are given as flat
arrays, one entry for each visible pixel; ``pixel`` is the size of a pixel in the same units, over which edges
are averaged.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from gingham.collect.sample.palettes import CLOTH, LEOPARD, MUTED, STRONG, choose
from gingham.collect.sample.raster import Array, Field

__all__ = ["PATTERNS", "Pattern"]

Pattern = Callable[[Array, Array, float], Array]


def dotted(rng: np.random.Generator, hardness: float) -> Pattern:
    """Return dots: in rows or strewn, small or large, plain, ringed, two-sized, blotched, many-coloured."""
    style = _pick(rng, hardness, _DOT_STYLES)
    colours = _cloth(rng, hardness)
    period = _period(rng, hardness, 0.10, 0.46) * {"pin": 0.7, "confetti": 0.9}.get(style, 1.0)
    radius = {"pin": rng.uniform(0.1, 0.16), "dense": rng.uniform(0.36, 0.43)}.get(style, rng.uniform(0.2, 0.34))
    strewn = style in ("strewn", "confetti", "blotched") or rng.random() < 0.12
    shift = 0.0 if rng.random() < 0.3 else 0.5
    angle = rng.choice([0.0, np.pi / 4]) + rng.normal(0, 0.06)
    rough = rng.uniform(0.15, 0.4) if style in ("blotched", "dense") else rng.uniform(0.0, 0.06)
    jitter = max(0.5 - radius * (1 + rough), 0.0) * (rng.uniform(0.6, 1.0) if strewn else rng.uniform(0.0, 0.1))
    softness = rng.uniform(0.1, 0.22) if style == "blotched" else rng.uniform(0.0, 0.03)
    absent = rng.uniform(0.1, 0.35) if strewn else 0.0
    inks = colours[1:] if style == "confetti" or rng.random() < 0.12 else colours[1:2]
    table = rng.random((5, 64, 64), dtype=np.float32)
    noise = Field(rng)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))

    def colour(u: Array, v: Array, pixel: float) -> Array:
        x, y = (u * cos + v * sin) / period, (v * cos - u * sin) / period
        row = np.floor(y)
        x = x + shift * (row % 2)
        column = np.floor(x)
        cell = (row.astype(np.int32) & 63, column.astype(np.int32) & 63)
        dx = x - column - 0.5 - jitter * (2 * table[0][cell] - 1)
        dy = y - row - 0.5 - jitter * (2 * table[1][cell] - 1)
        size = radius * (1 + (0.3 if strewn else 0.02) * (table[2][cell] - 0.7))
        if style == "two-sized":
            size = np.where((row + column) % 2 == 0, size, 0.45 * size)
        if rough > 0.01:
            size = size * (1 + rough * np.clip(noise(x * 2.3, y * 2.3), -1.5, 1))
        distance = np.sqrt(dx * dx + dy * dy)
        width = np.float32(max(pixel / period, softness, 1e-3))
        cover = np.clip((size - distance) / width + 0.5, 0, 1) * np.minimum(1, 2 * size / width)
        if style == "ringed":
            cover = cover - np.clip((0.55 * size - distance) / width + 0.5, 0, 1)
        cover = cover * (table[3][cell] >= absent)
        ink = inks[(table[4][cell] * len(inks)).astype(np.intp)] if len(inks) > 1 else inks[0]
        painted = colours[0] + cover[:, None] * (ink - colours[0])
        if style == "centred":
            inner = np.clip((0.5 * size - distance) / width + 0.5, 0, 1)[:, None]
            painted = painted + inner * (colours[2] - painted)
        return np.asarray(painted, np.float32)

    return colour


def striped(rng: np.random.Generator, hardness: float) -> Pattern:
    """Return stripes: two colours or many, wide or fine, straight, wavy, drawn by hand, broken, zigzag."""
    style = _pick(rng, hardness, _STRIPE_STYLES)
    colours = _cloth(rng, hardness)
    period = _period(rng, hardness, 0.10, 0.56) * {"pin": 0.7, "many": 2.0, "awning": 1.4}.get(style, 1.0)
    bands = _bands(rng, style)
    angle = rng.choice([np.pi / 2, 0.0, np.pi / 4, -np.pi / 4, rng.uniform(0, np.pi)], p=[0.5, 0.26, 0.07, 0.07, 0.1])
    angle += rng.normal(0, 0.03)
    wave = period * {"wavy": rng.uniform(0.25, 0.5), "drawn": rng.uniform(0.08, 0.2)}.get(style, 0.0)
    rough = {"drawn": rng.uniform(0.05, 0.12), "wavy": rng.uniform(0.0, 0.05)}.get(style, 0.0)
    uneven = rng.uniform(0.2, 0.4) if style in ("drawn", "wavy") else 0.0
    zigzag = period * rng.uniform(0.5, 1.2) if style == "zigzag" else 0.0
    pitch = period * rng.uniform(2.0, 4.0)
    softness = rng.uniform(0.15, 0.35) if style == "faded" else rng.uniform(0.0, 0.02)
    gaps = rng.uniform(-1.6, -0.9) if style in ("drawn", "broken") else None
    noise = Field(rng)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))

    def colour(u: Array, v: Array, pixel: float) -> Array:
        across, along = u * cos + v * sin, v * cos - u * sin
        if wave:
            across = across + np.float32(wave) * noise(across * 0.9 / period * 0.5, along * 0.35 / period)
        if zigzag:
            turn = along / pitch
            across = across + np.float32(zigzag) * (2 * np.abs(turn - np.floor(turn) - 0.5) - 0.5)
        place = across / period
        if uneven:
            place = place + np.float32(uneven) * noise(place * 0.45, np.full_like(place, 7.5))
        if rough:
            place = place + np.float32(rough) * noise(place * 3 + 11, along / period * 2.2)
        phase = place - np.floor(place)
        width = np.float32(min(max(pixel / period, softness, 1e-3), 1.0))
        thin = np.ones((1, 1), np.float32)
        if gaps is not None:
            thin = np.clip((noise(np.floor(place) * 5.3, along / period * 0.8) - gaps) * 4 + 0.5, 0, 1)[:, None]
        painted = np.broadcast_to(colours[0], (len(u), 3)).astype(np.float32)
        # Bands averaged over more than a part of the repeat reach into its neighbours.
        repeats = (-1, 0, 1) if width > 0.15 else (0,)
        for start, stop, ink in bands:
            cover = np.zeros_like(phase)
            for repeat in repeats:
                inside = phase - repeat
                cover += np.clip((inside - start) / width + 0.5, 0, 1) - np.clip((inside - stop) / width + 0.5, 0, 1)
            painted = painted + (cover[:, None] * thin) * (colours[ink] - painted)
        return np.asarray(painted, np.float32)

    return colour


def leopard(rng: np.random.Generator, hardness: float) -> Pattern:
    """Return leopard print: broken rosettes with a tinted centre and filler spots, or the cheetah's solid spots."""
    style = _pick(rng, hardness, _LEOPARD_STYLES)
    natural = rng.random() > 0.25 + 0.45 * hardness
    colours = _contrast(rng, LEOPARD[rng.integers(len(LEOPARD))], hardness) if natural else _cloth(rng, hardness)
    ground, ink = colours[0], colours[1]
    centre = colours[2] if natural or rng.random() < 0.35 else 0.55 * ground + 0.45 * ink
    second = 0.5 * ground + 0.5 * colours[3]
    period = _period(rng, hardness, 0.15, 0.6)
    radius = rng.uniform(0.24, 0.31)
    stroke = {"bold": rng.uniform(0.14, 0.18), "fine": rng.uniform(0.06, 0.08)}.get(style, rng.uniform(0.09, 0.13))
    solid = {"cheetah": 0.9, "sparse": 0.3}.get(style, rng.uniform(0.05, 0.25))
    absent = rng.uniform(0.2, 0.4) if style == "sparse" else 0.0
    softness = rng.uniform(0.12, 0.25) if style == "blurred" else 0.03
    warp = rng.uniform(0.06, 0.14)
    stretch = rng.uniform(1.0, 1.35)
    angle = rng.uniform(-0.5, 0.5)
    filler = rng.uniform(1.0, 1.6)
    table = rng.random((7, 64, 64), dtype=np.float32)
    noise = Field(rng)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))

    def colour(u: Array, v: Array, pixel: float) -> Array:
        x0, y0 = (u * cos + v * sin) / (period * stretch), (v * cos - u * sin) / period
        x = x0 + np.float32(warp) * noise(x0 * 1.3, y0 * 1.3)
        y = y0 + np.float32(warp) * noise(x0 * 1.3 + 15.5, y0 * 1.3 + 4.5)
        dx, dy, row, column = _nearest(x, y, table)
        cell = (row & 63, column & 63)
        distance = np.sqrt(dx * dx + dy * dy)
        theta = np.arctan2(dy, dx)
        turn = 2 * np.pi
        lobes = np.sin(2 * theta + turn * table[2][cell]) + 0.8 * np.sin(3 * theta + turn * table[3][cell])
        ragged = noise(x0 * 4.1, y0 * 4.1)
        size = radius * (0.8 + 0.45 * table[4][cell])
        thick = stroke * (0.8 + 0.36 * lobes + 0.25 * ragged)
        full = table[5][cell] < solid
        reach = np.where(full, 0.66 * size * (1 + 0.12 * lobes + 0.18 * ragged), thick)
        width = np.float32(max(pixel / period, softness, 1e-3))
        away = np.where(full, distance, np.abs(distance - size))
        cover = np.clip((reach - away) / width + 0.5, 0, 1)
        present = table[6][cell] >= absent
        inside = np.clip((size - distance) / width + 0.5, 0, 1) * (~full & present)
        spots = np.clip((noise(x0 * 2.6 + 3, y0 * 2.6 + 9) - filler) / (3 * width) + 0.5, 0, 1)
        spots = spots * np.clip((distance - size - 0.12) * 12, 0, 1)
        painted = np.broadcast_to(ground, (len(u), 3))
        if natural:
            tone = np.clip(0.5 + 0.4 * noise(x0 * 0.23, y0 * 0.23), 0, 1)[:, None]
            painted = ground + tone * (second - ground)
        painted = painted + 0.8 * inside[:, None] * (centre - painted)
        dark = np.maximum(cover * present, spots)[:, None]
        return np.asarray(painted + dark * (ink - painted), np.float32)

    return colour


PATTERNS: dict[str, Callable[[np.random.Generator, float], Pattern]] = {
    "dotted": dotted,
    "leopard": leopard,
    "striped": striped,
}

# (style, weight when easy, weight when hard)
_DOT_STYLES = (
    ("plain", 5.0, 1.0),
    ("pin", 1.0, 2.0),
    ("two-sized", 1.0, 0.7),
    ("confetti", 1.0, 1.0),
    ("strewn", 1.0, 1.5),
    ("ringed", 0.5, 1.2),
    ("centred", 0.3, 1.2),
    ("dense", 0.3, 1.5),
    ("blotched", 0.2, 2.5),
)
_STRIPE_STYLES = (
    ("even", 4.0, 1.0),
    ("breton", 3.0, 0.7),
    ("awning", 1.0, 0.5),
    ("many", 2.0, 1.0),
    ("pin", 0.7, 2.0),
    ("wavy", 0.4, 1.5),
    ("drawn", 0.4, 1.8),
    ("broken", 0.2, 1.2),
    ("zigzag", 0.2, 0.8),
    ("faded", 0.3, 1.2),
)
_LEOPARD_STYLES = (
    ("rosette", 5.0, 1.5),
    ("bold", 2.0, 1.0),
    ("fine", 0.7, 1.5),
    ("cheetah", 0.3, 2.0),
    ("sparse", 0.3, 1.5),
    ("blurred", 0.2, 1.5),
)


def _pick(rng: np.random.Generator, hardness: float, styles: tuple[tuple[str, float, float], ...]) -> str:
    weights = np.array([easy * (1 - hardness) + hard * hardness for _, easy, hard in styles])
    return styles[rng.choice(len(styles), p=weights / weights.sum())][0]


def _period(rng: np.random.Generator, hardness: float, low: float, high: float) -> float:
    """Draw the pattern's repeat: mid-sized when easy, anything when hard."""
    reach = 0.45 + 0.75 * hardness
    middle, half = np.log(low * high) / 2, np.log(high / low) / 2
    return float(np.exp(middle + half * reach * rng.uniform(-1, 1)))


def _cloth(rng: np.random.Generator, hardness: float) -> Array:
    """Draw ground, ink and two accents, shape (4, 3)."""
    kind = rng.random()
    if kind < 0.12:
        colours = LEOPARD[rng.integers(len(LEOPARD))]
    elif kind < 0.24:
        colours = np.stack([choose(rng, MUTED), *(choose(rng, STRONG) for _ in range(3))])
    else:
        colours = CLOTH[rng.integers(len(CLOTH))]
    if rng.random() < 0.3:
        colours = colours[[1, 0, 2, 3]]
    return _contrast(rng, colours, hardness)


def _contrast(rng: np.random.Generator, colours: Array, hardness: float) -> Array:
    """Bring the inks towards the ground: tone on tone when hard."""
    if np.linalg.norm(colours[1] - colours[0]) < 0.45:
        dark = colours[0].mean() > 0.5
        colours = np.concatenate([colours[:1], colours[1:2] * 0.3 if dark else 0.7 + 0.3 * colours[1:2], colours[2:]])
    keep = 1 - hardness * rng.uniform(0, 0.7) ** 1.5 - rng.uniform(0, 0.12)
    moved = colours[0] + keep * (colours - colours[0]) + rng.normal(0, 0.02, (4, 3))
    return np.asarray(np.clip(moved, 0.02, 0.98), np.float32)


def _bands(rng: np.random.Generator, style: str) -> list[tuple[float, float, int]]:
    """Draw the bands of one repeat: start, stop, ink. The ground shows at both of its ends."""
    if style == "many":
        edges = np.sort(rng.uniform(0.05, 0.97, rng.integers(4, 8)))
        return [(a, b, 1 + i % 3) for i, (a, b) in enumerate(pairwise(edges.tolist())) if i % 4 != 2]
    width = {"breton": rng.uniform(0.2, 0.36), "pin": rng.uniform(0.08, 0.18)}.get(style, rng.uniform(0.4, 0.55))
    bands = [(0.1, 0.1 + width, 1)]
    if width < 0.4 and rng.random() < 0.3:
        bands.append((0.2 + width, 0.2 + 1.4 * width, 2))
    return bands


def _nearest(x: Array, y: Array, table: Array) -> tuple[Array, Array, npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Find the nearest jittered centre of a brick lattice among the four around each point (Worley's F1)."""
    top = np.floor(y - 0.5).astype(np.int32)
    best = np.full_like(x, np.inf)
    dx, dy, row, column = np.zeros_like(x), np.zeros_like(x), top, top
    for i in (0, 1):
        r = top + i
        moved = x - 0.5 * (r & 1)
        left = np.floor(moved - 0.5).astype(np.int32)
        for j in (0, 1):
            c = left + j
            cell = (r & 63, c & 63)
            ex = moved - c - (0.5 + 0.44 * (table[0][cell] - 0.5))
            ey = y - r - (0.5 + 0.44 * (table[1][cell] - 0.5))
            square = ex * ex + ey * ey
            nearer = square < best
            best = np.where(nearer, square, best)
            dx, dy = np.where(nearer, ex, dx), np.where(nearer, ey, dy)
            row, column = np.where(nearer, r, row), np.where(nearer, c, column)
    return dx, dy, row, column
