"""Intervals against closed forms, tables and simulation; verdicts in words."""

import math

import numpy as np
import pytest

from kerasqueeze.study.statistics import over_seeds, verdict, wilson


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


def test_over_seeds_covers_the_mean_in_95_of_100_studies():
    rng = np.random.default_rng(0)
    intervals = [over_seeds(rng.normal(0.6, 0.01, 3)) for _ in range(2000)]
    assert 0.935 < np.mean([found.low <= 0.6 <= found.high for found in intervals]) < 0.965


def test_one_seed_has_no_interval():
    found = over_seeds([0.5])
    assert found.estimate == 0.5
    assert math.isnan(found.low) and math.isnan(found.high)


def test_verdicts():
    steady = {0: 0.60, 1: 0.61, 2: 0.62}
    above = {seed: value + 0.05 + 0.001 * seed for seed, value in steady.items()}
    noisy = {0: 0.55, 1: 0.66, 2: 0.63}
    assert verdict("a", "b", above, steady, "accuracy").startswith(
        "a is better than b: accuracy of a minus b is +0.0510"
    )
    assert verdict("a", "b", steady, above, "accuracy").startswith(
        "b is better than a: accuracy of a minus b is -0.0510"
    )
    assert verdict("a", "b", noisy, steady, "accuracy").startswith("undecided")
    assert "the interval contains 0" in verdict("a", "b", noisy, steady, "accuracy")
    assert "one seed" in verdict("a", "b", {0: 0.9}, {0: 0.1}, "accuracy")
    assert "no seed in common" in verdict("a", "b", {0: 0.9}, {1: 0.1}, "accuracy")
