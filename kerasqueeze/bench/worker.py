"""A benchmark's contestants on Keras and JAX, each in a process of its own.

    python -m kerasqueeze.bench.worker kerasqueeze|keras SIZE BATCH

SqueezeNet 1.1 with 120 classes in float32, Adam, cross-entropy. The steps are those that `fit` and `predict` run,
called as they call them. See `protocol` for what the process reads and writes.
"""

import importlib.metadata
import sys
from collections.abc import Callable
from typing import Any

import jax
import keras
import numpy as np
from keras import layers

from kerasqueeze.bench import protocol
from kerasqueeze.errors import unknown
from kerasqueeze.models.fast import set_lowering
from kerasqueeze.models.fast.microbatch import MicroBatchModel
from kerasqueeze.models.squeezenet import FIRES, MEAN, STD, VARIANTS, SqueezeNet1_1
from kerasqueeze.training import provenance

CLASSES = 120


def ours(size: int) -> keras.Model:
    """Return the model as a user of this package trains it: (N, S, S, 3) pixels to (N, 120) logits."""
    set_lowering("auto")
    network = SqueezeNet1_1(
        weights=None, input_shape=(size, size, 3), classes=CLASSES, classifier_activation=None, dropout=0.5
    )
    pixels = keras.Input((size, size, 3))
    return MicroBatchModel(pixels, network(pixels))


def plain(size: int) -> keras.Model:
    """Return the same network as one writes it with nothing but Keras' own layers."""
    variant = VARIANTS["1.1"]

    def conv(filters: int, kernel: int, **kwargs: Any) -> layers.Layer:
        return layers.Conv2D(filters, kernel, activation="relu", kernel_initializer="he_uniform", **kwargs)

    pixels = keras.Input((size, size, 3))
    x = layers.Rescaling([1 / (255 * s) for s in STD], [-m / s for m, s in zip(MEAN, STD, strict=True)])(pixels)
    x = layers.MaxPooling2D(3, 2)(conv(variant.filters, variant.kernel_size, strides=2)(x))
    for name, (squeeze, left, right) in FIRES.items():
        x = conv(squeeze, 1)(x)
        x = layers.Concatenate()([conv(left, 1)(x), conv(right, 3, padding="same")(x)])
        if name in variant.pooled:
            x = layers.MaxPooling2D(3, 2)(x)
    x = layers.Conv2D(CLASSES, 1)(layers.Dropout(0.5)(x))
    return keras.Model(pixels, layers.GlobalAveragePooling2D()(x))


MODELS = {"kerasqueeze": ours, "keras": plain}


def steps(model: keras.Model, size: int, batch: int) -> dict[str, Callable[[], protocol.Step]]:
    """Return, for each task, a function that builds its step."""
    pixels = np.random.default_rng(0).uniform(0, 255, (batch, size, size, 3)).astype("float32")
    labels = (np.arange(batch) % CLASSES).astype("int32")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-4), loss, jit_compile=True)
    any_model: Any = model  # the parts of Keras' trainer that are not public
    any_model._symbolic_build(data_batch=(pixels, labels))

    def inference() -> protocol.Step:
        any_model.make_predict_function()
        state = any_model._get_jax_state(trainable_variables=True, non_trainable_variables=True)
        held = [jax.tree.map(jax.numpy.array, state[:2])]  # copies: the training step gives its own away

        def step() -> None:
            logits, held[0] = any_model.predict_function(held[0], iter([(pixels,)]))
            np.asarray(logits)

        return step

    def training() -> protocol.Step:
        any_model.make_train_function()
        kinds = ("trainable_variables", "non_trainable_variables", "optimizer_variables", "metrics_variables")
        held = [any_model._get_jax_state(**dict.fromkeys(kinds, True))]

        def step() -> None:
            logs, held[0] = any_model.train_function(held[0], iter([(pixels, labels)]))
            float(logs["loss"])  # waits for the step

        return step

    return {"inference": inference, "training": training}


def prepare(contestant: str, size: int, batch: int) -> tuple[dict[str, Any], dict[str, Callable[[], protocol.Step]]]:
    """Build the contestant's model; return what it is, and its tasks."""
    if contestant not in MODELS:
        raise unknown("contestant", contestant, MODELS)
    keras.utils.set_random_seed(0)
    versions = {name: importlib.metadata.version(name) for name in ("keras", "jax", "jaxlib")}
    about = {"versions": versions, "hardware": provenance.hardware()}
    return about, steps(MODELS[contestant](size), size, batch)


if __name__ == "__main__":
    name, size, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    protocol.serve(lambda: prepare(name, size, batch), batch)
