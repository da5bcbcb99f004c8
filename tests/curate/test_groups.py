from __future__ import annotations

import numpy as np
import pytest

from gingham.curate import (
    DuplicateGroup,
    LabelSuspect,
    duplicate_groups,
    group_images,
    groups_by_folder,
    groups_by_regex,
    label_conflicts,
    label_suspects,
)
from gingham.curate.hamming import distances
from gingham.errors import ConfigError
from gingham.records import ImageFile

ORIGIN = np.random.default_rng(0).integers(256, size=32, dtype=np.uint8)


def near(bits):
    """Return a hash that differs from a fixed one in its first bits."""
    flips = np.zeros(256, np.uint8)
    flips[:bits] = 1
    return (ORIGIN ^ np.packbits(flips)).tobytes()


def image(path, content=None, dhash=None):
    return ImageFile(path, path.split("/")[0], content or path, 10, 10, "JPEG", dhash)


@pytest.mark.parametrize(
    ("files", "extra", "expected"),
    [
        pytest.param([], None, [], id="nothing"),
        pytest.param([image("a/1"), image("a/2")], None, [0, 1], id="strangers"),
        pytest.param([image("a/1", "x"), image("a/2"), image("b/3", "x")], None, [0, 1, 0], id="same-bytes"),
        pytest.param(
            [image("a/1", dhash=near(0)), image("a/2", dhash=near(5)), image("a/3", dhash=near(6))],
            None,
            [0, 0, 0],
            id="near-within-5-or-by-a-chain",
        ),
        pytest.param([image("a/1", dhash=near(0)), image("a/2", dhash=near(6))], None, [0, 1], id="too-far"),
        pytest.param([image("a/1"), image("a/2")], [None, None], [0, 1], id="no-hash-and-no-group-joins-nothing"),
        pytest.param([image("a/1"), image("a/2"), image("a/3")], ["g", None, "g"], [0, 1, 0], id="user's-group"),
        pytest.param(
            [image("a/1", "x"), image("a/2", "x"), image("a/3", dhash=near(1)), image("a/4", dhash=near(2))],
            [None, 7, 7, None],
            [0, 0, 0, 0],
            id="copy-then-user's-group-then-near",
        ),
    ],
)
def test_group_images(files, extra, expected):
    groups = group_images(files, 5, extra)
    assert groups.dtype == np.int64
    assert groups.tolist() == expected


def test_one_user_group_an_image_is_required():
    with pytest.raises(ValueError, match="2 groups"):
        group_images([image("a/1"), image("a/2")], 5, ["g"])


def test_conflict_is_the_same_bytes_under_two_labels():
    files = [image("b/2", "x"), image("a/1", "x"), image("a/3", "y"), image("a/4", "y"), image("c/5", "x")]
    (conflict,) = label_conflicts(files)
    assert conflict.content == "x"
    assert conflict.indices == (1, 0, 4)
    assert conflict.paths == ("a/1", "b/2", "c/5")
    assert conflict.labels == ("a", "b", "c")


def test_suspect_is_a_near_pair_with_two_labels():
    files = [
        image("a/1", dhash=near(0)),
        image("a/2", dhash=near(1)),
        image("b/3", dhash=near(3)),
        image("b/4", dhash=near(100)),
        image("a/5"),
        image("b/6"),
    ]
    assert label_suspects(files, 5) == [
        LabelSuspect(("a/2", "b/3"), ("a", "b"), 2),
        LabelSuspect(("a/1", "b/3"), ("a", "b"), 3),
    ]
    assert label_suspects(files, 1) == []


def test_suspects_leave_out_conflicts_and_what_only_a_chain_connects():
    same = [image("a/1", "x", near(0)), image("b/2", "x", near(0))]
    assert label_suspects(same, 5) == []
    chain = [image("a/1", dhash=near(0)), image("a/2", dhash=near(5)), image("b/3", dhash=near(10))]
    assert [suspect.paths for suspect in label_suspects(chain, 5)] == [("a/2", "b/3")]


