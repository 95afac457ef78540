"""What so many seeds, or so many photos, can show, and how many more would decide."""

import math

from scipy import optimize, stats

from kerasqueeze.study.statistics import LEVEL, Difference

POWER = 0.8
"""How probable it should be that a difference which is there is shown."""
MOST_SEEDS = 10_000


def detectable_over_seeds(difference: Difference) -> float:
    """Return the smallest true difference that as many seeds would show with 80 % power at the two-sided 5 % level.

    It is the one at which the noncentral t distribution, with the observed standard error and degrees of freedom, lies
    beyond the critical values with probability 0.8. With few seeds that error is itself uncertain: an order of
    magnitude, not a figure to two places. NaN for a single seed.
    """
    error, freedom = difference.error, difference.freedom
    if not freedom or math.isnan(error):
        return math.nan
    critical = stats.t.ppf(1 - LEVEL / 2, freedom)
    shift = optimize.brentq(lambda shift: _power_to_differ(shift, freedom) - POWER, 0.0, 4 * critical + 10)
    return error * float(shift)


def detectable_over_photos(discordant: float, photos: int) -> float:
    """Return the smallest true difference in accuracy that McNemar's test would show with 80 % power at the 5 % level.

    Inverts the sample size of Connor (Biometrics 43, 1987): with the share of discordant photos p and the difference d,
    d sqrt(N) = z(0.975) sqrt(p) + z(0.8) sqrt(p - d^2). NaN if no difference up to p would show.

    Args:
        discordant: Share of the photos that one network alone has right, 0 to 1.
        photos: Number of photos N.
    """
    normal, power = stats.norm.ppf(1 - LEVEL / 2), stats.norm.ppf(POWER)

    def lacking(difference: float) -> float:
        spread = math.sqrt(max(0.0, discordant - difference**2))
        return difference * math.sqrt(photos) - normal * math.sqrt(discordant) - power * spread

    if discordant <= 0 or lacking(discordant) < 0:
        return math.nan
    return float(optimize.brentq(lacking, 0.0, discordant))


def seeds_to_decide(difference: Difference, margin: float) -> int | None:
    """Return how many seeds an arm would tell a difference of the margin from none, with 80 % power either way.

    So many that the t-test would show a true difference of `margin`, and that the two one-sided tests would show
    equivalence if there were no difference at all, if seeds differ by as much as those that were run. At most
    `MOST_SEEDS`; None where a single seed does not show by how much.
    """
    if math.isnan(difference.spread):
        return None
    if not difference.spread:
        return 2

    def is_enough(seeds: int) -> bool:
        freedom = difference.growth * (seeds - 1)
        shift = min(40.0, margin * math.sqrt(seeds) / difference.spread)
        return min(_power_to_differ(shift, freedom), _power_to_equal(shift, freedom)) >= POWER

    low, high = 1, 2
    while high < MOST_SEEDS and not is_enough(high):
        low, high = high, min(2 * high, MOST_SEEDS)
    while high - low > 1:  # not enough at `low`, enough at `high`
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high


def _power_to_differ(shift: float, freedom: float) -> float:
    """Return the power of the two-sided t-test; `shift` is the true difference over its standard error.

    The tail on the other side is left out: at 80 % power it is below 1e-6 of the whole.
    """
    return float(stats.nct.sf(stats.t.ppf(1 - LEVEL / 2, freedom), freedom, shift))


def _power_to_equal(shift: float, freedom: float) -> float:
    """Return the power of the two one-sided tests where there is no difference; `shift` is the margin over its error.

    By Bonferroni's inequality from that of either test, which is exact where it matters, near 80 %.
    """
    return max(0.0, 2 * float(stats.nct.sf(stats.t.ppf(1 - LEVEL, freedom), freedom, shift)) - 1)
