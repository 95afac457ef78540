"""Observed Adam, the forms of AMSGrad and matched Adam against Keras, optax and their formulas in NumPy float64."""

import jax
import keras
import numpy as np
import optax
import pytest

from kerasqueeze.models import backbones
from kerasqueeze.models.stages import stages
from kerasqueeze.training.optimizers import adam, observed

BETA_1, BETA_2, EPSILON, RATE, CLIP = 0.9, 0.95, 1e-7, 0.01, 1.0  # a beta_2 that forgets the spike in 60 steps
SHAPES = {"conv1/kernel": (3, 2), "conv1/bias": (2,), "fire2_squeeze1x1/kernel": (4,), "fire2_expand1x1/bias": (3,)}
BLOCKS = {"conv1": slice(0, 8), "fire2": slice(8, 15), "all": slice(0, 15)}
START = np.random.default_rng(1).normal(size=15)


def spike_then_decay(steps=60):
    """Gradients with a spike that fades; early ones are above the clip norm of 1, late ones below."""
    size = np.where(np.arange(steps) < 3, 3.0, 0.3 * 0.93 ** np.arange(steps))
    return np.random.default_rng(0).normal(size=(steps, 15)) * size[:, None]


def growing(steps=30):
    return np.sign(np.random.default_rng(0).normal(size=15)) * 1.1 ** np.arange(steps)[:, None] * 1e-3


def clipped(gradients):
    return gradients / np.maximum(1.0, np.linalg.norm(gradients, axis=1, keepdims=True) / CLIP)


def cut(values):
    ends = np.cumsum([int(np.prod(shape)) for shape in SHAPES.values()])
    parts = zip(np.split(np.asarray(values, "float32"), ends[:-1]), SHAPES.values(), strict=True)
    return [jax.numpy.asarray(part.reshape(shape)) for part, shape in parts]


def joined(arrays):
    return np.concatenate([np.ravel(np.asarray(array)) for array in arrays])


def variables_of(values):
    found = []
    for path, value in zip(SHAPES, cut(values), strict=True):
        with keras.name_scope(path.split("/")[0]):
            found.append(keras.Variable(value, dtype="float32", name=path.split("/")[1]))
    assert [variable.path for variable in found] == list(SHAPES)
    return found


def follow(optimizer, gradients):
    """Return the weights after each jitted step; the optimizer is left in its last state."""
    variables = variables_of(START)
    optimizer.build(variables)
    step = jax.jit(optimizer.stateless_apply)
    state, weights, path = [v.value for v in optimizer.variables], [v.value for v in variables], []
    for gradient in gradients:
        weights, state = step(state, cut(gradient), weights)
        path.append(joined(weights))
    for variable, value in zip([*variables, *optimizer.variables], [*weights, *state], strict=True):
        variable.assign(value)
    return np.array(path)


def numpy_path(gradients, form):
    """The table of `adam` in float64, with the maxima and second moments on the way."""
    x, (m, v, largest) = START.astype("float32").astype(float), np.zeros((3, 15))
    path, states = [], []
    for t, gradient in enumerate(clipped(gradients), start=1):
        m = BETA_1 * m + (1 - BETA_1) * gradient
        v = BETA_2 * v + (1 - BETA_2) * gradient**2
        c1, c2 = 1 - BETA_1**t, 1 - BETA_2**t
        compared = v / c2 if form == "corrected" else v
        largest = np.maximum(largest, compared)
        ratios = (np.sqrt(compared) + EPSILON) / (np.sqrt(largest) + EPSILON)
        second = v if form in ("adam", "matched") else largest
        scale = {"corrected": 1 / c1, "paper": 1.0, "matched": ratios.mean() * np.sqrt(c2) / c1}
        x = x - RATE * scale.get(form, np.sqrt(c2) / c1) * m / (np.sqrt(second) + EPSILON)
        path.append(x)
        states.append((largest > compared, ratios))
    return np.array(path), states


FORMS = {
    "adam": (adam.ObservedAdam, False),
    "keras": (adam.ObservedAdam, True),
    "corrected": (adam.CorrectedAMSGrad, True),
    "paper": (adam.PaperAMSGrad, True),
    "matched": (adam.MatchedAdam, False),
}


def build(form):
    kind, amsgrad = FORMS[form]
    return kind(RATE, BETA_1, BETA_2, EPSILON, amsgrad=amsgrad, global_clipnorm=CLIP)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_follows_its_formula(form):
    gradients = spike_then_decay()
    expected, _ = numpy_path(gradients, form)
    np.testing.assert_allclose(follow(build(form), gradients), expected, rtol=1e-5, atol=2e-6)


