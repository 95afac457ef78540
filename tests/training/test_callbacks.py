"""Callbacks on scripted losses: what they decide, restore, record and write."""

import io
import math
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest

from kerasqueeze import history
from kerasqueeze.errors import UserError
from kerasqueeze.training import optimizers
from kerasqueeze.training.callbacks import (
    AveragedWeights,
    HistoryWriter,
    NeverStarted,
    Progress,
    StopAtOverfitting,
)
from kerasqueeze.training.experiment import Experiment


class Weights:
    """Stands for a model: its weights are the number of the epoch that set them."""

    def __init__(self):
        self.epoch, self.stop_training = 0, False
        self.optimizer = SimpleNamespace(learning_rate=np.float32(0.25), iterations=np.int32(7))

    def get_weights(self):
        return self.epoch

    def set_weights(self, epoch):
        self.epoch = epoch


def play(callback, losses):
    """Run `callback` through epochs of (training loss, validation loss); return the model and the epochs run."""
    model = Weights()
    callback.set_model(model)
    callback.on_train_begin()
    epochs = 0
    for epoch, (loss, val_loss) in enumerate(losses):
        model.epoch = epochs = epoch + 1
        callback.on_epoch_end(epoch, {"loss": loss, "val_loss": val_loss})
        if model.stop_training:
            break
    callback.on_train_end()
    return model, epochs


def test_stops_after_patience_overfitting_epochs_and_restores_the_best():
    stop = StopAtOverfitting(patience=2)
    model, epochs = play(stop, [(3, 3), (2, 2), (1.5, 2.1), (1.2, 2.2), (1.0, 2.3)])
    assert (epochs, stop.outcome, stop.best_epoch, stop.best_loss) == (4, "overfitting", 2, 2)
    assert model.epoch == 2
    assert "2.2000 at epoch 4" in stop.reason and "2.0000 at epoch 2" in stop.reason


def test_a_new_best_starts_the_count_again():
    stop = StopAtOverfitting(patience=2)
    _, epochs = play(stop, [(3, 3), (2.9, 3.1), (2.8, 2.9), (2.7, 3.0), (2.6, 3.2), (2.5, 3.3)])
    assert (epochs, stop.best_epoch) == (5, 3)


def test_a_plateau_is_not_overfitting():
    stop = StopAtOverfitting(patience=2)
    model, epochs = play(stop, [(3, 3), (3.1, 3.2), (3.0, 3.3), (3.2, 3.4), (3.3, 3.5)])
    assert (epochs, stop.outcome, model.epoch) == (5, "ran all epochs", 1)


def test_a_noisy_training_epoch_neither_counts_nor_resets():
    stop = StopAtOverfitting(patience=2)
    _, epochs = play(stop, [(3, 3), (2.5, 3.1), (2.6, 3.1), (2.4, 3.1), (2.3, 3.1)])
    assert epochs == 4


def test_best_weights_come_back_when_all_epochs_are_run():
    stop = StopAtOverfitting(patience=5)
    model, _ = play(stop, [(3, 3), (2, 2), (1, 2.5)])
    assert (model.epoch, stop.outcome) == (2, "ran all epochs")
    assert "2.0000 at epoch 2" in stop.reason


@pytest.mark.parametrize("losses", [(math.nan, 1.0), (1.0, math.inf)])
def test_a_loss_that_is_no_number_stops_at_once(losses):
    stop = StopAtOverfitting(patience=5)
    model, epochs = play(stop, [(3, 3), losses, (1, 1)])
    assert (epochs, stop.outcome, model.epoch) == (2, "diverged", 1)


