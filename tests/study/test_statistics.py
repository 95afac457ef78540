"""Intervals, tests and detectable differences against scipy, closed forms, tables and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from kerasqueeze.study.statistics import (
    Difference,
    Interval,
    against,
    detectable_over_photos,
    detectable_over_seeds,
    mcnemar,
    over_seeds,
    paired,
    welch,
    wilson,
)


@pytest.mark.parametrize(("share", "photos"), [(5405 / 8580, 8580), (0.0, 40), (1.0, 12), (0.5, 10)])
def test_wilson_is_the_closed_form(share, photos):
    z = 1.959963984540054
    centre = (share + z**2 / (2 * photos)) / (1 + z**2 / photos)
    half = z / (1 + z**2 / photos) * math.sqrt(share * (1 - share) / photos + z**2 / (4 * photos**2))
    found = wilson(share, photos)
    assert found.low == pytest.approx(max(0, centre - half), abs=1e-9)
    assert found.high == pytest.approx(min(1, centre + half), abs=1e-9)


def test_over_seeds_uses_the_tabled_t():
    found = over_seeds([0.60, 0.62, 0.64])
    half = 4.302652729911275 * 0.02 / math.sqrt(3)  # t of 2 degrees of freedom, two-sided 95 %
    assert found == pytest.approx((0.62, 0.62 - half, 0.62 + half))


def test_over_seeds_covers_the_mean_in_95_of_100_studies_where_a_bootstrap_does_not():
    """Why the intervals are Student's: a percentile bootstrap of three values is far too narrow."""
    rng = np.random.default_rng(0)
    samples = rng.normal(0.6, 0.01, (2000, 3))
    student = [over_seeds(sample) for sample in samples]
    assert 0.935 < np.mean([found.low <= 0.6 <= found.high for found in student]) < 0.965
    means = np.stack([sample[rng.integers(3, size=(400, 3))].mean(axis=1) for sample in samples])
    low, high = np.quantile(means, [0.025, 0.975], axis=1)
    assert np.mean((low <= 0.6) & (high >= 0.6)) < 0.8


def test_one_seed_has_no_interval():
    found = over_seeds([0.5])
    assert found.estimate == 0.5
    assert math.isnan(found.low) and math.isnan(found.high)
    assert not found.decided
    assert math.isnan(detectable_over_seeds(against([0.5], 0.1)))
    assert math.isnan(welch([0.5], [0.1, 0.2]).interval.low)


values = st.lists(st.floats(0, 1), min_size=2, max_size=6).filter(lambda found: np.std(found) > 1e-6)


@given(values, values)
def test_welch_is_scipys(a, b):
    found = welch(a, b)
    expected = stats.ttest_ind(a, b, equal_var=False)
    limits = expected.confidence_interval(0.95)
    assert found.freedom == pytest.approx(expected.df)
    assert (found.interval.low, found.interval.high) == pytest.approx((limits.low, limits.high))


@given(values, st.floats(0, 1))
def test_against_a_fixed_number_is_scipys_one_sample_t(sample, fixed):
    found = against(sample, fixed).interval
    limits = stats.ttest_1samp(sample, fixed).confidence_interval(0.95)
    assert (found.low + fixed, found.high + fixed) == pytest.approx((limits.low, limits.high))


def test_paired_is_scipys_over_the_seeds_in_common():
    a, b = {0: 0.60, 1: 0.64, 2: 0.61, 9: 0.1}, {2: 0.60, 1: 0.61, 0: 0.58, 5: 0.9}
    limits = stats.ttest_rel([a[0], a[1], a[2]], [b[0], b[1], b[2]]).confidence_interval(0.95)
    found = paired(a, b).interval
    assert found == pytest.approx((0.02, limits.low, limits.high))


def test_arms_without_spread_are_decided_by_their_difference():
    assert welch([0.5, 0.5], [0.4, 0.4]).interval.decided
    assert detectable_over_seeds(against([0.5, 0.5], 0.4)) == 0


