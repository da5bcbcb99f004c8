"""Whole pictures: which garment, how it is shown, before what, and what covers it.

Everything but the pattern is drawn from the same distributions for all classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gingham.collect.sample import props
from gingham.collect.sample.backdrops import BEHIND, BELOW, FLAT, backdrop
from gingham.collect.sample.camera import develop, weather
from gingham.collect.sample.cloth import Cloth, Light, Placement
from gingham.collect.sample.garments import Arms, Part, garment, pose_arms, sheet
from gingham.collect.sample.palettes import HAIR, MUTED, SKIN, STRONG, choose, rgb
from gingham.collect.sample.patterns import PATTERNS, Pattern
from gingham.collect.sample.raster import Array, Canvas

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["photograph"]

_SHOTS = {"laid": 0.28, "hung": 0.16, "worn": 0.3, "figure": 0.12, "close": 0.14}
_CUTS = {
    "laid": ("t-shirt", "blouse", "sweater", "hoodie", "dress", "vest", "skirt", "scarf", "folded", "folded"),
    "hung": ("t-shirt", "blouse", "blouse", "sweater", "hoodie", "dress", "dress", "vest", "skirt", "scarf"),
    "worn": ("t-shirt", "t-shirt", "blouse", "blouse", "sweater", "hoodie", "dress", "vest"),
    "figure": ("t-shirt", "blouse", "sweater", "hoodie", "dress", "dress", "skirt", "skirt", "vest"),
}
_ASPECTS = (3 / 4, 3 / 4, 4 / 5, 2 / 3, 2 / 3, 1.0, 4 / 3, 3 / 2, 0.6)


@dataclass(frozen=True, slots=True)
class _Shot:
    parts: list[Part]
    place: Placement
    below: bool
    depth: float


def photograph(rng: np.random.Generator, label: str, hardness: float) -> Image:
    """Render one picture.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws everything; the same state gives the same picture.
    label : {"dotted", "leopard", "striped"}
    hardness : float
        In [0, 1]: how far pattern, distance, cover, light and focus may go from the easy case.
    """
    shape = _size(rng)
    light = Light.draw(rng)
    name = str(rng.choice(list(_SHOTS), p=list(_SHOTS.values())))
    shot = _compose(rng, name, shape, hardness)
    behind = BELOW if shot.below else BEHIND
    weights = np.array(list(behind.values()), float)
    ground = str(rng.choice(list(behind), p=weights / weights.sum()))
    canvas = Canvas(backdrop(rng, ground, shape))
    cloth = Cloth(rng, light, _fills(rng, PATTERNS[label](rng, hardness)), shot.depth, far=not shot.below)
    if not shot.below and ground in FLAT:
        _shadow_behind(rng, canvas, shot, light)
    for order, part in enumerate(shot.parts):
        cloth.paint(canvas, part, shot.place, order)
    weather(rng, canvas.pixels, hardness)
    return develop(rng, canvas.pixels, hardness)


def _size(rng: np.random.Generator) -> tuple[int, int]:
    """Draw height and width, both in 300 … 900."""
    aspect = rng.choice(_ASPECTS)
    area = rng.uniform(350, 590) ** 2
    width, height = np.sqrt(area * aspect), np.sqrt(area / aspect)
    return int(np.clip(height, 300, 900)), int(np.clip(width, 300, 900))


def _fills(rng: np.random.Generator, pattern: Pattern) -> dict[str, Pattern | Array]:
    """Choose the colour of everything that can be part of a picture."""
    plain = choose(rng, STRONG if rng.random() < 0.5 else MUTED)
    skin = choose(rng, SKIN, 0.02)
    fills: dict[str, Pattern | Array] = {
        "pattern": pattern,
        "trim": plain,
        "edge": plain if rng.random() < 0.5 else pattern,
        "collar": plain if rng.random() < 0.35 else pattern,
        "lining": 0.45 * plain,
        "detail": choose(rng, STRONG),
        "button": choose(rng, MUTED if rng.random() < 0.6 else STRONG),
        "skin": skin,
        "hair": choose(rng, HAIR, 0.02),
        "legs": choose(rng, STRONG),
        "shoes": choose(rng, np.stack([rgb("1d1c1e"), rgb("e8e4dd"), rgb("6b4a33"), rgb("3b3f4a")])),
        "cover": choose(rng, STRONG if rng.random() < 0.6 else MUTED),
        "leather": choose(rng, np.stack([rgb("8a5a34"), rgb("3a2a22"), rgb("1c1b1d"), rgb("b98a5a"), rgb("6d1f2a")])),
        "wood": choose(rng, np.stack([rgb("b98d5f"), rgb("8a6242"), rgb("d8bb92")])),
        "metal": choose(rng, np.stack([rgb("a9a9ad"), rgb("c9a95a")])),
        "green": choose(rng, np.stack([rgb("4f7a3a"), rgb("6c8f5f"), rgb("35592f"), rgb("8a9f6a")])),
        "china": choose(rng, np.stack([rgb("f4f2ee"), rgb("e7e2d8")])),
        "coffee": rgb("3b2215"),
        "glass": rgb("2b3038"),
    }
    for level in (1, 2):
        fills[f"pile{level}"] = choose(rng, MUTED if rng.random() < 0.5 else STRONG)
    return fills


def _compose(rng: np.random.Generator, name: str, shape: tuple[int, int], hardness: float) -> _Shot:
    if name == "close":
        return _close(rng, shape, hardness)
    cut = str(rng.choice(_CUTS[name]))
    worn = name in ("worn", "figure")
    poses = {"laid": ["laid"], "hung": ["hung"]}.get(name, ["down", "down", "hip", "behind", "crossed"])
    pose = pose_arms(rng, str(rng.choice(poses)))
    clothes = garment(rng, cut, pose, worn)
    covers = []
    if rng.random() < 0.25 + 0.45 * hardness and cut != "scarf":
        kind = str(rng.choice(props.COVERS[name]))
        where = (rng.uniform(-0.6, 0.6), rng.uniform(0.6, 2.4) + (1.2 if cut == "skirt" else 0.0))
        covers = props.cover(rng, kind, where, rng.uniform(0.6, 1.1) + 0.4 * hardness)
    if worn:
        return _on_body(rng, name, cut, pose, clothes, covers, shape, hardness)
    parts = [*(props.hanger(rng) if name == "hung" and cut != "skirt" else []), *clothes, *covers]
    spin = (
        rng.normal(0, 0.03)
        if name == "hung"
        else rng.choice([rng.normal(0, 0.15), rng.uniform(-1.6, 1.6)], p=[0.7, 0.3])
    )
    place = _fit(rng, clothes, shape, rng.uniform(0.72, 1.12) - 0.25 * hardness * rng.random(), spin)
    return _Shot(parts, place, name == "laid", rng.uniform(0.5, 1.1))


def _close(rng: np.random.Generator, shape: tuple[int, int], hardness: float) -> _Shot:
    """Fill the picture with cloth."""
    unit = min(shape) * rng.uniform(0.32, 0.75)
    parts = sheet(rng, 1.2 * max(shape) / unit)
    if rng.random() < 0.2 + 0.5 * hardness:
        where = (rng.uniform(-0.5, 0.5), rng.uniform(-0.4, 0.4))
        parts += props.cover(rng, str(rng.choice(props.COVERS["close"])), where, rng.uniform(0.6, 1.2))
    spin = rng.choice([rng.normal(0, 0.12), rng.uniform(-1.6, 1.6)], p=[0.6, 0.4])
    place = _place(rng, (shape[1] / 2, shape[0] / 2), unit, spin, 0.15)
    return _Shot(parts, place, True, rng.uniform(0.6, 1.4))


def _on_body(
    rng: np.random.Generator,
    name: str,
    cut: str,
    pose: Arms,
    clothes: list[Part],
    covers: list[Part],
    shape: tuple[int, int],
    hardness: float,
) -> _Shot:
    height, width = shape
    far = name == "figure"
    behind = far or rng.random() < 0.15
    bare = cut in ("dress", "skirt")
    lower, limbs, (bust, *skull) = props.legs(rng, bare), props.arms(pose), props.head(rng, behind)
    if cut == "skirt":
        top = garment(rng, str(rng.choice(["t-shirt", "vest"])), pose, worn=True)
        clothes = [*(replace(part, fill="trim") for part in top), *clothes]
    if pose.behind:
        parts = [*limbs, *lower, bust, *clothes]
    elif pose.in_front:
        sleeves = [part for part in clothes if part.angle and part.folds == "limb"]
        rest = [part for part in clothes if not any(part is sleeve for sleeve in sleeves)]
        parts = [*lower, bust, *rest, *limbs, *sleeves]
    else:
        parts = [*lower, *limbs, bust, *clothes]
    parts += [*skull, *covers]
    if far:
        tall = height * (rng.uniform(0.72, 1.02) - 0.24 * hardness * rng.random())
        unit = min(tall / 8.5, width / 3.2)
        foot = height * rng.uniform(0.93, 1.02)
        centre = (width * rng.uniform(0.36, 0.64), foot - 6.6 * unit)
    else:
        unit = min(width / rng.uniform(2.3, 3.8), height / rng.uniform(2.6, 4.4))
        # A face is never in the picture: seen from the front, the frame cuts above the chin.
        above = rng.uniform(1.0, 2.0) if behind else rng.uniform(0.15, 0.5)
        centre = (width * rng.uniform(0.44, 0.56), unit * above)
    return _Shot(parts, _place(rng, centre, unit, rng.normal(0, 0.04), 0.05), False, rng.uniform(0.7, 1.25))


def _fit(rng: np.random.Generator, parts: list[Part], shape: tuple[int, int], fill: float, spin: float) -> Placement:
    """Place parts so that they take up ``fill`` of the picture, about in its middle."""
    points = np.concatenate([part.outline for part in parts])
    place = _place(rng, (0.0, 0.0), 1.0, spin, 0.06)
    turned = place.pixels(points)
    low, high = turned.min(axis=0), turned.max(axis=0)
    unit = fill * min(shape[1] / (high[0] - low[0]), shape[0] / (high[1] - low[1]))
    middle = unit * (low + high) / 2
    centre = np.array(shape[::-1]) * rng.uniform(0.46, 0.54, 2) - middle
    return Placement((float(centre[0]), float(centre[1])), (place.matrix * unit).astype(np.float32))


def _place(rng: np.random.Generator, centre: tuple[float, float], unit: float, spin: float, skew: float) -> Placement:
    turn = np.array([[np.cos(spin), -np.sin(spin)], [np.sin(spin), np.cos(spin)]])
    view = np.eye(2) + rng.normal(0, skew / 2, (2, 2))
    return Placement(centre, (unit * turn @ view).astype(np.float32))


def _shadow_behind(rng: np.random.Generator, canvas: Canvas, shot: _Shot, light: Light) -> None:
    """Cast the garment's wide, soft shadow on a wall behind it."""
    distance = rng.uniform(0.1, 0.5) * shot.place.scale
    outlines = [shot.place.pixels(part.outline) for part in shot.parts if part.lift > 0.03]
    canvas.shade(outlines, light.offset(distance), 0.5 * distance + 3, rng.uniform(0.15, 0.4))
