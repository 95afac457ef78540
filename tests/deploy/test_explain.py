"""Maps of evidence: exact ones have the logit as their mean, Grad-CAM agrees with its closed form."""

import keras
import numpy as np
import pytest
from deploy_networks import classifier, images
from PIL import Image

from kerasqueeze.deploy import explain, sheets
from kerasqueeze.deploy.explain import EXACT, GRADIENT
from kerasqueeze.deploy.runtimes import onnx_runtime
from kerasqueeze.deploy.runtimes.keras_runtime import KerasClassifier
from kerasqueeze.errors import UserError
from kerasqueeze.models.card import Card

pytestmark = pytest.mark.usefixtures("quick_compilation")


def test_the_mean_of_a_map_is_the_logit(tiny):
    image = images(1)[0]
    found = explain.explain(tiny, image, 5)
    assert found.kind == EXACT
    assert found.maps.shape == (5, 3, 3)
    logits = tiny.network.predict(image[None], verbose=0)[0]
    np.testing.assert_allclose(found.maps.mean((1, 2)), logits[list(found.classes)], atol=1e-4)
    assert list(found.classes) == np.argsort(-logits).tolist()
    np.testing.assert_allclose(found.probabilities, tiny.probabilities(image[None])[0], rtol=1e-3)


def test_an_exported_file_explains_as_keras_does(tiny, tiny_onnx):
    image = images(1, seed=4)[0]
    found, expected = (explain.explain(one, image, [2, 0]) for one in (onnx_runtime.load(tiny_onnx), tiny))
    assert found.classes == (2, 0)
    np.testing.assert_allclose(found.maps, expected.maps, atol=1e-3)


def test_grad_cam_of_a_mean_and_a_dense_layer_is_its_closed_form():
    """d logit_k / d A[h, w, c] = W[c, k] / (H W) everywhere, so the map is A · W[:, k] / (H W)."""
    keras.utils.set_random_seed(2)
    inputs = keras.Input((16, 16, 3))
    features = keras.layers.Conv2D(6, 3, strides=2, activation="relu", name="features")(
        keras.layers.Rescaling(1 / 255)(inputs)
    )
    outputs = keras.layers.Dense(4, name="head")(keras.layers.GlobalAveragePooling2D()(features))
    network = keras.Model(inputs, outputs)
    one = KerasClassifier(network, Card(("a", "b", "c", "d"), 16))
    image = images(1, 16)[0]
    maps = explain.grad_cam(one, image, [3, 1], relu=False)
    activation = np.asarray(keras.Model(inputs, features)(image[None]))[0]
    expected = activation @ np.asarray(network.get_layer("head").kernel) / activation[..., 0].size
    np.testing.assert_allclose(maps, np.moveaxis(expected[..., [3, 1]], -1, 0), atol=1e-6)
    assert explain.explain(one, image, 2).kind == GRADIENT
    np.testing.assert_array_equal(explain.grad_cam(one, image, [3, 1]), np.maximum(maps, 0))


def test_grad_cam_of_a_peer_looks_at_its_last_features():
    """The same closed form, on what follows the last convolution, its normalisation and its ReLU."""
    peer = classifier("mobilenet", 64, width=0.25)
    image = images(1, 64)[0]
    maps = explain.grad_cam(peer, image, [0, 1], relu=False)
    last = keras.Model(peer.network.inputs[0], peer.network.get_layer("avg_pool").input)
    features = last.predict(image[None], verbose=0)[0]
    expected = features @ np.asarray(peer.network.get_layer("predictions").kernel)[:, :2] / 4
    assert maps.shape == (2, 2, 2)
    np.testing.assert_allclose(maps, np.moveaxis(expected, -1, 0), rtol=1e-3, atol=1e-5)


def test_a_file_without_maps_and_gradients_says_what_to_use():
    class Bare(onnx_runtime.OnnxClassifier):
        def __init__(self):
            super(onnx_runtime.OnnxClassifier, self).__init__(Card(("a", "b"), 8))

        def logits(self, images):
            return np.zeros((len(images), 2), np.float32)

    with pytest.raises(UserError, match=r"gives no class maps and no gradients; explain it through its \.keras file"):
        explain.explain(Bare(), np.zeros((8, 8, 3), np.uint8))


def test_where_nothing_speaks_for_a_class_the_photo_stays_as_it_is():
    pixels = images(1, 32)[0]
    np.testing.assert_array_equal(explain.overlay(pixels, -np.ones((4, 4))), pixels)
    half = np.zeros((4, 4))
    half[:, 2:] = 1
    shown = explain.overlay(pixels, half).astype(int)
    assert np.abs(shown[:, :8] - pixels[:, :8]).max() == 0
    assert np.abs(shown[:, -8:] - pixels[:, -8:]).mean() > 20
    picture = explain.heat(half, 32)
    assert picture.shape == (32, 32, 4)
    assert picture[0, 0, 3] == 0
    assert picture[0, -1, 3] == round(255 * 0.75)


def test_a_sheet_has_a_tile_for_each_class(tiny, tmp_path):
    image = images(1)[0]
    found = explain.explain(tiny, image, 3)
    picture = sheets.explained(image, found, tiny.class_names)
    assert picture.width > 4 * 160
    assert np.asarray(picture)[10:100, 10:100].std() > 10
    sheets.save(picture, tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as written:
        assert written.size == picture.size


def test_long_names_are_cut_to_their_tile():
    wide = sheets.sheet([(images(1, 160)[0], ["w" * 500])], 1)
    assert wide.width == 160 + 2 * 8
    below = np.asarray(wide.convert("L"))[170:]
    assert (below[:, -8:] == 255).all()
    assert (below < 128).any()
