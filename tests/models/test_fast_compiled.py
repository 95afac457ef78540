"""How the steps of a network in its fast form are compiled."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from fast_models import lowering, small
from keras import layers

from kerasqueeze.models.fast import compiled
from kerasqueeze.models.fast.by_layer import ByLayerModel
from kerasqueeze.models.fast.microbatch import MicroBatchModel

pytestmark = pytest.mark.skipif(jax.default_backend() != "cpu", reason="the fast form is for the CPU")


@pytest.fixture
def options_of(monkeypatch):
    """Note with which compiler options each function is jitted, by its name."""
    found, jit = {}, jax.jit

    def noting(function, **kwargs):
        found[function.__name__] = kwargs.get("compiler_options")
        return jit(function, **kwargs)

    compiled._are_known()  # asked once in a process
    monkeypatch.setattr(compiled.jax, "jit", noting)
    return found


class Fast(compiled.CompiledModel):
    """Stands for SqueezeNet, and compiles in a moment."""

    def has_fast_form(self):
        return True


def trained(steps_per_execution=1, eager=False):
    """Return a small model after two epochs of fit, what evaluate says, and what predict says."""
    keras.utils.set_random_seed(0)
    numbers = keras.Input((5,))
    model = Fast(numbers, layers.Dense(3)(layers.Dropout(0.5)(numbers)))
    x, y = np.random.default_rng(0).standard_normal((10, 5)).astype("float32"), np.arange(10) % 3
    model.compile(
        keras.optimizers.SGD(0.1),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        steps_per_execution=steps_per_execution,
        run_eagerly=eager,
        jit_compile=not eager,
    )
    model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    return model, model.evaluate(x, y, batch_size=4, verbose=0), model.predict(x, batch_size=4, verbose=0)


def test_ynnpack_multiplies_no_matrices_of_a_fast_step():
    def text(options):
        a = jnp.ones((256, 256))
        return jax.jit(lambda a, b: a @ b, compiler_options=options).lower(a, a).compile().as_text()

    if "ynn_fusion" not in text(None):
        pytest.skip("this version of XLA does without YNNPACK anyway")
    assert "ynn_fusion" not in text(compiled.OPTIONS)


def test_fit_evaluate_and_predict_are_compiled_so(options_of):
    trained()
    for step in ("train_step", "test_step", "predict_step"):
        assert options_of[step] == compiled.OPTIONS


@pytest.mark.parametrize("steps", [1, 2])
def test_results_are_those_of_keras_own_functions(steps, monkeypatch):
    model, loss, logits = trained(steps)
    monkeypatch.setattr(compiled, "options", lambda model: None)
    keras_model, keras_loss, keras_logits = trained(steps)
    np.testing.assert_allclose(loss, keras_loss, rtol=1e-5)
    np.testing.assert_allclose(logits, keras_logits, rtol=1e-4, atol=1e-5)
    for ours, theirs in zip(model.get_weights(), keras_model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_other_ways_of_running_stay_keras_own(options_of):
    trained(eager=True)
    with lowering("stock"):
        trained()
    assert not any(options_of.values())


def in_front(network, *behind):
    pixels = keras.Input((33, 33, 3))
    x = network(pixels)
    for layer in behind:
        x = layer(x)
    return MicroBatchModel(pixels, x)


def test_squeezenet_alone_and_with_layers_around_it_is_meant():
    network = small(sides=(33, 33))
    for model in (network, small(), small(top=False), in_front(network), in_front(network, layers.Dense(2))):
        assert compiled.options(model) == compiled.OPTIONS


def test_other_networks_keep_what_is_faster_for_them():
    pixels = keras.Input((32, 32, 3))
    other = ByLayerModel(pixels, layers.Conv2D(4, 3)(pixels))
    for model in (other, MicroBatchModel(pixels, other(pixels)), MicroBatchModel(pixels, layers.Flatten()(pixels))):
        assert compiled.options(model) is None


def test_functions_are_made_once_unless_that_is_forced():
    model, _, _ = trained()
    for kind in ("train", "test", "predict"):
        before = getattr(model, f"{kind}_function")
        getattr(model, f"make_{kind}_function")()
        assert getattr(model, f"{kind}_function") is before
        getattr(model, f"make_{kind}_function")(force=True)
        assert getattr(model, f"{kind}_function") is not before


def test_an_xla_that_does_not_know_the_options_keeps_its_own(monkeypatch):
    monkeypatch.setattr(compiled, "OPTIONS", {"xla_cpu_option_of_another_year": ""})
    compiled._are_known.cache_clear()
    try:
        assert compiled.options(small()) is None
    finally:
        compiled._are_known.cache_clear()
