"""Pictures that show whether two ways to read and predict an image agree: one photo in every guise that files have."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gingham.errors import DataError
from gingham.images import decode, fit, network_input

if TYPE_CHECKING:
    from PIL import Image

    from gingham.records import InputRecipe

__all__ = ["Probe", "disguises", "drawn_photo", "refuse_unlike_twins", "squares"]

LONGEST = 480
"""Side in pixels to which a photo is cut before it is disguised, for the sake of time."""
ORIENTATION = 0x0112


@dataclass(frozen=True)
class Probe:
    """One image file in memory.

    Parameters
    ----------
    name : str
        Where it comes from, and its guise.
    data : bytes
    twin : str
        Files of one non-empty name hold the same pixels, and must become the same network input.
    """

    name: str
    data: bytes
    twin: str = ""


def squares(probes: Sequence[Probe], recipe: InputRecipe, *, whole: bool = False) -> NDArray[np.uint8]:
    """Return what the network sees of probes, uint8 of shape (n, resolution, resolution, 3).

    Parameters
    ----------
    probes : sequence of Probe
    recipe : InputRecipe
    whole : bool
        Decode JPEGs at full size, as programs in other languages do, not at the smallest that will do.

    Raises
    ------
    ImageError
        If one cannot be read.
    """
    if whole:
        return np.stack([fit(decode(probe.data).rgb, recipe) for probe in probes])
    return np.stack([network_input(probe.data, recipe) for probe in probes])


def refuse_unlike_twins(probes: Sequence[Probe], inputs: NDArray[np.uint8]) -> None:
    """Refuse an installation that reads the same pixels differently from one file format than from another.

    Raises
    ------
    DataError
        Names both.
    """
    first: dict[str, int] = {}
    for row, probe in enumerate(probes):
        other = first.setdefault(probe.twin, row) if probe.twin else row
        off = int(np.abs(inputs[row].astype(int) - inputs[other]).max())
        if off:
            raise DataError(
                f"{probe.name} and {probes[other].name} hold the same pixels, but are read with a difference of {off}"
                " grey levels; 0 are allowed. An image library here is broken: `gingham doctor` lists the versions."
            )


def disguises(name: str, data: bytes) -> list[Probe]:
    """Return one photo in every guise: all rotations, colour modes, formats and extreme shapes.

    Parameters
    ----------
    name : str
    data : bytes
        An image file that can be read.

    Returns
    -------
    list of Probe
    """
    from PIL import Image

    rgb = decode(data).rgb
    rgb = np.ascontiguousarray(rgb[:LONGEST, : LONGEST * 3 // 4])  # not square: a wrong rotation shows
    photo = Image.fromarray(rgb)
    grey = photo.convert("L")
    levels = np.asarray(grey).astype(np.uint16)
    tall = Image.fromarray(np.repeat(rgb[:, :1], 2, axis=1)).resize((2, 4000))
    found = [
        ("as PNG", _file(photo, "PNG"), "colour"),
        ("as WebP without loss", _file(photo, "WEBP", lossless=True, exact=True, quality=0, method=0), "colour"),
        ("with opaque alpha", _file(_with_alpha(photo, np.full(rgb.shape[:2], 255)), "PNG"), "colour"),
        *((f"turned, EXIF {code}", _turned(rgb, code), "colour") for code in range(1, 9)),
        ("as JPEG", _file(photo, "JPEG", quality=95, subsampling=0), ""),
        ("as CMYK JPEG", _file(photo.convert("CMYK"), "JPEG", quality=95), ""),
        ("in 8-bit grey", _file(grey, "PNG"), "grey"),
        ("in 16-bit grey", _file(Image.fromarray(levels * 257), "PNG"), "grey"),
        ("with a palette", _file(photo.quantize(64), "PNG"), ""),
        (
            "half transparent",
            _file(_with_alpha(photo, np.tile(np.arange(rgb.shape[1]) % 256, (len(rgb), 1))), "PNG"),
            "",
        ),
        ("cut to 1 pixel", _file(photo.crop((0, 0, 1, 1)), "PNG"), ""),
        ("as a strip, tall", _file(tall, "PNG"), ""),
        ("as a panorama", _file(tall.transpose(Image.Transpose.ROTATE_90), "PNG"), ""),
    ]
    return [Probe(f"{name} {guise}", bytes_, f"{name} {twin}" if twin else "") for guise, bytes_, twin in found]


def drawn_photo() -> bytes:
    """Return a picture for where no photo is left: soft colours, edges and fine texture; always the same bytes."""
    from PIL import Image

    y, x = np.mgrid[0:480, 0:360] / 360.0
    waves = [np.sin(9 * x + 4 * y * y), np.cos(7 * y - 5 * x), np.sin(11 * x * y)]
    rgb = 128 + 70 * np.stack(waves, axis=2)
    rgb[np.hypot(x - 0.5, y - 0.6) < 0.3] *= 0.5
    rgb[(np.floor(40 * x) + np.floor(40 * y)) % 2 == 0] += 12
    return _file(Image.fromarray(np.clip(rgb, 0, 255).astype(np.uint8)), "PNG")


def _file(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **({"compress_level": 1} if kind == "PNG" else {}), **options)
    return stream.getvalue()


def _with_alpha(photo: Image.Image, alpha: NDArray[Any]) -> Image.Image:
    from PIL import Image

    copy = photo.copy()
    copy.putalpha(Image.fromarray(alpha.astype(np.uint8)))
    return copy


def _turned(rgb: NDArray[np.uint8], code: int) -> bytes:
    """Store a picture so that the EXIF orientation ``code`` turns it upright again."""
    from PIL import Image

    undo = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }
    exif = Image.Exif()
    exif[ORIENTATION] = code
    turned = Image.fromarray(np.ascontiguousarray(undo[code](rgb)))
    return _file(turned, "PNG", exif=exif.tobytes())
