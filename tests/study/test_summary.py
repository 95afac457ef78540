"""The results table as CSV and Markdown."""

import math

import numpy as np
import pandas as pd
import pytest
from synthetic import edit, make, study

from kerasqueeze import history
from kerasqueeze.study import results, summary


def rows(out):
    return {row["experiment"]: row for row in summary.write_summary(out).to_dict("records")}


def test_each_experiment_is_there_once_with_limits_of_its_kind(tmp_path):
    study(tmp_path)
    found = rows(tmp_path)
    written = pd.read_csv(tmp_path / "CSV" / "summary.csv")
    assert written["experiment"].tolist() == sorted(found)
    arm = found["fine_tuning_adam"]
    assert (arm["seeds"], arm["interval"], arm["outcome"]) == (3, "t over seeds", "overfitting/overfitting/overfitting")
    for metric in ("accuracy", "top5", "precision", "recall"):
        values = list(results.read(tmp_path, "fine_tuning_adam").test(metric).values())
        half = 4.302652729911275 * np.std(values, ddof=1) / math.sqrt(3)
        assert arm[f"{metric}_low"] == pytest.approx(np.mean(values) - half)
    single = found["scratch_adam"]
    assert single["interval"] == "over photos: Wilson, bootstrap"
    assert single["precision_low"] < single["precision"] < single["precision_high"]


def test_the_control_is_named_and_the_arms_are_held_against_it(tmp_path):
    study(tmp_path)
    found = rows(tmp_path)
    control, arm, scratch = found["zero_training"], found["fine_tuning_adam"], found["scratch_adam"]
    assert (control["outcome"], control["control"], control["head"]) == ("not trained", "", "imagenet_slice")
    assert arm["control"] == "zero_training" and arm["against_control"] == "above"
    assert arm["control_difference"] == pytest.approx(arm["accuracy"] - control["accuracy"])
    assert arm["control_low"] == pytest.approx(arm["accuracy_low"] - control["accuracy"])
    assert scratch["against_control"] == "undecided" and math.isnan(scratch["control_low"])
    assert scratch["control_difference"] == pytest.approx(scratch["accuracy"] - control["accuracy"])


def test_markdown(tmp_path):
    study(tmp_path)
    text = summary.markdown(summary.summarise(results.read_all(tmp_path)))
    assert text.startswith("| Model | Initialisation | Optimizer | Accuracy | Precision | Recall |")
    assert "| SqueezeNet 1.1 | pretrained | none, not trained | 0." in text
    assert "| the control itself | any | stanford_dogs, 32 px, 90 |" in text
    assert "| SqueezeNet 1.1 | random | Adam | 0." in text
    assert "], above | 3 |" in text
    assert len({line.count("|") for line in text.splitlines()}) == 1


def test_without_a_control_the_table_says_so(tmp_path):
    make(tmp_path, "x", [0])
    assert "| no control |" in summary.markdown(summary.summarise(results.read_all(tmp_path)))


def test_a_control_of_the_same_size_comes_first_and_one_of_other_photos_never(tmp_path):
    for name, size, photos in (("a", 64, 90), ("b", 32, 90), ("c", 32, 60)):
        make(tmp_path, name, [0], weights="imagenet", epochs=0, image_size=size, photos=photos)
    make(tmp_path, "arm", [0, 1])
    assert rows(tmp_path)["arm"]["control"] == "b"
    make(tmp_path, "large", [0, 1], image_size=64)
    assert rows(tmp_path)["large"]["control"] == "a"


def test_limits_stay_within_what_a_share_can_be(tmp_path):
    make(tmp_path, "x", [0, 1, 2], accuracy=0.97, photos=12)
    row = rows(tmp_path)["x"]
    assert row["accuracy_high"] == 1.0
    assert 0 < row["accuracy_low"] < 1


def test_older_records_have_wilsons_limits_alone(tmp_path):
    make(tmp_path, "x", [0], predictions=False, code=None)
    edit(history.json_path(tmp_path, "x"), lambda record: record["runs"]["0"]["test"].pop("top5"))
    row = rows(tmp_path)["x"]
    assert math.isnan(row["precision_low"]) and "top5" not in row
    assert row["accuracy_low"] < row["accuracy"] < row["accuracy_high"]
