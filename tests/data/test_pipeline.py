import jax
import keras
import numpy as np
import pytest

from kerasqueeze.data.pipeline import Batches
from kerasqueeze.data.splits import Split
from kerasqueeze.errors import UserError


def numbered(count: int) -> Split:
    """A split whose photo n shows n and is of class n % 5."""
    images = np.tile(np.arange(count, dtype=np.uint8)[:, None, None, None], (1, 4, 4, 3))
    return Split(images, np.arange(count), np.arange(count, dtype=np.int32) % 5, tuple(map(str, range(count))))


def shown(batch) -> list[int]:
    images, labels = batch
    assert images.dtype == np.uint8 and images.shape[1:] == (4, 4, 3) and labels.dtype == np.int32
    np.testing.assert_array_equal(labels, images[:, 0, 0, 0] % 5)
    return images[:, 0, 0, 0].tolist()


def test_without_a_seed_everything_in_order():
    batches = Batches(numbered(10), 4)
    assert [shown(batch) for batch in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(batches) == 3 and len(Batches(numbered(8), 4)) == 2


def test_with_a_seed_every_epoch_its_own_order():
    batches = Batches(numbered(30), 4, seed=7)
    assert len(batches) == 7
    epochs = []
    for epoch in range(3):
        batches.epoch = epoch
        epochs.append([number for batch in batches for number in shown(batch)])
        assert len(set(epochs[-1])) == 28
        assert epochs[-1] == batches.positions(epoch)[:28].tolist()
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]


def test_order_depends_on_seed_epoch_and_length_alone():
    orders = {
        (seed, epoch): tuple(Batches(numbered(30), 4, seed).positions(epoch)) for seed in (1, 2) for epoch in (0, 1)
    }
    assert len(set(orders.values())) == 4
    assert orders[1, 1] == tuple(Batches(numbered(30), 9, 1, first_epoch=5).positions(1))


def test_batches_can_be_asked_for_in_any_order():
    batches = Batches(numbered(30), 4, seed=7)
    in_order = [shown(batches[index]) for index in range(7)]
    assert [shown(batches[index]) for index in (3, 0, 6, 6, 1)] == [in_order[index] for index in (3, 0, 6, 6, 1)]
    for index in (-1, 7):
        with pytest.raises(IndexError):
            batches[index]


def recording_model(log: list[list[int]]) -> keras.Model:
    """A model that writes down the photos of each step as the device sees them."""

    class Recorder(keras.layers.Layer):
        def call(self, images):
            jax.debug.callback(lambda seen: log.append(np.asarray(seen)[:, 0, 0, 0].tolist()), images, ordered=True)
            return keras.ops.cast(images, "float32") / 255

    pixels = keras.Input((4, 4, 3), dtype="uint8")
    return keras.Model(pixels, keras.layers.Dense(5)(keras.layers.Flatten()(Recorder()(pixels))))


def compile_anew(model: keras.Model, steps_per_execution: int = 1):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, metrics=["accuracy"], steps_per_execution=steps_per_execution)


@pytest.mark.parametrize("count", [4, 7, 8, 30], ids=["one batch", "one and a rest", "two", "seven"])
@pytest.mark.parametrize("fresh", [True, False], ids=["fresh metrics", "built metrics"])
@pytest.mark.parametrize("steps_per_execution", [1, 3])
def test_fit_sees_the_promised_order(count, fresh, steps_per_execution):
    log: list[list[int]] = []
    model = recording_model(log)
    compile_anew(model, steps_per_execution)
    if not fresh:  # then fit draws no batch to build them from
        model.evaluate(Batches(numbered(4), 4), verbose=0)
    training, validation = Batches(numbered(count), 4, seed=3, first_epoch=2), Batches(numbered(6), 4)
    jax.effects_barrier()
    log.clear()
    model.fit(training, initial_epoch=2, epochs=5, validation_data=validation, shuffle=False, verbose=0)
    jax.effects_barrier()
    expected = []
    for epoch in (2, 3, 4):
        order = training.positions(epoch).tolist()
        expected += [order[start : start + 4] for start in range(0, count - 3, 4)] + [[0, 1, 2, 3], [4, 5]]
    assert log == expected
    assert training.epoch == 5


def test_resumed_fit_continues_the_order():
    log: list[list[int]] = []
    model = recording_model(log)
    for first, last in ((0, 4), (0, 2), (2, 4)):
        compile_anew(model)
        feed = Batches(numbered(30), 4, seed=3, first_epoch=first)
        model.fit(feed, initial_epoch=first, epochs=last, shuffle=False, verbose=0)
    jax.effects_barrier()
    assert log[:28] == log[28:]


def test_shuffling_by_keras_is_refused():
    model = recording_model([])
    compile_anew(model)
    with pytest.raises(UserError, match="shuffle=False"):
        model.fit(Batches(numbered(200), 4, seed=1), verbose=0)
    model = recording_model([])  # an error within the first step leaves a model of Keras without its weights
    compile_anew(model)
    with pytest.raises(UserError, match="no steps_per_epoch"):
        model.fit(Batches(numbered(40), 4, seed=1), steps_per_epoch=3, epochs=2, shuffle=False, verbose=0)


def test_too_few_photos_for_a_batch():
    with pytest.raises(UserError, match="3 photos do not fill a batch of 4; choose a smaller batch_size"):
        Batches(numbered(3), 4, seed=1)
    assert len(Batches(numbered(3), 4)) == 1
    for split, batch_size in ((numbered(3), 0), (numbered(3).take(np.array([], int)), 4)):
        with pytest.raises(UserError, match="batch"):
            Batches(split, batch_size)


def test_errors_while_gathering_reach_the_caller():
    split = numbered(12)
    broken = Split(split.images, np.array([*range(8), 99, 99, 99, 99]), split.labels, split.names)
    batches = Batches(broken, 4)
    assert shown(batches[1]) == [4, 5, 6, 7]
    with pytest.raises(IndexError, match="99"):
        batches[2]
