"""Verdicts in words, against scipy."""

import numpy as np
import pytest
from scipy import stats
from synthetic import edit, make

from kerasqueeze import history
from kerasqueeze.study import verdicts
from kerasqueeze.study.results import read

ARM = [0.60, 0.62, 0.64]


def arms(out, a, b, *, epochs_b=4, **second):
    """Write two arms with these test accuracies by seed, predictions left out, and read them."""
    for name, values, more in (("a", a, {}), ("b", b, {"optimizer": "amsgrad", "epochs": epochs_b} | second)):
        make(out, name, list(range(len(values))), predictions=False, **more)

        def change(record, values=values):
            for seed, value in enumerate(values):
                record["runs"][str(seed)]["test"]["accuracy"] = value

        edit(history.json_path(out, name), change)
    return read(out, "a"), read(out, "b")


def test_pairs_are_judged_by_their_differences(tmp_path):
    b = [0.55, 0.571, 0.589]
    found = verdicts.judge(*arms(tmp_path, ARM, b))
    limits = stats.ttest_rel(ARM, b).confidence_interval(0.95)
    assert found.how == "paired" and not found.reasons
    assert found.words == (
        f"a is better than b by 0.0500 [{limits.low:.4f}, {limits.high:.4f}] in accuracy (paired t over 3 seeds)."
    )
    other = verdicts.judge(*arms(tmp_path / "other", b, ARM))
    assert other.words == found.words.replace("a is better than b", "b is better than a")


def test_an_interval_around_0_is_undecided(tmp_path):
    found = verdicts.judge(*arms(tmp_path, ARM, [0.64, 0.60, 0.62]))
    assert found.words.startswith("undecided: the interval contains 0: accuracy of a minus b is +0.0000 [-0.0")
    assert any(line.startswith("Smallest difference these seeds could have shown") for line in found.details())


def test_what_is_not_paired_is_judged_by_welch_and_says_so(tmp_path):
    b = [0.40, 0.41, 0.45]
    found = verdicts.judge(*arms(tmp_path, ARM, b, weights="imagenet"))
    limits = stats.ttest_ind(ARM, b, equal_var=False).confidence_interval(0.95)
    assert (found.interval.low, found.interval.high) == pytest.approx((limits.low, limits.high))
    assert "(Welch's t over 3 seeds and 3 seeds)" in found.words
    assert found.details()[0] == "Not paired: initial weights differ (seeds 0, 1, 2)."


def test_a_control_is_a_fixed_number(tmp_path):
    found = verdicts.judge(*arms(tmp_path, ARM, [0.5], epochs_b=0))
    limits = stats.ttest_1samp(ARM, 0.5).confidence_interval(0.95)
    assert found.interval == pytest.approx((0.12, limits.low - 0.5, limits.high - 0.5))
    assert found.words.startswith("a is above b by 0.1200 [")
    assert found.words.endswith("(one-sample t of 3 seeds against the fixed number of b).")
    below = verdicts.judge(*arms(tmp_path / "below", ARM, [0.8], epochs_b=0))
    assert below.words.startswith("a is below b by 0.1800 [")


def test_the_control_comes_second_whatever_the_order(tmp_path):
    a, b = arms(tmp_path, ARM, [0.5, 0.5], epochs_b=0)
    assert verdicts.judge(b, a) == verdicts.judge(a, b)


def test_one_seed_without_predictions_is_undecided(tmp_path):
    found = verdicts.judge(*arms(tmp_path, [0.9], [0.1]))
    assert found.kind == "undecided"
    assert found.words == (
        "undecided: accuracy of a minus b is +0.8000. One seed of a and b leaves open how much another seed would "
        "change; two more would show it."
    )


def test_where_one_seed_leaves_no_interval_the_photos_decide(tmp_path):
    make(tmp_path, "a", [0, 1, 2], accuracy=0.9, weights="imagenet")
    make(tmp_path, "b", [0], accuracy=0.3)
    a, b = read(tmp_path, "a"), read(tmp_path, "b")
    first, second = a.right(0), b.right(0)
    assert first is not None and second is not None
    p = stats.binomtest(int(np.sum(first & ~second)), int(np.sum(first ^ second))).pvalue
    assert p < 1e-4
    for found in (verdicts.judge(a, b), verdicts.judge(b, a)):
        assert found.kind == ("better" if found.a == "a" else "worse")
        assert found.words.startswith(f"a is better than b on these photos, by {first.mean() - second.mean():.4f} [")
        assert "(seed 0, McNemar's exact test, p < 0.0001): the photos decide between these networks." in found.words
        assert "One seed of b leaves open how much another seed would change" in found.words


