"""`.keras` files: with a card, without one, and those that are not to be trusted."""

import json
import shutil
import zipfile

import keras
import made_up
import numpy as np
import pytest
from deploy_networks import CLASSES, classifier, images

from kerasqueeze import history
from kerasqueeze.deploy.runtimes import keras_runtime, open_model
from kerasqueeze.errors import UserError
from kerasqueeze.models import card
from kerasqueeze.models.card import Card
from kerasqueeze.training.experiment import Experiment

pytestmark = pytest.mark.usefixtures("quick_compilation")


def test_a_file_with_a_card_needs_nothing_beside_it(tiny, tiny_file, tmp_path):
    shutil.copy(tiny_file, tmp_path / "renamed.keras")
    found = open_model(str(tmp_path / "renamed.keras"))
    assert found.card == tiny.card
    np.testing.assert_allclose(found.logits(images(3)), tiny.logits(images(3)), atol=1e-5)


def test_probabilities_are_those_of_the_logits_at_the_temperature(tiny):
    scaled = np.exp(tiny.logits(images(4)).astype(np.float64) / tiny.card.temperature)
    np.testing.assert_allclose(tiny.probabilities(images(4)), scaled / scaled.sum(1, keepdims=True), rtol=1e-9)


def test_batches_of_any_size_give_the_same(tiny):
    """Images are filled up to the sizes that are compiled, and cut again."""
    whole = tiny.logits(images(41))
    assert whole.shape == (41, 5)
    for count in (1, 2, 9):
        np.testing.assert_allclose(tiny.logits(images(41)[:count]), whole[:count], atol=1e-4)


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(1, [1]), (3, [1, 1, 1]), (5, [4, 1]), (7, [8]), (12, [8, 4]), (26, [32]), (41, [32, 8, 1])],
)
def test_batches_are_of_a_few_sizes_and_little_is_added_to_fill_them_up(tiny, monkeypatch, count, sizes):
    asked = []
    predict = tiny.network.predict_on_batch
    monkeypatch.setattr(tiny.network, "predict_on_batch", lambda part: asked.append(len(part)) or predict(part))
    assert tiny.logits(images(count)).shape == (count, 5)
    assert asked == sizes


