"""Weights in few bits: how far rounding may be off, and that rounding by photos keeps the outputs better."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kerasqueeze.deploy.export import rounding
from kerasqueeze.deploy.export.quantized import Quantized, bits, quantized, stored

KERNELS = arrays.arrays(np.float32, (6, 10, 3, 3), elements=st.floats(-3, 3, width=32))


@settings(deadline=None, max_examples=30)
@given(KERNELS)
def test_eight_bits_are_off_by_half_a_step_at_most(weights):
    found = quantized(weights, 8)
    off = np.abs(found.restored().astype(np.float64) - weights).reshape(6, -1).max(1)
    assert (off <= found.scale / 2 * (1 + 1e-5) + 1e-12).all()
    assert np.abs(found.values.astype(int)).max() <= 127


def test_zero_stays_zero_and_a_channel_of_zeros_is_no_error():
    weights = np.random.default_rng(0).normal(size=(4, 200)).astype(np.float32)
    weights[:, ::2] = 0
    weights[2] = 0
    for count in (5, 6, 8):
        found = quantized(weights, count).restored()
        assert (found[weights == 0] == 0).all()
        assert np.isfinite(found).all()


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((64, 3, 3, 3), 8), ((256, 64, 3, 3), 5), ((32, 256, 1, 1), 6), ((256, 64, 1, 1), 5), ((24, 1, 3, 3), 8)],
)
def test_kernels_that_everything_passes_get_more_bits(shape, expected):
    assert bits(shape, 5) == expected
    assert bits(shape, 8) == 8


def test_what_is_small_or_not_to_be_quantised_stays():
    small = np.ones((4, 4), np.float32)
    assert isinstance(stored(small, "int8"), np.ndarray)
    assert stored(np.ones((600, 2)), "none").dtype == np.float32
    assert stored(np.ones((600, 2)), "float16").dtype == np.float16
    assert isinstance(stored(np.ones((600, 2)), "int6"), Quantized)


def related(inputs: int, seed: int = 0) -> np.ndarray:
    """Return the second moments of inputs that go along with each other."""
    random = np.random.default_rng(seed)
    seen = random.normal(size=(500, inputs // 4)) @ random.normal(size=(inputs // 4, inputs))
    seen += 0.3 * random.normal(size=seen.shape)
    return seen.T @ seen


@pytest.mark.parametrize("count", [4, 5, 6])
def test_rounding_by_moments_keeps_the_outputs_better(count):
    weights = np.random.default_rng(1).normal(size=(20, 64)).astype(np.float32)
    moment = related(64)

    def error(found: Quantized) -> float:
        off = found.restored().astype(np.float64) - weights
        return float(np.einsum("oi,ij,oj->", off, moment, off))

    assert error(quantized(weights, count, moment)) < 0.5 * error(quantized(weights, count))


def test_inputs_that_have_nothing_to_do_with_each_other_leave_plain_rounding():
    weights = np.random.default_rng(2).normal(size=(8, 30))
    scale = np.full(8, 0.1)
    found = rounding.rounded(weights, scale, 15, np.diag(np.arange(1.0, 31)))
    np.testing.assert_array_equal(found, np.clip(np.round(weights / 0.1), -15, 15))


def test_of_two_inputs_that_are_the_same_the_second_makes_up_for_the_first():
    """0.4 + 0.4 is 0.8: the nearest that two whole numbers can add up to is 1, where each by itself would give 0."""
    found = rounding.rounded(np.array([[0.4, 0.4]]), np.ones(1), 7, np.array([[1.0, 1.0], [1.0, 1.0]]) * 100)
    assert found.sum() == 1


@pytest.mark.parametrize(
    ("padding", "stride", "size"), [("same", 1, 3), ("valid", 2, 3), ("same", 2, 3), ("same", 1, 1)]
)
def test_moments_are_those_of_what_the_convolution_sees(padding, stride, size):
    """Windows times kernel have to be values of the convolution's own output."""
    layer = keras.layers.Conv2D(2, size, strides=stride, padding=padding, use_bias=False)
    maps = np.random.default_rng(0).normal(size=(2, 11, 9, 3)).astype(np.float32)
    outputs = np.asarray(layer(maps)).reshape(-1, 2)
    seen = rounding._windows(maps, layer, np.random.default_rng(1))
    assert seen.shape == (2 * rounding.PLACES, 3 * size * size)
    found = seen @ np.asarray(layer.kernel).transpose(3, 2, 0, 1).reshape(2, -1).T
    nearest = np.abs(found[:, None] - outputs[None]).max(-1).min(1)
    assert nearest.max() < 1e-5


def test_a_network_without_plain_convolutions_has_no_moments():
    inputs = keras.Input((8, 8, 3))
    network = keras.Model(inputs, keras.layers.DepthwiseConv2D(3)(inputs))
    assert rounding.moments(network, np.zeros((2, 8, 8, 3), np.uint8)) == {}
