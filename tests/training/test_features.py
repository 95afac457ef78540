"""Kept features of a frozen front: the same numbers as without, and when they are computed anew."""

import os
from pathlib import Path

import jax
import keras
import numpy as np
import pytest
from test_phases import TINY, rows_of, weights_of

from kerasqueeze.data import datasets
from kerasqueeze.data.pipeline import Batches
from kerasqueeze.data.splits import Split
from kerasqueeze.errors import UserError
from kerasqueeze.models import backbones, stages
from kerasqueeze.models.cut import cut
from kerasqueeze.training import features, model, runner

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.mark.parametrize("name", ["squeezenet1_0", "squeezenet1_1", "mobilenet_v2"])
@pytest.mark.parametrize("what", ["head", "last_stage"])
def test_front_and_back_make_the_network(name, what):
    network = backbones.build(name, classes=5, image_size=64, dropout=0.0)
    stages.free(network, what)
    parts = cut(network)
    assert parts is not None
    assert parts.pooled == (what == "head" and name.startswith("squeezenet"))
    assert not parts.front.trainable_variables
    assert len(parts.back.trainable_variables) == len(network.trainable_variables)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3)).astype("uint8")
    expected = network.predict(pixels, verbose=0)
    found = parts.back.predict(parts.front.predict(pixels, verbose=0), verbose=0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_network_that_trains_from_its_first_layer_has_no_front():
    assert cut(backbones.build("squeezenet1_1", classes=5, image_size=32)) is None


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("freeze", ["backbone", "all_but_last_stage"])
def test_kept_features_change_no_loss(tmp_path, freeze, dropout):
    """The uncached path is another implementation: whole network, whole step."""
    settings = TINY.override(freeze=freeze, dropout=dropout, epochs=3)
    for kept in (True, False):
        record = runner.run(settings.override(cache_features=kept), [0], out=tmp_path / str(kept))
        assert record["runs"]["0"]["phases"][0]["front"].startswith("kept" if kept else "computed")
    for name in ("loss_train", "loss_val"):
        ours, theirs = (rows_of(tmp_path / str(kept))[name] for kept in (True, False))
        np.testing.assert_allclose(ours, theirs, rtol=2e-5)
    for ours, theirs in zip(*(weights_of(tmp_path / str(kept)) for kept in (True, False)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=2e-5)


def test_features_of_other_photos_weights_or_views_are_kept_apart(tmp_path, monkeypatch):
    monkeypatch.setenv("KERASQUEEZE_CACHE", str(tmp_path))
    rng = np.random.default_rng(0)

    def split(seed):
        images = np.random.default_rng(seed).integers(0, 256, (9, 32, 32, 3)).astype("uint8")
        return Split(images, np.arange(9), rng.integers(0, 3, 9).astype("int32"), tuple(map(str, range(9))))

    network = backbones.build("squeezenet1_1", classes=3, image_size=32, dropout=0.0)
    stages.free(network, "head")
    parts = cut(network)
    first = features.of_split(parts, split(0), {"fingerprint": "a"}, "x")
    again = features.of_split(parts, split(1), {"fingerprint": "a"}, "x")  # the same by name: what is kept is taken
    np.testing.assert_array_equal(first.images, again.images)
    other = features.of_split(parts, split(1), {"fingerprint": "b"}, "x")
    assert (other.images != first.images).any()
    network.set_weights([value * 1.01 for value in network.get_weights()])
    assert (features.of_split(cut(network), split(0), {"fingerprint": "a"}, "x").images != first.images).any()
    entry = next((tmp_path / "features").glob("*/features.npy"))
    entry.write_bytes(entry.read_bytes()[:-5])  # cut short: built again
    for one in (split(0), split(1)):
        for mark in "ab":
            features.of_split(parts, one, {"fingerprint": mark}, "x")


def test_views_are_augmented_photos_and_used_in_turn(tmp_path):
    """A view's features are those that the network's front makes of the photos that the layers give."""
    data = datasets.load("digits", image_size=32, limit=12)
    settings = TINY.override(freeze="backbone", crop_area=0.5, flip=True, dropout=0.0)
    whole, network = model.training_model(settings, data, 3)
    stages.free(network, "head")
    parts = cut(network)
    split = features.of_views(parts, data.train, {}, "x", 2, features.views_of(whole, 3))
    photos = len(data.train)
    assert len(split) == 2 * photos
    augment = features.views_of(whole, 3)
    for view in range(2):
        pixels = data.train.batch(np.arange(64))[0]
        expected = parts.front.predict_on_batch(augment(pixels, view))
        np.testing.assert_allclose(split.images[view * photos : view * photos + 64], expected, rtol=1e-4, atol=1e-5)
    batches = Batches(split, 10, seed=0, views=2)
    assert len(batches) == photos // 10
    assert max(batches.positions(0)) < photos <= min(batches.positions(1))
    record = runner.run(settings.override(augment_views=2, epochs=3), [0], out=tmp_path)
    assert "2 views" in record["runs"]["0"]["phases"][0]["front"]


def test_augmentation_without_views_falls_back_and_says_so(tmp_path, capsys):
    runner.run(TINY.override(freeze="backbone", flip=True, epochs=1), [0], out=tmp_path)
    assert "the frozen front is computed in each step: photos are augmented anew" in capsys.readouterr().err


@pytest.mark.slow
def test_the_step_of_a_frozen_network_is_less_work():
    """XLA's own count of operations: forward and backward of all, of the last stage, of the head."""
    data = datasets.load("digits", image_size=32, limit=12)
    work = {}
    for freeze in ("none", "all_but_last_stage", "backbone"):
        whole, _ = model.training_model(TINY.override(freeze=freeze), data, 0)
        whole.optimizer.build(whole.trainable_variables)
        state = tuple(
            [variable.value for variable in variables]
            for variables in (
                whole.trainable_variables,
                whole.non_trainable_variables,
                whole.optimizer.variables,
                whole.metrics_variables,
            )
        )
        batch = data.train.batch(np.arange(24))
        compiled = jax.jit(whole.train_step).lower(state, batch).compile()
        work[freeze] = compiled.cost_analysis()["flops"]
    assert work["backbone"] < work["all_but_last_stage"] < 0.6 * work["none"]


@pytest.mark.slow
def test_photos_are_enlarged_on_the_device(tmp_path):
    """A network for 64 px on photos of 32 px, against the same photos enlarged by Keras before the run."""
    settings = TINY.override(enlarge=64, freeze="backbone", dropout=0.0)
    data = datasets.load("digits", image_size=32, limit=12)
    whole, network = model.training_model(settings, data, 0)
    assert network.input_shape == (None, 64, 64, 3)
    pixels = data.train.batch(np.arange(4))[0]
    enlarged = keras.ops.image.resize(pixels.astype("float32"), (64, 64), interpolation="bilinear")
    np.testing.assert_allclose(
        whole.predict(pixels, verbose=0), network.predict(np.asarray(enlarged), verbose=0), rtol=1e-4, atol=1e-5
    )
    for kept in (True, False):
        runner.run(settings.override(cache_features=kept), [0], out=tmp_path / str(kept))
    ours, theirs = (rows_of(tmp_path / str(kept)) for kept in (True, False))
    np.testing.assert_allclose(ours["loss_train"], theirs["loss_train"], rtol=2e-5)
    with pytest.raises(UserError, match="expected 32 to enlarge=64 pixels"):
        TINY.override(enlarge=64, crop_size=65)


@pytest.mark.real_data
def test_a_pretrained_mobilenet_of_another_width_runs(tmp_path):
    """The head alone on CIFAR-10's sample: far above the 0.1 of guessing, so the weights and the pixels fit."""
    places = [os.environ.get(f"KERASQUEEZE_TEST_{kind}") for kind in ("DATA", "WEIGHTS")]
    if not all(places):
        pytest.skip("set KERASQUEEZE_TEST_DATA and KERASQUEEZE_TEST_WEIGHTS")
    photos, weights = Path(places[0]) / "cifar10", Path(places[1]) / "mobilenet_2_5_224_tf_no_top.h5"
    settings = TINY.override(
        dataset="cifar10", model="mobilenet", width=0.25, weights=str(weights), enlarge=96, freeze="backbone", limit=100
    )
    record = runner.run(settings, [0], data_dir=photos, out=tmp_path)
    assert record["runs"]["0"]["test"]["accuracy"] > 0.4
