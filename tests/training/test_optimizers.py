"""Adam and AMSGrad against optax and against their formulas in NumPy."""

import keras
import numpy as np
import optax
import pytest

from kerasqueeze.training import optimizers
from kerasqueeze.training.experiment import Experiment
from kerasqueeze.training.optimizers import adam

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7


def spike_then_decay(steps: int = 60) -> np.ndarray:
    """Gradients with a spike that fades: growing ones would make the running maximum act on nothing."""
    noise = np.random.default_rng(0).normal(size=(steps, 3))
    size = np.where(np.arange(steps) < 3, 10.0, 0.3 * 0.93 ** np.arange(steps))
    return noise * size[:, None]


def keras_path(optimizer: keras.optimizers.Optimizer, gradients: np.ndarray) -> np.ndarray:
    variable = keras.Variable(np.zeros(3), dtype="float32")
    path = []
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient, dtype="float32")], [variable])
        path.append(np.asarray(variable))
    return np.array(path)


def numpy_path(gradients: np.ndarray, rate: float, *, amsgrad: bool) -> np.ndarray:
    """Keras' form: the maximum over the raw second moment, both bias corrections kept."""
    x, m, v, largest = np.zeros((4, gradients.shape[1]))
    path = []
    for step, gradient in enumerate(gradients, start=1):
        m = BETA_1 * m + (1 - BETA_1) * gradient
        v = BETA_2 * v + (1 - BETA_2) * gradient**2
        largest = np.maximum(largest, v)
        second = largest if amsgrad else v
        x = x - rate * np.sqrt(1 - BETA_2**step) / (1 - BETA_1**step) * m / (np.sqrt(second) + EPSILON)
        path.append(x.copy())
    return np.array(path)


@pytest.mark.parametrize("amsgrad", [False, True])
def test_keras_adam_follows_the_formula(amsgrad):
    gradients = spike_then_decay()
    ours = keras_path(keras.optimizers.Adam(0.01, amsgrad=amsgrad), gradients)
    np.testing.assert_allclose(ours, numpy_path(gradients, 0.01, amsgrad=amsgrad), rtol=2e-5, atol=1e-7)


def test_amsgrad_equals_optax_with_the_bias_correction_moved_behind_the_maximum():
    """optax corrects v before the maximum; undone and redone around it, its moments give Keras' step."""
    gradients = spike_then_decay()
    transform = optax.scale_by_amsgrad(BETA_1, BETA_2, eps=0.0)
    state = transform.init(np.zeros(3))
    x, largest, path = np.zeros(3), np.zeros(3), []
    for step, gradient in enumerate(gradients, start=1):
        _, state = transform.update(gradient, state)
        largest = np.maximum(largest, np.asarray(state.nu))
        correction = np.sqrt(1 - BETA_2**step) / (1 - BETA_1**step)
        x = x - 0.01 * correction * np.asarray(state.mu) / (np.sqrt(largest) + EPSILON)
        path.append(x)
    ours = keras_path(keras.optimizers.Adam(0.01, amsgrad=True), gradients)
    np.testing.assert_allclose(ours, np.array(path), rtol=2e-5, atol=1e-7)


def test_adam_equals_optax():
    gradients = spike_then_decay()
    transform = optax.adam(0.01, BETA_1, BETA_2, eps=1e-12)
    state, x, path = transform.init(np.zeros(3)), np.zeros(3), []
    for gradient in gradients:
        update, state = transform.update(gradient, state)
        x = x + np.asarray(update)
        path.append(x)
    ours = keras_path(keras.optimizers.Adam(0.01, epsilon=1e-12), gradients)
    np.testing.assert_allclose(ours, np.array(path), rtol=2e-5, atol=1e-7)


def test_a_fading_gradient_tells_adam_from_amsgrad():
    gradients = spike_then_decay()
    gradients[3:] = np.abs(gradients[3:])
    adam = keras_path(keras.optimizers.Adam(0.01, beta_2=0.9), gradients)
    amsgrad = keras_path(keras.optimizers.Adam(0.01, beta_2=0.9, amsgrad=True), gradients)
    tail_adam, tail_amsgrad = (np.abs(path[-1] - path[20]) for path in (adam, amsgrad))
    assert (tail_adam > 5 * tail_amsgrad).all()


