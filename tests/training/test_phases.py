"""Phases, freezing and kept features: what trains, what stays, and that stopping and keeping change no number."""

import json
import os
import signal

import keras
import numpy as np
import pytest

from kerasqueeze import history
from kerasqueeze.data import datasets
from kerasqueeze.errors import Interrupted, UserError
from kerasqueeze.models import backbones, stages
from kerasqueeze.training import model, optimizers, phases, resume, runner
from kerasqueeze.training.experiment import Experiment
from kerasqueeze.training.optimizers import adam
from kerasqueeze.training.states import States

pytestmark = pytest.mark.usefixtures("quick_compilation")
PLAIN = {"crop_area": 1.0, "flip": False}
TINY = Experiment(
    name="tiny",
    about="",
    dataset="digits",
    image_size=32,
    limit=12,
    batch_size=24,
    learning_rate=3e-3,
    epochs=2,
    dropout=0.2,
    **PLAIN,
)
THREE = "free=head epochs=2; free=fire8 epochs=2 keep_state=true; free=all epochs=1 learning_rate=1e-3"
UNTIMED = list(history.COLUMNS[:-2])


def rows_of(out, name="tiny"):
    return history.read_csv(history.csv_path(out, name))[UNTIMED]


def weights_of(out, name="tiny"):
    return keras.models.load_model(out / "models" / f"{name}_seed0.keras").get_weights()


def test_phases_are_read():
    first, second = phases.of(TINY.override(phases="free=head epochs=2 learning_rate=0.5; free=fire5 epochs=3"))
    assert (first.free, first.epochs, first.settings.learning_rate) == ("head", 2, 0.5)
    assert (second.free, second.epochs, second.settings.learning_rate) == ("fire5", 3, 3e-3)
    assert TINY.override(phases="free=head epochs=2; epochs=3").epochs == 5
    assert [phase.free for phase in phases.of(TINY.override(freeze="all_but_last_stage"))] == ["last_stage"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"phases": "head"}, "'head' is no setting; expected key=value"),
        ({"phases": "free=head epochs=1; "}, "a phase is empty"),
        ({"phases": "free=head epochs=x"}, "epochs='x' is no number"),
        ({"phases": "free=head dropout=0"}, "unknown setting of a phase 'dropout'"),
        ({"phases": "free=head epochs=2", "epochs": 3}, "epochs=3, but the phases have 2 together"),
        ({"phases": "free=head epochs=0"}, "phase 1 has epochs=0"),
        ({"phases": "epochs=1 keep_state=true"}, "true from phase 2 on"),
        ({"phases": "epochs=1; epochs=1 optimizer=sgd keep_state=true"}, "needs the optimizer of the phase before"),
        ({"phases": "epochs=1", "freeze": "backbone"}, "two ways to say the same"),
        ({"freeze": "head"}, "unknown part to freeze 'head'"),
        ({"augment_views": 2, "cache_features": False}, "augment_views needs cache_features"),
        ({"augment_views": 2}, "augment_views does nothing while all layers train"),
        ({"rate_factors": "0.5", "optimizer": "adam_matched"}, "has one rate for all weights"),
    ],
)
def test_phases_that_cannot_be_meant_are_refused(changes, said):
    with pytest.raises(UserError, match=said) as raised:
        TINY.override(**changes)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"phases": "epochs=1; epochs=1 optimizer_options=nope=1"}, "unknown option of adam 'nope'"),
        ({"phases": "epochs=1; epochs=1 optimizer=optax:lbfgs"}, "optax:lbfgs cannot be used here"),
    ],
)
def test_a_later_phases_optimizer_is_refused_before_training(changes, said, tmp_path):
    with pytest.raises(UserError, match=said):
        runner.run(TINY.override(**changes), [0], out=tmp_path)
    assert not list(tmp_path.rglob("*.json"))


def test_a_setting_that_every_phase_has_for_itself_is_not_overridden_in_vain():
    phased = TINY.override(phases="free=head epochs=1 learning_rate=0.1; epochs=1 learning_rate=0.2")
    with pytest.raises(UserError, match="learning_rate does nothing here"):
        phased.override(learning_rate=0.5)
    assert TINY.override(phases="epochs=1 learning_rate=0.1; epochs=1").override(learning_rate=0.5).learning_rate == 0.5


