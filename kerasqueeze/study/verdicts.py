"""One experiment against another, in words: who is better, by how much, and what could not have been seen.

There are four verdicts: better, worse, equivalent (the difference is shown to be smaller than a margin that was stated
before), and undecided. Where a single seed leaves no interval over seeds, the photos may still decide between the two
networks that there are.
"""

import math
from dataclasses import dataclass, field

from kerasqueeze.study import power, statistics
from kerasqueeze.study.pairing import check_same_photos, name_seeds, why_not_paired
from kerasqueeze.study.results import Result
from kerasqueeze.study.statistics import LEVEL, MARGIN, Difference, Equivalence, Interval, McNemar
from kerasqueeze.training.experiment import completed

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
        margin: A difference in the metric below which both count as equivalent.
    """

    a: str
    b: str
    metric: str
    how: str
    seeds: tuple[list[int], list[int]]
    reasons: list[str]
    difference: Difference
    photos: dict[int, McNemar] = field(default_factory=dict)
    margin: float = MARGIN

    @property
    def interval(self) -> Interval:
        """The difference with its 95 % interval."""
        return self.difference.interval

    @property
    def equivalence(self) -> Equivalence:
        """The two one-sided tests against the margin."""
        return statistics.equivalence(self.difference, self.margin)

    @property
    def by_photos(self) -> McNemar | None:
        """The test of photos that decides where seeds cannot: the least clear of several that agree; else None."""
        tests = list(self.photos.values())
        if not math.isnan(self.interval.low) or self.metric != "accuracy" or not tests:
            return None
        agree = len({test.only_a > test.only_b for test in tests}) == 1
        least = max(tests, key=lambda test: test.p)
        return least if agree and least.p < LEVEL else None

    @property
    def kind(self) -> str:
        """`"better"` or `"worse"`, of `a`; `"equivalent"` or `"undecided"`."""
        if self.interval.decided or self.by_photos:
            return "better" if self.interval.estimate > 0 else "worse"
        return "equivalent" if self.equivalence.shown else "undecided"

    @property
    def method(self) -> str:
        """How the interval was made."""
        first, second = (name_seeds(seeds) if len(seeds) == 1 else f"{len(seeds)} seeds" for seeds in self.seeds)
        both = first if self.how in ("paired", "fixed") else f"{first} and {second}"
        return METHODS[self.how].format(seeds=both, b=self.b)

    @property
    def words(self) -> str:
        """The verdict in a sentence or two."""
        found, equal = self.interval, self.equivalence
        signed = f"{self.metric} of {self.a} minus {self.b} is {found.estimate:+.4f}"
        if math.isnan(found.low):
            return self._words_of_photos() if self.by_photos else self._words_without_interval(signed)
        if not found.decided:
            limits = f"[{found.low:+.4f}, {found.high:+.4f}]"
            if equal.shown:
                return (
                    f"equivalent within {self.margin:g}: {signed} {limits}, 90 % [{equal.low:+.4f}, {equal.high:+.4f}] "
                    f"({self.method}; two one-sided tests, {_p(equal.p)})."
                )
            return f"undecided: the interval contains 0: {signed} {limits} ({self.method})."
        limits = sorted((abs(found.low), abs(found.high)))
        by = f"by {abs(found.estimate):.4f} [{limits[0]:.4f}, {limits[1]:.4f}] in {self.metric} ({self.method})"
        small = f", but by less than the margin of {self.margin:g}" if equal.shown else ""
        if self.how == "fixed":
            return f"{self.a} is {'above' if found.estimate > 0 else 'below'} {self.b} {by}{small}."
        first, second = (self.a, self.b) if found.estimate > 0 else (self.b, self.a)
        return f"{first} is better than {second} {by}{small}."

    def _words_of_photos(self) -> str:
        """Say which networks the photos tell apart, and what that leaves open."""
        test = self.by_photos
        assert test is not None
        first, second = (self.a, self.b) if test.only_a > test.only_b else (self.b, self.a)
        limits = sorted((abs(test.difference.low), abs(test.difference.high)))
        return (
            f"{first} is better than {second} on these photos, by {abs(test.difference.estimate):.4f} "
            f"[{limits[0]:.4f}, {limits[1]:.4f}] in {self.metric} ({name_seeds(list(self.photos))}, McNemar's exact "
            f"test, {_p(test.p)}): the photos decide between these networks. {self._open()}"
        )

    def _words_without_interval(self, signed: str) -> str:
        if self.how == "photos":
            return f"undecided: {signed}, and predictions are not recorded."
        photos = ", and the photos do not tell these networks apart" if self.photos else ""
        return f"undecided: {signed}{photos}. {self._open()}"

    def _open(self) -> str:
        single = [name for name, seeds in zip((self.a, self.b), self.seeds, strict=True) if len(seeds) == 1]
        only = f"One seed of {' and '.join(single)}" if single else "One seed in common"
        return f"{only} leaves open how much another seed would change; two more would show it."

    def details(self) -> list[str]:
        """Return what stands behind the verdict, a sentence each: pairing, power, and McNemar's test of each seed."""
        lines = []
        if self.reasons and self.how == "unpaired":
            lines.append(f"Not paired: {'; '.join(self.reasons)}.")
        smallest = power.detectable_over_seeds(self.difference)
        if self.how != "photos" and not math.isnan(smallest):
            lines.append(
                f"Smallest difference these seeds could have shown (80 % power, two-sided 5 %): {smallest:.4f}."
            )
        if self.kind == "undecided" and self.how != "photos":
            lines += self._more_seeds()
        for seed, test in self.photos.items():
            share = (test.only_a + test.only_b) / test.photos
            smallest = power.detectable_over_photos(share, test.photos)
            said = "" if math.isnan(smallest) else f" Smallest that these photos could have shown: {smallest:.4f}."
            lines.append(f"Photos, seed {seed}: {mcnemar_words(self.a, self.b, test)}{said}")
        return lines

    def _more_seeds(self) -> list[str]:
        """Say how many more seeds would decide."""
        needed = power.seeds_to_decide(self.difference, self.margin)
        if needed is None:
            return []
        there = min(len(seeds) for seeds in self.seeds[: 1 if self.how == "fixed" else 2])
        if needed >= power.MOST_SEEDS:
            return [f"Even {power.MOST_SEEDS} seeds an arm would not decide a difference of {self.margin:g}."]
        more = f"about {needed - there} more" if needed > there else "no more, by luck fewer"
        return [
            f"To decide a difference of {self.margin:g}, {needed} seeds an arm are needed, {more}: they would show it, "
            "or equivalence if there is none, with 80 % power, if seeds differ as much as these."
        ]


