"""ONNX files, run by ONNX Runtime, against Keras on the same pixels."""

import json
import lzma

import keras
import numpy as np
import onnx
import pytest
from deploy_networks import classifier, images
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kerasqueeze.deploy.export import onnx_graph, to_onnx
from kerasqueeze.deploy.runtimes import onnx_runtime, open_model
from kerasqueeze.deploy.runtimes.keras_runtime import KerasClassifier
from kerasqueeze.errors import UserError
from kerasqueeze.models.card import Card

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(scope="module")
def opened(tiny_onnx):
    return open_model(str(tiny_onnx))


@settings(deadline=None, max_examples=20)
@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 3), st.just(64), st.just(64), st.just(3))))
def test_any_pixels_give_what_keras_gives(tiny, opened, pixels):
    np.testing.assert_allclose(opened.logits(pixels), tiny.logits(pixels), atol=2e-4)
    np.testing.assert_allclose(opened.probabilities(pixels), tiny.probabilities(pixels), atol=2e-5)


def test_the_maps_have_the_logits_as_their_means(tiny, opened):
    logits, maps = opened.maps(images(4))
    assert maps.shape == (4, 3, 3, 5)
    np.testing.assert_allclose(maps.mean((1, 2)), logits, atol=1e-5)
    np.testing.assert_allclose(maps, tiny.maps(images(4))[1], atol=2e-4)


