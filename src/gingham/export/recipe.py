"""The resize recipe in words, for whoever writes it in another language."""

from __future__ import annotations

from gingham.records import InputRecipe

__all__ = ["recipe_in_words"]

KERNELS = {
    "bilinear": "k(x) = 1 - |x| for |x| < 1, else 0 (Pillow: BILINEAR)",
    "bicubic": "k(x) = 1.5|x|^3 - 2.5|x|^2 + 1 for |x| < 1, -0.5|x|^3 + 2.5|x|^2 - 4|x| + 2 for 1 <= |x| < 2, else 0"
    " (Catmull-Rom; Pillow: BICUBIC)",
    "lanczos": "k(x) = sinc(x) sinc(x / 3) for |x| < 3, else 0, with sinc(x) = sin(pi x) / (pi x) and sinc(0) = 1"
    " (Pillow: LANCZOS)",
    "box": "k(x) = 1 for -0.5 < x <= 0.5, else 0 (Pillow: BOX)",
}


def recipe_in_words(recipe: InputRecipe) -> str:
    """Say how an image becomes the square of a recipe, exactly.

    >>> recipe_in_words(InputRecipe(96, "squash", 0.875, "box"))[:44]
    'Turn the picture upright as its EXIF says; m'
    """
    size = recipe.resolution
    if recipe.fit == "crop":
        box = (
            f"With s = {recipe.crop_fraction:.17g} * min(W, H), the box is left = (W - s) / 2, top = (H - s) / 2,"
            " width = height = s, in fractions of pixels: nothing is rounded."
        )
    else:
        box = "The box is the whole picture: left = top = 0, width = W, height = H."
    return (
        "Turn the picture upright as its EXIF says; make it 8-bit RGB, transparent parts over white, 16-bit grey"
        f" scaled so that 65535 becomes 255. Let it be W x H pixels. {box} Resample the box to {size} x {size},"
        f" antialiased, down the columns first and then along the rows. Along an axis, r = box length / {size},"
        " f = max(r, 1), and output i is the mean of the picture's pixels j = 0, 1, ..., weighted by"
        " k((j + 0.5 - c) / f) where c = box start + (i + 0.5) * r; the weights of an output are divided by their sum,"
        f" and pixels beyond the box, but in the picture, take part. {KERNELS[recipe.interpolation]}. After either axis"
        " round to the nearest integer, halves up, and clip to 0 ... 255. The network takes uint8 RGB,"
        f" {size} rows of {size} pixels; normalization is inside it."
    )
