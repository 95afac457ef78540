"""Each trick against XLA's own convolution and pool, in float64, with its gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from fast_models import float64
from jax import lax

from kerasqueeze.models.fast import fire, pooled, products

TIGHT = 1e-12
LAYOUT = ("NHWC", "HWIO", "NHWC")


@pytest.fixture(autouse=True)
def double_precision():
    with float64():
        yield


def convolution(x, kernel, bias, stride=1, padding="SAME"):
    y = lax.conv_general_dilated(x, kernel, (stride, stride), padding, dimension_numbers=LAYOUT)
    return jax.nn.relu(y + bias)


def ceil_pool(x):
    margins = ((0, 0), *((0, (side - 3) % 2) for side in x.shape[1:3]), (0, 0))
    return lax.reduce_window(jnp.pad(x, margins), -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "VALID")


def same(ours, theirs, arguments):
    """Check two functions for equal outputs and, for a random output gradient, equal gradients in all arguments."""

    @jax.jit
    def both(arguments, cotangent):
        return [(y, pull(cotangent)) for y, pull in (jax.vjp(function, *arguments) for function in (ours, theirs))]

    cotangent = jax.tree.map(lambda y: numbers(*y.shape), jax.eval_shape(theirs, *arguments))
    for a, b in zip(*map(jax.tree.leaves, both(arguments, cotangent)), strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype == np.float64
        np.testing.assert_allclose(a, b, rtol=TIGHT, atol=TIGHT * max(1, float(jnp.abs(b).max())))


def numbers(*shape, seed=0):
    return jnp.asarray(np.random.default_rng([seed, *shape]).standard_normal(shape))


def test_column_sum():
    rows = numbers(37, 5)
    np.testing.assert_allclose(products.column_sum(rows), np.asarray(rows).sum(0), rtol=TIGHT)


@pytest.mark.parametrize("widths", [(7, 3), (3, 7), (4, 4), (300, 200)])
def test_kernel_gradient(widths):
    rows, gradient = (numbers(37, width) for width in widths)
    expected = np.asarray(rows).T @ np.asarray(gradient)
    np.testing.assert_allclose(jax.jit(products.kernel_gradient)(rows, gradient), expected, rtol=TIGHT, atol=TIGHT)


def test_patches_are_those_that_a_convolution_reads():
    x, kernel = numbers(2, 5, 4, 3), numbers(3, 3, 3, 7)

    def ours(x, kernel):
        return jax.nn.relu(products.product(products.patches(x), kernel.reshape(27, 7)).reshape(2, 5, 4, 7))

    same(ours, lambda x, kernel: convolution(x, kernel, 0), (x, kernel))


def test_the_gradient_of_patches_is_their_transpose():
    shape = (2, 5, 4, 3)
    (expected,) = jax.linear_transpose(products.patches, numbers(*shape))(numbers(40, 27))
    np.testing.assert_allclose(products.patches_gradient(numbers(40, 27), shape), expected, rtol=TIGHT)


@pytest.mark.parametrize(("kernel_size", "height", "width"), [(3, 15, 17), (7, 21, 20)])  # maps of odd and even sides
def test_stem(kernel_size, height, width):
    arguments = numbers(2, height, width, 3), numbers(kernel_size, kernel_size, 3, 5), numbers(5)
    same(pooled.stem, lambda *a: ceil_pool(convolution(*a, stride=2, padding="VALID")), arguments)


@pytest.mark.parametrize(("is_pooled", "height", "width"), [(False, 4, 5), (True, 4, 7), (True, 9, 6)])
def test_expand(is_pooled, height, width, images=2):
    kernels = numbers(4, 6), numbers(6), numbers(3, 3, 4, 5), numbers(5)
    lowered = fire.expand_pooled if is_pooled else fire.expand
    pool = ceil_pool if is_pooled else lambda x: x

    def ours(x, *kernels):
        parts = lowered(x.reshape(-1, 4), *kernels, (images, height, width))
        return [part.reshape(images, -1) for part in parts]

    def theirs(x, kernel1, bias1, kernel3, bias3):
        parts = convolution(x, kernel1[None, None], bias1), convolution(x, kernel3, bias3)
        return [pool(part).reshape(images, -1) for part in parts]

    same(ours, theirs, (numbers(images, height, width, 4), *kernels))


@pytest.mark.parametrize("relu", [True, False])
def test_a_convolution_of_parts_is_that_of_their_concatenation(relu):
    def ours(a, b, kernel, bias):
        return fire.convolve((a, b), kernel, bias, relu)

    def theirs(a, b, kernel, bias):
        y = jnp.concatenate([a, b], 1) @ kernel + bias
        return jax.nn.relu(y) if relu else y

    same(ours, theirs, (numbers(20, 3), numbers(20, 4), numbers(7, 5), numbers(5)))


def test_equal_maxima_send_the_gradient_to_the_first_as_xla_does():
    x = jnp.asarray(np.random.default_rng(0).integers(0, 2, (2, 16, 17, 1)), float)
    kernel = jnp.zeros((3, 3, 1, 2)).at[0, 0].set(1.0)  # the map's values are some of the pixels
    same(
        pooled.stem,
        lambda *a: ceil_pool(convolution(*a, stride=2, padding="VALID")),
        (x, kernel, jnp.asarray([0.5, -0.5])),
    )


def test_what_is_not_a_number_stays_visible():
    x = numbers(1, 15, 15, 3).at[0, 7, 7, 1].set(jnp.nan)
    assert jnp.isnan(pooled.stem(x, numbers(3, 3, 3, 2), numbers(2))).any()