@pytest.mark.parametrize(
    ("name", "form", "kind"),
    [
        ("adam", "keras", adam.ObservedAdam),
        ("adam_matched", "keras", adam.MatchedAdam),
        ("amsgrad", "keras", adam.ObservedAdam),
        ("amsgrad", "corrected", adam.CorrectedAMSGrad),
        ("amsgrad", "paper", adam.PaperAMSGrad),
    ],
)
def test_build_turns_settings_into_the_optimizer(name, form, kind):
    experiment = Experiment(
        name="x", about="", dataset="digits", optimizer=name, amsgrad_form=form, learning_rate=0.01, clip_norm=0.5
    )
    optimizer = optimizers.build(experiment, steps_per_epoch=10)
    assert type(optimizer) is kind
    assert optimizer.amsgrad is (name == "amsgrad")
    assert optimizer.global_clipnorm == 0.5
    assert optimizer.weight_decay is None


def test_weight_decay_shrinks_all_but_biases_at_the_schedules_rate():
    """optax.adamw with a mask, along the warm-up."""
    settings = Experiment(
        name="x",
        about="",
        dataset="digits",
        epochs=1,
        optimizer="adam",
        learning_rate=0.05,
        warmup_steps=5,
        weight_decay=0.3,
        clip_norm=1e9,
        ema_momentum=0.0,
    )
    optimizer = optimizers.build(settings, steps_per_epoch=10)
    start = {"kernel": np.array([1.0, -2.0], "float32"), "bias": np.array([3.0], "float32")}
    variables = [keras.Variable(value, name=name) for name, value in start.items()]
    transform = optax.adamw(
        optimizers.Warmup(0.05, 5, 10), eps=1e-12, weight_decay=0.3, mask={"kernel": True, "bias": False}
    )
    state, weights = transform.init(start), start
    for gradient in np.random.default_rng(0).normal(size=(10, 3)).astype("float32"):
        parts = {"kernel": gradient[:2], "bias": gradient[2:]}
        update, state = transform.update(parts, state, weights)
        weights = optax.apply_updates(weights, update)
        optimizer.apply([keras.ops.convert_to_tensor(part) for part in parts.values()], variables)
    for variable in variables:
        np.testing.assert_allclose(np.asarray(variable), weights[variable.name], rtol=1e-4)


def test_schedule_rises_to_its_peak_and_falls_along_a_cosine():
    schedule = optimizers.Warmup(0.4, warmup_steps=10, total_steps=110)
    rates = np.array([float(schedule(step)) for step in range(110)])
    np.testing.assert_allclose(rates[:10], 0.4 * np.arange(1, 11) / 10, rtol=1e-6)
    expected = optax.cosine_decay_schedule(0.4, decay_steps=100)(np.arange(100))
    np.testing.assert_allclose(rates[10:], np.asarray(expected), rtol=1e-4, atol=1e-7)


def test_warm_up_takes_at_most_half_of_a_short_run():
    experiment = Experiment(name="x", about="", dataset="digits", warmup_steps=1000, epochs=2)
    optimizer = optimizers.build(experiment, steps_per_epoch=10)
    schedule = optimizer._learning_rate
    assert isinstance(schedule, optimizers.Warmup)
    assert (schedule.warmup_steps, schedule.total_steps) == (10, 20)


def test_a_compiled_model_loads_with_its_optimizer_and_schedule(tmp_path):
    experiment = Experiment(name="x", about="", dataset="digits", optimizer="amsgrad", amsgrad_form="paper")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizers.build(experiment, 5), "mse")
    model.fit(np.ones((4, 2)), np.ones(4), verbose=0)
    model.save(tmp_path / "x.keras")
    loaded = keras.models.load_model(tmp_path / "x.keras").optimizer
    assert type(loaded) is adam.PaperAMSGrad
    assert float(loaded.learning_rate) == float(model.optimizer.learning_rate)