def judge(a: Result, b: Result, metric: str = "accuracy", margin: float = MARGIN) -> Verdict:
    """Compare two experiments on the same test photos; within `margin` they count as equivalent.

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
        how, difference = "photos", Difference(over_photos or alone, math.nan, 0)
    elif is_fixed(b, metric):
        how, difference = "fixed", statistics.against(list(first.values()), second[seeds[1][0]])
    elif reasons:
        how, difference = "unpaired", statistics.welch(list(first.values()), list(second.values()))
    else:
        common = sorted(first.keys() & second.keys())
        how, difference, seeds = "paired", statistics.paired(first, second), (common, common)
    return Verdict(a.name, b.name, metric, how, seeds, reasons, difference, photos, margin)


def compare(a: Result, b: Result, margin: float = MARGIN) -> str:
    """Say what the test photos tell of `a` against `b`, and what speaks against reading more into it.

    Raises:
        UserError: If the two were not scored on the same photos.
    """
    verdict = judge(a, b, margin=margin)
    lines = [f"Test accuracy: {verdict.words}", *verdict.details()]
    lines.append(f"The arms differ in: {', '.join(different_settings(a, b)) or 'nothing'}.")
    return "\n".join(lines + [caution for result in (a, b) for caution in cautions(result)])


def is_fixed(result: Result, metric: str = "accuracy") -> bool:
    """Return whether an experiment was only scored and every seed gave the same number."""
    return not result.trained and len(set(result.test(metric).values())) == 1


def different_settings(a: Result, b: Result) -> list[str]:
    """Return the names of the settings in which two experiments differ, without their names.

    What a record is too old to have, has its default, which means what was done before.
    """
    first, second = completed(a.settings), completed(b.settings)
    keys = list(dict.fromkeys([*a.settings, *b.settings]))
    return [key for key in keys if key != "name" and first.get(key) != second.get(key)]


def cautions(result: Result) -> list[str]:
    """Return what speaks against an experiment's figures: runs that never started, diverged or still improved."""
    lines = []
    for seed, run in result.runs.items():
        if run["outcome"] in ("never started", "diverged"):
            lines.append(f"{result.name} seed {seed} {run['outcome']}: its figures say nothing about its settings.")
        elif run["outcome"] == "ran all epochs" and run["best_epoch"] == run["epochs"]:
            lines.append(f"{result.name} seed {seed} was still improving at its last epoch, {run['epochs']}.")
    return lines


def mcnemar_words(a: str, b: str, test: McNemar) -> str:
    """Return McNemar's test of two networks in a sentence."""
    found = test.difference
    return (
        f"{a} alone is right on {test.only_a}, {b} alone on {test.only_b} of {test.photos}; McNemar's exact test "
        f"{_p(test.p)}; difference {found.estimate:+.4f} [{found.low:+.4f}, {found.high:+.4f}]."
    )


def _p(p: float) -> str:
    return f"p = {p:.3g}" if p >= 1e-4 else "p < 0.0001"


def _mcnemar(a: Result, b: Result) -> dict[int, McNemar]:
    """Test the networks of each seed that both have; a fixed experiment has one network for all seeds."""
    found = {}
    for seed in a.runs:
        other = seed if seed in b.runs else min(b.runs) if is_fixed(b) else None
        first, second = a.right(seed), None if other is None else b.right(other)
        if first is not None and second is not None:
            found[seed] = statistics.mcnemar(first, second)
    return found