def test_in_fit_the_restored_network_scores_its_best_validation_loss():
    """64 random labels for 64 inputs and a wide network: overfitting is certain."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(128, 16)).astype("float32"), rng.integers(0, 4, 128)
    model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(256, activation="relu"), keras.layers.Dense(4)])
    model.compile(keras.optimizers.Adam(3e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    stop = StopAtOverfitting(patience=3)
    ran = model.fit(x[:64], y[:64], epochs=200, verbose=0, validation_data=(x[64:], y[64:]), callbacks=[stop]).history
    assert stop.outcome == "overfitting"
    assert len(ran["loss"]) < 200
    assert stop.best_loss == min(ran["val_loss"])
    assert model.evaluate(x[64:], y[64:], verbose=0) == pytest.approx(stop.best_loss, rel=1e-5)


def test_a_run_at_the_loss_of_guessing_is_noticed():
    told = io.StringIO()
    watch = NeverStarted(classes=196, stream=told)
    play(watch, [(5.30, 5.29), (5.279, 5.278), (5.2785, 5.278), (5.2783, 5.278)])
    assert not watch.started
    assert told.getvalue().count("\n") == 1
    assert "5.2781 after 3 epochs" in told.getvalue()


def test_a_run_that_starts_late_has_started():
    watch = NeverStarted(classes=10, stream=io.StringIO())
    play(watch, [(2.31, 2.303), (2.303, 2.30), (2.30, 2.29), (2.20, 2.25)])
    assert watch.started


def logs(value):
    keys = ("loss", "accuracy", "top5", "precision", "recall")
    return dict.fromkeys(keys, value) | {f"val_{key}": value / 2 for key in keys}


def write(path, seed, epochs, photos=64):
    writer = HistoryWriter(path, seed, photos)
    writer.set_model(Weights())
    writer.on_train_begin()
    for epoch in range(epochs):
        writer.on_epoch_begin(epoch)
        writer.on_test_begin()
        writer.on_epoch_end(epoch, logs(1.0 + epoch))


def test_history_has_the_schema_and_is_complete_after_every_epoch(tmp_path):
    path = tmp_path / "CSV" / "x.csv"
    write(path, 0, 2)
    frame = pd.read_csv(path)
    assert ",".join(frame.columns) == (
        "seed,epoch,phase,loss_train,accuracy_train,loss_val,accuracy_val,top5_val,precision_val,recall_val,"
        "learning_rate,seconds,images_per_second"
    )
    assert frame["epoch"].tolist() == [1, 2]
    assert frame["loss_train"].tolist() == [1.0, 2.0]
    assert frame["recall_val"].tolist() == [0.5, 1.0]
    assert frame["learning_rate"].tolist() == [0.25, 0.25]
    assert [entry.name for entry in path.parent.iterdir()] == ["x.csv"]


def test_history_replaces_its_seed_and_keeps_the_others(tmp_path):
    path = tmp_path / "x.csv"
    write(path, 1, 3)
    write(path, 0, 1)
    write(path, 1, 2)
    frame = history.read_csv(path)
    assert frame[["seed", "epoch"]].to_numpy().tolist() == [[0, 1], [1, 1], [1, 2]]


def test_history_of_another_make_is_refused(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("epoch,loss\n1,2\n")
    with pytest.raises(UserError, match="has the columns epoch, loss"):
        write(path, 0, 1)
    assert path.read_text() == "epoch,loss\n1,2\n"


def test_progress_writes_a_line_for_the_first_step_and_for_each_epoch():
    stream = io.StringIO()
    progress = Progress("x seed 0", stream)
    progress.set_params({"epochs": 2, "steps": 3})
    progress.on_train_begin()
    progress.on_epoch_begin(0)
    progress.on_train_batch_end(0)
    progress.on_train_batch_end(1)
    progress.on_epoch_end(0, {"loss": 1.5, "val_loss": 1.25, "val_accuracy": 0.5})
    first, epoch = stream.getvalue().splitlines()
    assert first.startswith("x seed 0  first step after 0.0 s")
    assert epoch.startswith("x seed 0  epoch 1/2  loss 1.5000  validation: loss 1.2500  accuracy 0.5000")


class Watch(keras.callbacks.Callback):
    """Note the weights after each step and at each epoch's end."""

    def __init__(self):
        super().__init__()
        self.steps, self.epochs = [], []

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(self.model.get_weights())

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append((self.model.get_weights(), logs["val_loss"]))


def watched(momentum):
    """Train a line on ten points for three epochs; return the watcher and the model."""
    experiment = Experiment(name="line", about="", dataset="digits", learning_rate=0.1, ema_momentum=momentum)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
    model.compile(optimizers.build(experiment, 5), "mean_squared_error")
    x = np.random.default_rng(0).normal(size=(10, 2)).astype("float32")
    y = x @ np.array([[2.0], [-1.0]], "float32")
    watch, stop = Watch(), StopAtOverfitting(patience=3)
    callbacks = [stop, watch, AveragedWeights()]
    model.fit(x, y, batch_size=2, epochs=3, shuffle=False, verbose=0, validation_data=(x, y), callbacks=callbacks)
    return watch, stop, model, (x, y)


def test_the_moving_average_is_validated_and_kept_and_the_steps_go_on_from_their_own_weights():
    momentum = 0.8
    watch, stop, model, (x, y) = watched(momentum)
    plain, *_ = watched(0.0)
    for ours, without in zip(watch.steps, plain.steps, strict=True):
        for a, b in zip(ours, without, strict=True):
            np.testing.assert_array_equal(a, b)
    average = watch.steps[0]
    for step, weights in enumerate(watch.steps):
        if step:
            average = [momentum * old + (1 - momentum) * new for old, new in zip(average, weights, strict=True)]
        if step % 5 == 4:
            kept, loss = watch.epochs[step // 5]
            for a, b in zip(kept, average, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-5)
            np.testing.assert_allclose(loss, np.mean((x @ average[0] + average[1] - y) ** 2), rtol=1e-4)
    assert stop.best_epoch == 3
    for a, b in zip(model.get_weights(), average, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_without_an_average_the_steps_weights_are_validated_and_kept():
    watch, _, model, _ = watched(0.0)
    for a, b, c in zip(model.get_weights(), watch.steps[-1], watch.epochs[-1][0], strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
