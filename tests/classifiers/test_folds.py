"""The folds: every class spread evenly, no group torn, the same every time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gingham.classifiers.folds import stratified_group_folds


def counts(fold: Any, label: Any, folds: int) -> Any:
    table = np.zeros((folds, label.max() + 1), int)
    np.add.at(table, (fold, label), 1)
    return table


@pytest.mark.parametrize("sizes", [(50, 50), (51, 33, 17), (100, 4, 1), (2, 2, 2), (1, 1, 1, 1, 1)])
def test_single_rows_are_level_within_a_class_and_over_all(sizes: tuple[int, ...]) -> None:
    label = np.repeat(np.arange(len(sizes)), sizes)
    table = counts(stratified_group_folds(label, None, 5, 0), label, 5)
    assert (np.ptp(table, axis=0) <= 1).all()
    assert np.ptp(table.sum(axis=1)) <= 1


def test_single_rows_level_what_groups_left_uneven() -> None:
    label = np.repeat([0, 1], 100)
    group = np.arange(200)
    group[:7], group[100:113] = 0, 100
    table = counts(stratified_group_folds(label, np.unique(group, return_inverse=True)[1], 5, 0), label, 5)
    assert (np.ptp(table, axis=0) <= 1).all()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_groups_are_whole_and_no_fold_is_empty(data: st.DataObject) -> None:
    n = data.draw(st.integers(2, 60))
    group = np.unique(data.draw(st.lists(st.integers(0, 20), min_size=n, max_size=n)), return_inverse=True)[1]
    label = np.unique(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)), return_inverse=True)[1]
    number = int(group.max()) + 1
    if number < 2:
        return
    folds = data.draw(st.integers(2, min(5, number)))
    fold = stratified_group_folds(label, group, folds, 0)
    assert set(fold) == set(range(folds))
    for g in range(number):
        assert len(set(fold[group == g])) == 1


def test_groups_of_one_size_are_dealt_evenly() -> None:
    label = np.repeat(np.arange(3), 60)
    table = counts(stratified_group_folds(label, np.arange(180) // 4, 5, 0), label, 5)
    assert (table == 12).all()


def test_a_seed_means_one_deal() -> None:
    label, group = np.arange(100) % 3, np.arange(100) // 2
    one, again, other = (stratified_group_folds(label, group, 5, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
