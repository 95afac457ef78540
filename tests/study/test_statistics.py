"""Intervals, tests and detectable differences against scipy, closed forms, tables and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from kerasqueeze.study.power import detectable_over_photos, detectable_over_seeds, seeds_to_decide
from kerasqueeze.study.statistics import (
    Difference,
    Interval,
    against,
    equivalence,
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


@given(values, st.floats(0.001, 0.5))
def test_equivalence_is_scipys_two_one_sided_tests(sample, margin):
    found = equivalence(against(sample, 0.3), margin)
    above = stats.ttest_1samp(sample, 0.3 - margin, alternative="greater").pvalue
    below = stats.ttest_1samp(sample, 0.3 + margin, alternative="less").pvalue
    assert found.p == pytest.approx(max(above, below), abs=1e-12)
    limits = stats.ttest_1samp(sample, 0.3).confidence_interval(0.90)
    assert (found.low + 0.3, found.high + 0.3) == pytest.approx((limits.low, limits.high))
    assert found.shown == (found.p < 0.05)
    if abs(found.p - 0.05) > 1e-9:
        assert found.shown == (-margin < found.low and found.high < margin)


@given(values, values)
def test_equivalence_of_unmatched_arms_is_scipys(a, b):
    found = equivalence(welch(a, b), 0.1)
    above = stats.ttest_ind(np.add(a, 0.1), b, equal_var=False, alternative="greater").pvalue
    below = stats.ttest_ind(np.subtract(a, 0.1), b, equal_var=False, alternative="less").pvalue
    assert found.p == pytest.approx(max(above, below), abs=1e-12)


def test_equivalence_holds_its_level_and_needs_more_than_one_seed():
    """With a true difference as large as the margin, at most 5 of 100 studies may call the arms equivalent."""
    studies = np.random.default_rng(5).normal(0.005, 0.004, (4000, 4))
    assert np.mean([equivalence(against(study, 0.0), 0.005).shown for study in studies]) < 0.06
    assert not equivalence(against([0.5], 0.5), 0.005).shown
    assert equivalence(against([0.5, 0.5], 0.5), 0.005).shown
    assert not equivalence(against([0.5, 0.5], 0.4), 0.005).shown


@pytest.mark.parametrize("spread", [0.002, 0.004, 0.01])
def test_the_seeds_that_decide_do_so_in_80_of_100_studies(spread):
    margin = 0.005
    seeds = seeds_to_decide(Difference(Interval(0.0, -1.0, 1.0), spread, 2, spread), margin)
    assert seeds is not None
    rng = np.random.default_rng(4)
    for count, enough in ((seeds, True), (seeds - 1, False)):
        differ, equal = (rng.normal(true, spread, (20_000, count)) for true in (margin, 0.0))
        shown = np.mean(stats.ttest_1samp(differ, 0.0, axis=1).pvalue < 0.05)
        above = stats.ttest_1samp(equal, -margin, axis=1, alternative="greater").pvalue
        below = stats.ttest_1samp(equal, margin, axis=1, alternative="less").pvalue
        least = min(shown, np.mean(np.maximum(above, below) < 0.05))
        assert least > 0.785 if enough else least < 0.815


def test_the_seeds_that_decide_between_unmatched_arms():
    """Near the normal approximation: n = (z(0.95) + z(0.9))² (s1² + s2²) / margin² for two one-sided tests."""
    rng = np.random.default_rng(6)
    a, b = rng.normal(0, 0.03, 50), rng.normal(0, 0.01, 50)
    seeds = seeds_to_decide(welch(a, b), 0.005)
    normal = (stats.norm.ppf(0.95) + stats.norm.ppf(0.9)) ** 2 * (np.var(a, ddof=1) + np.var(b, ddof=1)) / 0.005**2
    assert seeds == pytest.approx(normal, abs=3)
    assert seeds_to_decide(against([0.5], 0.4), 0.005) is None
    assert seeds_to_decide(against([0.5, 0.5], 0.4), 0.005) == 2
    assert seeds_to_decide(against([0.1, 0.9], 0.4), 1e-5) == 10_000
