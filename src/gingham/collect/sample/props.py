"""People and things around the garment: body, hair, and what partly covers the cloth."""

from __future__ import annotations

import numpy as np

from gingham.collect.sample.garments import Arms, Part
from gingham.collect.sample.raster import Array, curve, limb

__all__ = ["COVERS", "arms", "cover", "ellipse", "hanger", "head", "legs"]


def ellipse(x: float, y: float, wide: float, high: float) -> Array:
    """Outline an ellipse, shape (n, 2)."""
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False, dtype=np.float32)
    return np.stack([x + wide * np.cos(turn), y + high * np.sin(turn)], axis=1).astype(np.float32)


def head(rng: np.random.Generator, behind: bool) -> list[Part]:
    """Build neck and head; seen from behind, the hair hides the face."""
    bust = [
        (-0.24, -0.5),
        (0.24, -0.5),
        (0.26, -0.06),
        (0.5, 0.14),
        (0.76, 0.34),
        (0.7, 1.2),
        (-0.7, 1.2),
        (-0.76, 0.34),
        (-0.5, 0.14),
        (-0.26, -0.06),
    ]
    parts = [Part(curve(bust, corners=(0, 1, 5, 6)), "skin", girth=1.0, folds="none", lift=0.0)]
    if not behind:
        chin = [(-0.4, -1.1), (-0.33, -0.6), (-0.12, -0.3), (0.12, -0.3), (0.33, -0.6), (0.4, -1.1), (0.0, -1.6)]
        return [*parts, Part(curve(chin), "skin", girth=0.5, folds="none", lift=0.1)]
    skull = [
        (-0.43, -1.0),
        (-0.3, -1.46),
        (0.0, -1.6),
        (0.3, -1.46),
        (0.43, -1.0),
        (0.31, -0.42),
        (0.0, -0.28),
        (-0.31, -0.42),
    ]
    parts.append(Part(curve(skull), "hair", girth=0.6, folds="limb", lift=0.08))
    if rng.random() < 0.5:
        parts.append(Part(ellipse(0.0, -1.56, 0.22, 0.2), "hair", girth=0.3, folds="limb", lift=0.08))
    return parts


def arms(pose: Arms) -> list[Part]:
    """Build two bare arms with hands along a pose."""
    parts = []
    for shoulder, elbow, wrist in pose.joints:
        (sx, sy), (ex, ey), (wx, wy) = shoulder, elbow, wrist
        above, below = (0.2 * sx + 0.8 * ex, 0.2 * sy + 0.8 * ey), (0.8 * ex + 0.2 * wx, 0.8 * ey + 0.2 * wy)
        outline = limb([shoulder, above, below, wrist], [0.25, 0.2, 0.2, 0.125], rounded=True)
        parts.append(Part(outline, "skin", folds="none", lift=0.05))
        length = np.hypot(wx - ex, wy - ey)
        dx, dy = (wx - ex) / length, (wy - ey) / length
        palm = [(wx - 0.05 * dx, wy - 0.05 * dy), (wx + 0.2 * dx, wy + 0.2 * dy), (wx + 0.45 * dx, wy + 0.45 * dy)]
        parts.append(Part(limb(palm, [0.13, 0.19, 0.09], rounded=True), "skin", folds="none", lift=0.02))
    return parts


