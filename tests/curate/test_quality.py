from __future__ import annotations

import numpy as np
import pytest

from gingham.curate.measures import Measures
from gingham.curate.quality import ISSUES, image_issues

FINE = {
    "darkest": 0.1, "median": 0.5, "brightest": 0.9, "brightness": 0.5, "saturation": 0.3, "sharpness": 0.6,
    "information": 0.7,
}  # fmt: skip


def one(**changes):
    return Measures(**{**FINE, **changes})


@pytest.mark.parametrize(
    ("changes", "issues"),
    [
        pytest.param({}, [], id="fine"),
        pytest.param({"brightest": 0.33}, [], id="dim"),
        pytest.param({"brightest": 0.31}, ["dark"], id="very-dark"),
        pytest.param({"median": 0.0, "darkest": 0.0}, [], id="a-bright-thing-on-black"),
        pytest.param({"darkest": 0.79}, [], id="light"),
        pytest.param({"darkest": 0.81}, ["bright"], id="very-bright"),
        pytest.param({"median": 1.0, "brightest": 1.0}, [], id="a-dark-thing-on-white"),
        pytest.param({"sharpness": 0.31}, [], id="soft"),
        pytest.param({"sharpness": 0.29}, ["blurred"], id="blurred"),
        pytest.param({"information": 0.016}, [], id="little-to-see"),
        pytest.param({"information": 0.014}, ["low_information"], id="nothing-to-see"),
        pytest.param({"information": 0.0, "sharpness": 0.1}, ["low_information"], id="empty-is-not-called-blurred"),
        pytest.param({"darkest": 0, "brightest": 0, "information": 0}, ["dark", "low_information"], id="black"),
        pytest.param({"darkest": 1, "brightest": 1, "information": 0}, ["bright", "low_information"], id="white"),
    ],
)
def test_measures(changes, issues):
    found = image_issues([one(), one(**changes)], np.array([400, 400]), np.array([300, 300]))
    assert tuple(found) == ISSUES
    assert [name for name, issue in found.items() if issue.is_issue[1]] == issues
    assert not any(issue.is_issue[0] for issue in found.values())


def sizes_and_one(sizes, odd):
    widths, heights = np.array([*sizes, odd]).T
    return image_issues([one()] * len(widths), widths, heights)


PHONE = [(400, 533), (533, 400), (400, 711), (400, 400)] * 10
CAMERAS = [(640, 480), (6000, 4000), (1200, 900), (4000, 3000)] * 10
SAME = [(348, 348)] * 40


@pytest.mark.parametrize(
    ("others", "size", "issues"),
    [
        pytest.param(PHONE, (400, 534), [], id="like-the-others"),
        pytest.param(PHONE, (1000, 800), [], id="four-times-the-area"),
        pytest.param(PHONE, (3000, 2200), ["odd_size"], id="thirty-times-the-area"),
        pytest.param(PHONE, (100, 100), ["odd_size"], id="a-twentieth-of-the-area"),
        pytest.param(CAMERAS, (400, 300), [], id="wide-range-of-sizes"),
        pytest.param(CAMERAS, (63, 80), ["odd_size"], id="tiny-among-a-wide-range"),
        pytest.param(CAMERAS, (64, 80), [], id="small-among-a-wide-range"),
        pytest.param(SAME, (350, 348), [], id="all-the-same-but-for-two-pixels"),
        pytest.param(SAME, (348, 800), [], id="all-the-same-but-for-an-oblong-one"),
        pytest.param(SAME, (348, 900), ["odd_aspect_ratio"], id="all-square-but-for-a-long-one"),
        pytest.param([(900, 348)] * 40, (900, 348), [], id="all-long"),
        pytest.param([(900, 348)] * 40, (348, 900), ["odd_aspect_ratio"], id="upright-among-long-ones"),
        pytest.param([(900, 100)] * 40, (900, 100), ["odd_aspect_ratio"], id="extreme-as-all-the-others"),
        pytest.param([], (400, 300), [], id="alone"),
        pytest.param([(400, 300)] * 5, (4000, 3000), [], id="too-few-to-tell"),
        pytest.param([], (40, 30), ["odd_size"], id="alone-and-tiny"),
        pytest.param([], (2000, 300), ["odd_aspect_ratio"], id="alone-and-a-ribbon"),
        pytest.param([(400, 300)] * 9, (1, 1), ["odd_size"], id="one-pixel"),
    ],
)
def test_sizes(others, size, issues):
    found = sizes_and_one(others, size)
    assert [name for name, issue in found.items() if issue.is_issue[-1]] == issues


@pytest.mark.parametrize(
    ("changes", "issue", "score"),
    [
        pytest.param({"brightest": 0.0}, "dark", 0.0, id="black"),
        pytest.param({"brightest": 0.32}, "dark", 0.5, id="at-the-threshold"),
        pytest.param({"brightest": 0.16}, "dark", 0.25, id="half-the-threshold"),
        pytest.param({"brightest": 0.64}, "dark", 1.0, id="twice-the-threshold"),
        pytest.param({"brightest": 1.0}, "dark", 1.0, id="more"),
        pytest.param({"darkest": 0.9}, "bright", 0.25, id="bright"),
        pytest.param({"sharpness": 0.15}, "blurred", 0.25, id="blurred"),
        pytest.param({"information": 0.003}, "low_information", 0.1, id="empty"),
    ],
)
def test_scores(changes, issue, score):
    found = image_issues([one(**changes)], np.array([400]), np.array([300]))[issue]
    assert (found.score.dtype, found.is_issue.dtype) == (np.float32, np.bool_)
    assert found.score[0] == pytest.approx(score)
    assert found.is_issue[0] == (score < 0.5)


def test_no_images():
    found = image_issues([], np.empty(0, int), np.empty(0, int))
    assert all(issue.score.shape == (0,) for issue in found.values())


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="2 measures, 1 widths and 2 heights"):
        image_issues([one(), one()], np.array([1]), np.array([1, 2]))
