"""Steps from traces that are kept on disk."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kerasqueeze import history
from kerasqueeze.models.fast import compiled
from kerasqueeze.training import runner
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


def test_the_state_is_given_away(tmp_path):
    state, data = arguments()
    Traces(tmp_path, SETTINGS).jit(Steps().train_step, donate_argnums=0)(state, data)
    assert state[0].is_deleted()


@pytest.mark.parametrize("change", ["settings", "name", "options", "jax"])
def test_what_depends_on_something_else_is_traced_anew(tmp_path, change):
    state, data = arguments()
    Traces(tmp_path, SETTINGS).jit(Steps().train_step)(state, data)
    steps, settings, options = Steps(), SETTINGS, {}
    step = steps.train_step
    if change == "settings":
        settings = {"rate": 0.25}
    elif change == "options":
        options = {"donate_argnums": 0}
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


def test_a_folder_that_cannot_be_written_is_no_hindrance(tmp_path):
    (tmp_path / "file").write_text("in the way")
    state, data = arguments()
    logs, _ = Traces(tmp_path / "file" / "traces", SETTINGS).jit(Steps().train_step)(state, data)
    assert np.isfinite(logs["loss"])


@pytest.mark.usefixtures("quick_compilation")
def test_runs_of_other_seeds_take_the_same_traces_to_the_same_numbers(tmp_path, monkeypatch):
    """The second seed's from the trace of the first, against the one that traces its own."""
    tiny = Experiment(
        name="tiny", about="", dataset="digits", image_size=32, limit=6, batch_size=24, epochs=1, learning_rate=1e-3
    )
    monkeypatch.setenv("KERASQUEEZE_CACHE", str(tmp_path / "cache"))
    traced, own_step = [], runner.MicroBatchModel.train_step

    def train_step(model, state, data):
        traced.append(model.name)
        return own_step(model, state, data)

    monkeypatch.setattr(runner.MicroBatchModel, "train_step", train_step)
    runner.run(tiny, [0, 1], out=tmp_path / "kept")
    assert len(traced) == 1
    monkeypatch.setattr(compiled.CompiledModel, "jit", property(lambda model: None, lambda model, value: None))
    runner.run(tiny, [1], out=tmp_path / "traced")
    assert len(traced) == 2
    columns = list(history.COLUMNS[:-2])  # all but the times
    kept, own = (history.read_csv(tmp_path / name / "CSV" / "tiny.csv")[columns] for name in ("kept", "traced"))
    np.testing.assert_allclose(kept[kept["seed"] == 1].to_numpy(), own.to_numpy(), rtol=1e-5)
