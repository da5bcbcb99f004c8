"""Garments as outlines: how each cut is put together of parts, lying flat, hanging or worn.

Units: 1 is half a shoulder width, about 21 cm. The origin is the base of the neck, x to the viewer's right, y down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gingham.collect.sample.raster import Array, curve, limb

__all__ = ["CUTS", "Arms", "Part", "garment", "pose_arms", "sheet"]

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of cloth (or of a body) to be painted.

    Parameters
    ----------
    outline : float32 array of shape (n, 2)
        Closed, in garment units.
    fill : str
        ``pattern``, or the name of a plain colour: ``trim``, ``lining``, ``detail``, ``skin``, ``legs``, …
    angle : float
        Turn of the cloth against the garment, radians: along a sleeve for a sleeve.
    girth : float
        Half-width of the body inside, around which the cloth bends away; 0 for cloth that lies flat.
    folds : {"drape", "limb", "pleats", "none"}
        How it creases.
    lift : float
        How far it stands off what lies below, which is how wide its shadow falls.
    ribbed : bool
        Whether it is a ribbed cuff or hem.
    """

    outline: Array
    fill: str = "pattern"
    angle: float = 0.0
    girth: float = 0.0
    folds: str = "drape"
    lift: float = 0.06
    ribbed: bool = False


@dataclass(frozen=True, slots=True)
class Arms:
    """Two arms: shoulder, elbow and wrist of the left and of the right one."""

    joints: tuple[tuple[Point, Point, Point], tuple[Point, Point, Point]]
    in_front: bool = False
    behind: bool = False


@dataclass(frozen=True, slots=True)
class _Cut:
    sleeve: tuple[float, float]  # sleeve length: 1 reaches the elbow, 2 the wrist
    length: tuple[float, float]
    waist: tuple[float, float]
    hem: tuple[float, float]
    neck: tuple[str, ...]
    front: tuple[str, ...] = ("plain",)
    ribbed: bool = False


CUTS: dict[str, _Cut | None] = {
    "t-shirt": _Cut(
        (0.5, 0.8), (2.7, 3.1), (0.76, 0.86), (0.78, 0.92), ("crew", "vee", "scoop"), ("plain", "plain", "pocket")
    ),
    "blouse": _Cut(
        (1.3, 1.95), (2.7, 3.2), (0.72, 0.85), (0.78, 0.98), ("collar", "vee"), ("buttons", "buttons", "pocket")
    ),
    "sweater": _Cut((1.85, 2.0), (2.6, 3.0), (0.84, 0.95), (0.8, 0.9), ("crew", "turtle", "vee"), ribbed=True),
    "hoodie": _Cut((1.9, 2.0), (2.8, 3.1), (0.88, 0.98), (0.84, 0.94), ("hood",), ("kangaroo", "zip"), ribbed=True),
    "dress": _Cut(
        (0.0, 0.9),
        (4.0, 5.2),
        (0.6, 0.7),
        (1.15, 1.8),
        ("scoop", "vee", "crew", "collar"),
        ("plain", "belt", "buttons"),
    ),
    "vest": _Cut((0.0, 0.0), (2.6, 3.0), (0.7, 0.84), (0.76, 0.92), ("scoop", "vee"), ("plain", "plain", "buttons")),
    "skirt": None,
    "scarf": None,
    "folded": None,
}


def garment(rng: np.random.Generator, cut: str, arms: Arms, worn: bool) -> list[Part]:
    """Build one garment, parts in the order of painting.

    Parameters
    ----------
    cut : str
        A key of `CUTS`.
    arms : Arms
        Where the sleeves go.
    worn : bool
        Whether a body is inside: cloth bends around it, no lining shows at the neck.
    """
    plan = CUTS[cut]
    if plan is not None:
        return _top(rng, plan, arms, worn)
    return {"skirt": _skirt, "scarf": _scarf, "folded": _folded}[cut](rng, worn)


