import json

import keras
import numpy as np
import pytest

from kerasqueeze import SqueezeNet1_1
from kerasqueeze.errors import UserError
from kerasqueeze.models import backbones
from kerasqueeze.models.layers import CeilMaxPooling2D
from kerasqueeze.models.stages import stages

pytestmark = pytest.mark.usefixtures("quick_compilation")
SIZE = 32


@pytest.fixture(scope="module", params=backbones.NAMES)
def network(request):
    keras.utils.set_random_seed(1)
    return backbones.build(request.param, classes=7, image_size=SIZE)


def pixels():
    return np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3)).astype("uint8")


def test_pixels_in_logits_out(network):
    logits = network.predict_on_batch(pixels())
    assert logits.shape == (2, 7)
    assert logits.min() < 0, "probabilities are not logits"
    np.testing.assert_array_equal(network.predict_on_batch(pixels().astype("float32")), logits)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["squeezenet1_1", "mobilenet_v2"])
def test_without_a_size_images_of_any_size_give_what_a_network_of_that_size_gives(name):
    free, sized = (backbones.build(name, classes=7, image_size=size) for size in (None, SIZE))
    assert free.input_shape == (None, None, None, 3)
    free.set_weights(sized.get_weights())
    np.testing.assert_allclose(free(pixels()), sized(pixels()), rtol=1e-4, atol=1e-5)
    larger = np.zeros((1, SIZE + 9, SIZE + 16, 3), "uint8")
    assert free(larger).shape == (1, 7)


def test_stages_hold_every_trainable_weight_once_and_end_with_the_head(network):
    found = stages(network)
    names = [name for stage in found for name in stage]
    assert len(set(names)) == len(names)
    assert set(names) == {layer.name for layer in network.layers if layer.trainable_weights}
    assert names == sorted(names, key=[layer.name for layer in network.layers].index)
    head = found[-1][-1]
    assert len(found[-1]) == (3 if network.name == "vgg16_4096" else 1)
    assert network.get_layer(head).output.shape[-1] == 7


SQUEEZENET = 10, {"conv1"}, {"fire2_squeeze1x1", "fire2_expand1x1", "fire2_expand3x3"}
STAGES = {  # how many, the first, some of the second
    **dict.fromkeys(backbones.SQUEEZENETS, SQUEEZENET),
    "mobilenet": (15, {"conv1", "conv1_bn"}, {"conv_dw_1", "conv_dw_1_bn", "conv_pw_1", "conv_pw_1_bn"}),
    "vgg16": (6, {"block1_conv1", "block1_conv2"}, {"block2_conv1", "block2_conv2"}),
    "vgg16_4096": (6, {"block1_conv1", "block1_conv2"}, {"block2_conv1", "block2_conv2"}),
    "mobilenet_v2": (20, {"Conv1", "bn_Conv1"}, {"expanded_conv_depthwise", "expanded_conv_project_BN"}),
    "resnet50": (18, {"conv1_conv", "conv1_bn"}, {"conv2_block1_0_conv", "conv2_block1_3_bn"}),
    "efficientnetb0": (19, {"stem_conv", "stem_bn"}, {"block1a_dwconv", "block1a_project_bn"}),
}


def test_stages_are_the_blocks(network):
    found = stages(network)
    count, first, second = STAGES[network.name]
    assert len(found) == count
    assert set(found[0]) == first
    assert set(found[1]) >= second


def preprocessing(name, weights=None):
    inputs = keras.Input((SIZE, SIZE, 3))
    return keras.Model(inputs, backbones._preprocessed(inputs, name, weights)).predict_on_batch(pixels())


@pytest.mark.parametrize(
    "name, module",
    [("mobilenet", "mobilenet"), ("mobilenet_v2", "mobilenet_v2"), ("resnet50", "resnet50"), ("vgg16", "vgg16")],
)
def test_preprocessing_is_that_of_keras_applications(name, module):
    expected = getattr(keras.applications, module).preprocess_input(pixels().astype("float32"))
    np.testing.assert_allclose(preprocessing(name), expected, atol=1e-4)


def test_efficientnet_weights_from_a_file_see_what_downloaded_ones_do():
    """keras/src/applications/efficientnet.py: x / 255, (x - mean) / sqrt(std), then / sqrt(std) for "imagenet" only."""
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])

    def normalised(x):
        return (x / 255 - mean) / np.sqrt(std)

    expected = normalised(preprocessing("efficientnetb0", "imagenet")) / np.sqrt(std)
    np.testing.assert_allclose(normalised(preprocessing("efficientnetb0", "file.h5")), expected, atol=1e-5)


