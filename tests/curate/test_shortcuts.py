from __future__ import annotations

import numpy as np
import pytest

from gingham.curate.shortcuts import Hint, shortcuts
from tests.textures import FULL

SEEDS = range(200 if FULL else 20)
NAMES = [f"class-{i}" for i in range(20)]


def balanced(n, k):
    return np.arange(n) % k


def of_class(labels, values):
    return [values[label] for label in labels]


RNG = np.random.default_rng(0)
TWO, FOUR, TEN = balanced(60, 2), balanced(200, 4), balanced(500, 10)


@pytest.mark.parametrize(
    ("values", "labels", "hint"),
    [
        pytest.param(of_class(TWO, ["PNG", "JPEG"]), TWO, Hint("class-0", "PNG", 1.0, 0.0), id="file-type-of-two"),
        pytest.param(
            of_class(TEN, ["WebP"] + ["JPEG"] * 9), TEN, Hint("class-0", "WebP", 1.0, 0.0), id="file-type-of-one-in-ten"
        ),
        pytest.param(
            np.array(of_class(FOUR, [400, 640, 640, 640])), FOUR, Hint("class-0", "400", 1.0, 0.0), id="width-of-one"
        ),
        pytest.param(
            np.array(of_class(FOUR, [640, 400, 800, 600])), FOUR, Hint("class-0", "640", 1.0, 0.0), id="width-of-each"
        ),
    ],
)
def test_what_gives_classes_away_is_found(values, labels, hint):
    (found,) = shortcuts({"it": values}, labels, NAMES)
    assert found.is_shortcut
    assert hint in found.hints
    assert found.p_value < 1e-6


def test_a_range_of_numbers_is_found():
    labels = balanced(400, 4)
    brightness = np.random.default_rng(1).uniform(0.3, 0.9, 400)
    brightness[labels == 2] -= 0.4
    (found,) = shortcuts({"brightness": brightness}, labels, NAMES)
    assert found.is_shortcut
    assert (found.class_label, found.hints[0].label) == ("class-2", "class-2")
    low, high = map(float, found.hints[0].values.split(" to "))
    assert -0.11 < low < -0.08
    assert 0.25 < high < 0.45
    assert found.hints[0].share > 0.6


def test_the_strongest_comes_first():
    weak = np.where(RNG.random(200) < 0.3, FOUR, RNG.integers(4, size=200))
    found = shortcuts({"noise": RNG.normal(size=200), "weak": weak, "strong": FOUR, "one": np.ones(200)}, FOUR, NAMES)
    assert [row.property for row in found[:2]] == ["strong", "weak"]
    assert found[0].balanced_accuracy == 1
    assert found[0].skill == 1
    assert not found[2].is_shortcut
    assert not found[3].is_shortcut


def test_skill_is_on_the_scale_from_chance_to_certainty():
    half = np.where(np.arange(400) % 8 < 4, balanced(400, 4), 9)  # half of each class cannot be told
    (found,) = shortcuts({"it": half}, balanced(400, 4), NAMES)
    assert found.chance == 0.25
    assert found.balanced_accuracy == pytest.approx(0.5 + 0.5 / 4, abs=0.05)
    assert found.skill == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize(
    ("n", "k"),
    [
        pytest.param(40, 2, id="two-classes"),
        pytest.param(220, 4, id="four-classes"),
        pytest.param(90, 9, id="small-classes"),
    ],
)
def test_chance_is_not_found(n, k):
    flagged = 0
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        values = {"brightness": rng.normal(size=n), "format": rng.choice(["PNG", "JPEG"], n)}
        flagged += any(row.is_shortcut for row in shortcuts(values, rng.integers(k, size=n), NAMES, seed=seed))
    assert flagged <= 0.01 * len(SEEDS)


def test_bursts_of_one_group_are_no_evidence():
    groups = np.repeat(np.arange(8), 50)  # eight scenes of 50 shots, two of each class
    labels = groups % 4
    brightness = np.random.default_rng(0).uniform(size=8)[groups] + np.linspace(0, 1e-3, 400)
    assert shortcuts({"brightness": brightness}, labels, NAMES)[0].is_shortcut
    assert not shortcuts({"brightness": brightness}, labels, NAMES, groups)[0].is_shortcut


def test_a_large_group_counts_no_more_than_a_single_image():
    labels = np.array([0] * 40 + [1] * 40 + [0] * 1000)
    values = np.array([1.0] * 40 + [2.0] * 40 + [2.0] * 1000)  # a thousand shots of one scene look like class 1
    groups = np.minimum(np.arange(1080), 80)
    (found,) = shortcuts({"brightness": values}, labels, NAMES, groups)
    assert found.is_shortcut
    assert found.balanced_accuracy > 0.98


def test_accuracy_is_that_on_images_not_counted():
    accuracies = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        (found,) = shortcuts({"it": rng.normal(size=120)}, rng.integers(4, size=120), NAMES, seed=seed)
        accuracies.append(found.balanced_accuracy)
    assert np.mean(accuracies) == pytest.approx(0.25, abs=0.04)


def test_a_weak_tendency_is_no_shortcut_however_significant():
    labels = balanced(20_000, 4)
    values = np.random.default_rng(0).normal(size=20_000) + 0.3 * labels
    (found,) = shortcuts({"saturation": values}, labels, NAMES)
    assert found.p_value < 1e-6
    assert 0.05 < found.skill < 0.2
    assert not found.is_shortcut


def test_large_classes_count_no_more_than_small_ones():
    labels = np.repeat([0, 1], [900, 100])
    (found,) = shortcuts({"it": RNG.normal(size=1000)}, labels, NAMES)
    assert found.balanced_accuracy == pytest.approx(0.5, abs=0.1)
    assert not found.is_shortcut


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([0] * 20, [], id="one-class"),
        pytest.param([0, 1], [False], id="two-images"),
        pytest.param([1, 1, 1, 5, 5, 5], [False], id="six-images-of-two-of-many-classes"),
    ],
)
def test_edges(labels, expected):
    found = shortcuts({"it": np.array(labels, float)}, np.array(labels, int), NAMES)
    assert [row.is_shortcut for row in found] == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param(np.ones(3), "it has 3 values, but there are 4 labels", id="length"),
        pytest.param(np.array([1, 2, np.nan, 4]), "it has a value that is not finite", id="nan"),
    ],
)
def test_wrong_values(values, message):
    with pytest.raises(ValueError, match=message):
        shortcuts({"it": values}, np.array([0, 1, 0, 1]), NAMES)


def test_the_same_data_give_the_same_answer():
    values = {"it": RNG.normal(size=200), "format": RNG.choice(["PNG", "JPEG"], 200)}
    assert shortcuts(values, FOUR, NAMES) == shortcuts(values, FOUR, NAMES)