def sheet(rng: np.random.Generator, reach: float) -> list[Part]:
    """Build a piece of cloth that is larger than the picture, with what a close-up of a garment shows on it."""
    edge = [(-reach, -reach), (reach, -reach), (reach, reach), (-reach, reach)]
    parts = [Part(curve(edge, corners=(0, 1, 2, 3)), folds=str(rng.choice(["drape", "limb", "drape"])), lift=0.0)]
    extra = rng.choice(["none", "buttons", "pocket", "seam", "hem"], p=[0.4, 0.2, 0.15, 0.15, 0.1])
    x = rng.uniform(-0.4, 0.4)
    if extra == "buttons":
        parts += _placket(x, -reach, reach, rng)
    elif extra == "pocket":
        parts += _pocket(x, rng.uniform(-0.2, 0.2), rng.uniform(0.28, 0.4))
    elif extra == "seam":
        tilt = rng.uniform(-0.2, 0.2)
        path = [(x - tilt, -reach), (x, 0.0), (x + tilt, reach)]
        parts.append(
            Part(limb([(px + reach, py) for px, py in path], [reach] * 3), angle=rng.uniform(-0.5, 0.5), lift=0.03)
        )
    elif extra == "hem":
        y = rng.uniform(0.2, 0.5)
        parts.append(Part(limb([(-reach, y), (0, y + 0.05), (reach, y)], [0.1] * 3), "trim", lift=0.03, ribbed=True))
    return parts


def pose_arms(rng: np.random.Generator, pose: str) -> Arms:
    """Place the arms: ``laid`` or ``hung`` (empty sleeves), ``down``, ``hip``, ``crossed`` or ``behind``."""
    joints = []
    for side in (-1, 1):
        shoulder = (side * 0.8, 0.48)
        upper, fore = {
            "laid": (rng.uniform(0.35, 1.1), rng.uniform(0.2, 1.0)),
            "hung": (rng.uniform(0.12, 0.3), rng.uniform(0.0, 0.2)),
            "down": (rng.uniform(0.08, 0.26), rng.uniform(-0.08, 0.14)),
            "hip": (rng.uniform(0.6, 0.85), rng.uniform(-0.95, -0.7)),
            "crossed": (rng.uniform(0.1, 0.25), rng.uniform(-1.5, -1.2)),
            "behind": (rng.uniform(0.25, 0.4), rng.uniform(-0.7, -0.5)),
        }[pose]
        elbow = (shoulder[0] + side * 1.3 * np.sin(upper), shoulder[1] + 1.3 * np.cos(upper))
        wrist = (elbow[0] + side * 1.2 * np.sin(fore), elbow[1] + 1.2 * np.cos(fore))
        joints.append((shoulder, elbow, wrist))
    return Arms((joints[0], joints[1]), in_front=pose == "crossed", behind=pose == "behind")


