"""The faster forms against the plain Keras graph over the same layers and variables."""

import jax
import keras
import numpy as np
import pytest
from fast_models import float64, images, small

from kerasqueeze.models.fast import by_layer
from kerasqueeze.models.fast.by_layer import ByLayerModel

pytestmark = pytest.mark.usefixtures("quick_compilation")
on_cpu = pytest.mark.skipif(jax.default_backend() != "cpu", reason="the faster forms are for the CPU")


def by_layers(model):
    """Return the same layers as a model that computes each by itself."""
    return ByLayerModel(model.input, model.output)


def plain(model):
    """Return the same layers as a plain Keras model, which knows no faster form."""
    return keras.Model(model.input, model.output)


def loss_and_gradients(model, pixels):
    def loss(trainable):
        fixed = [variable.value for variable in model.non_trainable_variables]
        return (model.stateless_call(trainable, fixed, pixels)[0] ** 2).sum()

    return jax.jit(jax.value_and_grad(loss))([variable.value for variable in model.trainable_variables])


def random_pixels(*shape):
    return np.random.default_rng(shape).uniform(0, 255, shape)


@on_cpu
@pytest.mark.parametrize(("kernel_size", "height", "width"), [(3, 33, 46), (7, 40, 37)])
def test_outputs_and_gradients_are_the_plain_graphs(kernel_size, height, width):
    with float64():
        model = small(kernel_size)
        pixels = images(3, height, width).astype("float64")
        loss, gradients = loss_and_gradients(by_layers(model), pixels)
        expected_loss, expected = loss_and_gradients(plain(model), pixels)
        assert float(loss) == pytest.approx(float(expected_loss), rel=1e-12)
        for ours, theirs in zip(gradients, expected, strict=True):
            assert np.abs(ours - theirs).max() <= 1e-12 * np.abs(theirs).max()


@on_cpu
def test_no_convolution_is_left_to_xla_and_frozen_layers_cost_no_gradient():
    model = by_layers(small())
    pixels = images(2, 40)

    def products():
        """Count convolutions, and matrix products that are left once what nobody needs is dropped."""
        text = jax.jit(lambda trainable: jax.grad(loss)(trainable)).lower(start()).compile().as_text()
        return text.count(" convolution("), text.count(" dot(")

    def start():
        return [variable.value for variable in model.trainable_variables]

    def loss(trainable):
        fixed = [variable.value for variable in model.non_trainable_variables]
        return model.stateless_call(trainable, fixed, pixels)[0].sum()

    convolutions, free = products()
    assert convolutions == 0
    last = [layer for layer in model.layers if layer.weights][-1]
    for layer in model.layers:
        layer.trainable = layer is last
    _, frozen = products()
    # A product a convolution forward; backward one for its kernel and, but for the first, one for its input.
    assert free == 8 + 8 + 7
    assert frozen == 8 + 1


def test_dropout_acts_in_training_alone():
    model = by_layers(small(dropout=0.5))
    pixels = images(2, 40)
    still = [np.asarray(model(pixels, training=False)) for _ in range(2)]
    moving = [np.asarray(model(pixels, training=True)) for _ in range(2)]
    np.testing.assert_array_equal(*still)
    assert (moving[0] != moving[1]).any()


def test_half_precision_is_left_to_keras():
    """The same to the last bit; a product in half precision would round otherwise than XLA's convolution."""
    inputs = keras.Input((9, 9, 16))
    x = keras.layers.Conv2D(8, 1, activation="relu", dtype="mixed_bfloat16")(inputs)
    model = ByLayerModel(inputs, keras.layers.Conv2D(8, 3, dtype="mixed_bfloat16")(x))
    pixels = random_pixels(2, 9, 9, 16).astype("float32")
    ours, theirs = (np.asarray(made(pixels).astype("float32")) for made in (model, plain(model)))
    np.testing.assert_array_equal(ours, theirs)


def test_layers_beyond_squeezenet_are_right_too():
    """Strides, padding, groups and dilation: faster form or not, the result is Keras'."""
    inputs = keras.Input((31, 28, 4))
    x = keras.layers.Conv2D(6, 1, strides=2, activation="relu")(inputs)
    x = keras.layers.Conv2D(6, 5, use_bias=False)(x)
    x = keras.layers.Conv2D(6, 3, padding="same", activation="tanh")(x)
    x = keras.layers.Conv2D(6, 3, padding="same", groups=2)(x)
    x = keras.layers.Conv2D(6, 3, padding="same", dilation_rate=2)(x)
    x = keras.layers.Conv2D(6, 3, strides=2, padding="same")(x)
    x = keras.layers.MaxPooling2D(3, 2)(keras.layers.BatchNormalization()(x))
    model = ByLayerModel(inputs, [x, keras.layers.Flatten()(x)])
    pixels = random_pixels(2, 31, 28, 4).astype("float32")
    for ours, theirs in zip(model(pixels), plain(model)(pixels), strict=True):
        np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=1e-4, atol=1e-5)


def test_patches_are_in_the_kernels_order():
    x = np.arange(2 * 5 * 7 * 3).reshape(2, 5, 7, 3)
    found = np.asarray(by_layer.patches(x, 3, 2))
    for row, column in ((0, 0), (1, 2)):
        window = x[1, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
        np.testing.assert_array_equal(found[1, row, column], window.ravel())
