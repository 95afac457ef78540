"""Every setting that a layer can have: the fast form carries it out, or leaves the network to Keras."""

import keras
import numpy as np
import pytest
from fast_models import images, lowering
from keras import layers, regularizers

from kerasqueeze import fire_module
from kerasqueeze.models.fast import by_layer, network, plan
from kerasqueeze.models.fast.by_layer import ByLayerModel
from kerasqueeze.models.fast.network import LoweredModel
from kerasqueeze.models.fast.switch import is_fast
from kerasqueeze.models.layers import CeilMaxPooling2D

pytestmark = [
    pytest.mark.skipif(not is_fast(), reason="the fast form is for the CPU"),
    pytest.mark.usefixtures("quick_compilation"),
]
KEPT = "carried out"
REGULARIZERS = dict.fromkeys(("kernel_regularizer", "bias_regularizer"), ("l2", KEPT))
CHANGES = {  # for a layer of each kind and each setting that it has, another value
    "every layer": {"trainable": (False, KEPT), "dtype": ("bfloat16", None), "activity_regularizer": ("l2", None)},
    "normalization": {"scale": ([1.0, 2.0, 3.0], KEPT), "offset": (0.5, KEPT)},
    "fire_expand3x3": {
        "filters": (6, KEPT),
        "kernel_size": ((5, 5), None),
        "strides": ((2, 2), None),
        "padding": ("valid", None),
        "data_format": ("channels_first", None),
        "dilation_rate": ((2, 2), None),
        "groups": (2, None),
        "activation": ("gelu", None),
        "use_bias": (False, None),
        "kernel_initializer": ("zeros", KEPT),
        "bias_initializer": ("ones", KEPT),
        **REGULARIZERS,
        **dict.fromkeys(("kernel_constraint", "bias_constraint"), ("non_neg", KEPT)),
    },
    "fire_concat": {"axis": (3, KEPT)},
    "pool": {},
    "dropout": {"rate": (0.5, KEPT), "seed": (7, KEPT), "noise_shape": ([1, None, None, None], None)},
    "relu": {"max_value": (6.0, None), "negative_slope": (0.1, None), "threshold": (0.1, None)},
    "average": {"data_format": ("channels_first", None), "keepdims": (True, None)},
}
CASES = [
    (name, key, value, kept)
    for name in CHANGES
    if name != "every layer"
    for key, (value, kept) in (CHANGES["every layer"] | CHANGES[name]).items()
]


def made():
    """A small SqueezeNet with each kind of layer."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((40, 40, 3))
    x = layers.Rescaling([0.01, 0.02, 0.03], -0.5, name="normalization")(inputs)
    x = layers.Conv2D(6, 3, strides=2, activation="relu", name="stem")(x)
    x = CeilMaxPooling2D(name="pool")(x)
    x = fire_module(x, 2, 4, 4, name="fire")
    x = layers.Conv2D(4, 1, name="head")(layers.Dropout(0.0, name="dropout")(x))
    x = layers.GlobalAveragePooling2D(name="average")(layers.ReLU(name="relu")(x))
    return LoweredModel(inputs, layers.Activation("softmax", name="predictions")(x))


def rebuilt(name, key, value):
    """The network made anew with one layer's setting changed, or None where Keras cannot build it."""
    config = made().get_config()
    (layer,) = (layer for layer in config["layers"] if layer["name"] == name)
    layer["config"][key] = value
    try:
        return LoweredModel.from_config(config)
    except (ValueError, TypeError):
        return None


def lowered(model, name):
    """Tell whether the network has a plan and a layer of it is not left to Keras."""
    found = plan.read(model)
    return found is not None and model.get_layer(name) in found.layers


def test_each_setting_of_each_layer_has_a_case():
    """A setting that Keras adds fails here; it means the stock form (see below) until the plan carries it out."""
    for name, settings in CHANGES.items():
        if name != "every layer":
            keys = made().get_layer(name).get_config().keys() - {"name"}
            assert keys | {"activity_regularizer"} == settings.keys() | CHANGES["every layer"].keys(), name


@pytest.mark.filterwarnings("ignore:Layer .* casts:UserWarning")
@pytest.mark.parametrize(("name", "key", "value", "kept"), CASES)
def test_a_setting_that_the_plan_does_not_carry_out_means_the_stock_form(name, key, value, kept):
    model = made()
    assert lowered(model, name)
    attribute = {"dtype": "dtype_policy"}.get(key, key)
    kind = type(model.get_layer(name))
    config = {**kind.get_config(model.get_layer(name)), key: value}
    setattr(model.get_layer(name), attribute, getattr(kind.from_config(config), attribute))
    assert lowered(model, name) == bool(kept)
    if (other := rebuilt(name, key, value)) is not None:
        assert lowered(other, name) == bool(kept)


def every_layer():
    return [layer.name for layer in made().layers[1:-1]]