def _top(rng: np.random.Generator, plan: _Cut, arms: Arms, worn: bool) -> list[Part]:
    length, waist, hem = rng.uniform(*plan.length), rng.uniform(*plan.waist), rng.uniform(*plan.hem)
    sleeve, neck, front = rng.uniform(*plan.sleeve), str(rng.choice(plan.neck)), str(rng.choice(plan.front))
    sleeve = 0.0 if sleeve < 0.3 else sleeve
    wide = {"crew": 0.36, "vee": 0.36, "scoop": 0.46, "collar": 0.34, "turtle": 0.32, "hood": 0.38}[neck]
    deep = {"crew": 0.25, "vee": rng.uniform(0.6, 0.9), "scoop": rng.uniform(0.45, 0.6), "collar": 0.32}.get(neck, 0.2)
    tip = (0.98, 0.22) if sleeve else (rng.uniform(0.62, 0.78), 0.14)
    dip = rng.uniform(0.02, 0.12)
    knee = [(0.5 * (waist + hem) + 0.06, 0.5 * (2.0 + length))] if length > 3.6 else []
    right = [(wide, 0.0), tip, (0.8, 1.05), (waist, 1.9), *knee, (hem, length)]
    neckline = [(-0.55 * wide, 0.75 * deep), (0.0, deep), (0.55 * wide, 0.75 * deep)]
    if neck == "vee":
        neckline = [(0.0, deep)]
    wobble = rng.normal(0, 0.025, (2 * len(right), 2))
    points = [*right, (rng.normal(0, 0.1), length + dip), *((-x, y) for x, y in reversed(right))]
    for i, (dx, dy) in enumerate(wobble):
        points[i] = (points[i][0] + dx, points[i][1] + dy)
    last = len(points) - 1
    corners = [0, 1, 2, len(right) - 1, len(right) + 1, last - 2, last - 1, last]
    if neck == "vee":
        corners.append(last + 1)
    body = curve([*points, *neckline], corners=tuple(corners))

    parts: list[Part] = []
    if neck == "hood":
        hood = [(-0.55, 0.15), (-0.6, -0.4), (-0.3, -0.85), (0.3, -0.85), (0.6, -0.4), (0.55, 0.15)]
        parts.append(Part(curve([*hood, (0.0, 0.3)]), folds="limb", girth=0.7))
        parts.append(Part(curve([(0.62 * x, 0.72 * y + 0.02) for x, y in hood]), "lining", folds="none", lift=0.03))
    elif not worn:
        back = [(-wide, 0.0), (0.0, 0.1 if neck != "collar" else -0.08), (wide, 0.0), (0.0, deep + 0.1)]
        parts.append(Part(curve(back, corners=(0, 2)), "lining", folds="none", lift=0.02))
    sleeves = [part for joints in arms.joints for part in _sleeve(joints, sleeve, plan.ribbed, worn)] if sleeve else []
    if not arms.in_front:
        parts += sleeves
    folds = "pleats" if length > 3.6 else "drape"
    parts.append(Part(body, girth=0.95 if worn else 0.0, folds=folds))
    if plan.ribbed:
        parts.append(_band([(-hem - 0.02, length - 0.1), (0, length + dip - 0.1), (hem + 0.02, length - 0.1)], 0.13))
    parts += _neck(neck, wide, deep, points[0], points[last])
    parts += _front(rng, front, waist, length, deep)
    if arms.in_front:
        parts += sleeves
    return parts


def _sleeve(joints: tuple[Point, Point, Point], length: float, ribbed: bool, worn: bool) -> list[Part]:
    """Cut a sleeve along an arm: over the shoulder, down to ``length``, back to the armpit."""
    shoulder, elbow, wrist = (np.array(joint) for joint in joints)
    side = 1.0 if shoulder[0] > 0 else -1.0
    upper, fore = elbow - shoulder, wrist - elbow
    end = shoulder + upper * length if length <= 1 else elbow + fore * (length - 1)
    stops = [shoulder + 0.42 * upper, end] if length <= 1 else [shoulder + 0.42 * upper, elbow, end]
    half = [0.37, 0.36] if length <= 1 else [0.36, 0.31, 0.25 if length > 1.6 else 0.29]
    runs = [upper, upper] if length <= 1 else [upper, upper / 1.3 + fore / 1.2, fore]
    outer, inner = [], []
    for stop, wide, run in zip(stops, half, runs, strict=True):
        normal = side * np.array([run[1], -run[0]]) / np.linalg.norm(run) * wide
        outer.append((float(stop[0] + normal[0]), float(stop[1] + normal[1])))
        inner.append((float(stop[0] - normal[0]), float(stop[1] - normal[1])))
    if side * inner[0][0] < 0.7 or inner[0][1] < 0.9:
        inner = inner[1:]
    points = [(side * 0.55, 0.13), (side * 0.93, 0.21), *outer, *inner[::-1], (side * 0.74, 1.12), (side * 0.6, 0.7)]
    cuff = 2 + len(outer)
    outline = curve(points, corners=(0, cuff - 1, cuff, len(points) - 2, len(points) - 1))
    angle = float(np.arctan2(-(end - shoulder)[0], (end - shoulder)[1]))
    parts = [Part(outline, angle=angle, folds="limb", girth=0.46 if worn else 0.0)]
    if ribbed:
        back = end - 0.2 * runs[-1] / np.linalg.norm(runs[-1])
        line = [(float(x), float(y)) for x, y in (back, 0.5 * (back + end), end)]
        parts.append(Part(limb(line, [0.24, 0.22, 0.2]), "trim", angle=angle, folds="none", lift=0.02, ribbed=True))
    return parts