def legs(rng: np.random.Generator, bare: bool) -> list[Part]:
    """Build hips and two legs with shoes, in trousers or bare."""
    parts: list[Part] = []
    feet = []
    if bare:
        hips = [(-0.6, 1.9), (0.6, 1.9), (0.72, 2.7), (0.6, 3.2), (0.0, 3.0), (-0.6, 3.2), (-0.72, 2.7)]
        parts.append(Part(curve(hips, corners=(0, 1)), "skin", girth=0.95, folds="none", lift=0.0))
    wide, flare = rng.uniform(0.24, 0.34), rng.uniform(0.18, 0.34)
    for side in (-1, 1):
        spread = rng.uniform(0.32, 0.46)
        foot = side * (spread + rng.uniform(-0.05, 0.12))
        feet.append(foot)
        if bare:
            path = [(side * 0.36, 2.7), (side * spread, 4.6), (foot, 6.4)]
            parts.append(Part(limb(path, [0.34, 0.22, 0.13]), "skin", girth=0.36, folds="none"))
        else:
            knee = side * spread
            leg = [(side * 0.68, 1.9), (side * 0.82, 2.7), (knee + side * wide, 4.6), (foot + side * flare, 6.4)]
            leg += [(foot - side * flare, 6.42), (knee - side * wide, 4.6), (side * 0.02, 3.15), (-side * 0.05, 1.9)]
            outline = curve(leg, corners=(0, 3, 4, 6, 7))
            parts.append(Part(outline, "legs", girth=0.95, folds="drape", lift=0.02))
    for side, foot in zip((-1, 1), feet, strict=True):
        shoe = [(foot, 6.3), (foot + side * 0.05, 6.5), (foot + side * 0.14, 6.66)]
        parts.append(Part(limb(shoe, [0.2, 0.22, 0.16], rounded=True), "shoes", folds="none"))
    return parts


def hanger(rng: np.random.Generator) -> list[Part]:
    """Build a clothes hanger: a hook and two shoulders."""
    hook = limb([(0.0, 0.0), (0.0, -0.38), (0.16, -0.52), (0.08, -0.68), (-0.1, -0.62)], [0.022] * 5)
    bar = limb(
        [(-0.95, 0.34), (-0.4, 0.02), (0.0, -0.06), (0.4, 0.02), (0.95, 0.34)],
        [0.05, 0.06, 0.06, 0.06, 0.05],
        rounded=True,
    )
    wood = "wood" if rng.random() < 0.6 else "shoes"
    return [Part(hook, "metal", folds="none", lift=0.05), Part(bar, wood, folds="none", lift=0.05)]


def cover(rng: np.random.Generator, kind: str, where: tuple[float, float], size: float) -> list[Part]:
    """Build something that partly covers the garment.

    Parameters
    ----------
    kind : str
        One of `COVERS`.
    where : (float, float)
        About where, in garment units.
    size : float
        About how wide, in garment units.
    """
    return {
        "hair": _hair,
        "jacket": _jacket,
        "bag": _bag,
        "arm": _arm,
        "leaves": _leaves,
        "cup": _cup,
        "paper": _paper,
        "glasses": _glasses,
        "scarf": _shawl,
    }[kind](rng, where, size)


COVERS = {
    "worn": ("hair", "hair", "jacket", "jacket", "bag", "arm", "scarf"),
    "figure": ("hair", "jacket", "bag", "arm"),
    "hung": ("jacket", "bag", "scarf", "leaves"),
    "laid": ("leaves", "cup", "paper", "glasses", "bag", "scarf", "arm"),
    "close": ("leaves", "paper", "arm", "cup"),
}


def _hair(rng: np.random.Generator, where: tuple[float, float], size: float) -> list[Part]:  # noqa: ARG001
    parts = []
    long = rng.uniform(0.9, 1.5) * size
    for side in (-1, 1) if rng.random() < 0.6 else (int(rng.choice([-1, 1])),):
        for _ in range(4):
            x = side * rng.uniform(0.3, 0.5)
            path = [
                (side * 0.36, -1.1),
                (x + side * 0.05, -0.2),
                (x + rng.normal(0, 0.08), 0.5),
                (x + rng.normal(0, 0.12), 0.5 + long),
            ]
            parts.append(Part(limb(path, [0.12, 0.17, 0.15, 0.03], rounded=True), "hair", folds="limb", lift=0.05))
    return parts


