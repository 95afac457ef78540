"""What is left of a study, in which order, and how long it may take."""

import subprocess
import sys
from pathlib import Path

import made_up
import pytest

from kerasqueeze import history
from kerasqueeze.study import schedule
from kerasqueeze.training.experiment import Experiment

A = Experiment(name="a", about="", dataset="digits", epochs=4, image_size=32)
B = Experiment(name="b", about="", dataset="digits", epochs=9, image_size=64)
CONTROL = Experiment(name="control", about="", dataset="digits", epochs=0)
SCRIPT = Path(__file__).parents[2] / "scripts" / "study.py"


def finish(out, experiment, seed, seconds):
    path = history.json_path(out, experiment.name)
    record = history.read_json(path) if path.exists() else made_up.record(experiment)
    record["runs"][str(seed)] = made_up.run(seconds=seconds)
    history.write_json(path, record)


def names(runs):
    return [str(run) for run in runs]


def test_pairs_come_first_and_the_control_once():
    expected = ["control seed 3", "a seed 3", "b seed 3", "a seed 1", "b seed 1"]
    assert names(schedule.runs([CONTROL, A, B], [3, 1])) == expected


def test_what_is_finished_is_not_run_again(tmp_path):
    study = schedule.runs([A, B], [0, 1])
    finish(tmp_path, A, 0, 60)
    ran, told = [], []

    def train(experiment, seed):
        ran.append(f"{experiment.name} seed {seed}")
        finish(tmp_path, experiment, seed, 120)

    assert schedule.carry_out(study, tmp_path, train, told.append) == 3
    assert ran == ["b seed 0", "a seed 1", "b seed 1"]
    assert told[0].startswith("1 of 4 runs finished, 3 left")
    assert told[-1] == "4 of 4 runs finished, 0 left"
    assert schedule.carry_out(study, tmp_path, train, told.append) == 0


def test_runs_of_other_settings_are_not_this_studys(tmp_path):
    finish(tmp_path, A, 0, 60)
    assert names(schedule.left(schedule.runs([A, A.override(epochs=5)], [0]), tmp_path)) == ["a seed 0"]
    weights = A.override(weights="/elsewhere/w.pth")
    finish(tmp_path / "named", A.override(weights="w.pth"), 0, 60)
    assert schedule.left(schedule.runs([weights], [0]), tmp_path / "named") == []


def test_a_stop_ends_the_study_where_it_is(tmp_path):
    def train(experiment, seed):
        finish(tmp_path, experiment, seed, 1)
        if seed:
            raise KeyboardInterrupt

    study = schedule.runs([A], [0, 1, 2])
    with pytest.raises(KeyboardInterrupt):
        schedule.carry_out(study, tmp_path, train, lambda line: None)
    assert names(schedule.left(study, tmp_path)) == ["a seed 2"]


def test_the_time_is_that_of_the_same_or_scaled_from_alike():
    run = schedule.PlannedRun(B, 5)
    assert schedule.seconds(run, []) is None
    assert schedule.seconds(run, [(B, 100.0), (B, 300.0), (A, 7.0)]) == 200
    assert schedule.seconds(run, [(A, 10.0)]) == pytest.approx(10 * (10 * 64**2) / (5 * 32**2))
    assert schedule.seconds(run, [(A.override(dataset="folder"), 10.0)]) is None


def test_the_outlook_says_how_long(tmp_path):
    finish(tmp_path, A, 0, 3600)
    text = schedule.outlook(schedule.runs([A, B.override(dataset="folder")], [0, 1]), tmp_path)
    assert "a seed 1: about 1 h 00 min" in text
    assert "b seed 0: no run of it yet to tell the time by" in text
    assert "together about 1 h 00 min, and 2 that nothing is known of" in text


def test_the_command_says_what_is_left(tmp_path):
    command = [sys.executable, str(SCRIPT), "--dry-run", "--out", str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    assert said.startswith("0 of 6 runs finished, 6 left\n  digits_scratch_adam seed 0:")
    wrong = subprocess.run([*command, "--exp", "nothing"], capture_output=True, text=True, timeout=120)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
