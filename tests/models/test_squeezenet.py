import subprocess
import sys

import keras
import numpy as np
import pytest

import kerasqueeze
from kerasqueeze import SqueezeNet1_0, SqueezeNet1_1
from kerasqueeze.data.decode import read_photo
from kerasqueeze.errors import UserError
from kerasqueeze.models.imagenet_classes import imagenet_classes
from kerasqueeze.models.weights import assign, port_check

pytestmark = pytest.mark.usefixtures("quick_compilation")
FIRE = ["squeeze1x1", "expand1x1", "expand3x3", "concat"]


def layer_names(pools):
    names = ["conv1", "pool1"]
    for n in range(2, 10):
        names += [f"fire{n}_{part}" for part in FIRE] + ([f"pool{n}"] if n in pools else [])
    return names


def small(**kwargs):
    return SqueezeNet1_1(**{"weights": None, "classes": 5, "input_shape": (32, 32, 3)} | kwargs)


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype("uint8")


def test_parameters_are_as_many_as_torchvisions(seeded, version):
    assert seeded.count_params() == {"1.0": 1_248_424, "1.1": 1_235_496}[version]


def test_layers_are_named_as_in_the_paper(seeded, version):
    features = layer_names({"1.0": (4, 8), "1.1": (3, 5)}[version])
    head = ["drop9", "conv10", "relu10", "avg_pool", "predictions"]
    assert [layer.name for layer in seeded.layers[1:]] == ["normalization", *features, *head]


@pytest.mark.parametrize("size", port_check.SIZES)
def test_logits_are_torchvisions(seeded, version, size):
    weights = port_check.fingerprint(port_check.seeded_weights(version))
    expected = port_check.references()[f"{weights}/{size}"]
    assert port_check.logit_error(seeded, port_check.seeded_pixels(size), expected) < 1e-4


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["squeezenet1_0-", "squeezenet1_1-", "squeezenet1_1_legacyformat-"])
def test_logits_of_real_weights_are_torchvisions(real_weights, name):
    (path,) = real_weights.glob(f"{name}*.pth")
    version = {"0": "1.0", "1": "1.1"}[name[12]]
    findings = [f for f in port_check.check(path, version, read_photo) if path.name in f.what]
    assert len(findings) >= len(port_check.SIZES) + len(port_check.PHOTOS)
    assert [str(f) for f in findings if not f.passed] == []


@pytest.mark.real_data
@pytest.mark.parametrize("name, top1, top5", [("squeezenet1_1-", 138, 188), ("squeezenet1_0-", 142, 195)])
def test_as_many_imagenet_photos_are_recognised_as_by_torchvision(real_weights, real_data, name, top1, top5):
    """The counts are torchvision's own, of the same 250 photos with its transform for SqueezeNet."""
    (path,) = real_weights.glob(f"{name}*.pth")
    photos = sorted((real_data / "imagenet").glob("*.jpg"))
    labels = np.array([int(photo.name.split("_")[0]) for photo in photos])
    model = port_check.BUILDERS[{"0": "1.0", "1": "1.1"}[name[12]]](weights=path)
    probabilities = model.predict(np.stack([read_photo(p, 224, 256) for p in photos]), batch_size=50, verbose=0)
    best = (-probabilities).argsort(1)[:, :5]
    assert len(photos) == 250
    # One photo either way, for JPEG decoders that round differently.
    assert abs((best[:, 0] == labels).sum() - top1) <= 1
    assert abs((best == labels[:, None]).any(1).sum() - top5) <= 1


def test_initial_weights_are_torchvisions_distributions(version):
    keras.utils.set_random_seed(0)
    model = port_check.BUILDERS[version](weights=None)
    for layer in (layer for layer in model.layers if layer.weights):
        kernel, bias = layer.get_weights()
        assert not bias.any()
        if layer.name == "conv10":
            assert kernel.std() == pytest.approx(0.01, rel=0.01)
            assert abs(kernel.mean()) < 1e-4
            assert np.abs(kernel).max() > 0.04, (
                "a normal distribution that is not truncated reaches beyond 4 deviations"
            )
        else:
            bound = np.sqrt(6 / np.prod(kernel.shape[:3]))
            assert 0.99 * bound < np.abs(kernel).max() <= bound
            assert kernel.var() == pytest.approx(bound**2 / 3, rel=0.1)


def weights_after_seed(**kwargs):
    keras.utils.set_random_seed(3)
    return {v.path: v.numpy() for layer in small(**kwargs).layers for v in layer.weights}


