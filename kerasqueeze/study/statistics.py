"""What the figures of a few seeds and some thousand photos can and cannot tell.

Two kinds of chance are kept apart. Which seed: Student's t over seeds (`over_seeds`, `paired`, `welch`, `against`).
Which photos are in the test half: Wilson's interval for one network, McNemar's test for two.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

LEVEL = 0.05
"""Of every test, two-sided; an interval leaves out as much."""
MARGIN = 0.005
"""A difference in accuracy that matters to nobody, unless another is stated before the results are seen."""
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
        spread: Standard deviation of the difference of one seed: `error` with n seeds an arm is `spread` / sqrt(n).
        growth: Degrees of freedom of n seeds an arm are `growth` (n - 1).
    """

    interval: Interval
    error: float
    freedom: float
    spread: float = math.nan
    growth: float = 1.0


class Equivalence(NamedTuple):
    """Whether a difference is too small to matter, by two one-sided t-tests.

    Attributes:
        margin: The largest difference that does not matter.
        p: The larger p of both tests; NaN without an error to test by.
        low: Lower limit of the 90 % interval, which lies within the margin when both tests succeed at 5 %.
        high: Its upper limit.
    """

    margin: float
    p: float
    low: float
    high: float

    @property
    def shown(self) -> bool:
        """Whether the difference is shown to be smaller than the margin."""
        return self.p < LEVEL


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
    spread = float(sample.std(ddof=1)) if freedom else math.nan
    error = spread / math.sqrt(len(sample))
    return Difference(_limits(mean, error, freedom), error, freedom, spread)


def welch(a: Sequence[float], b: Sequence[float]) -> Difference:
    """Return the mean of `a` minus that of `b` for seeds that are not matched, with Welch's t interval.

    The degrees of freedom are Welch & Satterthwaite's (Biometrika 34, 1947). An arm of one seed leaves no interval.
    """
    first, second = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    mean = float(first.mean() - second.mean())
    if min(len(first), len(second)) < 2:
        return Difference(_limits(mean, math.nan, 0), math.nan, 0)
    counts, variances = np.array([len(first), len(second)]), np.array([first.var(ddof=1), second.var(ddof=1)])
    shares = variances / counts
    error, spread = float(math.sqrt(shares.sum())), float(math.sqrt(variances.sum()))
    freedom = float(shares.sum() ** 2 / (shares**2 / (counts - 1)).sum()) if error else float((counts - 1).sum())
    growth = float(variances.sum() ** 2 / (variances**2).sum()) if error else 2.0
    return Difference(_limits(mean, error, freedom), error, freedom, spread, growth)


def equivalence(difference: Difference, margin: float = MARGIN) -> Equivalence:
    """Test whether a difference lies within ± `margin` by two one-sided t-tests at 5 % (Schuirmann 1987).

    Both tests succeed exactly when the 90 % interval lies within the margin.

    Args:
        difference: The difference with its standard error and degrees of freedom.
        margin: Above 0, to be stated before the results are seen.
    """
    mean, error, freedom = difference.interval.estimate, difference.error, difference.freedom
    if not freedom or math.isnan(error):
        return Equivalence(margin, math.nan, math.nan, math.nan)
    if not error:
        return Equivalence(margin, float(abs(mean) >= margin), mean, mean)
    p = float(stats.t.sf((margin - abs(mean)) / error, freedom))
    half = float(stats.t.ppf(1 - LEVEL, freedom)) * error
    return Equivalence(margin, p, mean - half, mean + half)


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


def _limits(mean: float, error: float, freedom: float) -> Interval:
    if not freedom or math.isnan(error):
        return Interval(mean, math.nan, math.nan)
    half = float(stats.t.ppf(_T_LIMIT, freedom)) * error
    return Interval(mean, mean - half, mean + half)
