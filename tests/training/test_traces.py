"""Steps from traces that are kept on disk."""

import os

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from kerasqueeze.data import datasets
from kerasqueeze.training import runner, traces
from kerasqueeze.training.experiment import Experiment
from kerasqueeze.training.traces import Traces

SETTINGS = {"rate": 0.5}


class Steps:
    """A step of gradient descent, and how often it was traced."""

    def __init__(self):
        self.traced = 0

    def train_step(self, state, data):
        self.traced += 1
        (weights, count), (x, y) = state, data
        loss, gradient = jax.value_and_grad(lambda weights: jnp.square(x @ weights - y).mean())(weights)
        return {"loss": loss}, (weights - 0.5 * gradient, count + 1)


def arguments(count=4):
    random = np.random.default_rng(0)
    x, y = (random.standard_normal(shape).astype("float32") for shape in ((count, 3), (count,)))
    return (jnp.arange(3.0), jnp.zeros((), "int32")), (x, y)


def test_a_step_is_traced_once_and_computes_what_it_did(tmp_path):
    state, data = arguments()
    expected = jax.jit(Steps().train_step)(state, data)
    first, later = Steps(), Steps()
    for steps in (first, later):
        step = Traces(tmp_path, SETTINGS).jit(steps.train_step)
        for _ in range(2):
            jax.tree.map(np.testing.assert_array_equal, step(state, data), expected)
    assert (first.traced, later.traced) == (1, 0)


def test_each_size_of_batch_has_its_trace(tmp_path):
    steps = Steps()
    step = Traces(tmp_path, SETTINGS).jit(steps.train_step)
    for count in (4, 2, 4, 2):
        jax.tree.map(
            np.testing.assert_array_equal, step(*arguments(count)), jax.jit(Steps().train_step)(*arguments(count))
        )
    assert steps.traced == 2


def test_a_state_that_a_step_returned_or_the_host_has_set_is_not_compiled_for_anew(tmp_path, caplog):
    step = Traces(tmp_path, SETTINGS).jit(Steps().train_step)
    state, data = arguments()
    with jax.log_compiles():
        for _ in range(3):
            (weights, _), _ = step(state, data)[1], step(jax.tree.map(np.asarray, state), data)
            state = weights, jnp.ones((), "int32")
    assert len([record for record in caplog.messages if "Finished XLA compilation of jit(call)" in record]) == 1


def test_the_state_is_given_away(tmp_path):
    state, data = arguments()
    Traces(tmp_path, SETTINGS).jit(Steps().train_step, donate_argnums=0)(state, data)
    assert state[0].is_deleted()


@pytest.mark.parametrize("change", ["settings", "name", "options", "jax", "keras"])
def test_what_depends_on_something_else_is_traced_anew(tmp_path, change, monkeypatch):
    state, data = arguments()
    Traces(tmp_path, SETTINGS).jit(Steps().train_step)(state, data)
    steps, settings, options = Steps(), SETTINGS, {}
    step = steps.train_step
    if change == "settings":
        settings = {"rate": 0.25}
    elif change == "options":
        options = {"donate_argnums": 0}
    elif change == "keras":
        mixed = keras.DTypePolicy("mixed_bfloat16")  # computes otherwise with variables of the same type
        monkeypatch.setattr(keras.config, "dtype_policy", lambda: mixed)
    elif change == "name":

        def step(state, data):
            return steps.train_step(state, data)

    with jax.default_matmul_precision("highest" if change == "jax" else None):
        Traces(tmp_path, settings).jit(step, **options)(state, data)
    assert steps.traced == 1


@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: content[:40] + b"!" + content[41:]])
def test_a_damaged_trace_is_replaced(tmp_path, damage):
    state, data = arguments()
    Traces(tmp_path, SETTINGS).jit(Steps().train_step)(state, data)
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    for expected in (1, 0):
        steps = Steps()
        Traces(tmp_path, SETTINGS).jit(steps.train_step)(state, data)
        assert steps.traced == expected


def test_the_newest_traces_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(traces, "KEPT", 2)
    names = []
    for count in (2, 3, 4):
        Traces(tmp_path, SETTINGS).jit(Steps().train_step)(*arguments(count))
        (new,) = {path.name for path in tmp_path.iterdir()} - set(names)
        names.append(new)
        os.utime(tmp_path / new, (count, count))
    assert {path.name for path in tmp_path.iterdir()} == set(names[1:])


def test_a_folder_that_cannot_be_written_is_no_hindrance(tmp_path):
    (tmp_path / "file").write_text("in the way")
    state, data = arguments()
    logs, _ = Traces(tmp_path / "file" / "traces", SETTINGS).jit(Steps().train_step)(state, data)
    assert np.isfinite(logs["loss"])


def test_the_seed_is_in_the_arguments_alone():
    """So that a trace may serve every seed: the lowered steps of two seeds are the same text."""
    data = datasets.load("digits", image_size=32, limit=6)
    settings = Experiment(name="tiny", about="", dataset="digits", image_size=32, batch_size=24, dropout=0.5)
    settings = settings.override(colour=0.2, erase=0.2, optimizer="amsgrad", ema_momentum=0.9, weight_decay=0.1)
    kinds = ("trainable_variables", "non_trainable_variables", "optimizer_variables", "metrics_variables")
    texts = []
    for seed in (0, 1):
        model = runner.training_model(settings, data, seed)[0]
        model.optimizer.build(model.trainable_variables)
        state = model._get_jax_state(**dict.fromkeys(kinds, True))
        texts.append(jax.jit(model.train_step).lower(state, data.train.batch(np.arange(24))).as_text())
    assert "dot_general" in texts[0]
    assert texts[0] == texts[1]