def test_probabilities_in_the_file_are_calibrated(tiny, tiny_onnx):
    """By a plain session, as other programs use the file."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(tiny_onnx), providers=["CPUExecutionProvider"])
    found = session.run(["probabilities"], {"pixels": images(3)})[0]
    scaled = np.exp(tiny.logits(images(3)).astype(np.float64) / 1.5)
    np.testing.assert_allclose(found, scaled / scaled.sum(1, keepdims=True), atol=1e-5)
    properties = session.get_modelmeta().custom_metadata_map
    assert json.loads(properties["class_names"]) == list(tiny.card.class_names)


def test_one_file_checked_and_repeatable(tiny, tiny_onnx, tmp_path):
    onnx.checker.check_model(onnx.load(tiny_onnx), full_check=True)
    to_onnx.write(tiny, tmp_path / "x.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["x.onnx"]
    assert (tmp_path / "x.onnx").read_bytes() == tiny_onnx.read_bytes()


def test_the_card_comes_back(tiny, opened):
    assert opened.card == tiny.card
    assert opened.class_names[0] == "Chihuahua"


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("squeezenet1_0", {}),
        ("squeezenet1_0_complex_bypass", {}),
        ("squeezenet1_1_simple_bypass", {}),
        ("mobilenet", {"width": 0.25}),
        ("mobilenet_v2", {"width": 0.35}),
        pytest.param("efficientnetb0", {}, marks=pytest.mark.slow),
        pytest.param("resnet50", {}, marks=pytest.mark.slow),
    ],
)
def test_every_backbone(name, more, tmp_path):
    """With statistics of batch normalisation that are not those of the start."""
    network = classifier(name, 64, **more)
    random = np.random.default_rng(0)
    for layer in network.network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(random.normal(0, 0.1, layer.moving_mean.shape))
            layer.moving_variance.assign(random.uniform(0.8, 1.3, layer.moving_variance.shape))
    to_onnx.write(network, tmp_path / "x.onnx")
    found, expected = onnx_runtime.load(tmp_path / "x.onnx").logits(images(2)), network.logits(images(2))
    assert expected.std() > 1e-3
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())


def test_layers_of_other_networks(tmp_path):
    """What the peers have and the small ones here have not: Flatten, pools, hidden layers, a softmax at the end."""
    inputs = keras.Input((33, 33, 3))
    x = keras.layers.Normalization(mean=[100.0, 120, 90], variance=[4000.0, 3000, 5000])(inputs)
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same", dilation_rate=1, activation="silu")(x)
    x = keras.layers.MaxPooling2D(2, padding="same")(x)
    x = keras.layers.Conv2D(4, 4, padding="same", activation="sigmoid")(x)
    x = keras.layers.Flatten()(x)
    outputs = keras.layers.Dense(3, activation="softmax")(keras.layers.Dense(6, activation="relu")(x))
    card = Card(("a", "b", "c"), 33, activation="probabilities")
    network = KerasClassifier(keras.Model(inputs, outputs), card)
    to_onnx.write(network, tmp_path / "x.onnx")
    pixels = np.random.default_rng(0).integers(0, 256, (5, 33, 33, 3), dtype=np.uint8)
    found = onnx_runtime.load(tmp_path / "x.onnx")
    assert not found.has_maps
    np.testing.assert_allclose(found.probabilities(pixels), network.network.predict(pixels, verbose=0), atol=1e-5)


def test_a_layer_without_an_onnx_form_is_named():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2DTranspose(2, 3, name="up")(inputs)
    with pytest.raises(UserError, match="layer 'up' is a Conv2DTranspose, which has no ONNX form here"):
        onnx_graph.convert(keras.Model(inputs, x))
    x = keras.layers.Conv2D(2, 3, activation="gelu", name="soft")(inputs)
    with pytest.raises(UserError, match="layer 'soft' has the activation gelu"):
        onnx_graph.convert(keras.Model(inputs, x))


def test_few_bits_are_written_compressed_and_read_back(tiny, tmp_path):
    calibration = images(8, seed=5)
    sizes = {}
    for quantize, suffix in (("float16", ".onnx"), ("int8", ".onnx"), ("int6", ".onnx.xz"), ("int5", ".onnx.xz")):
        path = tmp_path / f"{quantize}{suffix}"
        assert to_onnx.suffix(quantize) == suffix
        to_onnx.write(tiny, path, quantize, calibration)
        sizes[quantize] = path.stat().st_size
        difference = open_model(str(path)).logits(images(6)) - tiny.logits(images(6))
        limit = {"float16": 0.005, "int8": 0.05, "int6": 0.3, "int5": 0.6}[quantize]
        assert np.sqrt((difference**2).mean()) < limit * tiny.logits(images(6)).std(), quantize
    assert sizes["float16"] > 1.8 * sizes["int8"] > sizes["int6"] > sizes["int5"]
    again = tmp_path / "again.onnx.xz"
    to_onnx.write(tiny, again, "int5", calibration)
    assert again.read_bytes() == (tmp_path / "int5.onnx.xz").read_bytes()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", r"x\.onnx is damaged, or no ONNX file"),
        (b"\x00" * 100, r"x\.onnx is damaged, or no ONNX file"),
        (None, r"x\.onnx has no model card; expected a file that `kerasqueeze export` wrote"),
    ],
)
def test_other_files_are_refused_in_a_line(content, said, tiny_onnx, tmp_path):
    path = tmp_path / "x.onnx"
    if content is None:
        model = onnx.load(tiny_onnx)
        del model.metadata_props[:]
        content = model.SerializeToString()
    path.write_bytes(content)
    with pytest.raises(UserError, match=said) as raised:
        onnx_runtime.load(path)
    assert "\n" not in str(raised.value)


def test_a_card_that_does_not_fit_its_graph_is_refused(tiny, tiny_onnx, tmp_path):
    model = onnx.load(tiny_onnx)
    other = Card(("a", "b"), 64)
    onnx.helper.set_model_props(model, {"model_card": other.to_json()})
    (tmp_path / "x.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match="does not take and give what its model card says"):
        onnx_runtime.load(tmp_path / "x.onnx")


def test_torn_and_swollen_compressed_files_are_refused(tmp_path, monkeypatch):
    packed = lzma.compress(bytes(1 << 20))
    path = tmp_path / "x.onnx.xz"
    for content, said in ((packed[:-20], "is cut short"), (b"no xz at all, " * 9, "is damaged, or no xz file")):
        path.write_bytes(content)
        with pytest.raises(UserError, match=said):
            onnx_runtime.read(path)
    monkeypatch.setattr(onnx_runtime, "MAX_BYTES", 1000)
    path.write_bytes(packed)
    with pytest.raises(UserError, match="larger than"):
        onnx_runtime.read(path)
