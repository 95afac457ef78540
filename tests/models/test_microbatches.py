"""A step in pieces against Keras' own step over the whole batch."""

import jax
import keras
import numpy as np
import pytest

from kerasqueeze.models.microbatches import PIECE, MicroBatchModel


def made(kind, *, normalised=False, dropout=0.0):
    keras.utils.set_random_seed(1)
    pixels = keras.Input((12, 12, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(pixels)
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(x)
    if normalised:
        x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dropout(dropout)(x) if dropout else x
    model = kind(pixels, keras.layers.Dense(5)(keras.layers.Flatten()(x)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.5), loss, metrics=["sparse_categorical_accuracy"])
    return model


def photos(count):
    random = np.random.default_rng(count)
    return random.integers(0, 256, (count, 12, 12, 3), np.uint8), random.integers(0, 5, count)


@pytest.mark.parametrize("count", [3 * PIECE, PIECE, 3 * PIECE + 1, 2])
def test_one_step_is_keras_step(count):
    x, y = photos(count)
    ours, theirs = made(MicroBatchModel), made(keras.Model)
    logs, expected = (model.train_on_batch(x, y, return_dict=True) for model in (ours, theirs))
    assert logs.keys() == expected.keys()
    assert all(logs[key] == pytest.approx(expected[key], rel=1e-5) for key in logs)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_sample_weights_are_not_lost():
    x, y = photos(2 * PIECE)
    weights = np.linspace(0, 2, len(y))
    ours, theirs = made(MicroBatchModel), made(keras.Model)
    logs, expected = (model.train_on_batch(x, y, sample_weight=weights, return_dict=True) for model in (ours, theirs))
    assert logs["loss"] == pytest.approx(expected["loss"], rel=1e-5)


def test_batch_normalisation_sees_the_whole_batch():
    x, y = photos(2 * PIECE)
    ours, theirs = made(MicroBatchModel, normalised=True), made(keras.Model, normalised=True)
    for model in (ours, theirs):
        model.train_on_batch(x, y)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="pieces are for the CPU")
def test_random_layers_draw_for_each_piece():
    """One photo repeated: with dropout its pieces give different predictions, so their losses differ."""
    x, y = (np.repeat(array[:1], 2 * PIECE, axis=0) for array in photos(2))
    model = made(MicroBatchModel, dropout=0.9)
    state = [variable.value for variable in model.non_trainable_variables]
    before = [np.array(value) for value in state]
    model.train_on_batch(x, y)
    moved = [
        int(np.abs(np.asarray(variable.value) - old).max())
        for variable, old in zip(model.non_trainable_variables, before, strict=True)
        if "seed" in variable.path
    ]
    assert moved == [2]  # the generator's counter: one draw a piece