@pytest.mark.parametrize("name", every_layer())
def test_what_is_done_to_a_layer_means_the_stock_form(name):
    def refused(change):
        model = made()
        change(model.get_layer(name))
        return not lowered(model, name)

    def replace_call(layer):
        call = layer.call
        layer.call = lambda *args, **kwargs: -call(*args, **kwargs)

    def mask(layer):
        layer.supports_masking = not layer.supports_masking

    assert refused(replace_call)
    assert refused(mask)
    assert refused(lambda layer: setattr(layer, "autocast", False))
    assert refused(lambda layer: setattr(layer, "setting_of_another_year", None))
    assert refused(lambda layer: setattr(layer, "activity_regularizer", regularizers.L1()))
    assert refused(lambda layer: setattr(layer, "dtype_policy", keras.dtype_policies.DTypePolicyMap()))
    assert not refused(lambda layer: setattr(layer, "trainable", False))
    if isinstance(made().get_layer(name), layers.Conv2D):
        assert refused(lambda layer: layer.enable_lora(2))


def test_subclasses_and_rematerialized_layers_mean_the_stock_form():
    def changed(layer):
        kind = type("Own", (type(layer),), {}) if layer.name == own else type(layer)
        return kind.from_config(layer.get_config())

    for own in every_layer():
        assert not lowered(keras.models.clone_model(made(), clone_function=changed), own), own
    with keras.RematScope("full"):
        assert plan.read(made()) is None
    assert plan.read(made()) is not None


def penalised(model):
    """Loss and penalties of a batch, in training."""
    loss = keras.ops.mean(model(images(2, 40), training=True))
    return [float(loss), *map(float, model.losses)]


@pytest.mark.parametrize("name", [*every_layer(), "predictions"])
def test_penalties_on_activations_count(name):
    live = made()
    live.get_layer(name).activity_regularizer = regularizers.L2(1.0)
    for model in (live, keras.models.model_from_json(live.to_json())):
        model.set_weights(live.get_weights())
        found = penalised(model)
        with lowering("stock"):
            np.testing.assert_allclose(found, penalised(model), rtol=1e-4)
        assert len(found) == 2


def stepped(model, form, monkeypatch):
    """Loss of a step, and the weights after it, which differ by the gradients: three images at a time, if at all."""
    monkeypatch.setattr(network, "CACHE", 4 * 19**2 * 6 * 4)
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    copy.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    with lowering(form):
        loss = copy.train_on_batch(images(6, 40), np.arange(6) % 4)
    return [loss, *copy.get_weights()]


def carried_out(model):
    for name in ("stem", "fire_squeeze1x1", "head"):
        model.get_layer(name).kernel_regularizer = regularizers.L2(0.1)
        model.get_layer(name).bias_constraint = keras.constraints.NonNeg()
    model.get_layer("fire_expand1x1").trainable = False


def penalty(model):
    model.get_layer("predictions").activity_regularizer = regularizers.L2(1.0)


@pytest.mark.parametrize("change", [carried_out, penalty])
def test_loss_and_gradients_of_a_step(change, monkeypatch):
    model = made()
    change(model)
    fast, stock = (stepped(model, form, monkeypatch) for form in ("fast", "stock"))
    assert plan.read(model) is not None
    for ours, theirs, before in zip(fast, stock, [0, *model.get_weights()], strict=True):
        largest = np.abs(theirs - before).max()  # of the gradients, times the rate
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * largest + 1e-7)


def convolution():
    return layers.Conv2D(4, 3, padding="same", name="layer")


def pool():
    return layers.MaxPooling2D(3, 2, name="layer")


def single(layer):
    inputs = keras.Input((9, 9, 4))
    return ByLayerModel(inputs, layers.Activation("relu")(layer(inputs)))


@pytest.mark.parametrize("kind", [convolution, pool])
def test_single_layers_too(kind):
    def refused(change):
        layer = kind()
        single(layer)
        change(layer)
        return by_layer._faster_form(layer) is None

    assert not refused(lambda layer: setattr(layer, "trainable", False))
    for name, value in {
        "activity_regularizer": regularizers.L2(),
        "call": lambda x: x,
        "supports_masking": True,
        "setting_of_another_year": 1,
        "data_format": "channels_first",
        "dtype_policy": "mixed_bfloat16",
        "padding": "full",
    }.items():
        assert refused(lambda layer, name=name, value=value: setattr(layer, name, value)), name
    if kind is convolution:
        for name, value in {"groups": 2, "dilation_rate": (2, 2), "kernel_size": (3, 5), "strides": (2, 2)}.items():
            assert refused(lambda layer, name=name, value=value: setattr(layer, name, value)), name
        assert refused(lambda layer: layer.enable_lora(2))

    layer = kind()
    layer.activity_regularizer = regularizers.L2(1.0)
    model, x = single(layer), np.random.default_rng(0).standard_normal((2, 9, 9, 4)).astype("float32")
    model(x)
    (found,) = model.losses
    np.testing.assert_allclose(found, (np.asarray(layer(x)) ** 2).sum() / 2, rtol=1e-5)
