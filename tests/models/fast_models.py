"""What the tests of the fast form share: a small network, images, and the switch."""

import contextlib

import jax
import keras
import numpy as np
from keras import layers

from kerasqueeze import fire_module
from kerasqueeze.models.fast import set_lowering
from kerasqueeze.models.fast.network import LoweredModel
from kerasqueeze.models.layers import CeilMaxPooling2D


@contextlib.contextmanager
def lowering(name):
    """Set the switch for a while."""
    set_lowering(name)
    try:
        yield
    finally:
        set_lowering("auto")


@contextlib.contextmanager
def quick_compilation():
    """Compile with few optimisations for a while, for programs that run once."""
    jax.config.update("jax_disable_most_optimizations", True)
    try:
        yield
    finally:
        jax.config.update("jax_disable_most_optimizations", False)


@contextlib.contextmanager
def float64():
    """Compute in double precision for a while: both JAX and the layers made meanwhile."""
    with jax.enable_x64(True), quick_compilation():
        keras.config.set_floatx("float64")
        keras.config.set_dtype_policy("float64")
        try:
            yield
        finally:
            keras.config.set_floatx("float32")
            keras.config.set_dtype_policy("float32")


def small(
    kernel_size=3, *, relu=False, dropout=0.0, activation="softmax", pools=(True, False), sides=(None, None), top=True
):
    """SqueezeNet in small, with biases, which compiles in a moment."""
    keras.utils.set_random_seed(kernel_size)
    inputs = keras.Input((*sides, 3))
    x = layers.Rescaling([0.01, 0.02, 0.03], [-0.5, 0.1, 0.4])(inputs)
    x = layers.Conv2D(5, kernel_size, strides=2, activation="relu", bias_initializer="normal")(x)
    x = CeilMaxPooling2D()(x)
    for number, pooled in enumerate(pools):
        x = fire_module(x, 3, 4, 5, name=f"any{number}")
        x = CeilMaxPooling2D()(x) if pooled else x
    if not top:
        return LoweredModel(inputs, x)
    x = layers.Conv2D(4, 1, bias_initializer="normal")(layers.Dropout(dropout)(x))
    x = layers.ReLU()(x) if relu else x
    return LoweredModel(inputs, layers.Activation(activation)(layers.GlobalAveragePooling2D()(x)))


def images(count, height, width=None):
    """Pixels 0–255 out of nothing: float32 (count, height, width, 3)."""
    return np.random.default_rng(count).uniform(0, 255, (count, height, width or height, 3)).astype("float32")
