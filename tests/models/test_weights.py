import json
import zipfile

import h5py
import keras
import numpy as np
import pytest

from kerasqueeze import SqueezeNet1_0, SqueezeNet1_1
from kerasqueeze.errors import UserError
from kerasqueeze.models import backbones
from kerasqueeze.models.weights import assign, read_weights

FILES = ["model.keras", "model.weights.h5", "model.h5"]
pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(scope="module")
def model():
    """A SqueezeNet 1.1 of five classes that no test may change."""
    return SqueezeNet1_1(weights=None, classes=5, input_shape=(32, 32, 3))


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    """Its files, as Keras saves them."""
    folder = tmp_path_factory.mktemp("weights")
    model.save(folder / "model.keras")
    model.save_weights(folder / "model.weights.h5")
    model.save(folder / "model.h5")
    return folder


def copy(path, target):
    target.write_bytes(path.read_bytes())
    return target


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True))


def refusal(path) -> str:
    """The error that loading gives; the model has to be as it was."""
    model = SqueezeNet1_1(weights=None, classes=5, input_shape=(32, 32, 3))
    before = keras.models.clone_model(model)
    before.set_weights(model.get_weights())
    with pytest.raises(UserError) as error:
        assign(model, read_weights(path, "1.1"), head=True)
    assert same(before, model)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", FILES)
def test_keras_files_load(folder, model, name):
    loaded = SqueezeNet1_1(weights=str(folder / name), classes=5, input_shape=(32, 32, 3))
    assert same(loaded, model)
    assert not any(layer.name == "relu10" for layer in loaded.layers)


@pytest.mark.parametrize("name", FILES)
def test_keras_files_with_another_head(folder, model, name):
    for options in ({"classes": 7}, {"classes": 1000}, {"include_top": False}):
        loaded = SqueezeNet1_1(weights=folder / name, **options)
        assert not any(layer.name == "relu10" for layer in loaded.layers)
        for layer in ("conv1", "fire9_expand3x3"):
            assert same(loaded.get_layer(layer), model.get_layer(layer))


def test_weights_without_a_head_leave_it_new(model, tmp_path):
    SqueezeNet1_1(weights=None, include_top=False).save_weights(tmp_path / "notop.weights.h5")
    assert SqueezeNet1_1(weights=tmp_path / "notop.weights.h5", classes=5).output_shape == (None, 5)


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_whole_models_own_head_keeps_its_relu(tmp_path, suffix):
    SqueezeNet1_1(weights=None, input_shape=(32, 32, 3)).save(tmp_path / f"thousand.{suffix}")
    assert SqueezeNet1_1(weights=tmp_path / f"thousand.{suffix}").get_layer("relu10")


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_trained_model_around_it_may_be_saved_with_its_optimizer(model, tmp_path, suffix):
    inputs = keras.Input((32, 32, 3))
    outer = keras.Model(inputs, model(keras.layers.RandomFlip()(inputs)))
    outer.compile("adam", "sparse_categorical_crossentropy")
    outer.optimizer.build(outer.trainable_variables)
    outer.save(tmp_path / f"outer.{suffix}")
    assert same(SqueezeNet1_1(weights=tmp_path / f"outer.{suffix}", classes=5, input_shape=(32, 32, 3)), model)


@pytest.mark.parametrize("name", ["squeezenet1_0", "squeezenet1_1", "mobilenet_v2"])
def test_models_load_from_the_h5_files_that_they_save(name, tmp_path):
    model = backbones.build(name, classes=5, image_size=32)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("uint8")
    model.save(tmp_path / "model.h5")
    loaded = keras.models.load_model(tmp_path / "model.h5")
    assert type(loaded) is type(model)
    np.testing.assert_array_equal(loaded.predict_on_batch(pixels), model.predict_on_batch(pixels))


def test_the_other_variants_weights_are_refused(tmp_path):
    SqueezeNet1_0(weights=None, classes=5).save_weights(tmp_path / "other.weights.h5")
    message = refusal(tmp_path / "other.weights.h5")
    assert "'conv1/kernel' is (7, 7, 3, 96) in Keras' layout, expected (3, 3, 3, 64)" in message


def test_another_networks_weights_are_refused(tmp_path):
    inputs = keras.Input((8, 8, 3))
    keras.Model(inputs, keras.layers.Conv2D(4, 3, name="conv7")(inputs)).save(tmp_path / "other.keras")
    assert "'conv7'" in refusal(tmp_path / "other.keras")