def test_photos_that_do_not_tell_two_networks_apart_leave_it_undecided(tmp_path):
    make(tmp_path, "a", [0], accuracy=0.6)
    make(tmp_path, "b", [0], accuracy=0.6, optimizer="amsgrad")
    found = verdicts.judge(read(tmp_path, "a"), read(tmp_path, "b"))
    assert found.photos[0].p > 0.05
    assert found.kind == "undecided"
    assert "and the photos do not tell these networks apart. One seed of a and b leaves open" in found.words


def test_a_difference_within_the_margin_is_equivalent(tmp_path):
    a, b = [0.7300, 0.7312, 0.7295], [0.7302, 0.7308, 0.7297]
    found = verdicts.judge(*arms(tmp_path, a, b))
    differences = np.subtract(a, b)
    p = max(
        stats.ttest_1samp(differences, -0.005, alternative="greater").pvalue,
        stats.ttest_1samp(differences, 0.005, alternative="less").pvalue,
    )
    narrow = stats.ttest_rel(a, b).confidence_interval(0.90)
    assert found.kind == "equivalent"
    assert found.words.startswith("equivalent within 0.005: accuracy of a minus b is +0.0000 [")
    assert (
        f"90 % [{narrow.low:+.4f}, {narrow.high:+.4f}] (paired t over 3 seeds; two one-sided tests, p = {p:.3g})."
        in (found.words)
    )
    assert verdicts.judge(*arms(tmp_path, a, b), margin=0.0005).kind == "undecided"


def test_better_by_less_than_the_margin_says_so(tmp_path):
    found = verdicts.judge(*arms(tmp_path, [0.7321, 0.7333, 0.7311], [0.73, 0.731, 0.7291]))
    assert found.kind == "better"
    assert found.words.startswith("a is better than b by 0.0021 [")
    assert found.words.endswith("(paired t over 3 seeds), but by less than the margin of 0.005.")


def test_undecided_says_how_many_more_seeds_would_decide(tmp_path):
    a, b = [0.60, 0.62, 0.64], [0.61, 0.615, 0.63]
    spread = np.std(np.subtract(a, b), ddof=1)
    found = verdicts.compare(*arms(tmp_path, a, b), margin=0.01)
    needed = int(found.split("To decide a difference of 0.01, ")[1].split()[0])
    normal = (stats.norm.ppf(0.95) + stats.norm.ppf(0.9)) ** 2 * spread**2 / 0.01**2
    assert normal < needed < normal + 4
    assert f"{needed} seeds an arm are needed, about {needed - 3} more" in found


def test_mcnemar_is_of_matched_seeds(tmp_path):
    make(tmp_path, "a", [0, 1, 7], accuracy=0.9)
    make(tmp_path, "b", [0, 1], accuracy=0.5)
    make(tmp_path, "control", [0], accuracy=0.4, weights="imagenet", epochs=0)
    a, b, control = (read(tmp_path, name) for name in ("a", "b", "control"))
    found = verdicts.judge(a, b).photos
    assert list(found) == [0, 1]
    first, second = a.right(1), b.right(1)
    assert first is not None and second is not None
    assert found[1].only_a == np.sum(first & ~second)
    against = verdicts.judge(a, control)
    assert list(against.photos) == [0, 1, 7]
    assert "Photos, seed 7: a alone is right on" in "\n".join(against.details())


def test_two_controls_are_told_apart_by_photos(tmp_path):
    make(tmp_path, "a", [0], accuracy=0.9, weights="imagenet", epochs=0)
    make(tmp_path, "b", [0], accuracy=0.3, weights="imagenet", epochs=0)
    found = verdicts.judge(read(tmp_path, "a"), read(tmp_path, "b"))
    assert found.how == "photos"
    assert found.words.startswith("a is better than b by")


def test_compare_names_the_settings_and_warns_of_runs_that_say_nothing(tmp_path):
    make(tmp_path, "a", [0, 1, 2], outcome="ran all epochs", epochs=1)
    make(tmp_path, "b", [0, 1, 2], optimizer="amsgrad", outcome="never started", epochs=1)
    text = verdicts.compare(read(tmp_path, "a"), read(tmp_path, "b"))
    assert "The arms differ in: optimizer." in text
    assert "b seed 1 never started" in text
    assert "a seed 2 was still improving at its last epoch, 1." in text