def test_a_stage_that_is_none_is_refused_before_training(tmp_path):
    with pytest.raises(UserError, match=r"unknown stage 'fire99'; choose from: all, conv1, conv10"):
        runner.run(TINY.override(phases="free=fire99 epochs=1"), [0], out=tmp_path)
    assert not list(tmp_path.rglob("*.json")) and not list(tmp_path.rglob("*.keras"))


@pytest.mark.parametrize(
    ("what", "trains"),
    [
        ("head", ["conv10"]),
        ("last_stage", ["fire9", "conv10"]),
        ("fire8", ["fire8", "fire9", "conv10"]),
        ("all", ["conv1", *(f"fire{number}" for number in range(2, 10)), "conv10"]),
    ],
)
def test_stages_train_from_one_on(what, trains):
    network = backbones.build("squeezenet1_1", classes=3, image_size=32)
    assert list(stages.free(network, what)) == trains
    assert list(dict.fromkeys(stages.stage_of(v.path.split("/")[-2]) for v in network.trainable_variables)) == trains


def test_rate_factors_by_stage():
    network = backbones.build("squeezenet1_1", classes=3, image_size=32)
    by_stage = stages.rate_factors(network, "0.5")
    assert by_stage["conv10"] == 1 and by_stage["fire9"] == 0.5 and by_stage["conv1"] == 0.5**9
    named = stages.rate_factors(network, "fire5=0.1, head=2")
    assert (named["conv10"], named["fire9"], named["fire5"], named["conv1"]) == (2, 2, 0.1, 0.1)
    assert stages.rate_factors(network, "") == {}
    for wrong in ("x", "fire99=1", "fire2=-1", "fire2"):
        with pytest.raises(UserError):
            stages.rate_factors(network, wrong)


def test_only_what_is_free_moves_and_has_optimizer_memory(tmp_path):
    data = datasets.load("digits", image_size=32, limit=12)
    _, before = model.training_model(TINY.override(freeze="all_but_last_stage"), data, 0)
    start = {variable.path: np.asarray(variable.value) for variable in before.weights}
    runner.run(TINY.override(freeze="all_but_last_stage"), [0], out=tmp_path)
    trained = keras.models.load_model(tmp_path / "models" / "tiny_seed0.keras")
    for variable, (path, value) in zip(trained.weights, start.items(), strict=True):
        moved = bool((np.asarray(variable.value) != value).any())
        assert moved == (path.split("/")[-2].startswith(("fire9", "conv10"))), path
    assert all(layer.trainable for layer in trained.layers)
    whole, _ = model.training_model(TINY.override(freeze="backbone"), data, 0)
    whole.optimizer.build(whole.trainable_variables)
    moments = [variable for variable in whole.optimizer.variables if "conv" in variable.path or "fire" in variable.path]
    assert sum(int(np.prod(variable.shape)) for variable in moments) == 2 * (512 * 10 + 10)