def _band(path: list[Point], width: float, fill: str = "trim") -> Part:
    return Part(limb(path, [width] * len(path)), fill, folds="none", lift=0.02, ribbed=True)


def _neck(neck: str, wide: float, deep: float, right: Point, left: Point) -> list[Part]:
    if neck == "collar":
        flaps = []
        for side in (-1, 1):
            flap = [
                (side * (wide + 0.02), -0.06),
                (side * (wide + 0.12), 0.14),
                (side * 0.3, 0.52),
                (side * 0.03, deep),
            ]
            flaps.append(Part(curve(flap, corners=(0, 1, 2, 3)), "collar", angle=side * 0.6, folds="none", lift=0.04))
        return flaps
    if neck == "turtle":
        tube = [(-wide, 0.12), (-wide + 0.03, -0.35), (0.0, -0.3), (wide - 0.03, -0.35), (wide, 0.12), (0.0, 0.26)]
        return [Part(curve(tube, corners=(1, 3)), "collar", folds="limb", girth=0.5, lift=0.03, ribbed=True)]
    if neck == "hood":
        cords = []
        for side in (-1, 1):
            path = [(side * 0.2, 0.22), (side * 0.24, 0.6), (side * 0.2, 1.0)]
            cords.append(Part(limb(path, [0.025] * 3), "detail", folds="none", lift=0.03))
        return cords
    line = [left, (-0.55 * wide, 0.75 * deep), (0.0, deep), (0.55 * wide, 0.75 * deep), right]
    if neck == "vee":
        line = [left, (-0.5 * wide, 0.52 * deep), (0.0, deep), (0.5 * wide, 0.52 * deep), right]
    return [Part(limb(line, [0.05] * 5), "edge", folds="none", lift=0.015)]


def _front(rng: np.random.Generator, front: str, waist: float, length: float, deep: float) -> list[Part]:
    if front == "buttons":
        return _placket(0.0, deep, length, rng)
    if front == "pocket":
        return _pocket(0.4, 0.95, 0.2)
    if front == "zip":
        return [Part(limb([(0, deep), (0, 1.5), (0, length)], [0.035] * 3), "detail", folds="none", lift=0.02)]
    if front == "belt":
        return [Part(limb([(-waist, 1.88), (0, 1.93), (waist, 1.88)], [0.09] * 3), "detail", folds="none", lift=0.03)]
    if front == "kangaroo":
        pouch = [(-0.42, 1.75), (0.42, 1.75), (0.66, 2.5), (0.64, 2.7), (-0.64, 2.7), (-0.66, 2.5)]
        return [Part(curve(pouch, corners=(0, 1, 2, 3, 4, 5)), lift=0.04)]
    return []


def _placket(x: float, top: float, bottom: float, rng: np.random.Generator) -> list[Part]:
    strip = limb([(x, top), (x, 0.5 * (top + bottom)), (x, bottom)], [0.075] * 3)
    parts = [Part(strip, str(rng.choice(["pattern", "trim"], p=[0.7, 0.3])), folds="none", lift=0.02)]
    places = np.arange(top + 0.2, bottom - 0.1, rng.uniform(0.3, 0.45)).tolist()
    return parts + [Part(_disc((x, y), 0.042), "button", folds="none", lift=0.02) for y in places]


def _pocket(x: float, y: float, half: float) -> list[Part]:
    bag = [(x - half, y - half), (x + half, y - half), (x + half, y + half), (x, y + 1.3 * half), (x - half, y + half)]
    flap = [(x - half, y - half), (x + half, y - half), (x + half, y - 0.7 * half), (x - half, y - 0.7 * half)]
    return [
        Part(curve(bag, corners=(0, 1, 2, 3, 4)), folds="none", lift=0.03),
        Part(curve(flap, corners=(0, 1, 2, 3)), folds="none", lift=0.015),
    ]


