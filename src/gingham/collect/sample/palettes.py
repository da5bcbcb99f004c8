"""Colours of the sample: cloth, skin, hair, rooms."""

from __future__ import annotations

import numpy as np

from gingham.collect.sample.raster import Array

__all__ = ["CLOTH", "HAIR", "LEOPARD", "MUTED", "SKIN", "STRONG", "choose", "rgb"]


def rgb(code: str) -> Array:
    """Turn ``"rrggbb"`` into a float32 array of shape (3,) in [0, 1]."""
    return np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)], np.float32) / 255


def _colours(text: str) -> Array:
    return np.stack([rgb(code) for code in text.split()])


def choose(rng: np.random.Generator, colours: Array, spread: float = 0.03) -> Array:
    """Draw one row of ``colours``, a little off."""
    drawn = colours[rng.integers(len(colours))] + rng.normal(0, spread) + rng.normal(0, spread / 2, 3)
    return np.asarray(np.clip(drawn, 0.02, 0.98), np.float32)


# Each row: the ground, the main ink, then accents.
CLOTH = [
    _colours(row)
    for row in (
        "f4f1ea 1f2c4d b23a48 6c8ebf",
        "1d2a44 f2efe8 d9a441 8fb3d9",
        "f7f5f0 15161a 8c8c8c c0392b",
        "17181c efece6 b8b8b8 d4a373",
        "f3ede2 b3202c 2b2d42 e0a890",
        "b4212d f6f0e6 2b1a1a f0b7a4",
        "f6e9e4 8c2f4b d98c9f 4a2a3a",
        "e8c7c8 6d1f3c f6efe9 a7586d",
        "d9a12e 22304f f3e6c4 7a4a1e",
        "1f3a5f e6b94f f2ead8 c9593f",
        "c4653f f5ead8 3d2b26 e3a77b",
        "f4e8d9 b5532f 5b3a29 dba178",
        "1f6f6c f4d9c4 0f3b43 e58e6d",
        "d7ebe6 14665f f2a48b 2e3f4e",
        "cbb8dc 4c2a5e f4eff6 8f6fb0",
        "4a2c5a dcc8e6 f3e7ee b27bc0",
        "6b7345 efe6cf 2f331f c9b27c",
        "ece3cc 59613a a88b4c 33381f",
        "4f6f94 f3f2ee 22324b c8d4e2",
        "dbe6f0 3b628f f7f7f4 1f2f46",
        "3a3d42 b9bcc0 e9e7e2 8a6f5a",
        "c4c5c7 3c3f45 f1efeb 7d8288",
        "0f5a44 f1e9d8 d8a13e 0a2f27",
        "e9f1e6 2f7a55 f0c35e 1a3f30",
        "ee7f63 23355a f8eadf 9c3d3a",
        "f8efe6 e4674a 2f4a6b f2b28c",
        "f3b4c0 c22840 fbf1ee 7e1f35",
        "fbf0f2 dd4f79 f4a9bb 57233a",
        "f4d35e fbf8ef 2b2b2b ee964b",
        "fbf6e6 e1a92b 8a5a20 3a3226",
        "4b3126 eadbc5 b98a5e 201511",
        "ead9c2 5a3a2a a6744c 2a1a14",
        "be9364 1b1714 f2e5d2 6f4a2d",
        "a9d6c3 1d4d3d f4f6ee e8896c",
        "27523f bfe0cf eef3e8 d9b25f",
        "8fc1e3 f6f7f7 1e3d59 f29e4c",
        "2f6db5 f7f4ee f2c14e d1495b",
        "6f1d2b e9c9b1 26090f c98a6b",
        "efe1d6 7a2230 c27e6a 311217",
        "2b2b35 e39ab0 f3e3e6 7d5a8c",
    )
]

# Natural coats, then the ones of fashion. Each row: the ground, the ink, the rosette's centre, a second ground.
LEOPARD = [
    _colours(row)
    for row in (
        "d3a567 20150f 9c672f e6cb9c",
        "c8945a 2a1a12 8a5729 dcb583",
        "e2c799 31211a ab7a45 efdfbf",
        "b98a55 17110e 744822 d0a97a",
        "e0b883 3a2415 b07b44 f0d7b0",
        "d9d3c7 2b2a2c a39a8c ece8df",
        "efe7d8 1c1a1b c2a27a f7f2e8",
        "a8773f 120d0b 6b4119 c59a62",
    )
]

SKIN = _colours("f1cfb8 e6b798 d9a37f c68a62 a96c46 8a5536 6b3f28 4d2d1f f4d8c6")
HAIR = _colours("1b1513 2d1e17 4a2f1f 6b4326 8d5f35 b08a5c c2a274 6d3320 3a3838 9b9a98")
MUTED = _colours(
    "e9e5de d8d2c6 c9cfd3 b9c3bd d9c9c0 ece9e4 a9aeb2 c7bfae dfe3e4 b7a99a 9aa79f 8a8f98 cdb9b4 "
    "f2efea 75808a 6f6a63 57606a a39b8f"
)
STRONG = _colours(
    "2e4a62 7a3b3b 3f5a45 c98f3e 4f4a6b 8d6e57 2f2f35 a85a4a 5f7f86 d1b37c 394b3f 6b2f3f 1f3550 b7b0a2 "
    "202020 d8d4cc 3b5f8a e2ddd3"
)