@pytest.mark.slow
def test_statistics_of_frozen_batch_normalisation_stay(tmp_path):
    data = datasets.load("digits", image_size=32, limit=12)
    settings = TINY.override(model="mobilenet_v2", freeze="backbone", cache_features=False, epochs=1)
    _, network = model.training_model(settings, data, 0)
    start = [np.asarray(variable.value) for variable in network.weights if "moving" in variable.path]
    runner.run(settings, [0], out=tmp_path)
    trained = keras.models.load_model(tmp_path / "models" / "tiny_seed0.keras")
    after = [np.asarray(variable.value) for variable in trained.weights if "moving" in variable.path]
    assert len(after) > 50
    for one, other in zip(start, after, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module")
def never_stopped(tmp_path_factory):
    out = tmp_path_factory.mktemp("never_stopped")
    record = runner.run(TINY.override(phases=THREE), [0], out=out)
    return out, record


def test_the_history_says_the_phase(never_stopped):
    out, record = never_stopped
    assert rows_of(out)["phase"].tolist() == [1, 1, 2, 2, 3]
    assert [phase["free"] for phase in record["runs"]["0"]["phases"]] == ["head", "fire8", "all"]
    assert [phase["epochs"] for phase in record["runs"]["0"]["phases"]] == [2, 2, 1]
    assert [bool(phase["front"]) for phase in record["runs"]["0"]["phases"]] == [True, True, False]


@pytest.mark.parametrize("saved", [3, 11, 13, 17, 23, 25, 28])  # steps, epochs' and phases' ends, each saved once
def test_stopped_in_any_phase(never_stopped, tmp_path, monkeypatch, saved):
    count, write = [0], States.write

    def counted(*state):
        write(*state)
        count[0] += 1
        if count[0] == saved:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(resume, "SAVE_EVERY", -1.0)
    monkeypatch.setattr(States, "write", counted)
    with pytest.raises(Interrupted):
        runner.run(TINY.override(phases=THREE), [0], out=tmp_path)
    runner.run(TINY.override(phases=THREE), [0], out=tmp_path)
    out, record = never_stopped
    np.testing.assert_array_equal(rows_of(tmp_path), rows_of(out))
    for ours, theirs in zip(weights_of(tmp_path), weights_of(out), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    found = history.read_json(history.json_path(tmp_path, "tiny"))["runs"]["0"]
    for key in ("outcome", "best_epoch", "epochs", "test"):
        assert found[key] == record["runs"]["0"][key]
    for key in ("free", "outcome", "epochs"):
        assert [phase[key] for phase in found["phases"]] == [phase[key] for phase in record["runs"]["0"]["phases"]]


def test_the_optimizers_state_is_taken_over():
    """Adam on two weights, then on three: the moments of the two and the count of steps go on."""
    layers = [keras.layers.Dense(1, use_bias=False, name=name) for name in "abc"]
    net = keras.Sequential([keras.Input((1,)), *layers])
    layers[0].trainable = False
    first = adam.ObservedAdam(0.1)
    net.compile(first, "mse")
    net.fit(np.ones((4, 1)), np.zeros(4), epochs=3, verbose=0)
    layers[0].trainable = True
    net.compile(adam.ObservedAdam(0.1), "mse")
    optimizers.take_over(net, first)
    second = net.optimizer
    assert int(second.iterations) == int(first.iterations) == 3
    moments = [np.asarray(variable) for variable in second._momentums]
    assert moments[0] == 0
    np.testing.assert_array_equal(moments[1:], [np.asarray(variable) for variable in first._momentums])


def test_old_histories_are_in_phase_one(tmp_path):
    old = ",".join(name for name in history.COLUMNS if name != "phase")
    path = tmp_path / "old.csv"
    path.write_text(f"{old}\n0,1,1,1,1,1,1,1,1,1,1,1\n")
    assert history.read_csv(path)["phase"].tolist() == [1]
    other = tmp_path / "other.csv"
    other.write_text(f"{old.replace('seed,', '')}\n1,1,1,1,1,1,1,1,1,1,1\n")
    with pytest.raises(UserError, match="has the columns"):
        history.read_csv(other)


def test_early_stopping_ends_a_phase_and_not_the_run(tmp_path, monkeypatch):
    """Training losses fall and validation losses rise from the second epoch of the first phase on."""
    from kerasqueeze.training.callbacks import StopAtOverfitting

    judge, seen = StopAtOverfitting.on_epoch_end, []

    def scripted(self, epoch, logs=None):
        seen.append(epoch)
        losses = {0: (3.0, 3.0), 1: (2.0, 3.1), 2: (1.0, 2.5), 3: (0.5, 2.9)}
        loss, val_loss = losses[epoch]
        judge(self, epoch, {"loss": loss, "val_loss": val_loss})

    monkeypatch.setattr(StopAtOverfitting, "on_epoch_end", scripted)
    settings = TINY.override(phases="free=head epochs=5; free=last_stage epochs=5", patience=1)
    record = runner.run(settings, [0], out=tmp_path)["runs"]["0"]
    assert seen == [0, 1, 2, 3]
    assert [(phase["epochs"], phase["outcome"]) for phase in record["phases"]] == [(2, "overfitting")] * 2
    assert (record["best_epoch"], record["epochs"]) == (3, 4)
    assert json.dumps(record["phases"])
