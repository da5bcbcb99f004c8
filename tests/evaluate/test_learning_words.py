"""The answer in words: which class, how much, and when nothing can be said."""

from __future__ import annotations

import pytest

from gingham.evaluate.learning_words import headline, points, points_range, verdict
from tests.evaluate.curves import Law, findings

RISING: Law = (0.0, 2.0, 0.5)
LEVEL: Law = (0.25, 1.0, 1.4)
FLAWLESS: Law = (0.0, 0.0, 0.5)


@pytest.mark.parametrize(
    ("gain", "words"),
    [(0.0312, "+3.1"), (-0.0312, "−3.1"), (0.0, "0.0"), (-0.0001, "0.0"), (0.0005001, "+0.1"), (1.0, "+100.0")],
)
def test_points(gain: float, words: str) -> None:
    assert points(gain) == words


def test_a_range_of_points() -> None:
    assert points_range((-0.0021, 0.0409)) == "−0.2 to +4.1"


@pytest.mark.parametrize(
    ("images", "law", "words"),
    [
        pytest.param(60, RISING, "Still rising: ", id="rising"),
        pytest.param(300, LEVEL, "Flat: ", id="level"),
        pytest.param(30, (0.1, 0.9, 1.4), "Not sure: perhaps nothing, at most ", id="perhaps nothing"),
        pytest.param(180, (0.02, 1.2, 0.5), "Not sure how much: ", id="a little"),
        pytest.param(60, FLAWLESS, "All are recognised: no more than 6 % could be missing.", id="all right"),
        pytest.param(3, RISING, "Too few different images to tell.", id="three images"),
    ],
)
def test_the_verdict(images: int, law: Law, words: str) -> None:
    assert verdict(findings([images, 50, 50], [law, RISING, RISING]).classes[0], 50).startswith(words)


@pytest.mark.parametrize(
    ("counts", "laws", "stolen", "title"),
    [
        pytest.param([60, 60, 60], [RISING, LEVEL, FLAWLESS], 0.0, "“cat” needs photos most", id="one stands out"),
        pytest.param(
            [60, 60, 60],
            [RISING, LEVEL, FLAWLESS],
            1.0,
            "“cat” would gain most, partly from other classes",
            id="stolen",
        ),
        pytest.param([300] * 3, [LEVEL] * 3, 0.0, "No class stands out", id="all level"),
        pytest.param([40] * 3, [FLAWLESS] * 3, 0.0, "All held-out images are recognised", id="all right"),
        pytest.param([3, 4, 5], [RISING] * 3, 0.0, "There are too few images to tell", id="a handful"),
    ],
)
def test_the_headline(counts: list[int], laws: list[Law], stolen: float, title: str) -> None:
    made = findings(counts, laws, stolen=stolen)
    found, reasons = headline(made, ["cat", "dog", "cow"])
    assert found == title
    overall, best = made.overall, made.classes[made.ranking[0]]
    if title.startswith("There"):
        assert "Add more of each" in reasons
    elif title.startswith("All"):
        assert "no class needs more" in reasons
    else:
        gain = best.with_more(50)
        assert f"With 50 more photos of “{['cat', 'dog', 'cow'][best.index]}”" in reasons
        assert f"({points_range(gain.gain_interval)} points)" in reasons
        assert "50 more of every class (150 images) would take the accuracy from" in reasons
        assert f"({points_range(overall.with_more(150).gain_interval)} points)" in reasons
    assert ("others lose" in reasons) is (stolen > 0)
