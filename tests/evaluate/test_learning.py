"""What more images would buy: right where the truth is known, and honest where it cannot be."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest

from gingham.evaluate.learning import FEWEST_IMAGES, extrapolate
from gingham.evaluate.outlook import Prospect
from tests.evaluate.curves import TRAINED, Law, curves, error, findings
from tests.textures import FULL

SEEDS = range(20 if FULL else 4)
RISING: Law = (0.02, 1.2, 0.5)
LEVEL: Law = (0.25, 1.0, 1.4)


@pytest.mark.parametrize(
    ("law", "images"),
    [
        pytest.param(RISING, 60, id="rising"),
        pytest.param(RISING, 20, id="rising, few images"),
        pytest.param((0.0, 0.9, 0.3), 100, id="rising for long"),
        pytest.param(LEVEL, 60, id="level"),
        pytest.param((0.0, 0.5, 1.0), 60, id="nearly all right"),
    ],
)
def test_the_intervals_hold_the_truth(law: Law, images: int) -> None:
    """Of 12 classes whose images were drawn by chance, in each of some repetitions."""
    held = []
    for seed in SEEDS:
        made = extrapolate(*curves([images] * 12, [law] * 12, seed=1 + seed), resamples=200)
        now, then = (1 - error(law, TRAINED * size) for size in (images, images + 50))
        for outlook in made.classes:
            gain = outlook.with_more(50)
            low, high = gain.gain_interval
            held.append(
                (
                    outlook.interval[0] <= now <= outlook.interval[1],
                    gain.interval[0] <= then <= gain.interval[1],
                    low - 0.002 <= then - now <= high + 0.002,
                )
            )
    least = 0.87 if len(SEEDS) > 4 else 0.8
    assert (np.mean(held, axis=0) >= least).all(), np.mean(held, axis=0)


@pytest.mark.parametrize("images", [pytest.param(40, id="forty"), pytest.param(200, id="two hundred")])
def test_on_average_the_gain_is_the_true_one(images: int) -> None:
    gains = [
        outlook.with_more(50).gain
        for seed in SEEDS
        for outlook in extrapolate(*curves([images] * 12, [RISING] * 12, seed=1 + seed), resamples=50).classes
    ]
    truth = error(RISING, TRAINED * images) - error(RISING, TRAINED * (images + 50))
    assert np.mean(gains) == pytest.approx(truth, rel=0.2)


@pytest.mark.parametrize(
    ("images", "law", "prospect"),
    [
        pytest.param(60, (0.0, 2.0, 0.5), Prospect.GROWS, id="rising"),
        pytest.param(300, LEVEL, Prospect.FLAT, id="level"),
        pytest.param(15, (0.1, 0.9, 0.9), Prospect.UNCERTAIN, id="who knows"),
        pytest.param(60, (0.0, 0.0, 0.5), Prospect.FLAWLESS, id="all right"),
        pytest.param(FEWEST_IMAGES - 1, RISING, Prospect.TOO_FEW, id="seven images"),
        pytest.param(1, RISING, Prospect.TOO_FEW, id="one image"),
    ],
)
def test_the_prospect_of_a_class(images: int, law: Law, prospect: Prospect) -> None:
    assert findings([images, 50, 50], [law, RISING, RISING]).classes[0].prospect is prospect


def test_copies_make_no_class_large() -> None:
    labels, groups, fold, sizes, right = curves([5, 40], [RISING] * 2, copies=10)
    made = extrapolate(labels, groups, fold, sizes, right, resamples=50)
    assert made.classes[0].images == 50
    assert made.classes[0].prospect is Prospect.TOO_FEW


def test_first_comes_the_class_that_gains_most_last_the_one_of_which_nothing_is_known() -> None:
    made = findings([100, 100, 5, 40], [LEVEL, RISING, RISING, RISING])
    assert made.ranking == (3, 1, 0, 2)


@pytest.mark.parametrize(
    ("stolen", "share"),
    [
        pytest.param(0.0, 1.0, id="nobody loses"),
        pytest.param(0.5, 0.5, id="others lose half"),
        pytest.param(1.0, 0.0, id="others lose all of it"),
    ],
)
def test_what_others_lose_is_taken_off(stolen: float, share: float) -> None:
    made = findings([150] * 6, [(0.1, 1.5, 0.5)] * 6, stolen=stolen)
    gains = [outlook.with_more(50) for outlook in made.classes]
    averaged, own = sum(gain.averaged for gain in gains), sum(gain.gain for gain in gains) / 6
    assert averaged == pytest.approx(share * own, abs=0.25 * own)
    for gain in gains:
        assert gain.averaged_interval[0] <= gain.averaged <= gain.averaged_interval[1]


def test_all_numbers_are_in_range_and_in_order() -> None:
    made = findings([3, 8, 40, 90], [RISING, LEVEL, (0.0, 0.0, 0.5), (0.9, 0.0, 0.5)], others=(10, 1000))
    for outlook in (*made.classes, made.overall):
        every = [gain.more for gain in outlook.gains]
        scale = 4 if outlook is made.overall else 1
        assert every == [10 * scale, 50 * scale, 1000 * scale]
        assert outlook.interval[0] <= outlook.accuracy <= outlook.interval[1]
        for gain in outlook.gains:
            assert 0 <= gain.interval[0] <= gain.accuracy <= gain.interval[1] <= 1
            assert 0 <= gain.gain_interval[0] <= gain.gain <= gain.gain_interval[1]
            assert gain.accuracy == pytest.approx(outlook.accuracy + gain.gain, abs=1e-5)
        assert (np.diff([gain.gain for gain in outlook.gains]) >= 0).all()
        curve = outlook.curve
        assert curve.sizes[-1] == pytest.approx(outlook.images)
        assert curve.accuracy[-1] == pytest.approx(outlook.accuracy)
        assert outlook.images in curve.fitted_sizes
        assert (curve.fitted_low <= curve.fitted + 1e-9).all()
        assert (curve.fitted <= curve.fitted_high + 1e-9).all()


def test_where_all_are_recognised_nothing_is_gained_but_something_may_be_hidden() -> None:
    gain = findings([30, 30], [(0.0, 0.0, 0.5)] * 2).classes[0].with_more(50)
    assert gain.gain == 0
    assert gain.accuracy == 1
    assert 0.05 < gain.gain_interval[1] < 0.15


def test_a_class_that_is_never_trained_on_is_told_apart() -> None:
    """All its images are of one group, and held out together."""
    labels, groups, fold, sizes, right = curves([6, 30], [RISING] * 2)
    groups[labels == 0], fold[labels == 0], sizes[0] = 0, 0, 0.0
    right[:, :, :, labels == 0] = False
    outlook = extrapolate(labels, groups, fold, sizes, right, resamples=20).classes[0]
    assert outlook.prospect is Prospect.TOO_FEW
    assert outlook.accuracy == 0
    assert all(np.isfinite(part).all() for part in astuple(outlook.curve))


def test_the_same_seed_gives_the_same_numbers() -> None:
    first, second, other = (findings([30, 30], [RISING] * 2, seed=seed).classes[0].gains for seed in (0, 0, 1))
    assert first == second
    assert first != other
