"""What the figures of a few seeds and some thousand photos can and cannot tell.

Two kinds of chance are kept apart. Which seed: Student's t over seeds (`over_seeds`, `paired`, `welch`, `against`).
Which photos are in the test half: Wilson's interval for one network, McNemar's test for two.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import optimize, stats

POWER = 0.8
LEVEL = 0.05
_T_LIMIT = 1 - LEVEL / 2


class Interval(NamedTuple):
    """An estimate with the limits of its 95 % interval; limits that cannot be had are NaN."""

    estimate: float
    low: float
    high: float

    @property
    def decided(self) -> bool:
        """Whether the interval exists and does not contain 0."""
        return self.low > 0 or self.high < 0


class Difference(NamedTuple):
    """A difference of means over seeds.

    Attributes:
        interval: The difference with its 95 % interval.
        error: Its standard error; NaN if it cannot be had.
        freedom: Degrees of freedom of the t distribution; 0 if there are none.
    """

    interval: Interval
    error: float
    freedom: float


class McNemar(NamedTuple):
    """Two networks on the same photos.

    Attributes:
        photos: Number of photos N.
        only_a: Photos that the first alone has right.
        only_b: Photos that the second alone has right.
        p: Two-sided p of the exact test.
        difference: Accuracy of the first minus that of the second, with its 95 % interval.
    """

    photos: int
    only_a: int
    only_b: int
    p: float
    difference: Interval


def wilson(share: float, photos: int) -> Interval:
    """Return Wilson's score interval of a share of `photos` (J. Am. Stat. Assoc. 22, 1927).

    It covers the chance of which photos are in the test half, not that of the seed.
    """
    right = round(share * photos)
    limits = stats.binomtest(right, photos).proportion_ci(method="wilson")
    return Interval(right / photos, float(limits.low), float(limits.high))


def over_seeds(values: Sequence[float]) -> Interval:
    """Return the mean over seeds with Student's t interval; the limits are NaN for a single seed."""
    return against(values, 0.0).interval


def paired(a: Mapping[int, float], b: Mapping[int, float]) -> Difference:
    """Return `a` minus `b` over the seeds that both have, with Student's t interval of the paired differences.

    Student's t, not a bootstrap: its assumption (differences that are about normal) cannot be checked with a few seeds,
    but a percentile bootstrap of three values covers far less than the 95 % it claims (tests/study/test_statistics.py).

    Args:
        a: The first arm's result by seed.
        b: The second arm's; at least one seed in common.
    """
    return against([a[seed] - b[seed] for seed in sorted(a.keys() & b.keys())], 0.0)


def against(values: Sequence[float], fixed: float) -> Difference:
    """Return the mean of `values`, one a seed, minus a fixed number, with the one-sample t interval."""
    sample = np.asarray(values, dtype=float)
    mean, freedom = float(sample.mean()) - fixed, len(sample) - 1
    error = float(sample.std(ddof=1)) / math.sqrt(len(sample)) if freedom else math.nan
    return Difference(_limits(mean, error, freedom), error, freedom)


def welch(a: Sequence[float], b: Sequence[float]) -> Difference:
    """Return the mean of `a` minus that of `b` for seeds that are not matched, with Welch's t interval.

    The degrees of freedom are Welch & Satterthwaite's (Biometrika 34, 1947). An arm of one seed leaves no interval.
    """
    first, second = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    mean = float(first.mean() - second.mean())
    if min(len(first), len(second)) < 2:
        return Difference(_limits(mean, math.nan, 0), math.nan, 0)
    shares = np.array([first.var(ddof=1) / len(first), second.var(ddof=1) / len(second)])
    error = float(math.sqrt(shares.sum()))
    lengths = np.array([len(first) - 1, len(second) - 1])
    freedom = float(shares.sum() ** 2 / (shares**2 / lengths).sum()) if error else float(lengths.sum())
    return Difference(_limits(mean, error, freedom), error, freedom)


def mcnemar(right_a: Sequence[bool] | np.ndarray, right_b: Sequence[bool] | np.ndarray) -> McNemar:
    """Compare two networks photo by photo (McNemar, Psychometrika 12, 1947).

    The test is the exact binomial one at any number of discordant photos, so no rule is needed for how few are too
    few. The interval is Bonett & Price's adjusted Wald (J. Educ. Behav. Stat. 37, 2012).

    Args:
        right_a: Whether the first network has each of N photos right, (N,).
        right_b: The same of the second, in the same order.
    """
    first, second = np.asarray(right_a, dtype=bool), np.asarray(right_b, dtype=bool)
    photos, only_a, only_b = len(first), int((first & ~second).sum()), int((second & ~first).sum())
    p = float(stats.binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
    share_a, share_b = (only_a + 1) / (photos + 2), (only_b + 1) / (photos + 2)
    centre = share_a - share_b
    half = stats.norm.ppf(_T_LIMIT) * math.sqrt((share_a + share_b - centre**2) / (photos + 2))
    difference = Interval((only_a - only_b) / photos, float(max(-1, centre - half)), float(min(1, centre + half)))
    return McNemar(photos, only_a, only_b, p, difference)


def detectable_over_seeds(difference: Difference) -> float:
    """Return the smallest true difference that as many seeds would show with 80 % power at the two-sided 5 % level.

    It is the one at which the noncentral t distribution, with the observed standard error and degrees of freedom, lies
    beyond the critical values with probability 0.8. With few seeds that error is itself uncertain: an order of
    magnitude, not a figure to two places. NaN for a single seed.
    """
    error, freedom = difference.error, difference.freedom
    if not freedom or math.isnan(error):
        return math.nan
    critical = stats.t.ppf(_T_LIMIT, freedom)

    def lacking(shift: float) -> float:
        # The tail on the other side is left out: at 80 % power it is below 1e-6 of the whole.
        return float(stats.nct.sf(critical, freedom, shift)) - POWER

    shift = optimize.brentq(lacking, 0.0, 4 * critical + 10)
    return error * float(shift)


def detectable_over_photos(discordant: float, photos: int) -> float:
    """Return the smallest true difference in accuracy that McNemar's test would show with 80 % power at the 5 % level.

    Inverts the sample size of Connor (Biometrics 43, 1987): with the share of discordant photos p and the difference d,
    d sqrt(N) = z(0.975) sqrt(p) + z(0.8) sqrt(p - d^2). NaN if no difference up to p would show.

    Args:
        discordant: Share of the photos that one network alone has right, 0 to 1.
        photos: Number of photos N.
    """
    normal, power = stats.norm.ppf(_T_LIMIT), stats.norm.ppf(POWER)

    def lacking(difference: float) -> float:
        spread = math.sqrt(max(0.0, discordant - difference**2))
        return difference * math.sqrt(photos) - normal * math.sqrt(discordant) - power * spread

    if discordant <= 0 or lacking(discordant) < 0:
        return math.nan
    return float(optimize.brentq(lacking, 0.0, discordant))


def _limits(mean: float, error: float, freedom: float) -> Interval:
    if not freedom or math.isnan(error):
        return Interval(mean, math.nan, math.nan)
    half = float(stats.t.ppf(_T_LIMIT, freedom)) * error
    return Interval(mean, mean - half, mean + half)