def _disc(centre: Point, radius: float) -> Array:
    turn = np.linspace(0, 2 * np.pi, 20, endpoint=False, dtype=np.float32)
    return np.stack([centre[0] + radius * np.cos(turn), centre[1] + radius * np.sin(turn)], axis=1).astype(np.float32)


def _skirt(rng: np.random.Generator, worn: bool) -> list[Part]:
    """Start at the waist (y = 1.9), so that a skirt sits right on a figure."""
    length, hem, top = rng.uniform(1.5, 2.9), rng.uniform(0.9, 1.8), rng.uniform(0.62, 0.7)
    hips = top + 0.45 * (hem - top) + 0.08
    points = [(-top, 1.9), (top, 1.9), (hips, 1.9 + 0.45 * length), (hem, 1.9 + length)]
    waves = int(rng.integers(3, 7))
    for i in range(1, waves):
        x = hem - 2 * hem * i / waves
        points.append((x, 1.9 + length + 0.08 + rng.uniform(-0.05, 0.08)))
    points += [(-hem, 1.9 + length), (-hips, 1.9 + 0.45 * length)]
    outline = curve(points, corners=(0, 1, 3, 3 + waves))
    belt = limb([(-top, 1.9), (0, 1.95), (top, 1.9)], [0.1] * 3)
    fill = str(rng.choice(["trim", "pattern"]))
    return [Part(outline, folds="pleats", girth=1.1 if worn else 0.0), Part(belt, fill, folds="none", lift=0.02)]


def _scarf(rng: np.random.Generator, worn: bool) -> list[Part]:
    parts = []
    for side in (-1, 1):
        long, wide = rng.uniform(2.0, 3.2), rng.uniform(0.26, 0.4)
        x = side * rng.uniform(0.15, 0.4)
        path = [(side * 0.42, 0.0), (x, 0.9), (x + rng.normal(0, 0.15), 0.3 + long)]
        parts.append(Part(limb(path, [0.7 * wide, wide, 1.15 * wide]), folds="limb" if worn else "drape", lift=0.08))
        end_x, end_y = path[-1]
        comb = [(end_x - 1.1 * wide, end_y - 0.05)]
        for k in np.linspace(-1.05, 1.05, 12):
            comb += [
                (end_x + (k + d) * wide, end_y + y + rng.normal(0, 0.01))
                for d, y in ((0, 0.0), (0.01, 0.22), (0.11, 0.22), (0.12, 0.0))
            ]
        comb.append((end_x + 1.2 * wide, end_y - 0.05))
        parts.append(Part(np.array(comb, np.float32), "trim", folds="none", lift=0.02))
    fold = limb([(-0.52, 0.1), (0.0, 0.15), (0.52, 0.1)], [0.19, 0.22, 0.19], rounded=True)
    parts.append(Part(fold, angle=float(np.pi / 2), folds="limb", lift=0.08))
    return parts


def _folded(rng: np.random.Generator, worn: bool) -> list[Part]:  # noqa: ARG001 - one signature for all cuts
    parts = []
    for i in reversed(range(int(rng.integers(1, 4)))):
        wide, high = rng.uniform(0.95, 1.1), rng.uniform(1.2, 1.5)
        y = 1.5 + 0.14 * i
        corners = [(-wide, y - high), (wide, y - high), (wide + 0.03, y + high), (-wide - 0.03, y + high)]
        edge = [(corners[k][0] + rng.normal(0, 0.02), corners[k][1] + rng.normal(0, 0.02)) for k in range(4)]
        middle = (rng.normal(0, 0.05), y + high + 0.03)
        outline = curve([*edge[:3], middle, edge[3]], corners=(0, 1))
        parts.append(Part(outline, "pattern" if i == 0 else f"pile{i}", angle=rng.normal(0, 0.03), lift=0.12))
    if rng.random() < 0.7:
        parts += _neck("collar", 0.36, 0.32, (0.36, 0.0), (-0.36, 0.0))
        parts += _placket(0.0, 0.32, 1.5 + high, rng)
    return parts
