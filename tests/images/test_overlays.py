"""The overlay: colour where the evidence is, whatever the image's own brightness; a scale that all can read."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest

from gingham.images import GROUND, colours_of, overlay, resized
from gingham.images.overlays import PLASMA

LUMA = np.array([0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize(
    ("evidence", "coloured"),
    [
        pytest.param([[0, 1], [0, 0]], (0, 1), id="one corner"),
        pytest.param([[-3, -1], [2, -1]], (1, 0), id="what speaks against stays grey"),
    ],
)
@pytest.mark.parametrize("image", [(0, 0, 0), (255, 255, 255), (200, 20, 20)])
def test_in_colour_is_what_spoke_for_it(
    evidence: list[list[float]], coloured: tuple[int, int], image: tuple[int, int, int]
) -> None:
    pixels = overlay(np.full((32, 32, 3), image, np.uint8), np.array(evidence, np.float32), 64).astype(int)
    corners = {(y, x): pixels[4 + 56 * y, 4 + 56 * x] for y in (0, 1) for x in (0, 1)}
    assert np.ptp(corners[coloured]) > 100
    assert (corners.pop(coloured) @ LUMA) > 170  # yellow
    for colour in corners.values():
        assert np.ptp(colour) <= 2
        assert GROUND[0] - 1 <= colour.max() <= GROUND[1] + 1


def test_without_any_evidence_all_is_grey() -> None:
    pixels = overlay(np.full((32, 32, 3), (250, 10, 10), np.uint8), np.zeros((2, 2)), 32)
    assert np.ptp(pixels.astype(int), axis=2).max() == 0


def test_the_colours_are_those_of_plasma() -> None:
    plasma = mpl.colormaps["plasma"](np.linspace(0, 1, len(PLASMA)))[:, :3]
    np.testing.assert_allclose(PLASMA / 255, plasma, atol=0.01)


@pytest.mark.parametrize("grey", GROUND)
def test_more_is_lighter_from_the_middle_of_the_scale_on_over_every_grey(grey: int) -> None:
    light = colours_of(np.linspace(0.5, 1, 20), grey) @ LUMA
    assert np.diff(light).min() > 0
    np.testing.assert_array_equal(colours_of(np.zeros(1), grey), [[grey] * 3])


@pytest.mark.parametrize("side", [16, 100])
def test_resized_is_smooth_and_square(side: int) -> None:
    ramp = np.repeat(np.linspace(0, 255, 32).astype(np.uint8)[None, :, None], 32, axis=0).repeat(3, axis=2)
    found = resized(ramp, side).astype(int)
    assert found.shape == (side, side, 3)
    assert np.diff(found[side // 2, :, 0]).min() >= 0
