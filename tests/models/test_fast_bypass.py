"""Bypasses in the fast form against the layers as Keras runs them."""

import keras
import numpy as np
import pytest
from fast_models import float64, images, lowering
from keras import layers
from test_fast_model import same

from kerasqueeze import SqueezeNet1_0, SqueezeNet1_1, fire_module
from kerasqueeze.models.fast.network import LoweredModel
from kerasqueeze.models.fast.plan import read
from kerasqueeze.models.layers import CeilMaxPooling2D


def bypassed(kind, pooled, filters=(4, 5), through=9):
    """A stem and two fire modules, the second with a bypass, perhaps pooled."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((None, None, 3))
    x = layers.Rescaling(0.01)(inputs)
    x = layers.Conv2D(5, 3, strides=2, activation="relu", bias_initializer="normal")(x)
    x = CeilMaxPooling2D()(x)
    x = fire_module(x, 3, *filters, name="a")
    around = layers.Conv2D(through, 1, activation="relu", bias_initializer="normal")(x) if kind == "complex" else x
    x = layers.Add()([fire_module(x, 3, 4, 5, name="b"), around])
    x = CeilMaxPooling2D()(x) if pooled else x
    return LoweredModel(inputs, x)


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize(("kind", "filters"), [("simple", (4, 5)), ("simple", (6, 3)), ("complex", (6, 5))])
def test_results_and_gradients_are_the_layers(kind, filters, pooled):
    with float64():
        model = bypassed(kind, pooled, filters)
        plan = read(model)
        assert plan is not None and (plan.fires[1].bypass is not None) == (kind == "complex")
        same(model, images(3, 45, 38).astype("float64"), 1e-12)


@pytest.mark.parametrize("build", [SqueezeNet1_0, SqueezeNet1_1])
@pytest.mark.parametrize("kind", ["simple", "complex"])
def test_whole_networks_have_a_fast_form(build, kind):
    model = build(weights=None, input_shape=(64, 64, 3), classes=5, bypass=kind)
    assert model.has_fast_form()
    found = {}
    for name in ("fast", "stock"):
        with lowering(name):
            model.make_predict_function(force=True)
            found[name] = model.predict(images(2, 64, 64), verbose=0)
    np.testing.assert_allclose(found["fast"], found["stock"], rtol=1e-4, atol=1e-6)


def test_other_additions_are_for_keras():
    """The order of what is added, or another input than the module's, is not what is known."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((64, 64, 3))
    x = CeilMaxPooling2D()(layers.Conv2D(9, 3, strides=2, activation="relu")(inputs))
    other = layers.Conv2D(9, 1, activation="tanh")(x)
    for added in ([fire_module(x, 3, 4, 5, name="a"), other], [x, fire_module(x, 3, 4, 5, name="b")]):
        assert read(keras.Model(inputs, layers.Add()(added))) is None