def _jacket(rng: np.random.Generator, where: tuple[float, float], size: float) -> list[Part]:  # noqa: ARG001
    parts = []
    gap = np.clip(0.85 - 0.35 * size + rng.normal(0, 0.05), 0.2, 0.7)
    long = rng.uniform(2.8, 3.6)
    for side in (-1, 1):
        inner = gap + rng.uniform(-0.05, 0.12)
        panel = [
            (side * 0.36, -0.06),
            (side * 1.08, 0.22),
            (side * 1.12, 1.2),
            (side * 1.1, long),
            (side * (inner + 0.12), long),
            (side * inner, 1.3),
        ]
        parts.append(Part(curve(panel, corners=(0, 1, 3, 4)), "cover", girth=1.1, lift=0.1))
        lapel = [(side * 0.34, -0.08), (side * 0.62, 0.1), (side * (inner + 0.3), 0.75), (side * inner, 1.35)]
        parts.append(Part(curve(lapel, corners=(0, 1, 2, 3)), "cover", angle=side * 0.5, folds="none", lift=0.05))
    return parts


def _bag(rng: np.random.Generator, where: tuple[float, float], size: float) -> list[Part]:
    side = float(rng.choice([-1, 1]))
    x, y = where[0] + side * 0.5, max(where[1], 1.2) + 0.7
    strap = limb([(-side * 0.62, -0.02), (0.3 * side + 0.3 * x, 0.55 * y), (x, y)], [0.06] * 3)
    wide, high = 0.55 * size, 0.42 * size
    body = [(x - wide, y - high), (x + wide, y - high), (x + 1.1 * wide, y + high), (x - 1.1 * wide, y + high)]
    flap = [
        (x - wide, y - high),
        (x + wide, y - high),
        (x + 0.9 * wide, y + 0.1 * high),
        (x - 0.9 * wide, y + 0.1 * high),
    ]
    return [
        Part(strap, "leather", folds="none", lift=0.05),
        Part(curve(body), "leather", folds="none", lift=0.14),
        Part(curve(flap, corners=(0, 1)), "leather", folds="none", lift=0.05),
        Part(ellipse(x, y + 0.1 * high, 0.06, 0.06), "metal", folds="none", lift=0.02),
    ]


def _arm(rng: np.random.Generator, where: tuple[float, float], size: float) -> list[Part]:
    x, y = where
    side = float(rng.choice([-1, 1]))
    reach = side * rng.uniform(1.2, 2.2)
    elbow, wrist = (x + reach, y + rng.uniform(-0.3, 0.7)), (x + 0.12 * reach, y)
    fore = limb([(elbow[0] + reach, elbow[1] + 0.4), elbow, wrist], [0.36, 0.3, 0.16], rounded=True)
    fill = "skin" if rng.random() < 0.5 else "cover"
    parts = [Part(fore, fill, folds="limb" if fill == "cover" else "none", lift=0.1)]
    across = np.array([wrist[0] - elbow[0], wrist[1] - elbow[1]])
    across /= np.linalg.norm(across)
    normal = np.array([-across[1], across[0]])
    palm = [tuple(wrist + across * t) for t in (-0.08, 0.14, 0.32)]
    parts.append(Part(limb(palm, [0.15, 0.2, 0.17], rounded=True), "skin", folds="none", lift=0.06))
    for k in range(4):
        root = wrist + 0.3 * across + (k - 1.5) * 0.095 * normal
        bend = 0.03 * (k - 1.5) * normal
        finger = [tuple(root + across * t + bend * t * 3) for t in (0.0, 0.14, 0.3 - 0.03 * abs(k - 1.4))]
        parts.append(Part(limb(finger, [0.058, 0.052, 0.04], rounded=True), "skin", folds="none", lift=0.025))
    if size > 0.9:
        band = [tuple(wrist - across * 0.2 + normal * t) for t in (-0.19, 0.0, 0.19)]
        parts.append(Part(limb(band, [0.05] * 3), "metal", folds="none", lift=0.02))
    return parts


