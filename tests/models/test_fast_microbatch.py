"""The training step in micro-batches against Keras' own step over the whole batch."""

import re

import jax
import keras
import numpy as np
import pytest
from fast_models import float64, images, lowering, quick_compilation, small
from keras import layers, losses

from kerasqueeze.models.fast import network
from kerasqueeze.models.fast.microbatch import MicroBatchModel

pytestmark = pytest.mark.skipif(jax.default_backend() != "cpu", reason="micro-batches are for the CPU")


@pytest.fixture
def small_cache(monkeypatch):
    """A cache that holds four images of 40 pixels, or two in double precision."""
    monkeypatch.setattr(network, "CACHE", 4 * 19**2 * 5 * 4)


@pytest.fixture
def computed(monkeypatch):
    """List of the numbers of images each time that the network is traced."""
    counts, features = [], network.features
    monkeypatch.setattr(network, "features", lambda x, *rest: counts.append(x.shape[0]) or features(x, *rest))
    return counts


class Noise(layers.Layer):
    """Stands for augmentation: random numbers for each image, in training only."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.random, self.counts = keras.random.SeedGenerator(7), []

    def call(self, x, training=False):
        self.counts.append(x.shape[0])
        x = keras.ops.cast(x, self.compute_dtype)
        return x + keras.random.uniform(x.shape, dtype=self.compute_dtype, seed=self.random) if training else x


def made(kind, back=(), dropout=0.0, top=True, **compiled):
    """Noise, the small network and other layers as a compiled model of a kind."""
    inner = small(activation=None, dropout=dropout, sides=(40, 40), top=top)
    pixels = keras.Input((40, 40, 3), dtype="uint8")
    noise = Noise()
    x = inner(noise(pixels))
    for layer in back:
        x = layer(x)
    model = kind(pixels, x)
    settings = {
        "loss": losses.SparseCategoricalCrossentropy(from_logits=True),
        "metrics": ["sparse_top_k_categorical_accuracy"],
    }
    model.compile(keras.optimizers.SGD(0.01), **{**settings, **compiled})
    return model, noise


def batch(count):
    return images(count, 40).astype("uint8"), np.arange(count) % 4


@pytest.mark.usefixtures("small_cache")
@pytest.mark.parametrize("count", [6, 7])  # 7: a remainder
def test_a_step_is_keras_step(count, computed):
    with float64():
        # Without the average, which Keras computes in float32 whatever the precision.
        (ours, noise), (theirs, _) = (
            made(kind, top=False, back=[layers.Flatten(), layers.Dense(4)]) for kind in (MicroBatchModel, keras.Model)
        )
        theirs.set_weights(ours.get_weights())
        logs, expected = (model.train_on_batch(*batch(count), return_dict=True) for model in (ours, theirs))
        assert noise.counts[-1] == count  # the images are augmented as one batch, so with the same random numbers
        assert set(computed) == {2, count % 2} - {0} | {count}  # Keras' own step is the whole batch
        assert logs.keys() == expected.keys()
        for key in logs:
            np.testing.assert_allclose(logs[key], expected[key], rtol=1e-12)
        for a, b in zip(ours.variables, theirs.variables, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


@pytest.mark.usefixtures("small_cache")
def test_dropout_draws_the_same_numbers_for_the_same_seed(computed):
    runs = []
    for _ in range(2):
        with quick_compilation():
            model, _ = made(MicroBatchModel, dropout=0.5)
            logs = [model.train_on_batch(*batch(6), return_dict=True) for _ in range(2)]
        runs.append((logs, *(np.asarray(variable) for variable in model.variables)))
    assert set(computed) == {3}
    for a, b in zip(*map(jax.tree.leaves, runs), strict=True):
        np.testing.assert_array_equal(a, b)
    steps, pieces = 2, 2
    augmentation, dropout = (int(np.asarray(state)[1]) for state in model.non_trainable_variables)
    assert (augmentation, dropout) == (steps, steps * pieces)  # new numbers for each step and for each piece


def test_the_network_alone_trains_in_micro_batches(small_cache, computed):
    model = small(sides=(40, 40))
    model.compile("adam", "sparse_categorical_crossentropy")
    trace(model, images(8, 40), np.arange(8) % 4)
    assert set(computed) == {4}


class OwnLoss(MicroBatchModel):
    def compute_loss(self, *args, **kwargs):
        return super().compute_loss(*args, **kwargs)


class OwnCrossEntropy(losses.SparseCategoricalCrossentropy):
    def call(self, y, predicted):
        return super().call(y, predicted) / y.shape[0]


def largest_is_one(x):
    return x / keras.ops.max(x)


@pytest.mark.usefixtures("small_cache")
@pytest.mark.parametrize(
    ("kind", "made_with", "count", "weights", "whole"),
    [
        (MicroBatchModel, {}, 6, None, False),
        (MicroBatchModel, {"loss": "sparse_categorical_crossentropy"}, 6, None, False),
        (MicroBatchModel, {"back": [layers.Dense(4)]}, 6, None, False),
        (MicroBatchModel, {}, 2, None, True),
        (MicroBatchModel, {}, 6, np.ones(6), True),
        (MicroBatchModel, {"back": [layers.BatchNormalization()]}, 6, None, True),
        (MicroBatchModel, {"loss": losses.SparseCategoricalCrossentropy(reduction="sum")}, 6, None, True),
        (MicroBatchModel, {"loss": losses.SparseCategoricalCrossentropy(ignore_class=0)}, 6, None, True),
        (MicroBatchModel, {"loss": losses.Dice()}, 6, None, True),
        (MicroBatchModel, {"loss": losses.SparseCategoricalCrossentropy(axis=0)}, 6, None, True),
        (MicroBatchModel, {"loss": OwnCrossEntropy()}, 6, None, True),
        (
            MicroBatchModel,
            {"loss": losses.MeanSquaredError(), "back": [layers.Dense(1)], "metrics": []},
            6,
            None,
            False,
        ),
        (MicroBatchModel, {"back": [layers.Softmax(axis=0)]}, 6, None, True),
        (MicroBatchModel, {"back": [layers.Dropout(0.5, noise_shape=(1, 4))]}, 6, None, True),
        (MicroBatchModel, {"back": [layers.Activation(largest_is_one)]}, 6, None, True),
        (MicroBatchModel, {"back": [layers.Dense(4, activation=largest_is_one)]}, 6, None, True),
        (MicroBatchModel, {"back": [layers.Dense(4, activity_regularizer="l2")]}, 6, None, True),
        (MicroBatchModel, {"back": [layers.Dense(4, kernel_regularizer="l2")]}, 6, None, False),
        (MicroBatchModel, {"loss": lambda y, predicted: predicted[:, 0]}, 6, None, True),
        (MicroBatchModel, {"loss": [losses.SparseCategoricalCrossentropy()]}, 6, None, True),
        (OwnLoss, {}, 6, None, True),
    ],
)
def test_which_steps_are_taken_in_micro_batches(monkeypatch, kind, made_with, count, weights, whole):
    """A whole step is handed to Keras unseen, any other is not: only traced here."""
    taken = []
    monkeypatch.setattr(keras.Model, "train_step", lambda self, state, data: taken.append(data) or state)
    model, _ = made(kind, **made_with)
    trace(model, *batch(count), weights)
    assert bool(taken) == whole


def replace_call(model):
    call = model.call
    model.call = lambda *args, **kwargs: -call(*args, **kwargs)


def penalise(layer):
    layer.activity_regularizer = keras.regularizers.L2(1.0)


@pytest.mark.usefixtures("small_cache")
@pytest.mark.parametrize("change", [replace_call, penalise])
@pytest.mark.parametrize("place", ["augmentation", "network", "whole"])
def test_what_is_done_to_models_and_augmentation_is_done_to_the_whole_batch(place, change, monkeypatch):
    taken = []
    monkeypatch.setattr(keras.Model, "train_step", lambda self, state, data: taken.append(data) or state)
    model, noise = made(MicroBatchModel)
    change({"augmentation": noise, "network": model.layers[-1], "whole": model}[place])
    trace(model, *batch(6))
    assert bool(taken) == ((place, change) != ("augmentation", replace_call))  # which sees the whole batch anyway


@pytest.mark.usefixtures("small_cache")
@pytest.mark.filterwarnings("ignore:Layer .* does not support masking:UserWarning")
@pytest.mark.filterwarnings("ignore:.*was passed an input with a mask:UserWarning")
def test_masked_images_are_trained_on_as_a_whole_batch(monkeypatch):
    taken = []
    monkeypatch.setattr(keras.Model, "train_step", lambda self, state, data: taken.append(data) or state)
    pixels = keras.Input((40, 40, 3))
    model = MicroBatchModel(pixels, small(sides=(40, 40))(layers.Masking()(pixels)))
    model.compile("adam", "sparse_categorical_crossentropy")
    trace(model, *batch(6))
    assert taken


def trace(model, x, y, weights=None):
    """Return the step's jaxpr."""
    model.optimizer.build(model.trainable_variables)
    parts = (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )
    state = tuple([variable.value for variable in part] for part in parts)
    return jax.jit(lambda state: model.train_step(state, (x, y) if weights is None else (x, y, weights))).trace(state)