def earlier(tmp_path, tiny, **settings):
    """Leave a network as earlier versions did: no card, the record beside it."""
    experiment = Experiment(name="old", about="", dataset="digits", image_size=64, **settings)
    record = made_up.record(experiment, {"0": made_up.run()}, classes=5, class_names=list(CLASSES))
    history.write_json(history.json_path(tmp_path, "old"), record)
    path = history.network_path(tmp_path, "old", 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    tiny.network.save(path)
    return path


def test_a_file_of_an_earlier_version_takes_its_classes_from_the_record(tiny, tmp_path):
    found = open_model(str(earlier(tmp_path, tiny, resize="squash")))
    assert found.card.class_names == CLASSES
    assert (found.card.image_size, found.card.resize, found.card.temperature) == (64, "squash", 1.0)
    assert found.card.origin["experiment"]["name"] == "old"
    np.testing.assert_allclose(found.logits(images(2)), tiny.logits(images(2)), atol=1e-5)


def test_a_file_without_card_and_record_says_where_to_keep_it(tiny, tmp_path):
    path = earlier(tmp_path, tiny)
    history.json_path(tmp_path, "old").unlink()
    with pytest.raises(
        UserError, match=r"does not name its classes, and there is no record at .*old\.json; keep the file"
    ):
        open_model(str(path))


def rewritten(tiny_file, tmp_path, change):
    """Copy a `.keras` file with another configuration."""
    path = tmp_path / "x.keras"
    with zipfile.ZipFile(tiny_file) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            target.writestr(name, change(data) if name == "config.json" else data)
    return path


@pytest.mark.parametrize(
    ("swap", "said"),
    [
        (
            ('"module": "keras.layers"', '"module": "os.path"'),
            r"names os\.path\.\w+, which is neither a layer of Keras'",
        ),
        (('"class_name": "Dropout"', '"class_name": "Lambda"'), r"names keras\.layers\.Lambda, which is neither"),
        (('"class_name": "Dropout"', '"class_name": "TFSMLayer"'), r"names keras\.layers\.TFSMLayer, which is neither"),
        (('"class_name": "Dropout"', '"class_name": "__lambda__"'), r"names keras\.layers\.__lambda__"),
    ],
)
def test_a_file_that_names_code_is_refused_before_it_is_built(tiny_file, tmp_path, swap, said, monkeypatch):
    path = rewritten(tiny_file, tmp_path, lambda data: data.replace(*(text.encode() for text in swap)))
    monkeypatch.setattr(keras.saving, "load_model", lambda *_, **__: pytest.fail("it was built"))
    with pytest.raises(UserError, match=said):
        open_model(str(path))


@pytest.mark.parametrize("config", [b"{", b"[]", b'{"class_name": 3}', b"[" * 50_000])
def test_a_torn_configuration_is_refused_in_a_line(tiny_file, tmp_path, config):
    with pytest.raises(UserError, match=r"x\.keras") as raised:
        open_model(str(rewritten(tiny_file, tmp_path, lambda _: config)))
    assert "\n" not in str(raised.value)


def test_a_card_that_does_not_fit_the_network_is_refused(tiny, tmp_path):
    for about, said in (
        (Card(("a", "b"), 64), "has 5 outputs and names 2 classes"),
        (Card(CLASSES, 32), "takes .* expected"),
    ):
        path = tmp_path / "x.keras"
        tiny.network.save(path)
        card.add(path, about)
        with pytest.raises(UserError, match=said):
            open_model(str(path))


@pytest.mark.parametrize(
    ("model", "runtime", "weights", "said"),
    [
        ("nothing.keras", None, None, r"no model file at 'nothing\.keras'; expected a \.keras, \.onnx, \.tflite"),
        ("photo.jpg", None, None, r"'photo\.jpg' is no model; expected"),
        ("x.onnx", "keras", None, "is for the runtime onnx, not keras"),
        ("x.onnx", "torch", None, "unknown runtime 'torch'; choose from: keras, litert, onnx"),
        ("x.keras", None, "w.pth", "--weights is for imagenet:NAME"),
        ("imagenet:vgg16", None, None, "unknown ImageNet network 'vgg16'; choose from: squeezenet1_0, squeezenet1_1"),
    ],
)
def test_what_is_no_model_is_refused_in_a_line(model, runtime, weights, said):
    with pytest.raises(UserError, match=said):
        open_model(model, runtime, weights)


def test_another_runtime_is_exported_once_and_kept(tiny, tiny_file, cache, monkeypatch):
    found = open_model(str(tiny_file), "onnx")
    assert found.runtime == "onnx"
    np.testing.assert_allclose(found.logits(images(2)), tiny.logits(images(2)), atol=1e-3)
    monkeypatch.setattr(keras_runtime, "load", lambda *_: pytest.fail("Keras was asked again"))
    assert open_model(str(tiny_file), "onnx").card == tiny.card


def test_a_network_that_gives_probabilities_has_their_logarithms_as_logits():
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Dense(3, activation="softmax")(
        keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    )
    network = keras_runtime.KerasClassifier(
        keras.Model(inputs, outputs), Card(("a", "b", "c"), 8, activation="probabilities")
    )
    np.testing.assert_allclose(network.probabilities(images(5, 8)), network.network(images(5, 8)), atol=1e-6)


def test_only_a_head_whose_mean_is_the_logit_has_maps(tiny):
    assert tiny.has_maps
    peer = classifier("mobilenet", 32, width=0.25)
    assert not peer.has_maps
    with pytest.raises(UserError, match="gives no class maps"):
        peer.maps(images(1, 32))


def test_an_imagenet_network_has_imagenets_classes(tmp_path, tiny):
    from kerasqueeze import SqueezeNet1_1

    keras.utils.set_random_seed(0)
    network = SqueezeNet1_1(weights=None)
    network.save_weights(tmp_path / "w.weights.h5")
    found = open_model("imagenet:squeezenet1_1", weights=str(tmp_path / "w.weights.h5"))
    assert found.class_names[207] == "golden retriever"
    assert found.name == "squeezenet1_1"
    pixels = images(1, 224)
    np.testing.assert_allclose(found.probabilities(pixels), network.predict(pixels, verbose=0), atol=1e-5)
    assert json.loads(found.card.to_json())["image_size"] == 224
