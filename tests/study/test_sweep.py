"""Sweeps: grid, table, best rates and their warnings, the expected best, on points as a run leaves them."""

import itertools
import math

import made_up
import numpy as np
import pandas as pd
import pytest

from kerasqueeze import history
from kerasqueeze.errors import UserError
from kerasqueeze.study import sweep
from kerasqueeze.training.experiment import Experiment

ADAM = Experiment(name="adam", about="", dataset="digits", epochs=3)
AMSGRAD = ADAM.override(name="amsgrad", optimizer="amsgrad")
RATES = [1e-4, 1e-3, 1e-2]


def accuracy_of(experiment, seed):
    """The best rate is 1e-3 for Adam and 1e-2, the edge, for AMSGrad."""
    distance = abs(math.log10(experiment.learning_rate) + (3 if experiment.optimizer == "adam" else 2))
    return 0.9 - 0.2 * distance + 0.01 * seed


class Trainer:
    """Stands for `runner.run`: leaves a run of three epochs, the second the best, and skips what is there."""

    def __init__(self, fingerprint="f", diverged=(), stop_after=math.inf):
        self.calls, self.fingerprint, self.diverged, self.stop_after = [], fingerprint, diverged, stop_after

    def __call__(self, experiment, seeds, *, out):
        path = history.json_path(out, experiment.name)
        runs = history.read_json(path)["runs"] if path.exists() else {}
        rows = [history.read_csv(path.with_suffix(".csv"))] if path.exists() else []
        for seed in seeds:
            if str(seed) in runs:
                continue
            if len(self.calls) >= self.stop_after:
                raise KeyboardInterrupt
            self.calls.append((experiment.name, experiment.learning_rate, seed))
            broken = experiment.learning_rate in self.diverged
            accuracy = accuracy_of(experiment, seed)
            rows += [pd.DataFrame([self.row(seed, epoch, accuracy, broken) for epoch in (1, 2, 3)])]
            outcome = "diverged" if broken else "overfitting"
            runs[str(seed)] = made_up.run(outcome=outcome, best_epoch=0 if broken else 2)
        history.write_csv(path.with_suffix(".csv"), pd.concat(rows))
        history.write_json(path, made_up.record(experiment, runs, fingerprint=self.fingerprint))

    def row(self, seed, epoch, accuracy, broken):
        best = epoch == 2
        values = {"accuracy_val": accuracy if best else 0.1, "loss_val": 1 - accuracy if best else 2.0}
        if broken:
            values["loss_val"] = math.nan
        return dict.fromkeys(history.COLUMNS, 0.0) | {"seed": seed, "epoch": epoch} | values


def test_a_grid_is_even_in_its_logarithm():
    assert sweep.log_grid(1e-5, 1e-2, 7) == [1e-5, 3.162e-5, 1e-4, 3.162e-4, 1e-3, 3.162e-3, 1e-2]
    assert sweep.parse_rates("1e-3,0.0001") == [1e-4, 1e-3]


@pytest.mark.parametrize("limits", [(1e-3, 1e-4, 3), (0.0, 0.1, 3), (1e-3, 2.0, 3), (1e-3, 1e-2, 1)])
def test_impossible_grids_are_named(limits):
    with pytest.raises(UserError, match=r"no grid of . learning rates from .*; expected at least 2 points"):
        sweep.log_grid(*limits)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1e-3,fast", "'1e-3,fast' is not a list of learning rates"),
        ("1e-3,1e-3", "learning rates 0.001, 0.001: expected numbers above 0, at most 1, each once"),
        ("nan", "learning rates nan"),
    ],
)
def test_bad_rates_are_named(text, said):
    with pytest.raises(UserError, match=said):
        sweep.parse_rates(text)


def test_the_table_holds_every_point(tmp_path):
    train = Trainer()
    table = sweep.run([ADAM, AMSGRAD], RATES, [0, 1], train, tmp_path)
    assert len(train.calls) == len(table) == 12
    written = pd.read_csv(tmp_path / "CSV" / "sweep.csv")
    assert tuple(written.columns) == sweep.COLUMNS
    row = written[(written["experiment"] == "adam") & (written["learning_rate"] == 1e-3)].iloc[1]
    assert (row["seed"], row["epoch"], row["outcome"]) == (1, 2, "overfitting")
    assert row["accuracy_val"] == pytest.approx(0.91) and row["loss_val"] == pytest.approx(0.09)
    assert (row["epochs"], row["steps"], row["epochs_run"]) == (3, 9, 3)  # 100 photos, 32 a step
    assert (tmp_path / "sweep" / "adam" / "lr_0.001" / "CSV" / "adam.csv").exists()


