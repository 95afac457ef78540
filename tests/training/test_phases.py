"""Phases, freezing and kept features: what trains, what stays, and that stopping and keeping change no number."""

import json
import os
import signal

import jax
import keras
import numpy as np
import pytest

from kerasqueeze import history
from kerasqueeze.data import datasets
from kerasqueeze.data.splits import Split
from kerasqueeze.errors import Interrupted, UserError
from kerasqueeze.models import backbones, stages
from kerasqueeze.models.cut import cut
from kerasqueeze.training import features, model, optimizers, phases, resume, runner
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


@pytest.mark.parametrize("name", ["squeezenet1_0", "squeezenet1_1", "mobilenet_v2"])
@pytest.mark.parametrize("what", ["head", "last_stage"])
def test_front_and_back_make_the_network(name, what):
    network = backbones.build(name, classes=5, image_size=64, dropout=0.0)
    stages.free(network, what)
    parts = cut(network)
    assert parts is not None
    assert parts.pooled == (what == "head" and name.startswith("squeezenet"))
    assert not parts.front.trainable_variables
    assert len(parts.back.trainable_variables) == len(network.trainable_variables)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3)).astype("uint8")
    expected = network.predict(pixels, verbose=0)
    found = parts.back.predict(parts.front.predict(pixels, verbose=0), verbose=0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_network_that_trains_from_its_first_layer_has_no_front():
    assert cut(backbones.build("squeezenet1_1", classes=5, image_size=32)) is None


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("freeze", ["backbone", "all_but_last_stage"])
def test_kept_features_change_no_loss(tmp_path, freeze, dropout):
    """The uncached path is another implementation: whole network, whole step."""
    settings = TINY.override(freeze=freeze, dropout=dropout, epochs=3)
    for kept in (True, False):
        record = runner.run(settings.override(cache_features=kept), [0], out=tmp_path / str(kept))
        assert record["runs"]["0"]["phases"][0]["front"].startswith("kept" if kept else "computed")
    for name in ("loss_train", "loss_val"):
        ours, theirs = (rows_of(tmp_path / str(kept))[name] for kept in (True, False))
        np.testing.assert_allclose(ours, theirs, rtol=2e-5)
    for ours, theirs in zip(*(weights_of(tmp_path / str(kept)) for kept in (True, False)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=2e-5)


def test_features_of_other_photos_weights_or_views_are_kept_apart(tmp_path, monkeypatch):
    monkeypatch.setenv("KERASQUEEZE_CACHE", str(tmp_path))
    rng = np.random.default_rng(0)

    def split(seed):
        images = np.random.default_rng(seed).integers(0, 256, (9, 32, 32, 3)).astype("uint8")
        return Split(images, np.arange(9), rng.integers(0, 3, 9).astype("int32"), tuple(map(str, range(9))))

    network = backbones.build("squeezenet1_1", classes=3, image_size=32, dropout=0.0)
    stages.free(network, "head")
    parts = cut(network)
    first = features.of_split(parts, split(0), {"fingerprint": "a"}, "x")
    again = features.of_split(parts, split(1), {"fingerprint": "a"}, "x")  # the same by name: what is kept is taken
    np.testing.assert_array_equal(first.images, again.images)
    other = features.of_split(parts, split(1), {"fingerprint": "b"}, "x")
    assert (other.images != first.images).any()
    network.set_weights([value * 1.01 for value in network.get_weights()])
    assert (features.of_split(cut(network), split(0), {"fingerprint": "a"}, "x").images != first.images).any()
    entry = next((tmp_path / "features").glob("*/features.npy"))
    entry.write_bytes(entry.read_bytes()[:-5])  # cut short: built again
    for one in (split(0), split(1)):
        for mark in "ab":
            features.of_split(parts, one, {"fingerprint": mark}, "x")


def test_views_are_augmented_photos_and_used_in_turn(tmp_path):
    """A view's features are those that the network's front makes of the photos that the layers give."""
    data = datasets.load("digits", image_size=32, limit=12)
    settings = TINY.override(freeze="backbone", crop_area=0.5, flip=True, dropout=0.0)
    whole, network = model.training_model(settings, data, 3)
    stages.free(network, "head")
    parts = cut(network)
    split = features.of_views(parts, data.train, {}, "x", 2, features.views_of(whole, 3))
    photos = len(data.train)
    assert len(split) == 2 * photos
    augment = features.views_of(whole, 3)
    for view in range(2):
        pixels = data.train.batch(np.arange(64))[0]
        expected = parts.front.predict_on_batch(augment(pixels, view))
        np.testing.assert_allclose(split.images[view * photos : view * photos + 64], expected, rtol=1e-4, atol=1e-5)
    from kerasqueeze.data.pipeline import Batches

    batches = Batches(split, 10, seed=0, views=2)
    assert len(batches) == photos // 10
    assert max(batches.positions(0)) < photos <= min(batches.positions(1))
    record = runner.run(settings.override(augment_views=2, epochs=3), [0], out=tmp_path)
    assert "2 views" in record["runs"]["0"]["phases"][0]["front"]


def test_augmentation_without_views_falls_back_and_says_so(tmp_path, capsys):
    runner.run(TINY.override(freeze="backbone", flip=True, epochs=1), [0], out=tmp_path)
    assert "the frozen front is computed in each step: photos are augmented anew" in capsys.readouterr().err


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


def test_the_step_of_a_frozen_network_is_less_work():
    """XLA's own count of operations: forward and backward of all, of the last stage, of the head."""
    data = datasets.load("digits", image_size=32, limit=12)
    work = {}
    for freeze in ("none", "all_but_last_stage", "backbone"):
        whole, _ = model.training_model(TINY.override(freeze=freeze), data, 0)
        whole.optimizer.build(whole.trainable_variables)
        state = tuple(
            [variable.value for variable in variables]
            for variables in (
                whole.trainable_variables,
                whole.non_trainable_variables,
                whole.optimizer.variables,
                whole.metrics_variables,
            )
        )
        batch = data.train.batch(np.arange(24))
        compiled = jax.jit(whole.train_step).lower(state, batch).compile()
        work[freeze] = compiled.cost_analysis()["flops"]
    assert work["backbone"] < work["all_but_last_stage"] < 0.6 * work["none"]


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


def test_photos_are_enlarged_on_the_device(tmp_path):
    """A network for 64 px on photos of 32 px, against the same photos enlarged by Keras before the run."""
    settings = TINY.override(enlarge=64, freeze="backbone", dropout=0.0)
    data = datasets.load("digits", image_size=32, limit=12)
    whole, network = model.training_model(settings, data, 0)
    assert network.input_shape == (None, 64, 64, 3)
    pixels = data.train.batch(np.arange(4))[0]
    enlarged = keras.ops.image.resize(pixels.astype("float32"), (64, 64), interpolation="bilinear")
    np.testing.assert_allclose(
        whole.predict(pixels, verbose=0), network.predict(np.asarray(enlarged), verbose=0), rtol=1e-4, atol=1e-5
    )
    for kept in (True, False):
        runner.run(settings.override(cache_features=kept), [0], out=tmp_path / str(kept))
    ours, theirs = (rows_of(tmp_path / str(kept)) for kept in (True, False))
    np.testing.assert_allclose(ours["loss_train"], theirs["loss_train"], rtol=2e-5)
    with pytest.raises(UserError, match="expected 32 to enlarge=64 pixels"):
        TINY.override(enlarge=64, crop_size=65)


@pytest.mark.real_data
def test_a_pretrained_mobilenet_of_another_width_runs(tmp_path):
    """The head alone on CIFAR-10's sample: far above the 0.1 of guessing, so the weights and the pixels fit."""
    from pathlib import Path

    places = [os.environ.get(f"KERASQUEEZE_TEST_{kind}") for kind in ("DATA", "WEIGHTS")]
    if not all(places):
        pytest.skip("set KERASQUEEZE_TEST_DATA and KERASQUEEZE_TEST_WEIGHTS")
    photos, weights = Path(places[0]) / "cifar10", Path(places[1]) / "mobilenet_2_5_224_tf_no_top.h5"
    settings = TINY.override(
        dataset="cifar10", model="mobilenet", width=0.25, weights=str(weights), enlarge=96, freeze="backbone", limit=100
    )
    record = runner.run(settings, [0], data_dir=photos, out=tmp_path)
    assert record["runs"]["0"]["test"]["accuracy"] > 0.4