def test_missing_and_extra_tensors_are_named(folder, tmp_path):
    path = copy(folder / "model.weights.h5", tmp_path / "missing.weights.h5")
    with h5py.File(path, "r+") as file:
        del file["layers/conv2d_3/vars/1"]
    assert "no tensor 'fire2_expand3x3/bias'" in refusal(path)
    path = copy(folder / "model.weights.h5", tmp_path / "extra.weights.h5")
    with h5py.File(path, "r+") as file:
        file["layers/conv2d_3/vars/2"] = np.zeros(3)
    assert "/layers/conv2d_3/vars/2" in refusal(path)


@pytest.mark.parametrize("value", [np.zeros((3, 3, 3, 64), "int8"), np.full((3, 3, 3, 64), np.inf, "f4"), "text"])
def test_tensors_that_are_no_weights_are_named(folder, tmp_path, value):
    path = copy(folder / "model.weights.h5", tmp_path / "bad.weights.h5")
    with h5py.File(path, "r+") as file:
        del file["layers/conv2d/vars/0"]
        file["layers/conv2d/vars/0"] = value
    message = refusal(path)
    assert "conv1/kernel" in message or "/layers/conv2d/vars/0" in message


def test_another_networks_h5_file_is_refused(tmp_path):
    inputs = keras.Input((8, 8, 3))
    keras.Model(inputs, keras.layers.Conv2D(4, 3, name="conv7")(inputs)).save(tmp_path / "other.h5")
    assert "'conv7'" in refusal(tmp_path / "other.h5")
    with h5py.File(tmp_path / "model.h5", "w") as file:
        file["model_weights/conv1/conv1/kernel"] = np.zeros((3, 3, 3, 64), "f4")
    assert "model_config" in refusal(tmp_path / "model.h5")


@pytest.mark.parametrize("link", ["external", "soft", "loop", "data elsewhere", "virtual"])
def test_links_out_of_a_file_are_not_followed(folder, tmp_path, link):
    secret = copy(folder / "model.weights.h5", tmp_path / "secret.h5")
    path = copy(folder / "model.weights.h5", tmp_path / "links.weights.h5")
    with h5py.File(path, "r+") as file:
        target = file["layers/conv2d/vars"]
        del target["1"]
        if link == "external":
            target["1"] = h5py.ExternalLink(secret.name, "/layers/conv2d/vars/1")
        elif link == "soft":
            target["1"] = h5py.SoftLink("/layers/conv2d_1/vars/1")
        elif link == "loop":
            target["1"] = file["layers"]
        elif link == "data elsewhere":
            target.create_dataset("1", (64,), "f4", external=[(str(secret), 0, 256)])
        else:
            layout = h5py.VirtualLayout((64,), "f4")
            layout[:] = h5py.VirtualSource(secret, "layers/conv2d/vars/1", (64,))
            target.create_virtual_dataset("1", layout)
    assert "link" in (message := refusal(path)) or "another file" in message


@pytest.mark.parametrize("name", FILES)
def test_cut_and_foreign_files_are_refused(folder, tmp_path, name):
    data = (folder / name).read_bytes()
    for part in (b"", b"no such format", data[: len(data) // 2], data[:-1]):
        path = tmp_path / name
        path.write_bytes(part)
        refusal(path)


def test_a_keras_file_is_not_deserialised(folder, tmp_path):
    """Layers that could run code are not even built: only names and arrays are read."""
    path = tmp_path / "evil.keras"
    with zipfile.ZipFile(folder / "model.keras") as source, zipfile.ZipFile(path, "w") as target:
        config = json.loads(source.read("config.json"))
        config["module"], config["class_name"] = "os", "system"
        config["config"]["name"] = f"touch {tmp_path}/evil"
        target.writestr("config.json", json.dumps(config))
        target.writestr("model.weights.h5", source.read("model.weights.h5"))
    read_weights(path, "1.1")
    assert not (tmp_path / "evil").exists()


def test_a_nested_configuration_cannot_exhaust_the_stack(folder, tmp_path):
    path = tmp_path / "deep.keras"
    with zipfile.ZipFile(path, "w") as target:
        target.writestr("config.json", "[" * 10**6 + "]" * 10**6)
        target.writestr("model.weights.h5", b"")
    refusal(path)