@pytest.mark.parametrize(("only_a", "only_b"), [(3, 9), (0, 4), (40, 31), (700, 610), (0, 0)])
def test_mcnemar_is_the_binomial_sum(only_a, only_b):
    both, neither = 5, 7
    right_a = [True] * (only_a + both) + [False] * (only_b + neither)
    right_b = [False] * only_a + [True] * (both + only_b) + [False] * neither
    found = mcnemar(right_a, right_b)
    discordant = only_a + only_b
    tail = sum(math.comb(discordant, k) for k in range(min(only_a, only_b) + 1))
    assert (found.only_a, found.only_b, found.photos) == (only_a, only_b, len(right_a))
    assert found.p == pytest.approx(min(1.0, 2 * tail / 2**discordant))
    assert found.difference.estimate == pytest.approx((only_a - only_b) / len(right_a))


def test_mcnemar_nears_the_chi_square_of_many_discordant_photos():
    rng = np.random.default_rng(0)
    right_a, right_b = rng.random(8580) < 0.5, rng.random(8580) < 0.51
    found = mcnemar(right_a, right_b)
    square = (abs(found.only_a - found.only_b) - 1) ** 2 / (found.only_a + found.only_b)  # Edwards' correction
    assert found.p == pytest.approx(stats.chi2.sf(square, 1), abs=1e-3)


def test_the_interval_of_a_photo_difference_covers_it():
    rng = np.random.default_rng(0)
    shares = [0.08, 0.05, 0.4, 0.47]  # the first alone right, the second alone, both, neither
    covered = []
    for counts in rng.multinomial(300, shares, size=1500):
        kinds = np.repeat(np.arange(4), counts)
        found = mcnemar(np.isin(kinds, (0, 2)), np.isin(kinds, (1, 2))).difference
        covered.append(found.low <= 0.03 <= found.high)
    assert 0.935 < np.mean(covered) < 0.97


@pytest.mark.parametrize("seeds", [2, 3, 6])
def test_the_detectable_difference_is_found_in_80_of_100_studies(seeds):
    spread = 0.01
    error = spread / math.sqrt(seeds)
    size = detectable_over_seeds(Difference(Interval(0.0, 0.0, 0.0), error, seeds - 1))
    studies = np.random.default_rng(1).normal(size, spread, (20_000, seeds))
    assert np.mean(stats.ttest_1samp(studies, 0.0, axis=1).pvalue < 0.05) == pytest.approx(0.8, abs=0.015)


def test_the_detectable_difference_of_two_unmatched_arms():
    seeds, spread = 4, 0.02
    error = spread * math.sqrt(2 / seeds)
    size = detectable_over_seeds(Difference(Interval(0.0, 0.0, 0.0), error, 2 * seeds - 2))
    rng = np.random.default_rng(2)
    a, b = rng.normal(size, spread, (20_000, seeds)), rng.normal(0.0, spread, (20_000, seeds))
    assert np.mean(stats.ttest_ind(a, b, axis=1).pvalue < 0.05) == pytest.approx(0.8, abs=0.015)


def test_the_detectable_difference_over_photos_is_found_in_80_of_100_test_halves():
    photos, discordant = 2000, 0.2
    size = detectable_over_photos(discordant, photos)
    only_a, only_b = (discordant + size) / 2, (discordant - size) / 2
    draws = np.random.default_rng(3).multinomial(photos, [only_a, only_b, 1 - discordant], size=4000)
    square = (draws[:, 0] - draws[:, 1]) ** 2 / (draws[:, 0] + draws[:, 1])
    assert np.mean(stats.chi2.sf(square, 1) < 0.05) == pytest.approx(0.8, abs=0.02)
    assert math.isnan(detectable_over_photos(0.0, 100))
    assert math.isnan(detectable_over_photos(0.01, 100))
