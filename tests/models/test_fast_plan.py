"""When the fast form is taken, and that everything else is computed by the layers."""

import jax
import keras
import numpy as np
import pytest
from fast_models import images, lowering, small
from keras import layers

from kerasqueeze import SqueezeNet1_0, SqueezeNet1_1, fire_module
from kerasqueeze.errors import UserError
from kerasqueeze.models.fast import network, plan, set_lowering
from kerasqueeze.models.fast.network import LoweredModel
from kerasqueeze.models.layers import CeilMaxPooling2D

pytestmark = [
    pytest.mark.skipif(jax.default_backend() != "cpu", reason="the fast form is for the CPU"),
    pytest.mark.usefixtures("quick_compilation"),
]


@pytest.fixture
def calls(monkeypatch):
    """List of the images' shapes each time that the fast form is taken."""
    found = []
    stem = network.stem

    def counted(x, *weights):
        found.append(x.shape)
        return stem(x, *weights)

    network.features.clear_cache()
    network.infer.clear_cache()
    monkeypatch.setattr(network, "stem", counted)
    return found


@pytest.mark.parametrize("build", [SqueezeNet1_0, SqueezeNet1_1])
@pytest.mark.parametrize(
    "arguments",
    [
        {"classes": 7, "classifier_activation": None},
        {"classes": 1000},
        {"include_top": False},
        {"include_top": False, "pooling": "avg"},
        {"include_top": False, "pooling": "max"},
        {"include_preprocessing": False},
        {"input_shape": (None, None, 3)},
    ],
)
def test_every_squeezenet_has_a_plan(build, arguments):
    found = plan.read(build(weights=None, **arguments))
    assert found is not None
    assert len(found.fires) == 8
    assert sum(found.pools) == 2
    assert (found.normalization is not None) == arguments.get("include_preprocessing", True)
    assert (found.head is not None) == arguments.get("include_top", True)
    if found.head is not None:
        assert (found.head.relu is not None) == (arguments.get("classes", 1000) == 1000)


def model_of(change=None, *, end=None, before=None, dtype=None):
    """A small SqueezeNet with one thing about it changed."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((40, 40, 3))
    x = before(inputs) if before else inputs
    settings = {"strides": 2, "activation": "relu", "dtype": dtype, **(change or {})}
    x = CeilMaxPooling2D(dtype=dtype)(layers.Conv2D(4, 3, **settings)(x))
    x = fire_module(x, 2, 3, 3, name="a")
    return LoweredModel(inputs, end(x) if end else layers.GlobalMaxPooling2D()(x))


UNKNOWN = {
    "another activation": {"change": {"activation": "gelu"}},
    "leaky": {"change": {"activation": layers.LeakyReLU()}},
    "padded": {"change": {"padding": "same"}},
    "another stride": {"change": {"strides": 3}},
    "no bias": {"change": {"use_bias": False}},
    "activity regularizer": {"change": {"activity_regularizer": "l2"}},
    "half precision": {"dtype": "bfloat16"},
    "mixed precision": {"dtype": "mixed_bfloat16"},
    "a layer between": {"before": layers.BatchNormalization()},
    "noise in front": {"before": layers.GaussianNoise(0.1)},
    "a skip connection": {"end": lambda x: layers.Add()([x, layers.Conv2D(6, 1)(x)])},
    "two outputs": {"end": lambda x: [x, layers.GlobalMaxPooling2D()(x)]},
}


@pytest.mark.filterwarnings("ignore:Layer .* casts:UserWarning")
@pytest.mark.parametrize("case", UNKNOWN)
def test_what_is_not_known_is_left_to_the_layers(case, calls):
    model = model_of(**UNKNOWN[case])
    assert plan.read(model) is None
    found = model(images(2, 40))
    stock = keras.Model(model.input, model.output)(images(2, 40))
    for a, b in zip(keras.tree.flatten(found), keras.tree.flatten(stock), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not calls


@pytest.mark.parametrize(
    "end", [None, lambda x: layers.Dense(3)(layers.Flatten()(x)), lambda x: layers.BatchNormalization()(x)]
)
def test_other_layers_may_follow(end, calls):
    model = model_of(end=end)
    found = model(images(2, 40))
    assert calls
    with lowering("stock"):
        np.testing.assert_allclose(found, model(images(2, 40)), rtol=1e-4, atol=1e-4)


def test_a_layer_changed_later_counts(calls):
    model = small()
    model.get_layer("any0_squeeze1x1").activation = keras.activations.linear
    found = model(images(2, 40))
    assert not calls
    stock = keras.Model(model.input, model.output)(images(2, 40))
    np.testing.assert_array_equal(found, stock)


def test_dropout_that_is_always_on_stays_on():
    inputs = keras.Input((40, 40, 3))
    x = CeilMaxPooling2D()(layers.Conv2D(4, 3, strides=2, activation="relu")(inputs))
    x = layers.Dropout(0.5)(fire_module(x, 2, 3, 3, name="a"), training=True)
    model = LoweredModel(inputs, layers.GlobalAveragePooling2D()(layers.Conv2D(4, 1)(x)))
    x = images(1, 40)
    assert not np.array_equal(model(x), model(x))


def test_models_of_inner_tensors_and_clones(calls):
    model = small()
    x = images(2, 40)
    inner = keras.Model(model.input, model.get_layer("any0_concat").output)
    with_more = keras.Model(model.input, layers.Dense(2)(model.output))
    inner(x), with_more(x)
    assert not calls
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    assert type(clone) is LoweredModel
    np.testing.assert_array_equal(clone(x), model(x))
    assert calls


def test_saving_and_loading(tmp_path, calls):
    model = small(dropout=0.5)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded) is LoweredModel
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]
    np.testing.assert_array_equal(loaded(images(2, 40)), model(images(2, 40)))
    assert calls


def test_inside_another_model(calls):
    model = small()
    pixels = keras.Input((40, 40, 3), dtype="uint8")
    outer = keras.Model(pixels, model(layers.Rescaling(1.0)(pixels)))
    x = images(2, 40).astype("uint8")
    np.testing.assert_allclose(outer(x), model(x.astype("float32")), rtol=1e-6)
    assert len(calls) >= 1


def test_images_that_are_too_small_are_refused_by_the_layers():
    with pytest.raises(UserError, match="too small"):
        small(pools=(True, True))(images(1, 12))


def test_a_symbolic_batch_is_left_to_the_layers(calls):
    (count,) = jax.export.symbolic_shape("n")
    model = small()
    exported = jax.export.export(jax.jit(model))(jax.ShapeDtypeStruct((count, 40, 40, 3), "float32"))
    np.testing.assert_allclose(exported.call(images(3, 40)), model(images(3, 40)), rtol=1e-5)
    assert [shape[0] for shape in calls] == [3]


def test_the_switch(calls):
    model, x = small(), images(1, 40)
    with lowering("stock"):
        model(x)
        assert not calls
    model(x)
    assert calls
    with pytest.raises(UserError, match="choose from: auto, fast, stock"):
        set_lowering("quick")


def test_elsewhere_only_on_demand(calls, monkeypatch):
    model, x = small(), images(1, 40)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert network.is_fast() is False
    with lowering("fast"):
        model(x)
    assert calls