def test_suspects_of_a_large_cluster_are_at_most_one_an_image():
    files = [image(f"{'ab'[i % 2]}/{i:04}", dhash=near(i % 4)) for i in range(600)]
    suspects = label_suspects(files, 5)
    assert 0 < len(suspects) <= 600
    assert len({suspect.paths for suspect in suspects}) == len(suspects)


def test_suspects_of_a_huge_cluster_are_a_sample_that_says_so(monkeypatch):
    compared = []

    def counted(left, right):
        compared.append(len(left) * len(right))
        return distances(left, right)

    monkeypatch.setattr("gingham.curate.groups.distances", counted)
    huge = [image(f"{'ab'[i >= 4000]}/{i:05}", dhash=near(i % 4)) for i in range(8000)]
    small = [image("c/1", dhash=near(128)), image("d/2", dhash=near(129))]
    suspects = label_suspects([*huge, *small], 5)
    assert sum(compared) < 2**24 + 10
    assert {(suspect.labels, suspect.sampled) for suspect in suspects} == {(("a", "b"), True), (("c", "d"), False)}
    assert not any(suspect.sampled for suspect in label_suspects(huge[2000:6000], 5))


def test_duplicate_groups_are_listed_largest_first():
    files = [image("a/9", "x"), image("a/1", "x"), image("a/2"), image("a/3"), image("b/4"), image("a/5")]
    assert duplicate_groups(files, np.array([0, 0, 1, 1, 1, 2])) == [
        DuplicateGroup(("a/2", "a/3", "b/4"), exact=False),
        DuplicateGroup(("a/1", "a/9"), exact=True),
    ]


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        pytest.param(1, ["cat/tom", "cat/tom", "cat/tim", None, "dog/tom"], id="below-the-class"),
        pytest.param(2, [None, "cat/tom/day", None, None, None], id="two-below"),
    ],
)
def test_groups_by_folder(level, expected):
    paths = ["cat/tom/1.jpg", "cat/tom/day/1.jpg", "cat/tim/1.jpg", "cat/1.jpg", "dog/tom/1.jpg"]
    assert groups_by_folder(paths, level) == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        pytest.param(r"/(\w+?)_\d", ["tom", "tom", None], id="first-group"),
        pytest.param(r"(\w+)/(?P<group>t)", ["t", "t", None], id="named-group"),
        pytest.param(r"^(cat)?", ["cat", "cat", None], id="group-that-takes-no-part"),
        pytest.param(r"^(c?a?t?)", ["cat", "cat", None], id="group-that-is-empty"),
    ],
)
def test_groups_by_regex(pattern, expected):
    assert groups_by_regex(["cat/tom_1.jpg", "cat/tom_2.jpg", "dog/x.jpg"], pattern) == expected


@pytest.mark.parametrize(
    ("call", "message"),
    [
        pytest.param(lambda p: groups_by_folder(p, 0), "at least 1", id="level-0"),
        pytest.param(lambda p: groups_by_folder(p, 1), "no image lies so many folders below", id="level-too-deep"),
        pytest.param(lambda p: groups_by_regex(p, "(a"), "is not a regular expression", id="regex-broken"),
        pytest.param(lambda p: groups_by_regex(p, "a"), "has no group", id="regex-without-group"),
        pytest.param(
            lambda p: groups_by_regex(p, "(zebra)"), "finds a group in none of the 2 paths", id="regex-matches-none"
        ),
        pytest.param(lambda p: groups_by_regex(p, "(z*)"), "finds a group in none", id="regex-finds-only-nothing"),
    ],
)
def test_user_group_that_cannot_be_meant_is_refused(call, message):
    with pytest.raises(ConfigError, match=message):
        call(["cat/1.jpg", "cat/2.jpg"])
