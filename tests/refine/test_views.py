"""Views: the same ones again for the same seed, as varied as asked, and never of what cannot be decoded."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gingham.errors import ImageError
from gingham.images import network_input
from gingham.records import InputRecipe, content_hash
from gingham.refine import ViewMaker

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_torch_thread")]


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


GRADIENT = png(np.stack(np.broadcast_arrays(*np.ogrid[0:240:1, 0:240:1][::-1], 100), -1).astype(np.uint8))
CONTENT = content_hash(GRADIENT)


def maker(**settings: Any) -> ViewMaker:
    ways: dict[str, Any] = {"augment": "light", "smallest_crop": 0.4, "flip": "horizontal", "seed": 0}
    recipe = InputRecipe(64, settings.pop("fit", "crop"))
    return ViewMaker(recipe, **(ways | settings))


@pytest.mark.parametrize("augment", ["light", "trivial"])
def test_the_same_seed_view_and_image_give_the_same_pixels(augment: str) -> None:
    views = [maker(augment=augment)(GRADIENT, CONTENT, view) for view in range(30)]
    again = [maker(augment=augment)(GRADIENT, CONTENT, view) for view in range(30)]
    assert all(np.array_equal(a, b) for a, b in zip(views, again, strict=True))
    assert len({view.tobytes() for view in views}) == 30
    assert {(view.shape, view.dtype.name) for view in views} == {((64, 64, 3), "uint8")}
    assert not np.array_equal(views[0], maker(augment=augment, seed=1)(GRADIENT, CONTENT, 0))


def test_without_variation_a_view_is_what_is_tested() -> None:
    expected = network_input(GRADIENT, InputRecipe(64))
    assert np.array_equal(maker(augment="none")(GRADIENT, CONTENT, 5), expected)
    assert np.array_equal(maker().plain(GRADIENT), expected)


@pytest.mark.parametrize(
    ("flip", "horizontal", "vertical"),
    [("none", False, False), ("horizontal", True, False), ("vertical", False, True), ("both", True, True)],
)
def test_flips_can_be_switched_off(flip: str, horizontal: bool, vertical: bool) -> None:
    views = [maker(flip=flip, smallest_crop=1.0)(GRADIENT, CONTENT, view).astype(int) for view in range(24)]
    assert any(view[:, -1, 0].sum() < view[:, 0, 0].sum() for view in views) == horizontal  # red grows to the right
    assert any(view[-1, :, 1].sum() < view[0, :, 1].sum() for view in views) == vertical  # and green downwards


@pytest.mark.parametrize("fit", ["crop", "squash"])
@pytest.mark.parametrize(("width", "height"), [(120, 100), (1, 1), (3000, 7), (7, 3000), (151.3, 120)])
def test_a_view_never_leads_out_of_the_image(fit: str, width: float, height: float) -> None:
    way = maker(fit=fit, smallest_crop=0.1)
    for seed in range(500):
        left, top, right, bottom = way._box((0, 0, width, height), np.random.default_rng(seed))
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height


@pytest.mark.parametrize("fit", ["crop", "squash"])
def test_how_much_of_an_image_a_view_shows(fit: str) -> None:
    def shown(view: np.ndarray) -> float:
        red, green = view[32, :, 0].astype(float), view[:, 32, 1].astype(float)
        return float((red.max() - red.min()) * (green.max() - green.min()) / 240**2)

    way = maker(fit=fit, flip="none", smallest_crop=0.5)
    boxes = [way._box((0, 0, 300, 200), np.random.default_rng(seed)) for seed in range(200)]
    shares = [(right - left) * (bottom - top) / 60_000 for left, top, right, bottom in boxes]
    assert all(0 <= left < right <= 300 and 0 <= top < bottom <= 200 for left, top, right, bottom in boxes)
    assert min(shares) > 0.3
    assert 0.6 < float(np.mean(shares)) < 0.8
    assert shown(way(GRADIENT, CONTENT, 0)) > 0.2


def test_an_image_smaller_than_the_resolution_is_enlarged() -> None:
    tiny = png(np.full((3, 5, 3), 200, np.uint8))
    assert maker()(tiny, content_hash(tiny), 0).shape == (64, 64, 3)


def test_what_cannot_be_decoded_says_why() -> None:
    with pytest.raises(ImageError):
        maker()(GRADIENT[:100], CONTENT, 0)
