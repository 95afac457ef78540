"""Photos kept on the device and several steps a dispatch, against the ordinary feed; all on a network that compiles
quickly, with augmentation and dropout."""

import os
import signal

import keras
import numpy as np
import pytest

from kerasqueeze import history
from kerasqueeze.data import datasets
from kerasqueeze.data.pipeline import Batches
from kerasqueeze.errors import Interrupted, UserError
from kerasqueeze.training import feed, resume, runner
from kerasqueeze.training.experiment import Experiment
from kerasqueeze.training.feed import Feed
from kerasqueeze.training.states import States

TINY = Experiment(
    name="tiny",
    about="",
    dataset="digits",
    image_size=32,
    limit=13,
    batch_size=24,  # 130 photos: five steps, a dispatch of three and two single ones
    epochs=2,
    learning_rate=1e-2,
    optimizer="amsgrad",
)
UNTIMED = list(history.COLUMNS[:-2])


def small_network(name, *, classes, image_size, dropout, **rest):
    pixels = keras.Input((image_size, image_size, 3))
    x = keras.layers.Rescaling(1 / 255)(pixels)
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu", name="conv1")(x)
    x = keras.layers.Dropout(dropout, seed=5)(keras.layers.Flatten()(x))
    return keras.Model(pixels, keras.layers.Dense(classes, name="conv10")(x))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(runner.backbones, "build", small_network)
    monkeypatch.setattr(feed, "STEPS", 3)
    monkeypatch.setattr(feed, "PIECE", 50)  # several copies, the last one smaller


@pytest.fixture(scope="module")
def data():
    return datasets.load("digits", image_size=32, limit=13)


def outcome(out):
    """Return the rows but for the times, the weights, and the record of seed 0."""
    rows = history.read_csv(history.csv_path(out, "tiny"))[UNTIMED].to_numpy()
    network = keras.models.load_model(out / "models" / "tiny_seed0.keras")
    return rows, network.get_weights(), history.read_json(history.json_path(out, "tiny"))["runs"]["0"]