def test_the_forms_are_told_apart_by_these_gradients():
    paths = [numpy_path(spike_then_decay(), form)[0][-1] for form in FORMS]
    assert min(np.abs(a - b).max() for i, a in enumerate(paths) for b in paths[:i]) > 1e-3


def test_the_corrected_form_equals_optax():
    gradients = spike_then_decay()
    transform = optax.chain(optax.clip_by_global_norm(CLIP), optax.amsgrad(RATE, BETA_1, BETA_2, eps=EPSILON))
    weights = cut(START)
    state, path = transform.init(weights), []
    for gradient in gradients:
        update, state = transform.update(cut(gradient), state)
        weights = optax.apply_updates(weights, update)
        path.append(joined(weights))
    np.testing.assert_allclose(follow(build("corrected"), gradients), np.array(path), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("settings", [{}, {"weight_decay": 0.1, "global_clipnorm": CLIP}])
def test_observed_adam_is_keras_adam_bit_for_bit(amsgrad, settings):
    gradients = spike_then_decay()
    plain, observed = (
        follow(kind(RATE, BETA_1, BETA_2, amsgrad=amsgrad, **settings), gradients)
        for kind in (keras.optimizers.Adam, adam.ObservedAdam)
    )
    np.testing.assert_array_equal(observed, plain)


def test_observed_adam_is_keras_adam_bit_for_bit_in_fit():
    """In Keras' own training step, with a frozen layer."""

    def trained(kind):
        keras.utils.set_random_seed(0)
        layers = [keras.layers.Dense(24, activation="relu", trainable=False), keras.layers.Dense(16, activation="relu")]
        model = keras.Sequential([keras.Input((8,)), *layers, keras.layers.Dense(3)])
        model.compile(
            kind(3e-3, amsgrad=True, global_clipnorm=0.5),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=True,
        )
        rng = np.random.default_rng(0)
        model.fit(rng.normal(size=(96, 8)), rng.integers(0, 3, 96), batch_size=8, epochs=3, shuffle=False, verbose=0)
        return joined(model.get_weights())

    np.testing.assert_array_equal(trained(adam.ObservedAdam), trained(keras.optimizers.Adam))


def test_matched_adam_is_adam_while_gradients_grow():
    adam_path = follow(build("adam"), growing())
    matched = build("matched")
    np.testing.assert_allclose(follow(matched, growing()), adam_path, rtol=1e-6, atol=1e-8)
    assert matched.end_epoch()["rate_ratio"].tolist() == [1.0, 1.0, 1.0]


def test_matched_adam_has_one_rate_for_all_weights():
    """Its steps are Adam's from the same state but for one factor, the one that is reported."""
    gradients = spike_then_decay()
    gradients[:, 8:] *= 1.02 ** np.arange(60)[:, None]  # the blocks' own ratios differ
    matched, plain = adam.MatchedAdam(RATE, BETA_1, BETA_2), adam.ObservedAdam(RATE, BETA_1, BETA_2)
    path = follow(matched, gradients)
    factors = np.diff(path, axis=0) / np.diff(follow(plain, gradients), axis=0)
    np.testing.assert_allclose(factors[-1], matched.end_epoch()["rate_ratio"][-1], rtol=2e-2)
    assert factors[-1].mean() < 0.995


@pytest.mark.parametrize("form", FORMS)
def test_an_epoch_is_summed_up_as_it_was(form):
    gradients = spike_then_decay()
    optimizer = build(form)
    path = np.array([START.astype("float32"), *follow(optimizer, gradients)])
    seen = optimizer.end_epoch()
    assert optimizer.blocks == tuple(BLOCKS)
    _, states = numpy_path(gradients, form)
    binds, ratios = states[-1]
    for index, block in enumerate(BLOCKS.values()):
        before, change = path[:-1, block], np.diff(path[:, block], axis=0)
        update_ratio = (np.linalg.norm(change, axis=1) / np.linalg.norm(before, axis=1)).mean()
        gradient_norm = np.linalg.norm(gradients[:, block], axis=1).mean()  # before clipping
        assert seen["gradient_norm"][index] == pytest.approx(gradient_norm, rel=1e-5)
        assert seen["update_ratio"][index] == pytest.approx(update_ratio, rel=1e-3)
        assert seen["weight_norm"][index] == pytest.approx(np.linalg.norm(path[-1, block]), rel=1e-5)
        if form == "adam":
            assert np.isnan(seen["maximum_binds"][index]) and np.isnan(seen["rate_ratio"][index])
        else:
            assert seen["maximum_binds"][index] == pytest.approx(binds[block].mean(), abs=1e-6)
            assert seen["rate_ratio"][index] == pytest.approx(ratios[block].mean(), rel=1e-5)


@pytest.mark.parametrize("form", ["keras", "corrected", "paper", "matched"])
def test_no_maximum_binds_while_gradients_grow(form):
    optimizer = build(form)
    optimizer.global_clipnorm = None
    follow(optimizer, growing())
    assert optimizer.end_epoch()["maximum_binds"].tolist() == [0.0, 0.0, 0.0]


def test_sums_begin_anew_each_epoch_but_not_within_one():
    optimizer = build("adam")
    optimizer.build(variables_of(START))
    optimizer.begin_epoch(0)
    optimizer.apply(cut(np.ones(15)))
    optimizer.begin_epoch(0)  # resumed within the epoch
    optimizer.apply(cut(3 * np.ones(15)))
    assert optimizer.end_epoch()["gradient_norm"][-1] == pytest.approx(2 * np.sqrt(15))
    optimizer.begin_epoch(0)  # another fit
    optimizer.apply(cut(5 * np.ones(15)))
    optimizer.begin_epoch(1)  # resumed from a state saved before the epoch's end was noted
    optimizer.apply(cut(7 * np.ones(15)))
    assert optimizer.end_epoch()["gradient_norm"][-1] == pytest.approx(7 * np.sqrt(15))


def test_an_epoch_without_steps_is_unknown():
    optimizer = build("keras")
    optimizer.build(variables_of(START))
    optimizer.begin_epoch(0)
    seen = optimizer.end_epoch()
    assert np.isnan(seen["gradient_norm"]).all() and np.isnan(seen["update_ratio"]).all()
    assert seen["maximum_binds"].tolist() == [0.0, 0.0, 0.0]


def test_weights_that_begin_at_zero_leave_the_ratios_finite():
    optimizer = build("adam")
    optimizer.build(variables_of(np.zeros(15)))
    optimizer.begin_epoch(0)
    optimizer.apply(cut(np.zeros(15)))
    assert optimizer.end_epoch()["update_ratio"].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("form", FORMS)
def test_state_goes_on_where_it_was_saved(form):
    gradients = spike_then_decay(20)
    whole = build(form)
    expected = follow(whole, gradients)[-1]
    first = build(form)
    middle = follow(first, gradients[:10])[-1]
    second = type(first).from_config(first.get_config())
    second.build(variables_of(middle))
    for variable, saved in zip(second.variables, first.variables, strict=True):
        variable.assign(saved)
    for gradient in gradients[10:]:
        second.apply(cut(gradient))
    np.testing.assert_allclose(joined(second._trainable_variables), expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(second.end_epoch()["update_ratio"], whole.end_epoch()["update_ratio"], rtol=1e-4)


def test_blocks_are_the_stages_of_the_network():
    network = backbones.build("squeezenet1_1", classes=3, image_size=32)
    found = [set(stage) for stage in stages(network)]
    blocks: dict[str, set[str]] = {}
    for variable in network.trainable_variables:
        blocks.setdefault(observed.block_of(variable), set()).add(variable.path.split("/")[-2])
    assert list(blocks.values()) == found
    assert list(blocks) == ["conv1", *(f"fire{number}" for number in range(2, 10)), "conv10"]


@pytest.mark.parametrize("kind", [adam.ObservedAdam, adam.CorrectedAMSGrad, adam.PaperAMSGrad, adam.MatchedAdam])
def test_what_is_not_known_stops_no_debugger(kind):
    """JAX_DEBUG_NANS looks at all that leaves a jitted function; a weight that never had a gradient is at 0."""
    with jax.debug_nans(True):
        optimizer = kind(RATE, amsgrad=kind not in (adam.ObservedAdam, adam.MatchedAdam), global_clipnorm=CLIP)
        follow(optimizer, np.zeros((2, 15)))
        seen = optimizer.end_epoch()
    assert np.isfinite(seen["weight_norm"]).all()
    assert np.isnan(seen["rate_ratio"]).all() == (kind is adam.ObservedAdam)
