"""Label smoothing against optax and Keras' own for one-hot labels."""

import keras
import numpy as np
import optax
import pytest

from kerasqueeze.training import losses

LOGITS = np.random.default_rng(0).normal(size=(9, 5)).astype("float32")
LABELS = np.arange(9) % 5


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
def test_against_optax_and_one_hot_labels(smoothing):
    ours = float(losses.build(smoothing)(LABELS, LOGITS))
    targets = optax.smooth_labels(np.eye(5)[LABELS], smoothing)
    assert ours == pytest.approx(float(optax.softmax_cross_entropy(LOGITS, targets).mean()), rel=1e-6)
    keras_own = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)
    assert ours == pytest.approx(float(keras_own(np.eye(5)[LABELS], LOGITS)), rel=1e-6)


def test_without_smoothing_it_is_keras_own():
    assert type(losses.build(0.0)) is keras.losses.SparseCategoricalCrossentropy


def test_it_is_saved_with_a_model():
    loss = losses.SmoothedCrossEntropy(0.3)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.smoothing == 0.3
    assert float(again(LABELS, LOGITS)) == float(loss(LABELS, LOGITS))
