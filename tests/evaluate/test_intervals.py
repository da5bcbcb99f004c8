"""The intervals: against SciPy, at the edges, and how often they hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, norm
from scipy.stats import t as student

from gingham.evaluate.intervals import (
    auc_interval,
    bootstrap_sums,
    mean_interval,
    paired_difference_interval,
    resamples_within_budget,
    small_sample_factor,
    sum_interval,
    wilson_interval,
)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("hits", "n"), [(0, 1), (1, 1), (0, 20), (20, 20), (99, 107), (1, 10_000)])
def test_wilson_is_scipys(hits: int, n: int, confidence: float) -> None:
    low, high = wilson_interval(hits, n, confidence)
    expected = binomtest(hits, n).proportion_ci(confidence, method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= low <= hits / n <= high <= 1


def test_wilson_of_nothing_knows_nothing() -> None:
    assert [float(end) for end in wilson_interval(0, 0)] == [0.0, 1.0]


@pytest.mark.parametrize("auc", [0.0, 0.5, 0.9, 1.0])
def test_auc_interval_solves_its_equation(auc: float) -> None:
    m, n, z = 12.0, 50.0, 1.959963984540054
    low, high = (float(end[0]) for end in auc_interval([auc], [m], [n]))
    assert 0 <= low <= auc <= high <= 1
    assert high - low > 0.05
    size = (m + n) / 2 - 1
    for end in {low, high} - {0.0, 1.0, auc}:
        if 0 < end < 1 - 1e-9:
            variance = end * (1 - end) * (1 + size * ((1 - end) / (2 - end) + end / (1 + end))) / (m * n)
            assert abs(end - auc) == pytest.approx(z * variance**0.5, rel=1e-6)


def test_mean_of_one_is_its_own_interval() -> None:
    ends = mean_interval(np.array([0.7]), np.array([0.4]), np.array([0.9]))
    assert ends == pytest.approx((0.4, 0.9))


@pytest.mark.parametrize(
    "recalls",
    [
        pytest.param((0.9, 0.95, 0.92), id="good"),
        pytest.param((1.0, 0.995, 0.99), id="near the ceiling"),
        pytest.param((0.5, 0.2, 0.9), id="uneven"),
    ],
)
def test_class_averaged_interval_holds_the_truth(recalls: tuple[float, ...]) -> None:
    rng = np.random.default_rng(0)
    sizes = np.array([31, 28, 48])
    held = 0
    for _ in range(1000):
        hits = rng.binomial(sizes, recalls)
        low, high = mean_interval(hits / sizes, *wilson_interval(hits, sizes))
        held += low <= np.mean(recalls) <= high
    assert held >= 900


@pytest.mark.parametrize(("gained", "lost", "n"), [(0, 0, 22), (0, 1, 22), (9, 4, 76), (3, 0, 3), (0, 11, 11)])
def test_a_paired_difference_is_bonett_and_prices(gained: int, lost: int, n: int) -> None:
    low, high = paired_difference_interval(gained, lost, n)
    more, less = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    half = 1.959963984540054 * ((more + less - (more - less) ** 2) / (n + 2)) ** 0.5
    assert (low, high) == pytest.approx((max(-1, more - less - half), min(1, more - less + half)))
    assert low <= (gained - lost) / n <= high
    assert paired_difference_interval(lost, gained, n) == pytest.approx((-high, -low))


def test_a_paired_difference_on_no_image_may_be_anything() -> None:
    assert paired_difference_interval(0, 0, 0) == (-1.0, 1.0)


@pytest.mark.parametrize("n", [11, 22, 76])
@pytest.mark.parametrize(("gained", "lost"), [(0.0, 0.05), (0.02, 0.02), (0.05, 0.1), (0.1, 0.0), (0.15, 0.15)])
def test_a_paired_difference_holds_the_truth(n: int, gained: float, lost: float) -> None:
    drawn = np.random.default_rng(0).multinomial(n, (gained, lost, 1 - gained - lost), size=3000)
    ends = np.array([paired_difference_interval(int(more), int(less), n) for more, less, _ in drawn])
    held = (ends[:, 0] <= gained - lost) & (gained - lost <= ends[:, 1])
    assert held.mean() >= 0.94  # 95 % but for a point


def test_a_sum_of_two_is_no_narrower_than_either() -> None:
    low, high = sum_interval(0.9, (0.8, 0.95), 0.05, (-0.1, 0.1))
    assert (low, high) == pytest.approx((0.95 - (0.1**2 + 0.15**2) ** 0.5, 0.95 + (0.05**2 + 0.05**2) ** 0.5))


def test_bootstrap_draws_inside_strata_with_replacement() -> None:
    rng = np.random.default_rng(1)
    strata = np.array([2, 0, 0, 2, 0, 2, 2, 1])
    values = np.column_stack([np.ones(8), rng.normal(size=8)])
    cells = np.column_stack([strata, np.zeros(8, dtype=np.intp)])
    sums = bootstrap_sums(values, cells, strata, n_cells=3, resamples=4000, rng=rng)
    assert (sums[:, 0] == [3, 1, 4]).all()
    total = sums[:, 1, 0]
    spread = sum(values[strata == k, 1].var() * (strata == k).sum() for k in range(3))
    assert total.mean() == pytest.approx(values[:, 1].sum(), abs=4 * (spread / 4000) ** 0.5)
    assert total.var() == pytest.approx(spread, rel=0.1)


def test_bootstrap_in_one_cell_equals_many() -> None:
    values = np.random.default_rng(2).normal(size=(50, 1))
    strata = np.arange(50) % 4
    none = np.zeros((50, 1), dtype=np.intp)
    one, many = (
        bootstrap_sums(values, none, strata, n_cells=k, resamples=20, rng=np.random.default_rng(3)) for k in (1, 5)
    )
    np.testing.assert_allclose(one[:, 0, 0], many[:, 0].sum(axis=1))


@pytest.mark.parametrize("confidence", [0.8, 0.95])
@pytest.mark.parametrize("n", [2, 10, 500])
def test_widened_spread_is_students(n: int, confidence: float) -> None:
    values = np.random.default_rng(4).normal(size=n)
    low, high = student.interval(confidence, n - 1, values.mean(), values.std(ddof=1) / n**0.5)
    z = norm.ppf((1 + confidence) / 2)
    half = small_sample_factor(n, confidence) * z * values.std() / n**0.5
    assert half == pytest.approx((high - low) / 2)


def test_resamples_are_never_more_than_wanted() -> None:
    assert resamples_within_budget(100, 10**7) == 100
