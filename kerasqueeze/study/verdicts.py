"""One experiment against another, in words: who is better, by how much, and what could not have been seen."""

import math
from dataclasses import dataclass, field

from kerasqueeze.study import statistics
from kerasqueeze.study.pairing import check_same_photos, name_seeds, why_not_paired
from kerasqueeze.study.results import Result
from kerasqueeze.study.statistics import Difference, Interval, McNemar

METHODS = {
    "paired": "paired t over {seeds}",
    "unpaired": "Welch's t over {seeds}",
    "fixed": "one-sample t of {seeds} against the fixed number of {b}",
    "photos": "neither was trained, so seeds do not matter: the interval is over photos",
}


@dataclass(frozen=True)
class Verdict:
    """What the test photos say of experiment `a` against experiment `b`.

    Attributes:
        a: Name of the first.
        b: Name of the second.
        metric: Name of the metric, higher being better.
        how: Key of `METHODS`.
        seeds: Seeds that were used, of `a` and of `b`.
        reasons: Why the seeds are not pairs; empty if they are.
        difference: `a` minus `b`.
        photos: McNemar's test by seed of `a`, where predictions are recorded.
    """

    a: str
    b: str
    metric: str
    how: str
    seeds: tuple[list[int], list[int]]
    reasons: list[str]
    difference: Difference
    photos: dict[int, McNemar] = field(default_factory=dict)

    @property
    def interval(self) -> Interval:
        """The difference with its 95 % interval."""
        return self.difference.interval

    @property
    def method(self) -> str:
        """How the interval was made."""
        first, second = (name_seeds(seeds) if len(seeds) == 1 else f"{len(seeds)} seeds" for seeds in self.seeds)
        both = first if self.how in ("paired", "fixed") else f"{first} and {second}"
        return METHODS[self.how].format(seeds=both, b=self.b)

    @property
    def words(self) -> str:
        """The verdict in a sentence."""
        found = self.interval
        signed = f"{self.metric} of {self.a} minus {self.b} is {found.estimate:+.4f}"
        if math.isnan(found.low):
            lacking = "predictions are not recorded" if self.how == "photos" else None
            return f"undecided: {signed}, and {lacking or 'one seed does not show how much seeds differ'}."
        if not found.decided:
            limits = f"[{found.low:+.4f}, {found.high:+.4f}]"
            return f"undecided: the interval contains 0: {signed} {limits} ({self.method})."
        first, second = (self.a, self.b) if found.estimate > 0 else (self.b, self.a)
        limits = sorted((abs(found.low), abs(found.high)))
        by = f"by {abs(found.estimate):.4f} [{limits[0]:.4f}, {limits[1]:.4f}] in {self.metric} ({self.method})."
        if self.how == "fixed":
            return f"{self.a} is {'above' if found.estimate > 0 else 'below'} {self.b} {by}"
        return f"{first} is better than {second} {by}"

    def details(self) -> list[str]:
        """Return what stands behind the verdict, a sentence each: pairing, power, and McNemar's test of each seed."""
        lines = []
        if self.reasons and self.how == "unpaired":
            lines.append(f"Not paired: {'; '.join(self.reasons)}.")
        smallest = statistics.detectable_over_seeds(self.difference)
        if self.how != "photos" and not math.isnan(smallest):
            lines.append(
                f"Smallest difference these seeds could have shown (80 % power, two-sided 5 %): {smallest:.4f}."
            )
        for seed, test in self.photos.items():
            share = (test.only_a + test.only_b) / test.photos
            smallest = statistics.detectable_over_photos(share, test.photos)
            power = "" if math.isnan(smallest) else f" Smallest that these photos could have shown: {smallest:.4f}."
            lines.append(f"Photos, seed {seed}: {mcnemar_words(self.a, self.b, test)}{power}")
        return lines


