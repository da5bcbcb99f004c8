from __future__ import annotations

import hashlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gingham.errors import ConfigError, DataError
from gingham.records import ImageFile
from gingham.split import data_fingerprint, leaks, make_split
from gingham.split import test_fingerprint as fingerprint_of_test


def image(label, number, content=None):
    content = (
        content or hashlib.blake2b(f"{label}/{number}".encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    )
    return ImageFile(f"{label}/{number}.jpg", label, content, 10, 10, "JPEG")


def dataset(group_sizes):
    """Make images from {class: sizes of its groups}; return them and their groups."""
    files, groups, group = [], [], -1
    for label, sizes in group_sizes.items():
        for size in sizes:
            group += 1
            files += [image(label, len(files) + i) for i in range(size)]
            groups += [group] * size
    return files, np.array(groups, np.int64)


def test_shares(files, split):
    total = Counter(file.label for file in files)
    test = Counter(files[i].label for i in split.test)
    return {label: test[label] / total[label] for label in total}


test_shares.__test__ = False


def assigned(files, split):
    return {file.content: side for file, side in zip(files, split.sides.tolist(), strict=True) if side != "none"}


def assert_whole(groups, split):
    assert not set(groups[split.train]) & set(groups[split.test])


@pytest.mark.parametrize("fraction", [0.05, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("group_sizes", "most_off"),
    [
        pytest.param({"a": [1] * 2, "b": [1] * 3, "c": [1] * 5}, 0.5, id="2,-3,-5"),
        pytest.param({"a": [1] * 10, "b": [1] * 33}, 0.5, id="10,-33"),
        pytest.param({"a": [1] * 1000, "b": [1] * 7}, 0.5, id="imbalanced"),
        pytest.param({"a": [1] * 125, "b": [1] * 112, "c": [1] * 191}, 0.5, id="the-sample"),
        pytest.param({"a": [3] * 40, "b": [1] * 20 + [5] * 16}, 1.5, id="groups-of-a-few"),
        pytest.param({"a": [30] + [1] * 100, "b": [20, 10] + [2] * 60}, 1, id="one-big-group"),
        pytest.param({"a": [40, 30, 30], "b": [50, 50], "c": [7] * 9}, 50, id="nothing-but-big-groups"),
        pytest.param({str(c): [1] * (2 + c) for c in range(200)}, 0.5, id="200-classes"),
    ],
)
def test_shares_are_close_and_both_sides_are_supplied(group_sizes, most_off, fraction, seed):
    files, groups = dataset(group_sizes)
    split = make_split(files, groups, test_fraction=fraction, seed=seed)
    assert_whole(groups, split)
    assert set(split.sides.tolist()) == {"train", "test"}
    shares = test_shares(files, split)
    for label, sizes in group_sizes.items():
        total = sum(sizes)
        test = round(shares[label] * total)
        assert 1 <= test <= total - 1
        wanted = min(max(fraction * total, 1), total - 1)
        assert abs(test - wanted) <= most_off


def test_class_of_one_group_trains_and_is_named():
    files, groups = dataset({"ok": [1] * 8, "burst": [6]})
    split = make_split(files, groups)
    assert test_shares(files, split) == {"ok": 0.25, "burst": 0}
    assert any("belong together in burst" in warning for warning in split.warnings)


def test_share_that_big_groups_spoil_is_named():
    files, groups = dataset({"a": [50, 50], "b": [1] * 100})
    (warning,) = make_split(files, groups).warnings
    assert warning.startswith("Of 1 class another share than 25 % is in the test set")
    assert warning.endswith(": a (50 %).")
    assert make_split(*dataset({"a": [1] * 2, "b": [1] * 3})).warnings == ()


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_any_dataset(data):
    """Groups whole, both sides supplied where a class has two groups of its own, whatever the classes share."""
    n = data.draw(st.integers(4, 40))
    labels = data.draw(st.lists(st.sampled_from("abcd"), min_size=n, max_size=n))
    groups = np.array(data.draw(st.lists(st.integers(0, 15), min_size=n, max_size=n)))
    files = [image(label, i) for i, label in enumerate(labels)]
    groups_of = {
        label: {g for g, other in zip(groups.tolist(), labels, strict=True) if other == label} for label in labels
    }
    own = {c: {g for g in groups_of[c] if not any(g in groups_of[d] for d in groups_of if d != c)} for c in groups_of}
    fraction = data.draw(st.sampled_from([0.01, 0.25, 0.6, 0.99]))
    try:
        split = make_split(files, groups, test_fraction=fraction, seed=data.draw(st.integers(0, 3)))
    except DataError:
        assert not any(len(groups) >= 2 for groups in own.values())
        return
    assert_whole(groups, split)
    tested, trained = ({files[i].label for i in side} for side in (split.test, split.train))
    assert trained == set(labels)
    for label in groups_of:
        if len(own[label]) >= 2 or (len(groups_of[label]) >= 2 and all(own[c] == groups_of[c] for c in own)):
            assert label in tested
        if len(groups_of[label]) == 1:
            assert label not in tested


def test_groups_of_several_classes_keep_the_shares():
    """200 people, each with images of two of five classes."""
    rng = np.random.default_rng(0)
    files, groups = [], []
    for person in range(200):
        for label in rng.choice(list("abcde"), 2, replace=False):
            for _ in range(rng.integers(1, 5)):
                files.append(image(label, len(files)))
                groups.append(person)
    groups = np.array(groups)
    for seed in range(5):
        split = make_split(files, groups, seed=seed)
        assert_whole(groups, split)
        assert all(abs(share - 0.25) < 0.05 for share in test_shares(files, split).values())


def test_one_more_group_is_taken_where_that_comes_closer():
    """Ten groups of 7 with 18 wanted: 21 is closer than 14."""
    files, groups = dataset({"a": [7] * 10, "b": [1] * 4})
    assert test_shares(files, make_split(files, groups)) == {"a": 0.3, "b": 0.25}


def test_group_that_helps_one_class_and_spoils_another_trains():
    files = [image("a", i) for i in range(100)] + [image("b", i) for i in range(24)]
    groups = np.arange(len(files))
    groups[100:120] = groups[0]  # one image of a with 20 of the 24 of b
    for seed in range(5):
        split = make_split(files, groups, seed=seed)
        assert split.sides[0] == "train"
        assert test_shares(files, split)["a"] == 0.25


def test_order_names_and_group_numbers_do_not_matter():
    rng = np.random.default_rng(3)
    files, groups = dataset({"a": [1] * 40 + [3] * 5, "b": [2] * 30})
    expected = assigned(files, make_split(files, groups, seed=4))
    for _ in range(5):
        order = rng.permutation(len(files))
        renamed = [image(files[i].label, f"renamed {rng.integers(1e9)}", files[i].content) for i in order]
        numbers = rng.permutation(1000)[groups[order]]
        assert assigned(renamed, make_split(renamed, numbers, seed=4)) == expected


def test_split_is_the_same_in_another_process_and_on_every_machine():
    """The digest is a contract: if it changes, every user's test set changes."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from test_split import *\n"
        "files, groups = dataset({'a': [1] * 50, 'b': [1, 2, 3] * 9})\n"
        "print(fingerprint_of_test(files, make_split(files, groups, seed=7).sides))"
    )
    prints = {
        subprocess.run(
            [sys.executable, "-c", program, str(Path(__file__).parent)],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert prints == {"d35916436a311e13253624a4b7628077"}


def test_seed_changes_the_split():
    files, groups = dataset({"a": [1] * 40, "b": [1] * 40})
    sides = {tuple(make_split(files, groups, seed=seed).sides) for seed in range(10)}
    assert len(sides) == 10


def test_every_image_has_about_the_same_chance_to_test():
    files, groups = dataset({"a": [1] * 40, "b": [1] * 40})
    tested = np.mean([make_split(files, groups, seed=seed).sides == "test" for seed in range(200)], axis=0)
    assert tested.mean() == 0.25
    assert tested.std() < 2 * np.sqrt(0.25 * 0.75 / 200)


def test_images_added_move_none_that_was_assigned():
    files, groups = dataset({"a": [1] * 20, "b": [1] * 12})
    before = make_split(files, groups)
    previous = assigned(files, before)
    new = [image("a", 1000 + i) for i in range(40)] + [image("c", i) for i in range(8)]
    after = make_split(files + new, np.arange(len(files) + len(new)), previous=previous, seed=99)
    assert previous.items() <= assigned(files + new, after).items()
    assert test_shares(files + new, after) == {"a": 0.25, "b": 0.25, "c": 0.25}


@pytest.mark.parametrize("side", ["train", "test"])
def test_a_class_of_which_one_side_is_left_is_drawn_anew(side):
    """Images were relabelled into a class of their own, or the others removed."""
    files, groups = dataset({"a": [1] * 20, "b": [1] * 12, "c": [2] * 4})
    previous = assigned(files, make_split(files, groups))
    previous |= {file.content: side for file in files if file.label == "c"}
    after = make_split(files, groups, previous=previous)
    assert test_shares(files, after) == {"a": 0.25, "b": 0.25, "c": 0.25}
    assert all(previous[file.content] == now for file, now in zip(files, after.sides, strict=True) if file.label != "c")
    (warning,) = after.warnings
    assert warning.startswith("All images of c had been assigned to one side")
    again = make_split(files, groups, previous=assigned(files, after))
    assert (again.sides.tolist(), again.warnings) == (after.sides.tolist(), ())


@pytest.mark.parametrize("sizes", [pytest.param([3], id="one group"), pytest.param([1, 1], id="new images")])
def test_a_class_is_not_drawn_anew_where_that_gains_nothing(sizes):
    files, groups = dataset({"a": [1] * 20, "b": sizes})
    split = make_split(files, groups)
    previous = assigned(files, split)
    if sizes != [3]:
        del previous[files[-1].content]
    after = make_split(files, groups, previous=previous)
    assert not any("anew" in warning for warning in after.warnings)
    assert previous.items() <= assigned(files, after).items()


def test_new_image_joins_the_side_of_its_group():
    files, groups = dataset({"a": [1] * 20, "b": [1] * 20})
    split = make_split(files, groups)
    new = [image("a", 1000 + i) for i in range(len(files))]
    after = make_split(files + new, np.tile(groups, 2), previous=assigned(files, split))
    assert after.sides.tolist() == split.sides.tolist() * 2


def test_new_image_between_the_sides_trains_and_is_reported():
    files, groups = dataset({"a": [1] * 8, "b": [1] * 8})
    split = make_split(files, groups)
    train, test = (next(i for i in side if files[i].label == "a") for side in (split.train, split.test))
    groups = np.append(groups, groups[train])
    groups[test] = groups[train]
    after = make_split([*files, image("a", 99)], groups, previous=assigned(files, split))
    assert after.sides.tolist() == [*split.sides.tolist(), "train"]
    assert after.test[leaks(after, groups)].tolist() == [test]
    assert any(
        "already been split" in warning and files[min(train, test)].path in warning for warning in after.warnings
    )


def test_second_group_of_a_class_gives_it_a_test_image():
    files, groups = dataset({"a": [3], "b": [1] * 8})
    previous = assigned(files, make_split(files, groups))
    after = make_split([*files, image("a", 99)], np.append(groups, 99), previous=previous)
    assert after.sides[-1] == "test"


def test_excluded_images_are_on_no_side_and_count_for_nothing():
    files, groups = dataset({"a": [1] * 12, "b": [1] * 8})
    split = make_split(files, groups, excluded=[0, 1, 2, 3])
    assert split.sides[:4].tolist() == ["none"] * 4
    assert Counter(files[i].label for i in split.test) == {"a": 2, "b": 2}


def test_dedicated_split_overrides_groups_and_names_what_it_leaves_out():
    files, groups = dataset({"a": [2, 1, 1], "b": [1, 1, 1]})
    sides = ["test", "train", "train", "test", "train", "test"]
    dedicated = {file.path: side for file, side in zip(files, sides, strict=False)}
    split = make_split(files, groups, dedicated=dedicated, previous={files[0].content: "train"})
    assert split.sides.tolist() == [*sides, "none"]
    assert leaks(split, groups).tolist() == [True, False, False]
    (warning,) = split.warnings
    assert warning == "1 image of the dataset is not in the given split and is left out: b/6.jpg."


def test_many_classes_are_named_in_one_sentence():
    files, groups = dataset({f"{k:02}": [50, 50] for k in range(20)})
    (warning,) = make_split(files, groups).warnings
    assert "Of 20 classes" in warning
    assert warning.endswith("03 (50 %), 04 (50 %) and 15 more.")


@pytest.mark.parametrize(
    ("sizes", "options", "error", "message"),
    [
        pytest.param({"a": [1] * 4}, {"test_fraction": 0.0}, ConfigError, "between 0 and 1", id="fraction-0"),
        pytest.param({"a": [1] * 4}, {"test_fraction": 1.0}, ConfigError, "between 0 and 1", id="fraction-1"),
        pytest.param({"a": [4], "b": [3]}, {}, DataError, "No image is left to test on", id="one-group-a-class"),
        pytest.param({"a": [1] * 4, "b": [1] * 2}, {"excluded": [4, 5]}, DataError, "left of b", id="class-excluded"),
        pytest.param({"a": [1] * 2}, {"dedicated": {"a/0.jpg": "test"}}, DataError, "left of a", id="nothing-trains"),
        pytest.param({"a": [1] * 2}, {"dedicated": {"a/0.jpg": "train"}}, DataError, "test on", id="nothing-tests"),
        pytest.param({"a": [1] * 2}, {"dedicated": {"a/0.jpg": "val"}}, ValueError, "not val", id="unknown-side"),
        pytest.param({"a": [1] * 2}, {"previous": {"x": "none"}}, ValueError, "not none", id="unknown-previous-side"),
    ],
)
def test_what_cannot_be_split_is_refused(sizes, options, error, message):
    with pytest.raises(error, match=message):
        make_split(*dataset(sizes), **options)


def test_groups_must_match_the_files():
    with pytest.raises(ValueError, match="2 entries"):
        make_split([image("a", 0), image("a", 1)], np.array([0]))


def test_fingerprints_depend_on_contents_and_labels_only():
    files, _ = dataset({"a": [1] * 3, "b": [1]})
    moved = [image(file.label, f"elsewhere {file.path}", file.content) for file in reversed(files)]
    assert data_fingerprint(moved) == data_fingerprint(files)
    relabelled = [*files[:-1], image("a", 9, files[-1].content)]
    assert data_fingerprint(relabelled) != data_fingerprint(files)
    assert data_fingerprint([*files, files[0]]) != data_fingerprint(files)
    assert data_fingerprint(files[1:]) != data_fingerprint(files)


def test_test_fingerprint_sees_the_test_images_only():
    files, _ = dataset({"a": [1] * 4, "\udcff": [1]})
    sides = np.array(["train", "test", "none", "test", "test"])
    expected = fingerprint_of_test(files, sides)
    assert expected == data_fingerprint([files[1], files[3], files[4]])
    assert fingerprint_of_test(files, np.array(["none", "test", "train", "test", "test"])) == expected
    assert fingerprint_of_test(files, np.array(["test", "test", "none", "test", "test"])) != expected