def test_initial_weights_depend_on_the_seed_alone(tmp_path):
    port = SqueezeNet1_1(weights=None, input_shape=(32, 32, 3))
    port.save_weights(tmp_path / "thousand.weights.h5")
    first = weights_after_seed()
    for kwargs in ({}, {"dropout": 0.0}, {"weights": tmp_path / "thousand.weights.h5"}):
        second = weights_after_seed(**kwargs)
        for name in ("conv10/kernel", "conv10/bias"):
            np.testing.assert_array_equal(first[name], second[name])
        np.testing.assert_array_equal(
            second["conv1/kernel"], port.get_layer("conv1").kernel if "weights" in kwargs else first["conv1/kernel"]
        )


@pytest.mark.parametrize("options, relu", [({"classes": 1000}, True), ({"classes": 5}, False)])
def test_only_torchvisions_own_head_has_a_relu(options, relu):
    assert ("relu10" in [layer.name for layer in small(**options).layers]) == relu


def test_a_new_head_can_give_negative_logits():
    model = small(classifier_activation=None)
    assert model.predict_on_batch(noise(4, 32, 32, 3)).min() < 0


def test_any_size_from_32_up(seeded):
    for height, width in ((32, 32), (33, 57)):
        assert seeded.predict_on_batch(noise(1, height, width, 3)).shape == (1, 1000)
    with pytest.raises(UserError, match="32 x 32 pixels up"):
        seeded(noise(1, 8, 8, 3))


def test_uint8_and_float_pixels_give_the_same(seeded):
    pixels = noise(2, 64, 64, 3)
    np.testing.assert_array_equal(seeded.predict_on_batch(pixels), seeded.predict_on_batch(pixels.astype("float32")))


def test_a_uint8_input_tensor_and_layers_before_it(seeded, version):
    inputs = keras.Input((64, 64, 3), dtype="uint8")
    flipped = keras.layers.Lambda(lambda x: x[:, :, ::-1], name="flip")(inputs)
    model = port_check.BUILDERS[version](weights=None, input_tensor=flipped, classifier_activation=None)
    assert model.inputs[0] is inputs
    assign(model, port_check.seeded_weights(version), head=True)
    pixels = noise(1, 64, 64, 3)
    expected = seeded.predict_on_batch(pixels[:, :, ::-1])
    np.testing.assert_allclose(model.predict_on_batch(pixels), expected, rtol=1e-4, atol=1e-5)