def test_a_peers_weights_are_loaded_from_a_file(tmp_path):
    original = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3))
    original.save_weights(tmp_path / "notop.weights.h5")
    network = backbones.build("mobilenet_v2", classes=7, image_size=SIZE, weights=tmp_path / "notop.weights.h5")
    for layer in (layer for layer in original.layers if layer.weights):
        for ours, theirs in zip(network.get_layer(layer.name).weights, layer.weights, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", ["squeezenet1_1", "mobilenet_v2"])
def test_initial_weights_depend_on_the_seed_and_not_on_dropout(name):
    heads = []
    for dropout in (0.5, 0.0):
        keras.utils.set_random_seed(2)
        network = backbones.build(name, classes=7, image_size=SIZE, dropout=dropout)
        heads.append(network.get_layer(stages(network)[-1][0]).kernel)
    np.testing.assert_array_equal(*heads)


def test_a_squeezenet_of_its_own_size_has_ceil_mode_pools():
    network = backbones.build("squeezenet1_1", classes=7, image_size=SIZE)
    assert sum(isinstance(layer, CeilMaxPooling2D) for layer in network.layers) == 3


@pytest.mark.parametrize("name", ["squeezenet1_1", "mobilenet_v2"])
def test_numbers_may_be_numpys(name):
    network = backbones.build(
        name,
        classes=np.int64(7),
        image_size=np.int32(SIZE),
        dropout=np.float32(0.25),  # pyright: ignore
    )
    assert network.input_shape == (None, SIZE, SIZE, 3)
    assert network.output_shape == (None, 7)
    json.loads(network.to_json())


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": "vgg19"},
        {"classes": 0},
        {"image_size": 16},
        {"image_size": 32.0},
        {"dropout": 1},
        {"weights": "absent.h5"},
        {"weights": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["squeezenet1_1", "mobilenet_v2"])
def test_bad_arguments_are_named(name, arguments):
    with pytest.raises(UserError) as error:
        backbones.build(**{"name": name, "classes": 7, "image_size": SIZE} | arguments)
    assert str(next(iter(arguments.values()))) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_head_cut_down_scores_what_the_whole_one_does(tmp_path):
    """The logits of some classes, in another order, are those of the whole network."""
    whole = SqueezeNet1_1(weights=None, input_shape=(48, 48, 3), classifier_activation=None)
    whole.save(tmp_path / "whole.keras")
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 48, 48, 3)).astype("float32")
    picked = (268, 3, 151)
    cut = backbones.build(
        "squeezenet1_1", classes=3, image_size=48, weights=tmp_path / "whole.keras", head=picked, dropout=0.0
    )
    np.testing.assert_allclose(cut(pixels), np.asarray(whole(pixels))[:, picked], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "weights", "head", "message"),
    [
        ("resnet50", None, (1, 2), "only a SqueezeNet's head can be cut down"),
        ("squeezenet1_1", None, (1, 2), "needs weights and one ImageNet class for each of 2 classes"),
        ("squeezenet1_1", "few", (1, 2), "scores 2 classes; the head cannot be cut down"),
    ],
)
def test_a_head_that_cannot_be_cut_down_is_refused(tmp_path, name, weights, head, message):
    if weights == "few":
        weights = tmp_path / "few.keras"
        SqueezeNet1_1(weights=None, input_shape=(32, 32, 3), classes=2).save(weights)
        head = (1, 500)
    with pytest.raises(UserError, match=message):
        backbones.build(name, classes=2, image_size=32, weights=weights, head=head)


PARAMETERS = {  # with 1000 classes: torchvision's; section 6 of the paper: simple adds none, complex 1x1 convolutions
    "squeezenet1_0": 1_248_424,
    "squeezenet1_1": 1_235_496,
    "squeezenet1_0_simple_bypass": 1_248_424,
    "squeezenet1_1_simple_bypass": 1_235_496,
    "squeezenet1_0_complex_bypass": 1_248_424 + 97 * 128 + 129 * 256 + 257 * 384 + 385 * 512,
    "squeezenet1_1_complex_bypass": 1_235_496 + 65 * 128 + 129 * 256 + 257 * 384 + 385 * 512,
    "vgg16_4096": 14_714_688 + 513 * 4096 + 4097 * 4096 + 4097 * 1000,  # at 32 px
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_counted_right(name):
    network = backbones.build(name, classes=1000, image_size=SIZE)
    assert network.count_params() == PARAMETERS[name]


def test_a_simple_bypass_adds_the_modules_input():
    """The network's own layers, chained by hand."""
    network = backbones.build("squeezenet1_1_simple_bypass", classes=3, image_size=64)
    fire2 = network.get_layer("fire2_concat").output
    fire3 = network.get_layer("fire3_concat").output
    added = network.get_layer("fire3_add").output
    x = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype("uint8")
    two, three, total = keras.Model(network.inputs, [fire2, fire3, added]).predict(x, verbose=0)
    np.testing.assert_array_equal(total, two + three)
    names = [layer.name for layer in network.layers if layer.name.endswith("_add")]
    assert names == ["fire3_add", "fire5_add", "fire7_add", "fire9_add"]


@pytest.mark.parametrize("change", [{"width": 0.5}, {"width": 0}, {"width": float("nan")}])
def test_a_width_that_there_is_not_is_refused(change):
    with pytest.raises(UserError, match="width"):
        backbones.build("squeezenet1_1", classes=3, image_size=32, **change)


def test_a_narrow_mobilenet_is_kerass():
    network = backbones.build("mobilenet", classes=3, image_size=64, width=0.25)
    theirs = keras.applications.MobileNet(alpha=0.25, include_top=False, weights=None, input_shape=(64, 64, 3))
    assert network.count_params() == theirs.count_params() + 257 * 3


def test_bypassed_networks_take_no_weights():
    with pytest.raises(UserError, match="no weights for a SqueezeNet with a simple bypass"):
        backbones.build("squeezenet1_1_simple_bypass", classes=3, image_size=32, weights="imagenet")
    with pytest.raises(UserError, match="no weights for squeezenet1_1_complex_bypass"):
        backbones.check_weights("squeezenet1_1_complex_bypass", "imagenet")
