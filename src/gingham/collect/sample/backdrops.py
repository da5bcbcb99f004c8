"""What lies or stands behind the garment. Each backdrop fills a picture, shape (height, width, 3), in [0, 1]."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gingham.collect.sample.palettes import MUTED, STRONG, choose, rgb
from gingham.collect.sample.raster import Array, Canvas, cloud, curve, limb, resize

__all__ = ["BEHIND", "BELOW", "FLAT", "backdrop"]

Shape = tuple[int, int]


def backdrop(rng: np.random.Generator, name: str, shape: Shape) -> Array:
    """Render one backdrop by name, a key of `BELOW` or `BEHIND`."""
    return np.clip(_ALL[name](rng, shape), 0, 1).astype(np.float32)


def _grid(shape: Shape) -> tuple[Array, Array]:
    """Return x and y in [-1, 1], as a row and a column."""
    y = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None]
    return np.linspace(-1, 1, shape[1], dtype=np.float32)[None, :], y


def _plain(colour: Array, tone: Array) -> Array:
    return colour * tone[..., None]


def _studio(rng: np.random.Generator, shape: Shape) -> Array:
    x, y = _grid(shape)
    centre = rng.uniform(-0.4, 0.4, 2)
    fall = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) * rng.uniform(0.1, 0.45))
    return _plain(choose(rng, MUTED if rng.random() < 0.7 else STRONG), 0.72 + 0.32 * fall)


def _wall(rng: np.random.Generator, shape: Shape) -> Array:
    x, y = _grid(shape)
    tone = 0.92 + rng.uniform(-0.16, 0.16) * x + rng.uniform(-0.1, 0.05) * y
    tone = tone + 0.012 * cloud(rng, shape, 90) + 0.02 * cloud(rng, shape, 6)
    wall = _plain(choose(rng, MUTED), tone)
    if rng.random() < 0.4:
        floor = int(shape[0] * rng.uniform(0.72, 0.93))
        board = int(shape[0] * rng.uniform(0.02, 0.05))
        wall[floor:] = _planks(rng, (shape[0] - floor, shape[1]))
        wall[floor - board : floor] = wall[floor - board : floor] * 0.35 + 0.6
        wall[floor : floor + 3] *= 0.6
    return wall


def _planks(rng: np.random.Generator, shape: Shape) -> Array:
    upright = rng.random() < 0.5
    if upright:
        shape = shape[::-1]
    wood = choose(
        rng, np.stack([rgb(c) for c in ("b98d5f", "8a6242", "d8bb92", "6a4a34", "c9ab88", "a79a8c", "e3d3bb")])
    )
    count = int(rng.integers(3, 9))
    place = np.linspace(0, count, shape[0], endpoint=False, dtype=np.float32)
    plank = place.astype(np.intp)
    tone = (1 + rng.normal(0, 0.07, count).astype(np.float32))[plank][:, None]
    grain = 0.05 * cloud(rng, shape, 60, stretch=60) + 0.05 * cloud(rng, shape, 24, stretch=24)
    grain = grain + 0.03 * cloud(rng, shape, 8, stretch=3)
    gap = np.abs(place - np.round(place)) * shape[0] / count < rng.uniform(0.8, 1.8)
    tone = (tone + grain) * np.where(gap, 0.5, 1.0)[:, None]
    picture = _plain(wood, tone)
    return picture.transpose(1, 0, 2) if upright else picture


def _grass(rng: np.random.Generator, shape: Shape) -> Array:
    green = choose(rng, np.stack([rgb(c) for c in ("5f7f3a", "6f9146", "4c6b35", "7f8f4a", "8a9a55")]))
    tone = 0.85 + 0.16 * cloud(rng, shape, 70, stretch=0.2) + 0.16 * cloud(rng, shape, 25, stretch=0.3)
    canvas = Canvas(_plain(green, tone + 0.1 * cloud(rng, shape, 5)))
    size = max(shape)
    for _ in range(150):
        x, y = rng.uniform(0, shape[1]), rng.uniform(0, shape[0])
        lean, tall = rng.normal(0, 0.02) * size, rng.uniform(0.02, 0.06) * size
        blade = limb(
            [(x, y), (x + 0.3 * lean, y - 0.5 * tall), (x + lean, y - tall)],
            [0.002 * size, 0.0015 * size, 0.0003 * size],
        )
        canvas.paint(blade, np.clip(green * rng.uniform(0.6, 1.6), 0, 1), 0.8)
    return canvas.pixels


def _bokeh(rng: np.random.Generator, shape: Shape) -> Array:
    x, y = _grid(shape)
    low, high = choose(rng, STRONG), choose(rng, MUTED)
    mix = np.clip(0.5 - 0.35 * y + 0.25 * cloud(rng, shape, 4), 0, 1)[..., None]
    canvas = Canvas((low + mix * (high - low)).astype(np.float32) + 0 * x[..., None])
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False, dtype=np.float32)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    for _ in range(int(rng.integers(8, 30))):
        radius = rng.uniform(0.02, 0.09) * max(shape)
        centre = rng.uniform(0, 1, 2) * (shape[1], shape[0])
        tint = choose(rng, MUTED if rng.random() < 0.6 else STRONG, 0.1)
        canvas.paint((centre + radius * circle).astype(np.float32), tint, rng.uniform(0.1, 0.45))
    return _defocus(canvas.pixels, rng.uniform(0.004, 0.012) * max(shape))


def _street(rng: np.random.Generator, shape: Shape) -> Array:
    height, width = shape
    canvas = Canvas(
        _plain(
            choose(rng, MUTED), np.linspace(1.05, 0.9, height, dtype=np.float32)[:, None] * np.ones(shape, np.float32)
        )
    )
    ground = int(height * rng.uniform(0.6, 0.85))
    x = 0.0
    while x < width:
        wide, top = rng.uniform(0.12, 0.4) * width, rng.uniform(-0.1, 0.4) * height
        colour = choose(rng, STRONG if rng.random() < 0.5 else MUTED)
        canvas.pixels[max(int(top), 0) : ground, int(x) : int(x + wide)] = colour
        for _ in range(int(rng.integers(0, 4))):
            wx, wy = x + rng.uniform(0.1, 0.7) * wide, rng.uniform(max(top, 0), ground)
            canvas.pixels[int(wy) : int(wy + 0.12 * height), int(wx) : int(wx + 0.2 * wide)] = choose(rng, MUTED)
        x += wide
    canvas.pixels[ground:] = choose(rng, MUTED) * 0.75
    canvas.pixels[ground:] *= (1 + 0.05 * cloud(rng, (height - ground, width), 30, stretch=6))[..., None]
    return _defocus(canvas.pixels, rng.uniform(0.006, 0.02) * max(shape))


def _room(rng: np.random.Generator, shape: Shape) -> Array:
    height, width = shape
    canvas = Canvas(_wall(rng, shape))
    for _ in range(int(rng.integers(1, 4))):
        x, y = rng.uniform(-0.1, 0.9) * width, rng.uniform(0.0, 0.5) * height
        w, h = rng.uniform(0.12, 0.4) * width, rng.uniform(0.12, 0.4) * height
        frame = curve([(x, y), (x + w, y), (x + w, y + h), (x, y + h)], corners=(0, 1, 2, 3))
        inner = (frame - (x + w / 2, y + h / 2)) * np.float32(0.86) + (x + w / 2, y + h / 2)
        canvas.shade([frame], (4, 6), 6, 0.3)
        canvas.paint(frame, choose(rng, STRONG))
        canvas.paint(inner.astype(np.float32), choose(rng, MUTED, 0.08))
    if rng.random() < 0.7:
        x, y = rng.uniform(-0.2, 0.8) * width, rng.uniform(0.45, 0.8) * height
        w = rng.uniform(0.3, 0.8) * width
        sofa = curve([(x, y), (x + w, y), (x + w * 1.05, height * 1.05), (x - 0.05 * w, height * 1.05)], corners=(2, 3))
        canvas.shade([sofa], (0, 8), 14, 0.3)
        canvas.paint(sofa, choose(rng, STRONG))
    return _defocus(canvas.pixels, rng.uniform(0.001, 0.012) * max(shape))


def _bedding(rng: np.random.Generator, shape: Shape) -> Array:
    height = 0.5 * cloud(rng, shape, 5, stretch=0.6) + 0.2 * (1 - np.abs(cloud(rng, shape, 9, stretch=2.5)))
    slope_y, slope_x = np.gradient(height.astype(np.float32), 8 / max(shape))
    tone = 0.9 + 0.055 * slope_x * rng.choice([-1, 1]) - 0.055 * slope_y + 0.006 * cloud(rng, shape, 200)
    return _plain(choose(rng, MUTED), np.clip(tone, 0.45, 1.12))


def _carpet(rng: np.random.Generator, shape: Shape) -> Array:
    tone = (
        0.9
        + 0.07 * rng.standard_normal(shape, dtype=np.float32)
        + 0.07 * cloud(rng, shape, 110)
        + 0.04 * cloud(rng, shape, 9)
    )
    return _plain(choose(rng, MUTED if rng.random() < 0.5 else STRONG), tone)


def _tiles(rng: np.random.Generator, shape: Shape) -> Array:
    brick = rng.random() < 0.4
    across = rng.uniform(4, 9)
    down = across * shape[0] / shape[1] * (2.4 if brick else 1.0)
    y = np.linspace(0, down, shape[0], endpoint=False, dtype=np.float32)[:, None] + rng.uniform(0, 1)
    x = np.linspace(0, across, shape[1], endpoint=False, dtype=np.float32)[None, :] + 0.5 * brick * (np.floor(y) % 2)
    cell = rng.normal(1, 0.06 if brick else 0.025, (64, 64)).astype(np.float32)
    tone = cell[np.broadcast_to(y, shape).astype(np.intp) & 63, np.broadcast_to(x, shape).astype(np.intp) & 63]
    near = np.minimum(np.abs(x - np.round(x)), np.abs(y - np.round(y)) * (0.42 if brick else 1.0))
    joint = np.clip((0.03 - near) * 60, 0, 1)
    tone = tone + 0.02 * cloud(rng, shape, 60)
    ground = choose(rng, np.stack([rgb("a5573f"), rgb("8e4b3a"), rgb("d9d4cc")])) if brick else choose(rng, MUTED)
    grout = np.float32(rng.uniform(0.45, 0.85))
    return np.asarray(_plain(ground, tone) * (1 - joint[..., None]) + joint[..., None] * grout, np.float32)


def _wallpaper(rng: np.random.Generator, shape: Shape) -> Array:
    """Return a wall that itself carries a weak pattern, of any kind."""
    x, y = _grid(shape)
    x, y = x * shape[1] / max(shape), y * shape[0] / max(shape)
    ground, ink = choose(rng, MUTED), choose(rng, STRONG)
    count = rng.uniform(12, 34)
    kind = rng.choice(["stripes", "dots", "blotches", "lattice"])
    wave: Array
    if kind == "stripes":
        wave = np.sin(count * x) + 0 * y
    elif kind == "dots":
        wave = np.sin(count * x) * np.sin(count * y) * 1.6
    elif kind == "blotches":
        wave = 1.2 * cloud(rng, shape, count)
    else:
        wave = np.maximum(np.sin(count * (x + y)), np.sin(count * (x - y)))
    cover = np.clip(3 * (wave - 0.5) + 0.5, 0, 1) * rng.uniform(0.1, 0.35)
    tone = 0.93 + rng.uniform(-0.12, 0.12) * x + 0.02 * cloud(rng, shape, 5)
    return (ground + cover[..., None] * (ink - ground)) * tone[..., None]


def _stone(rng: np.random.Generator, shape: Shape) -> Array:
    warp = 0.6 * cloud(rng, shape, 3)
    veins = np.exp(-((cloud(rng, shape, 4) + 0.5 * warp) ** 2) * 60) + 0.6 * np.exp(-(cloud(rng, shape, 9) ** 2) * 90)
    tone = 0.97 - rng.uniform(0.08, 0.3) * np.clip(veins, 0, 1.2) + 0.03 * cloud(rng, shape, 12)
    return _plain(choose(rng, MUTED), tone + 0.012 * cloud(rng, shape, 150))


def _sand(rng: np.random.Generator, shape: Shape) -> Array:
    ground = choose(rng, np.stack([rgb(c) for c in ("d9c39c", "8f8f8f", "6d6a66", "b5a48a", "c8c2b6")]))
    tone = (
        0.92
        + 0.06 * rng.standard_normal(shape, dtype=np.float32)
        + 0.05 * cloud(rng, shape, 40)
        + 0.05 * cloud(rng, shape, 6)
    )
    return _plain(ground, tone)


def _foliage(rng: np.random.Generator, shape: Shape) -> Array:
    size = max(shape)
    canvas = Canvas(_plain(rgb("2f4a2c"), 0.8 + 0.3 * cloud(rng, shape, 7)))
    for _ in range(90):
        x, y, long = rng.uniform(0, shape[1]), rng.uniform(0, shape[0]), rng.uniform(0.04, 0.12) * size
        turn = rng.uniform(0, 2 * np.pi)
        dx, dy = long * np.cos(turn), long * np.sin(turn)
        leaf = limb([(x, y), (x + dx / 2, y + dy / 2), (x + dx, y + dy)], [0.0, 0.28 * long, 0.0])
        canvas.paint(leaf, choose(rng, np.stack([rgb(c) for c in ("4f7a3a", "6f9a4a", "35592f", "8fae5a")]), 0.06))
    return _defocus(canvas.pixels, rng.uniform(0.002, 0.012) * size)


def _rail(rng: np.random.Generator, shape: Shape) -> Array:
    """Return a crowded clothes rail: plain garments side by side, out of focus."""
    height, width = shape
    canvas = Canvas(_plain(choose(rng, MUTED), np.full(shape, 0.85, np.float32)))
    top = rng.uniform(0.02, 0.15) * height
    x = -0.05 * width
    while x < width:
        wide, long = rng.uniform(0.05, 0.13) * width, rng.uniform(0.5, 0.95) * height
        piece = curve(
            [
                (x, top + 0.05 * height),
                (x + wide / 2, top),
                (x + wide, top + 0.05 * height),
                (x + 1.1 * wide, top + long),
                (x - 0.1 * wide, top + long),
            ],
            corners=(0, 2, 3, 4),
        )
        canvas.shade([piece], (3, 3), 6, 0.35)
        canvas.paint(piece, choose(rng, STRONG if rng.random() < 0.6 else MUTED))
        x += 0.8 * wide
    canvas.pixels[int(top) : int(top) + max(2, height // 120)] = 0.25
    canvas.pixels *= (0.95 + 0.1 * cloud(rng, shape, 40, stretch=0.08))[..., None]
    return _defocus(canvas.pixels, rng.uniform(0.002, 0.012) * max(shape))


def _defocus(pixels: Array, sigma: float) -> Array:
    """Blur a whole picture, at a reduced size where the blur is wide."""
    from scipy import ndimage

    step = max(1, int(sigma / 1.5))
    small = pixels[step // 2 :: step, step // 2 :: step]
    soft = ndimage.gaussian_filter(small, (sigma / step, sigma / step, 0), mode="nearest", truncate=2.5)
    if step == 1:
        return np.asarray(soft)
    return np.stack([resize(soft[..., channel], pixels.shape[:2]) for channel in range(3)], axis=-1)


# The weights: how often each is drawn, under a garment that lies, and behind one that hangs or is worn.
BELOW = {
    "planks": 3,
    "bedding": 3,
    "carpet": 2,
    "grass": 2,
    "studio": 3,
    "stone": 2,
    "tiles": 1,
    "sand": 1,
    "wallpaper": 1,
}
BEHIND = {
    "wall": 3,
    "studio": 3,
    "room": 4,
    "bokeh": 2,
    "street": 3,
    "foliage": 2,
    "wallpaper": 2,
    "rail": 2,
    "tiles": 1,
    "planks": 1,
    "grass": 1,
}

# Those that stand close enough to catch a shadow.
FLAT = frozenset(("wall", "wallpaper", "tiles", "planks", "studio"))

_ALL: dict[str, Callable[[np.random.Generator, Shape], Array]] = {
    "studio": _studio,
    "wall": _wall,
    "planks": _planks,
    "grass": _grass,
    "bokeh": _bokeh,
    "street": _street,
    "room": _room,
    "bedding": _bedding,
    "carpet": _carpet,
    "tiles": _tiles,
    "wallpaper": _wallpaper,
    "stone": _stone,
    "sand": _sand,
    "foliage": _foliage,
    "rail": _rail,
}
