"""Views: an image varied at random, as it might have been taken or shown, in the square that the network sees."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

from gingham.images import MAX_PIXELS, decode, fit, network_input
from gingham.records import InputRecipe

__all__ = ["ViewMaker"]

Images = NDArray[np.uint8]
_ASPECT = 4 / 3
_COLOUR = 0.3


@dataclass(frozen=True)
class ViewMaker:
    """Makes views of images; the same seed, view and image give the same pixels.

    Parameters
    ----------
    recipe : InputRecipe
        How an image becomes the network's input; a view is fitted like it, cut out at random instead of at the centre.
    augment : {"none", "light", "trivial"}
        light: crop, flip, brightness, contrast and saturation. trivial: and one of 14 ways drawn at random, of random
        strength (Müller and Hutter, *TrivialAugment*, 2021).
    smallest_crop : float
        Smallest share of an image's area in a view.
    flip : {"none", "horizontal", "vertical", "both"}
    seed : int
    max_pixels : int
    """

    recipe: InputRecipe
    augment: Literal["none", "light", "trivial"]
    smallest_crop: float
    flip: Literal["none", "horizontal", "vertical", "both"]
    seed: int
    max_pixels: int = MAX_PIXELS

    def plain(self, data: bytes) -> Images:
        """Return what the network sees when it is asked; see :func:`gingham.images.network_input`."""
        return network_input(data, self.recipe, max_pixels=self.max_pixels)

    def __call__(self, data: bytes, content: str, view: int) -> Images:
        """Return one view of an image.

        Parameters
        ----------
        data : bytes
            The whole file.
        content : str
            Its hash, which seeds what is drawn.
        view : int

        Returns
        -------
        uint8 array of shape (resolution, resolution, 3)

        Raises
        ------
        ImageError
            If it cannot be decoded.
        """
        if self.augment == "none":
            return self.plain(data)
        rng = np.random.default_rng([self.seed, view, int(content[:15], 16)])
        side = self.recipe.resolution
        image = decode(data, min_side=math.ceil(side / math.sqrt(self.smallest_crop)), max_pixels=self.max_pixels)
        square = InputRecipe(side, "squash", 1.0, self.recipe.interpolation)
        pixels = fit(image.rgb, square, self._box(image.box, rng))
        if self.flip in ("horizontal", "both") and rng.random() < 0.5:
            pixels = pixels[:, ::-1]
        if self.flip in ("vertical", "both") and rng.random() < 0.5:
            pixels = pixels[::-1]
        planes = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)
        planes = _colour(planes, rng)
        if self.augment == "trivial":
            planes = _trivial(planes, rng)
        varied: Images = planes.permute(1, 2, 0).contiguous().numpy()
        return varied

    def _box(
        self, box: tuple[float, float, float, float], rng: np.random.Generator
    ) -> tuple[float, float, float, float]:
        """Return the part of an image that a view shows, as left, top, right, bottom."""
        left, top, right, bottom = box
        width, height = right - left, bottom - top
        share = math.sqrt(rng.uniform(self.smallest_crop, 1))
        stretch = math.sqrt(math.exp(rng.uniform(-math.log(_ASPECT), math.log(_ASPECT))))
        if self.recipe.fit == "squash":  # the test image is squashed alike
            w, h = width * min(1, share * stretch), height * min(1, share / stretch)
        else:
            side = math.sqrt(width * height) * share
            w, h = side * stretch, side / stretch
            shrink = min(1, width / w, height / h)
            w, h = w * shrink, h * shrink
        x, y = left + rng.uniform(0, 1) * (width - w), top + rng.uniform(0, 1) * (height - h)
        # Rounding must not lead out of the image.
        return max(x, left), max(y, top), min(x + w, right), min(y + h, bottom)


def _colour(planes: Tensor, rng: np.random.Generator) -> Tensor:
    brightness, contrast, saturation = rng.uniform(1 - _COLOUR, 1 + _COLOUR, 3)
    planes = F.adjust_brightness(planes, brightness)
    planes = F.adjust_contrast(planes, contrast)
    varied: Tensor = F.adjust_saturation(planes, saturation)
    return varied


def _trivial(planes: Tensor, rng: np.random.Generator) -> Tensor:
    way = _WAYS[int(rng.integers(len(_WAYS)))]
    return way(planes, float(rng.uniform(0, 1)), 1 if rng.random() < 0.5 else -1)


def _affine(
    planes: Tensor, *, angle: float = 0, shift: tuple[float, float] = (0, 0), shear: tuple[float, float] = (0, 0)
) -> Tensor:
    moved = [round(part * planes.shape[-1]) for part in shift]
    result: Tensor = F.affine(
        planes, angle, moved, 1.0, list(shear), interpolation=InterpolationMode.BILINEAR, fill=[127.0, 127.0, 127.0]
    )
    return result


# Image, strength in [0, 1], sign. The ranges are those of TrivialAugment's wide space, the geometry of the narrow one.
_WAYS: tuple[Callable[[Tensor, float, int], Tensor], ...] = (
    lambda x, _s, _d: x,
    lambda x, s, d: F.adjust_brightness(x, 1 + d * 0.9 * s),
    lambda x, s, d: F.adjust_contrast(x, 1 + d * 0.9 * s),
    lambda x, s, d: F.adjust_saturation(x, 1 + d * 0.9 * s),
    lambda x, s, d: F.adjust_sharpness(x, 1 + d * 0.9 * s),
    lambda x, s, _d: F.posterize(x, 8 - round(5 * s)),
    lambda x, s, _d: F.solarize(x, 255 * (1 - s)),
    lambda x, _s, _d: F.autocontrast(x),
    lambda x, _s, _d: F.equalize(x),
    lambda x, s, d: _affine(x, angle=d * 30 * s),
    lambda x, s, d: _affine(x, shear=(d * 17 * s, 0)),
    lambda x, s, d: _affine(x, shear=(0, d * 17 * s)),
    lambda x, s, d: _affine(x, shift=(d * 0.3 * s, 0)),
    lambda x, s, d: _affine(x, shift=(0, d * 0.3 * s)),
)
