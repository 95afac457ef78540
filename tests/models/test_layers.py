import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from jax import lax

from kerasqueeze.errors import UserError
from kerasqueeze.models.layers import CaffePreprocessing, CeilMaxPooling2D, HeUniform, max_pool_by_slices


def torch_ceil_pool(x):
    """torch's definition, window by window: ceil((n - 3) / 2) + 1 windows, what lies beyond the edge is left out."""
    sides = [int(np.ceil((n - 3) / 2)) + 1 for n in x.shape[1:3]]
    out = np.empty((x.shape[0], *sides, x.shape[3]), x.dtype)
    for i in range(sides[0]):
        for j in range(sides[1]):
            out[:, i, j] = x[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3].max((1, 2))
    return out


def tied_image(seed, height, width):
    """Values ≥ 0 as after a ReLU, so few of them that windows have several maxima."""
    return np.random.default_rng(seed).integers(0, 4, (2, height, width, 3)).astype("float32")


@pytest.mark.parametrize("height, width", [(3, 3), (3, 4), (4, 5), (6, 3), (7, 8), (10, 10), (13, 12)])
def test_pool_is_torchs_ceil_mode(height, width):
    image = tied_image(height, height, width)
    layer = CeilMaxPooling2D()
    pooled = layer(image)
    np.testing.assert_array_equal(pooled, torch_ceil_pool(image))
    assert layer.compute_output_shape(image.shape) == pooled.shape


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "mixed_float16", "mixed_bfloat16"])
def test_pool_in_half_precision(dtype):
    image = tied_image(0, 8, 9)
    pooled = CeilMaxPooling2D(dtype=dtype)(image)
    assert keras.backend.standardize_dtype(pooled.dtype) == dtype.removeprefix("mixed_")
    np.testing.assert_array_equal(np.asarray(pooled, "float32"), torch_ceil_pool(image))


def test_pool_on_other_devices_gives_the_same(monkeypatch):
    image = tied_image(0, 8, 9)
    ours = CeilMaxPooling2D()(image)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    np.testing.assert_array_equal(CeilMaxPooling2D()(image), ours)


def reduce_window(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "VALID")


@pytest.mark.parametrize("height", [7, 8, 9])
@pytest.mark.parametrize("tied", [True, False])
def test_gradient_is_that_of_reduce_window(height, tied):
    with jax.enable_x64(True):
        random = np.random.default_rng(height)
        x = random.integers(0, 3, (2, height, 11, 4)).astype("float64") if tied else random.random((2, height, 11, 4))
        weights = random.standard_normal(reduce_window(x).shape)

        def gradient(pool):
            return jax.jit(jax.grad(lambda x: (pool(x) * weights).sum()))(x)

        assert gradient(max_pool_by_slices).dtype == np.float64
        np.testing.assert_allclose(gradient(max_pool_by_slices), gradient(reduce_window), rtol=0, atol=1e-14)


def test_gradient_of_the_padded_row_is_dropped():
    """All of a window's gradient stays on the image: what is added for ceil mode takes none of it, even among ties."""
    layer = CeilMaxPooling2D()
    gradient = jax.grad(lambda x: layer(x).sum())(jnp.zeros((1, 4, 4, 1)))
    np.testing.assert_array_equal(gradient[0, :, :, 0], [[1, 0, 1, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]])


def test_pool_in_a_model_of_unknown_size_is_saved_and_loaded(tmp_path):
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, CeilMaxPooling2D(name="pool1")(inputs))
    assert model.output_shape == (None, None, None, 3)
    model.save(tmp_path / "pool.keras")
    image = tied_image(0, 10, 13)
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "pool.keras")(image), torch_ceil_pool(image))


def test_too_small_images_are_refused():
    with pytest.raises(UserError, match=r"2 x 9 is left of it at layer 'pool1'.*32 x 32"):
        CeilMaxPooling2D(name="pool1")(np.zeros((1, 2, 9, 3)))


def test_channels_first_is_refused():
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(UserError, match="Received: image_data_format='channels_first'"):
            CeilMaxPooling2D()
    finally:
        keras.config.set_image_data_format("channels_last")


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_caffe_preprocessing_is_keras(dtype):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3)).astype(dtype)
    expected = keras.applications.resnet50.preprocess_input(pixels.astype("float32"))
    np.testing.assert_allclose(CaffePreprocessing()(pixels), expected, atol=1e-4)


@pytest.mark.parametrize("shape", [(3, 3, 3, 64), (1, 1, 16, 64), (3, 3, 64, 256), (3, 3, 100, 300)])
def test_initial_kernels_are_keras_own(shape):
    seed = 7 + shape[-1]
    ours, stock = (kind(seed=seed)(shape, dtype="float32") for kind in (HeUniform, keras.initializers.HeUniform))
    np.testing.assert_allclose(ours, stock, rtol=0, atol=1e-7)  # one rounding of numbers below 1
    assert np.abs(ours).max() <= np.sqrt(6 / np.prod(shape[:-1]))


def test_the_initialiser_works_within_a_trace_and_comes_back_from_its_config():
    initializer = HeUniform(seed=3)
    traced = jax.jit(lambda: initializer((3, 3, 4, 8), dtype="float32"))()
    again = keras.initializers.deserialize(keras.initializers.serialize(initializer))
    np.testing.assert_allclose(traced, again((3, 3, 4, 8), dtype="float32"), rtol=0, atol=1e-7)
