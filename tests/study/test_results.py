"""Tables, verdicts and pictures out of files as a run leaves them."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kerasqueeze import history
from kerasqueeze.errors import UserError
from kerasqueeze.study import plots, results


def make(
    out, name, seeds, *, optimizer="adam", weights="none", accuracy=0.5, epochs=4, photos=200, outcome="overfitting"
):
    rows = [
        dict.fromkeys(history.COLUMNS, 1 / epoch) | {"seed": seed, "epoch": epoch}
        for seed in seeds
        for epoch in range(1, epochs + 1)
    ]
    history.write_csv(history.csv_path(out, name), pd.DataFrame(rows, columns=list(history.COLUMNS)))
    runs = {
        str(seed): {
            "outcome": outcome,
            "epochs": epochs,
            "best_epoch": 3,
            "seconds": 10.0,
            "test": {"photos": photos, "accuracy": accuracy + 0.01 * seed, "precision": 0.4, "recall": 0.3},
        }
        for seed in seeds
    }
    record = {
        "experiment": {
            "name": name,
            "dataset": "digits",
            "model": "squeezenet1_1",
            "weights": weights,
            "optimizer": optimizer,
            "image_size": 32,
        },
        "data": {"name": "digits", "fingerprint": "f", "classes": 10, "train": 9, "validation": 9, "test": photos},
        "runs": runs,
    }
    history.write_json(history.json_path(out, name), record)


def test_the_table_holds_each_experiment_once(tmp_path):
    make(tmp_path, "one", [0], accuracy=0.5)
    make(tmp_path, "two", [0, 1, 2], optimizer="amsgrad", weights="imagenet", accuracy=0.6)
    table = results.write_summary(tmp_path)
    written = pd.read_csv(tmp_path / "CSV" / "summary.csv")
    assert written["experiment"].tolist() == ["one", "two"]
    assert written["accuracy"].tolist() == [0.5, 0.61]
    assert written["interval"].tolist() == ["Wilson over photos", "t over seeds"]
    assert written["accuracy_low"][0] == pytest.approx(0.43136, abs=1e-4)  # Wilson's limit of 100 in 200
    text = results.markdown(table)
    assert text.startswith("| Model | Initialisation | Optimizer | Accuracy | Precision | Recall |")
    assert "| SqueezeNet 1.1 | random | Adam | 0.500 [0.431, 0.569] | 0.400 | 0.300 | 1 | digits, 32 px, 200 |" in text
    assert "| SqueezeNet 1.1 | pretrained | AMSGrad | 0.610 [" in text


def test_limits_stay_within_what_a_share_can_be(tmp_path):
    make(tmp_path, "x", [0, 1, 9], accuracy=0.9)
    (row,) = results.summarise(results.read_all(tmp_path)).to_dict("records")
    assert row["accuracy_high"] == 1.0
    assert 0.8 < row["accuracy_low"] < 0.9


def test_an_experiment_without_a_finished_seed_is_left_out_of_the_table(tmp_path):
    make(tmp_path, "done", [0])
    make(tmp_path, "begun", [])
    assert results.write_summary(tmp_path)["experiment"].tolist() == ["done"]
    with pytest.raises(UserError, match="has no finished seed"):
        results.read(tmp_path, "begun")


def test_rows_of_unfinished_seeds_are_not_read(tmp_path):
    make(tmp_path, "x", [0, 1])
    path = history.json_path(tmp_path, "x")
    record = json.loads(path.read_text())
    del record["runs"]["1"]
    path.write_text(json.dumps(record))
    assert set(results.read(tmp_path, "x").rows["seed"]) == {0}


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    make(tmp_path, "x", [0])
    frame = history.read_csv(history.csv_path(tmp_path, "x"))
    history.write_csv(history.csv_path(tmp_path, "x"), frame[frame["epoch"] < 3])
    with pytest.raises(UserError, match="do not agree on seed 0"):
        results.read(tmp_path, "x")


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(UserError, match=r"no history at .*nothing\.csv; run the experiment first"):
        results.read(tmp_path, "nothing")
    make(tmp_path, "x", [0])
    history.json_path(tmp_path, "x").write_text("{")
    with pytest.raises(UserError, match="is not JSON"):
        results.read(tmp_path, "x")
    history.csv_path(tmp_path, "x").write_text("")
    with pytest.raises(UserError, match="is not a CSV file"):
        results.read(tmp_path, "x")


def test_compare_says_what_differs_and_warns_of_runs_that_say_nothing(tmp_path):
    make(tmp_path, "a", [0, 1, 2])
    make(tmp_path, "b", [0, 1, 2], optimizer="amsgrad", outcome="never started")
    text = results.compare(results.read(tmp_path, "a"), results.read(tmp_path, "b"))
    assert "undecided" in text
    assert "The arms differ in: optimizer." in text
    assert "b seed 1 never started" in text


def test_compare_refuses_other_photos(tmp_path):
    make(tmp_path, "a", [0])
    make(tmp_path, "b", [0], photos=100)
    with pytest.raises(UserError, match="not run on the same photos: test differ"):
        results.compare(results.read(tmp_path, "a"), results.read(tmp_path, "b"))


def test_pictures_are_whole_and_differ_in_grey(tmp_path):
    make(tmp_path, "a", [0, 1])
    make(tmp_path, "b", [0], accuracy=0.1)
    pair = [results.read(tmp_path, name) for name in ("a", "b")]
    path = plots.combined_path(tmp_path, "a", "b")
    plots.draw(pair, path)
    plots.draw(pair[:1], plots.single_path(tmp_path, "a"))
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["a.png", "a_VS_b_combined.png"]
    grey = np.asarray(Image.open(path).convert("L"))
    assert grey.shape[1] > 3 * grey.shape[0]
    assert grey.min() < 100 < 250 < grey.max()


def test_arms_are_told_apart_without_colour():
    """The two styles differ in line and marker, and in lightness (WCAG relative luminance) too."""

    def luminance(color):
        channels = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    first, second = plots.ARMS
    assert first["linestyle"] != second["linestyle"]
    assert first["marker"] != second["marker"]
    assert abs(luminance(first["color"]) - luminance(second["color"])) > 0.05


def test_three_arms_are_refused(tmp_path):
    make(tmp_path, "a", [0])
    with pytest.raises(UserError, match="expected one or two"):
        plots.draw([results.read(tmp_path, "a")] * 3, tmp_path / "x.png")