def test_a_sweep_goes_on_where_it_was_broken_off(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        sweep.run([ADAM, AMSGRAD], RATES, [0], Trainer(stop_after=3), tmp_path)
    assert len(pd.read_csv(tmp_path / "CSV" / "sweep.csv")) == 3
    train = Trainer()
    table = sweep.run([ADAM, AMSGRAD], RATES, [0], train, tmp_path)
    assert train.calls == [("amsgrad", 1e-3, 0), ("adam", 1e-2, 0), ("amsgrad", 1e-2, 0)]
    whole = sweep.run([ADAM, AMSGRAD], RATES, [0], Trainer(), tmp_path / "other")
    pd.testing.assert_frame_equal(table, whole)


def test_more_rates_extend_the_table(tmp_path):
    sweep.run([ADAM], RATES, [0], Trainer(), tmp_path)
    table = sweep.run([ADAM], [1e-1], [0], Trainer(), tmp_path)
    assert table["learning_rate"].tolist() == [*RATES, 1e-1]


def test_unequal_budgets_are_refused_before_training(tmp_path):
    train = Trainer()
    with pytest.raises(UserError, match="adam has epochs=3 and amsgrad epochs=4; a sweep compares at equal budgets"):
        sweep.run([ADAM, AMSGRAD.override(epochs=4)], RATES, [0], train, tmp_path)
    sweep.run([ADAM], RATES, [0], train, tmp_path)
    done = len(train.calls)
    with pytest.raises(UserError, match="has image_size=64 and adam image_size=128"):
        sweep.run([AMSGRAD.override(image_size=64)], RATES, [0], train, tmp_path)
    assert len(train.calls) == done
    with pytest.raises(UserError, match="has photos='f' and amsgrad photos='g'"):
        sweep.run([AMSGRAD], RATES, [0], Trainer(fingerprint="g"), tmp_path)


def test_the_best_rate_and_the_edge_are_told(tmp_path):
    table = sweep.run([ADAM, AMSGRAD], RATES, [0, 1], Trainer(), tmp_path)
    assert sweep.best(table)["learning_rate"].tolist() == [1e-3, 1e-2]
    (warning,) = sweep.edge_warnings(table)
    assert warning == (
        "warning: amsgrad is best at 0.01, the edge of its grid; its best rate may be higher: add higher rates"
    )
    assert "| adam | 0.001 | 0.905 | 0.095 | 3 | 2 |" in sweep.markdown(table)


def test_a_single_rate_is_both_edges(tmp_path):
    (warning,) = sweep.edge_warnings(sweep.run([ADAM], [1e-3], [0], Trainer(), tmp_path))
    assert "may be lower or higher" in warning


def test_rates_without_all_seeds_are_left_out(tmp_path):
    sweep.run([ADAM], RATES, [0], Trainer(), tmp_path)
    table = sweep.run([ADAM], RATES[:2], [1], Trainer(), tmp_path)
    assert sweep.trials(table)["learning_rate"].tolist() == RATES[:2]


def test_a_run_that_diverged_at_once_counts_as_guessing(tmp_path):
    table = sweep.run([ADAM], RATES, [0], Trainer(diverged=[1e-2]), tmp_path)
    assert table["accuracy_val"].isna().tolist() == [False, False, True]
    worst = sweep.trials(table).iloc[2]
    assert (worst["accuracy_val"], worst["loss_val"]) == pytest.approx((0.1, math.log(10)))


@pytest.mark.parametrize("count", [1, 2, 5, 7])
def test_expected_best_is_the_mean_over_all_subsets(count):
    values = np.random.default_rng(count).normal(size=count).round(1).tolist()  # rounded: ties
    every = [np.mean([max(chosen) for chosen in itertools.combinations(values, k)]) for k in range(1, count + 1)]
    np.testing.assert_allclose(sweep.expected_best(values), every, rtol=1e-12, atol=1e-12)