def _leaves(rng: np.random.Generator, where: tuple[float, float], size: float) -> list[Part]:
    parts = []
    turn = rng.uniform(0, 2 * np.pi)
    run = np.array([np.cos(turn), np.sin(turn)])
    start = np.array(where) - run * size * 0.9
    stem = [tuple(start + run * t * size) for t in (0.0, 0.9, 1.9)]
    parts.append(Part(limb(stem, [0.025, 0.02, 0.012]), "green", folds="none", lift=0.06))
    for k in range(8):
        root = start + run * size * (0.15 + 0.22 * k)
        out = turn + (1 if k % 2 else -1) * rng.uniform(0.6, 1.0)
        step = np.array([np.cos(out), np.sin(out)]) * size * rng.uniform(0.5, 0.75)
        leaf = [tuple(root), tuple(root + 0.5 * step), tuple(root + step)]
        parts.append(Part(limb(leaf, [0.01, 0.15 * size, 0.005]), "green", folds="none", lift=0.1))
    return parts


def _cup(rng: np.random.Generator, where: tuple[float, float], size: float) -> list[Part]:
    x, y = where
    r = 0.42 * size
    turn = rng.uniform(0, 2 * np.pi)
    ear = limb(
        [(x + t * r * np.cos(turn), y + t * r * np.sin(turn)) for t in (0.8, 1.1, 1.4)], [0.13 * r] * 3, rounded=True
    )
    return [
        Part(ellipse(x, y, 1.5 * r, 1.5 * r), "china", folds="none", lift=0.1),
        Part(ear, "china", folds="none", lift=0.1),
        Part(ellipse(x, y, r, r), "china", folds="none", lift=0.15),
        Part(ellipse(x, y, 0.84 * r, 0.84 * r), "coffee", folds="none", lift=0.0),
    ]


def _paper(rng: np.random.Generator, where: tuple[float, float], size: float) -> list[Part]:
    wide, high = 0.5 * size, 0.7 * size
    turn = rng.uniform(-0.6, 0.6)
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]], np.float32)
    centre = np.array(where, np.float32)

    def quad(left: float, top: float, right: float, bottom: float) -> Array:
        corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32)
        return np.asarray(corners @ spin.T + centre, np.float32)

    parts = [
        Part(quad(-wide, -high, wide, high), "cover", folds="none", lift=0.08),
        Part(quad(-0.8 * wide, -0.8 * high, 0.8 * wide, 0.1 * high), "china", folds="none", lift=0.0),
    ]
    for k in range(3):
        y = (0.3 + 0.16 * k) * high
        parts.append(
            Part(quad(-0.7 * wide, y, (0.6 - 0.25 * k) * wide, y + 0.05 * high), "china", folds="none", lift=0.0)
        )
    return parts


def _glasses(rng: np.random.Generator, where: tuple[float, float], size: float) -> list[Part]:
    x, y = where
    unit = 0.8 * size
    parts = [
        Part(
            limb([(x - 0.1 * unit, y), (x, y - 0.04 * unit), (x + 0.1 * unit, y)], [0.03 * unit] * 3),
            "shoes",
            folds="none",
        )
    ]
    for side in (-1, 1):
        centre = x + side * 0.34 * unit
        parts.append(Part(ellipse(centre, y, 0.27 * unit, 0.22 * unit), "shoes", folds="none", lift=0.05))
        parts.append(Part(ellipse(centre, y, 0.23 * unit, 0.18 * unit), "glass", folds="none", lift=0.0))
        bow = [
            (x + side * 0.58 * unit, y),
            (x + side * 0.66 * unit, y - 0.3 * unit),
            (x + side * rng.uniform(0.35, 0.6) * unit, y - 0.75 * unit),
        ]
        parts.append(Part(limb(bow, [0.03 * unit, 0.025 * unit, 0.03 * unit]), "shoes", folds="none", lift=0.05))
    return parts


def _shawl(rng: np.random.Generator, where: tuple[float, float], size: float) -> list[Part]:
    x, wide = where[0] * 0.6, 0.24 + 0.12 * size
    start = 0.42 if x > 0 else -0.42
    path = [(start, 0.2), (0.4 * start + 0.6 * x, 1.2), (x + rng.normal(0, 0.3), 2.2 + size)]
    widths = [0.75 * wide, 1.1 * wide, 1.25 * wide]
    return [Part(limb(path, widths), "cover", folds="limb", lift=0.1)]