def test_preprocessing_is_torchvisions(seeded, version):
    pixels = noise(1, 64, 64, 3)
    bare = port_check.BUILDERS[version](
        weights=None, include_preprocessing=False, input_shape=(64, 64, 3), classifier_activation=None
    )
    bare.set_weights(seeded.get_weights())
    normalised = (pixels / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    expected = seeded.predict_on_batch(kerasqueeze.preprocess_input(pixels))
    np.testing.assert_allclose(bare.predict_on_batch(normalised.astype("float32")), expected, rtol=1e-4, atol=1e-5)


def test_without_top(seeded, version):
    pixels = noise(1, 64, 64, 3)
    maps = keras.Model(seeded.input, seeded.get_layer("fire9_concat").output).predict_on_batch(pixels)
    for pooling, expected in ((None, maps), ("avg", maps.mean((1, 2))), ("max", maps.max((1, 2)))):
        model = port_check.BUILDERS[version](include_top=False, weights=None, pooling=pooling)
        assert model.input_shape == (None, None, None, 3)
        assign(model, port_check.seeded_weights(version), head=False)
        np.testing.assert_allclose(model.predict_on_batch(pixels), expected, rtol=1e-4, atol=1e-5)


def test_fire_module_is_two_expansions_of_one_squeeze():
    x = keras.Input((6, 7, 4))
    model = keras.Model(x, kerasqueeze.fire_module(x, 2, 3, 5, name="fire2"))
    assert model.output_shape == (None, 6, 7, 8)
    assert model.count_params() == (4 * 2 + 2) + (2 * 3 + 3) + (2 * 5 * 9 + 5)
    assert [layer.name for layer in model.layers[1:]] == [f"fire2_{part}" for part in FIRE]


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_computes_in_half_and_returns_float32(policy):
    keras.config.set_dtype_policy(policy)
    try:
        mixed = small(classifier_activation=None, input_shape=(64, 64, 3))
    finally:
        keras.config.set_dtype_policy("float32")
    full = small(classifier_activation=None, input_shape=(64, 64, 3))
    full.set_weights(mixed.get_weights())
    pixels = noise(2, 64, 64, 3)
    logits, expected = mixed.predict_on_batch(pixels), full.predict_on_batch(pixels)
    assert logits.dtype == np.float32
    assert mixed.get_layer("conv1").compute_dtype == policy.removeprefix("mixed_")
    assert np.abs(logits - expected).max() < 0.03 * np.abs(expected).max()


def test_saved_models_load_in_a_new_process(tmp_path):
    model, pixels = small(input_shape=(None, None, 3)), noise(2, 45, 52, 3)
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "pixels.npy", pixels)
    code = (
        "import sys, kerasqueeze, keras, numpy as np\n"
        "model = keras.models.load_model(sys.argv[1] + '/model.keras')\n"
        "np.save(sys.argv[1] + '/out.npy', model.predict_on_batch(np.load(sys.argv[1] + '/pixels.npy')))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), model.predict_on_batch(pixels), rtol=1e-5)


@pytest.mark.parametrize(
    "arguments",
    [
        {"pooling": "sum"},
        {"classes": 0},
        {"classes": 2.5},
        {"dropout": 1.0},
        {"dropout": "0.5"},
        {"classifier_activation": "nonsense"},
        {"input_shape": (31, 32, 3)},
        {"input_shape": (32, 32)},
        {"input_shape": (32, 32, 0)},
        {"input_shape": (32, 32, None)},
        {"input_shape": (32, 32, True)},
        {"input_shape": (32.0, 32, 3)},
        {"classes": True},
        {"classes": np.float32(5)},
        {"dropout": np.bool_(False)},
        {"dropout": np.float64("nan")},
        {"input_shape": 32},
        {"input_tensor": np.zeros((1, 32, 32, 3))},
        {"weights": "imagenette"},
        {"weights": 3},
    ],
    ids=str,
)
def test_bad_arguments_are_named(arguments):
    with pytest.raises(UserError) as error:
        small(**arguments)
    (name,) = arguments
    assert name in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("channels", [1, 4])
def test_other_channels_than_three(channels, tmp_path):
    model = small(input_shape=(40, 40, channels), classifier_activation=None)
    pixels = noise(2, 40, 40, channels)
    assert not any(isinstance(layer, keras.layers.Rescaling) for layer in model.layers)  # nobody knows their figures
    logits = model.predict_on_batch(pixels)
    stock = keras.Model(model.input, model.output).predict_on_batch(pixels)  # the same layers, one by one
    np.testing.assert_allclose(logits, stock, rtol=1e-4, atol=1e-5)
    model.save(tmp_path / "own.keras")
    again = small(weights=tmp_path / "own.keras", input_shape=(40, 40, channels), classifier_activation=None)
    np.testing.assert_array_equal(again.predict_on_batch(pixels), logits)
    with pytest.raises(UserError, match=f"for images of {channels} channels, not 3; pass weights=None"):
        small(weights=tmp_path / "own.keras")
    with pytest.raises(UserError, match=f"for images of 3 channels, not {channels}; pass weights=None"):
        SqueezeNet1_1(input_shape=(40, 40, channels))
    with pytest.raises(UserError, match=f"for images of 3 channels, not {channels}; pass weights=None"):
        SqueezeNet1_0(weights=port_check.seeded_weights("1.0"), input_shape=(40, 40, channels))


def test_channels_first_is_refused():
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(UserError, match="channels_last"):
            SqueezeNet1_0(weights=None)
    finally:
        keras.config.set_image_data_format("channels_last")


def test_predictions_are_named_best_first():
    scores = np.zeros((2, 1000))
    scores[0, [1, 999, 0]] = 0.6, 0.3, 0.1
    scores[1, 151] = 1.0
    first, second = kerasqueeze.decode_predictions(scores, top=3)
    assert first == [
        ("n01443537", "goldfish", 0.6),
        ("n15075141", "toilet tissue", 0.3),
        ("n01440764", "tench", 0.1),
    ]
    assert second[0] == ("n02085620", "Chihuahua", 1.0)
    for bad in (np.zeros((2, 10)), np.zeros(1000)):
        with pytest.raises(UserError, match="Received: shape"):
            kerasqueeze.decode_predictions(bad)
    for top in (0, 2.5):
        with pytest.raises(UserError, match=f"Received: top={top}"):
            kerasqueeze.decode_predictions(scores, top=top)
    assert len(kerasqueeze.decode_predictions(scores, top=np.int64(2))[0]) == 2


def test_imagenets_classes_are_in_the_order_of_their_wordnet_ids():
    wnids, names = zip(*imagenet_classes(), strict=True)
    assert len(set(wnids)) == len(set(names)) == 1000
    assert list(wnids) == sorted(wnids)


@pytest.mark.real_data
def test_imagenets_classes_are_those_of_the_photos(real_data):
    table = imagenet_classes()
    for photo in (real_data / "imagenet").glob("*.jpg"):
        index, wnid, name = photo.stem.split("_", 2)
        assert (wnid, name) == (table[int(index)][0], table[int(index)][1].replace(" ", "_"))
    breeds = {folder.name.split("-")[0] for folder in (real_data / "stanford_dogs/images/Images").iterdir()}
    assert len(breeds) == 120
    assert breeds <= {wnid for wnid, _ in table}