def judge(a: Result, b: Result, metric: str = "accuracy") -> Verdict:
    """Compare two experiments on the same test photos.

    Seeds that are pairs (`pairing.why_not_paired`) are compared by their differences; seeds that are not, by Welch's t
    over all of each arm. An experiment that was only scored, with the same number whatever the seed, is a fixed number
    that the other's seeds are held against; it becomes `b`.

    Raises:
        UserError: If they were not scored on the same photos, or a score is missing.
    """
    check_same_photos(a, b)
    if is_fixed(a, metric) and not is_fixed(b, metric):
        a, b = b, a
    first, second = a.test(metric), b.test(metric)
    photos = _mcnemar(a, b)
    seeds, reasons = (list(first), list(second)), list(why_not_paired(a, b).values())
    if is_fixed(a, metric) and is_fixed(b, metric):
        over_photos = next(iter(photos.values())).difference if photos and metric == "accuracy" else None
        alone = Interval(first[seeds[0][0]] - second[seeds[1][0]], math.nan, math.nan)
        return Verdict(
            a.name, b.name, metric, "photos", seeds, reasons, Difference(over_photos or alone, math.nan, 0), photos
        )
    if is_fixed(b, metric):
        difference = statistics.against(list(first.values()), second[seeds[1][0]])
        return Verdict(a.name, b.name, metric, "fixed", seeds, reasons, difference, photos)
    if reasons:
        difference = statistics.welch(list(first.values()), list(second.values()))
        return Verdict(a.name, b.name, metric, "unpaired", seeds, reasons, difference, photos)
    common = sorted(first.keys() & second.keys())
    difference = statistics.paired(first, second)
    return Verdict(a.name, b.name, metric, "paired", (common, common), [], difference, photos)


def compare(a: Result, b: Result, margin: float | None = None) -> str:
    """Say what the test photos tell of `a` against `b`, and what speaks against reading more into it.

    Raises:
        UserError: If the two were not scored on the same photos.
    """
    verdict = judge(a, b)
    lines = [f"Test accuracy: {verdict.words}", *verdict.details()]
    lines.append(f"The arms differ in: {', '.join(different_settings(a, b)) or 'nothing'}.")
    return "\n".join(lines + [caution for result in (a, b) for caution in cautions(result)])


def is_fixed(result: Result, metric: str = "accuracy") -> bool:
    """Return whether an experiment was only scored and every seed gave the same number."""
    return not result.trained and len(set(result.test(metric).values())) == 1


def different_settings(a: Result, b: Result) -> list[str]:
    """Return the names of the settings in which two experiments differ, without their names."""
    keys = list(dict.fromkeys([*a.settings, *b.settings]))
    return [key for key in keys if key != "name" and a.settings.get(key) != b.settings.get(key)]


def cautions(result: Result) -> list[str]:
    """Return what speaks against an experiment's figures: runs that never started, diverged or still improved."""
    lines = []
    for seed, run in result.runs.items():
        if run["outcome"] in ("never started", "diverged"):
            lines.append(f"{result.name} seed {seed} {run['outcome']}: its figures say nothing of the treatment.")
        elif run["outcome"] == "ran all epochs" and run["best_epoch"] == run["epochs"]:
            lines.append(f"{result.name} seed {seed} was still improving at its last epoch, {run['epochs']}.")
    return lines


def mcnemar_words(a: str, b: str, test: McNemar) -> str:
    """Return McNemar's test of two networks in a sentence."""
    found = test.difference
    p = f"p = {test.p:.3g}" if test.p >= 1e-4 else "p < 0.0001"
    return (
        f"{a} alone is right on {test.only_a}, {b} alone on {test.only_b} of {test.photos}; McNemar's exact test "
        f"{p}; difference {found.estimate:+.4f} [{found.low:+.4f}, {found.high:+.4f}]."
    )


def _mcnemar(a: Result, b: Result) -> dict[int, McNemar]:
    """Test the networks of each seed that both have; a fixed experiment has one network for all seeds."""
    found = {}
    for seed in a.runs:
        other = seed if seed in b.runs else min(b.runs) if is_fixed(b) else None
        first, second = a.right(seed), None if other is None else b.right(other)
        if first is not None and second is not None:
            found[seed] = statistics.mcnemar(first, second)
    return found
