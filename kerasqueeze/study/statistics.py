"""What the figures of a few seeds and some thousand photos can and cannot tell."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats


class Interval(NamedTuple):
    """An estimate with the limits of its 95 % interval."""

    estimate: float
    low: float
    high: float


def wilson(share: float, photos: int) -> Interval:
    """Return Wilson's score interval of a share of `photos` (J. Am. Stat. Assoc. 22, 1927).

    It covers the chance of which photos are in the test half, not that of the seed.
    """
    right = round(share * photos)
    limits = stats.binomtest(right, photos).proportion_ci(method="wilson")
    return Interval(right / photos, float(limits.low), float(limits.high))


def over_seeds(values: Sequence[float]) -> Interval:
    """Return the mean over seeds with Student's t interval; the limits are NaN for a single seed."""
    sample = np.asarray(values, dtype=float)
    mean = float(sample.mean())
    if len(sample) < 2:
        return Interval(mean, math.nan, math.nan)
    half = float(stats.t.ppf(0.975, len(sample) - 1) * sample.std(ddof=1) / math.sqrt(len(sample)))
    return Interval(mean, mean - half, mean + half)


def verdict(a: str, b: str, values_a: dict[int, float], values_b: dict[int, float], metric: str) -> str:
    """Say in a sentence whether arm `a` is better than arm `b`, by their results for the same seeds.

    The interval is Student's t over the differences of the seeds that both arms have: with few seeds its assumption
    (differences that are about normal) cannot be checked, but a bootstrap of two or three values is no better.

    Args:
        a: Name of the first arm.
        b: Name of the second arm.
        values_a: The first arm's result by seed.
        values_b: The second arm's.
        metric: Name of the result, higher being better.
    """
    seeds = sorted(values_a.keys() & values_b.keys())
    if not seeds:
        return f"undecided: {a} and {b} have no seed in common."
    difference = over_seeds([values_a[seed] - values_b[seed] for seed in seeds])
    if len(seeds) == 1:
        return (
            f"undecided: {metric} differs by {difference.estimate:+.4f} ({a} minus {b}) for the one seed that both "
            "have, and one seed does not show how much seeds differ."
        )
    limits = f"{difference.estimate:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]"
    if difference.low <= 0 <= difference.high:
        return f"undecided: {metric} of {a} minus {b} is {limits} over {len(seeds)} seeds; the interval contains 0."
    better, worse = (a, b) if difference.estimate > 0 else (b, a)
    return f"{better} is better than {worse}: {metric} of {a} minus {b} is {limits} over {len(seeds)} seeds."