def same(ours, theirs):
    """Equal but for rounding: XLA compiles a step within the scan on its own terms."""
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-4)
    for a, b in zip(ours[1], theirs[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
    for key in ("outcome", "epochs", "best_epoch", "initial_weights", "first_batch"):
        assert ours[2][key] == theirs[2][key]
    for key in ("test", "validation"):
        assert ours[2][key] == pytest.approx(theirs[2][key], rel=1e-3)


@pytest.fixture(scope="module")
def on_host(tmp_path_factory):
    """What the ordinary feed gives, never stopped."""
    out = tmp_path_factory.mktemp("on_host")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner.backbones, "build", small_network)
        runner.run(TINY, [0], out=out, feed="host")
    assert outcome(out)[2]["hardware"]["feed"] == "host"
    return outcome(out)


@pytest.mark.parametrize(
    ("first", "position"),
    [("device", (0, 3)), ("host", (0, 2))],  # between two dispatches; within one
)
def test_a_run_that_is_stopped_and_goes_on_with_the_photos_on_the_device(
    on_host, tmp_path, monkeypatch, first, position
):
    """What one gives that was never stopped and had them on the host."""
    write = States.write

    def interrupted(*saved):
        write(*saved)
        if saved[1] == position:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(resume, "SAVE_EVERY", -1.0)  # a state before each dispatch
    monkeypatch.setattr(States, "write", interrupted)
    with pytest.raises(Interrupted, match=f"stopped at epoch 1, step {position[1]};"):
        runner.run(TINY, [0], out=tmp_path, feed=first)
    monkeypatch.setattr(States, "write", write)
    runner.run(TINY, [0], out=tmp_path, feed="device")
    ours = outcome(tmp_path)
    same(ours, on_host)
    assert ours[2]["hardware"]["feed"] == "device"
    assert ours[2]["hardware"]["steps_per_dispatch"] == 3


class Watched(Batches):
    """Counts the bytes that are handed out."""

    bytes = 0

    def __getitem__(self, index):
        batch = super().__getitem__(index)
        Watched.bytes += sum(array.nbytes for array in batch)
        return batch


def test_numbers_and_bytes_of_one_epoch(data, monkeypatch):
    """Metrics of training and validation; what goes to the device is 8 bytes a photo, never pixels."""
    logs, sent = {}, {}
    for kind in ("host", "device"):
        monkeypatch.setattr(Watched, "bytes", 0)
        model, _ = runner.training_model(TINY, data, seed=3)
        feed = Feed(kind, data.train, data.validation)
        with feed.into(model, 24):
            batches = Watched(feed.train, 24, seed=3), Watched(feed.validation, 64)
            logs[kind] = model.fit(batches[0], validation_data=batches[1], shuffle=False, verbose=0).history
        sent[kind] = Watched.bytes
        assert (model.steps_per_execution, model.train_function is None) == (1, kind == "device")
    assert logs["device"].keys() == logs["host"].keys()
    for key, values in logs["host"].items():
        assert logs["device"][key] == pytest.approx(values, rel=1e-4)
    photos = 5 * 24 + len(data.validation)
    assert sent["device"] == 8 * photos
    assert sent["host"] > 32 * 32 * 3 * photos


def test_the_photos_on_the_device_are_those_of_the_splits(data):
    feed = Feed("device", data.train, data.validation)
    photos = np.asarray(feed.photos)
    assert photos.dtype == np.uint8
    assert len(photos) == len(data.train) + len(data.validation)
    for ours, theirs in ((feed.train, data.train), (feed.validation, data.validation)):
        rows, labels = ours.batch([7, 0, len(theirs) - 1])
        pixels, expected = theirs.batch([7, 0, len(theirs) - 1])
        np.testing.assert_array_equal(photos[rows], pixels)
        np.testing.assert_array_equal(labels, expected)


def pretend(monkeypatch, backend, free):
    monkeypatch.setattr(feed.jax, "default_backend", lambda: backend)
    monkeypatch.setattr(feed, "free_bytes", lambda: free)


@pytest.mark.parametrize(
    ("backend", "spare", "kind", "expected"),
    [
        ("gpu", 0, "auto", True),  # exactly half of what is free
        ("gpu", -2, "auto", False),
        ("gpu", None, "auto", False),  # a device that does not tell
        ("gpu", None, "device", True),
        ("gpu", 0, "host", False),
        ("cpu", 0, "auto", False),
        ("cpu", 0, "device", True),
    ],
)
def test_when_the_photos_are_kept_on_the_device(data, monkeypatch, backend, spare, kind, expected):
    size = (len(data.train) + len(data.validation)) * 32 * 32 * 3
    pretend(monkeypatch, backend, None if spare is None else 2 * size + spare)
    feed = Feed(kind, data.train, data.validation)
    assert feed.about() == {"feed": "device" if expected else "host", "steps_per_dispatch": 3 if expected else 1}
    assert (feed.train is data.train) is not expected


def test_photos_that_do_not_fit_and_unknown_feeds_are_refused(data, monkeypatch):
    pretend(monkeypatch, "gpu", 1000)
    with pytest.raises(
        UserError, match=r"feed='device' has to keep .* GB of photos where 5e-07 GB .*; use --feed host"
    ):
        Feed("device", data.train, data.validation)
    with pytest.raises(UserError, match="unknown feed 'tape'; choose from: auto, device, host"):
        Feed("tape", data.train, data.validation)


def test_free_memory_is_the_limit_less_what_is_in_use(monkeypatch):
    class Device:
        def memory_stats(self):
            return self.stats

    device = Device()
    monkeypatch.setattr(feed.jax, "local_devices", lambda: [device])
    for device.stats, expected in ((None, None), ({}, None), ({"bytes_limit": 9, "bytes_in_use": 4}, 5)):
        assert feed.free_bytes() == expected