def test_with_stock_layers_the_step_is_whole(small_cache, monkeypatch):
    taken = []
    monkeypatch.setattr(keras.Model, "train_step", lambda self, state, data: taken.append(data) or state)
    with lowering("stock"):
        trace(made(MicroBatchModel)[0], *batch(6))
    assert taken


@pytest.mark.usefixtures("small_cache")
def test_frozen_layers_get_no_gradient():
    """A product for each convolution forward; backward, only those that lead to a gradient that is asked for."""

    def products(first_trained):
        model, _ = made(MicroBatchModel)
        for layer in model.layers[2].layers[:first_trained]:
            layer.trainable = False
        return len(re.findall(r"= f64\S+ dot\(", trace(model, *batch(6)).lower().compile().as_text()))

    names = [layer.name for layer in small().layers]
    with float64():  # where every product stays one in the compiled program
        forward, head, last_fire, everything = map(products, (99, -4, names.index("any1_squeeze1x1"), 0))
    # The gradients of kernel, bias and input are a product each; a squeeze that reads two parts has two for some.
    assert forward == 1 + (1 + 1 + 1) + (2 + 1 + 1) + 1
    assert head == forward + (1 + 1)
    assert last_fire == head + 1 + (3 + 3) + (2 + 1)
    assert everything == last_fire + 2 + (3 + 3) + 3 + (1 + 1)
