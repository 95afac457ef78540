"""The fast form of whole networks against the layers as Keras runs them, and when which of the two is taken."""

import jax
import keras
import numpy as np
import pytest
from fast_models import float64, images, lowering, quick_compilation, small
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from kerasqueeze import SqueezeNet1_0, SqueezeNet1_1
from kerasqueeze.models.fast import network

pytestmark = pytest.mark.skipif(jax.default_backend() != "cpu", reason="the fast form is for the CPU")


def outputs_and_gradients(model, x, training):
    """Return outputs and the gradients of a random weighting of them, in all weights and in the images."""

    def weighted(variables, x):
        y, _ = model.stateless_call(variables, model.non_trainable_variables, x, training=training)
        return (y * np.random.default_rng(1).standard_normal(y.shape)).sum(), y

    variables = [variable.value for variable in model.trainable_variables]
    (_, y), gradients = jax.jit(jax.value_and_grad(weighted, (0, 1), has_aux=True))(variables, x)
    return y, *gradients[0], gradients[1]


def same(model, x, tolerance, training=False):
    with lowering("fast"):
        ours = outputs_and_gradients(model, x, training)
    with lowering("stock"):
        theirs = outputs_and_gradients(model, x, training)
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * (np.abs(b).max() + 1e-30))


@pytest.mark.slow
@settings(max_examples=4, deadline=None, derandomize=True, phases=[Phase.generate])  # each compiles; no shrinking
@given(st.sampled_from([3, 7]), st.integers(32, 45), st.integers(32, 45), st.integers(1, 7), st.booleans())
def test_any_size_and_batch(kernel_size, height, width, count, relu):
    with float64():
        model = small(kernel_size, relu=relu)
        with pytest.MonkeyPatch.context() as patch:  # a cache of about three images
            patch.setattr(network, "CACHE", 3 * 8 * 5 * 22**2)
            same(model, images(count, height, width).astype("float64"), 1e-12)


@pytest.mark.parametrize("build", [SqueezeNet1_0, SqueezeNet1_1])
def test_both_variants_predict_what_their_layers_do(build):
    keras.utils.set_random_seed(1)
    model = build(weights=None, input_shape=(None, None, 3), classes=1000)
    found = {}
    for name in ("fast", "stock"):
        with lowering(name), quick_compilation():
            model.make_predict_function(force=True)
            found[name] = model.predict(images(3, 70, 65), verbose=0)
    np.testing.assert_allclose(found["fast"], found["stock"], rtol=1e-5)
    assert not np.array_equal(found["fast"], found["stock"])  # rounded elsewhere, so computed in another way
