from __future__ import annotations

import pytest

from gingham.curate.balance import class_balance


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        pytest.param({}, [], id="no-classes"),
        pytest.param({"a": 20, "b": 500}, [], id="enough"),
        pytest.param({"a": 19, "b": 500}, [("a", 19, 5)], id="one-too-few"),
        pytest.param({"b": 3, "a": 3, "c": 2}, [("c", 2, 1), ("a", 3, 1), ("b", 3, 1)], id="smallest-first"),
        pytest.param({"a": 1, "b": 0}, [("b", 0, 0), ("a", 1, 0)], id="none-to-spare"),
    ],
)  # fmt: skip
def test_small_classes(counts, expected):
    assert [(small.label, small.images, small.test_images) for small in class_balance(counts).small] == expected


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        pytest.param({}, None, id="no-classes"),
        pytest.param({"a": 0, "b": 0}, None, id="no-images"),
        pytest.param({"a": 500}, None, id="one-class"),
        pytest.param({"a": 1000, "b": 100}, None, id="ten-times"),
        pytest.param({"a": 1001, "b": 100}, ("a", "b", 1001, 100), id="more-than-ten-times"),
        pytest.param({"a": 40, "b": 500, "c": 500, "d": 40}, ("b", "a", 500, 40), id="ties-go-by-name"),
        pytest.param({"a": 500, "b": 100, "c": 0}, None, id="empty-classes-make-no-ratio"),
    ],
)
def test_imbalance(counts, expected):
    found = class_balance(counts).imbalance
    assert (found and (found.largest, found.smallest, found.most, found.fewest)) == expected
    if found:
        assert found.share_of_largest == found.most / sum(counts.values())


def test_thresholds_are_parameters():
    found = class_balance({"a": 30, "b": 10}, few=11, ratio=2, test_fraction=0.5)
    assert [(small.label, small.test_images) for small in found.small] == [("b", 5)]
    assert found.imbalance.ratio == 3


@pytest.mark.parametrize(
    ("images", "test", "lowest", "words"),
    [
        pytest.param(19, 5, 0.566, "as low as 57 %", id="19"),
        pytest.param(2, 1, 0.207, "as low as 21 %", id="2"),
        pytest.param(1, 0, 0, "1 image, none of which", id="1"),
        pytest.param(0, 0, 0, "0 images, none of which", id="0"),
    ],
)
def test_what_few_images_mean(images, test, lowest, words):
    (small,) = class_balance({"a": images, "b": 100}).small
    assert (small.test_images, small.lowest_recall) == (test, pytest.approx(lowest, abs=0.001))
    assert words in small.meaning


def test_what_imbalance_means():
    assert "12 times the images of b" in class_balance({"a": 600, "b": 50}).imbalance.meaning
    assert "right in 92 % of the cases" in class_balance({"a": 600, "b": 50}).imbalance.meaning
