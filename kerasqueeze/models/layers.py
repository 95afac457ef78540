"""Layers that SqueezeNet needs and Keras lacks, and its initialiser."""

import math

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax import lax
from jax.core import Tracer

from kerasqueeze.errors import UserError
from kerasqueeze.models.fast.derivatives import reverse_only
from kerasqueeze.models.fast.switch import is_fast

WINDOW, STRIDE = 3, 2


@keras.saving.register_keras_serializable("kerasqueeze")
class CeilMaxPooling2D(keras.layers.Layer):
    """Max pooling, 3×3 window and stride 2, that also pools the last row and column (torch's `ceil_mode=True`).

    Input and output are (N, H, W, C); H and W may be unknown when the model is built and become ceil((H − 3) / 2) + 1.
    The inputs have to be ≥ 0, as they are after a ReLU: where H − 3 is odd the last window is filled up with zeros.

    In the fast form (`switch.is_fast`) the gradient is the layer's own (see `max_pool_by_slices`), else it is XLA's;
    both give the whole gradient of a window to its first maximum.

    Source: torchvision/models/squeezenet.py; Caffe's pooling, which the paper's models use, rounds up the same way.

    Raises:
        UserError: An image is smaller than one window, or `keras.config.image_data_format()` is "channels_first".
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        require_channels_last()

    def call(self, inputs):
        """Pool (N, H, W, C) to (N, ceil((H − 3) / 2) + 1, ceil((W − 3) / 2) + 1, C)."""
        height, width = inputs.shape[1:3]
        self._require_a_window(height, width)
        x = keras.ops.pad(inputs, ((0, 0), (0, (height - WINDOW) % STRIDE), (0, (width - WINDOW) % STRIDE), (0, 0)))
        if is_fast():
            return max_pool_by_slices(x)
        return keras.ops.max_pool(x, WINDOW, STRIDE, "valid", "channels_last")

    def compute_output_shape(self, input_shape):
        """Return the shape of the output; unknown sides stay unknown."""
        batch, height, width, channels = input_shape
        self._require_a_window(height, width)
        sides = (None if n is None else -(-(n - WINDOW) // STRIDE) + 1 for n in (height, width))
        return (batch, *sides, channels)

    def _require_a_window(self, height: int | None, width: int | None) -> None:
        if min(n for n in (height, width, WINDOW) if n is not None) < WINDOW:
            raise UserError(
                f"the image is too small: {height} x {width} is left of it at layer {self.name!r}, which pools windows "
                f"of {WINDOW} x {WINDOW}; SqueezeNet takes images from 32 x 32 pixels up"
            )


@keras.saving.register_keras_serializable("kerasqueeze")
class HeUniform(keras.initializers.HeUniform):
    """`keras.initializers.HeUniform`, the same numbers but for rounding, that JAX need not compile for each shape anew.

    As many numbers as the largest kernel has are drawn for every kernel, and the first of them are its own: JAX' random
    numbers depend on their place alone. SqueezeNet has some twenty shapes, and each would cost tens of milliseconds.
    """

    DRAWN = 3 * 3 * 64 * 256

    def __call__(self, shape, dtype=None):
        """Return a kernel of the given shape, the last axis its outputs."""
        count = math.prod(shape)
        limit = math.sqrt(6 / max(1, count // shape[-1]))
        drawn = keras.random.uniform((max(count, self.DRAWN),), -limit, limit, dtype=dtype, seed=self.seed)
        if isinstance(drawn, Tracer):
            return drawn[:count].reshape(shape)
        return keras.ops.convert_to_tensor(np.asarray(drawn)[:count].reshape(shape))


@keras.saving.register_keras_serializable("kerasqueeze")
class CaffePreprocessing(keras.layers.Layer):
    """RGB pixels 0–255 to what Caffe's ImageNet models take: BGR less the mean pixel.

    Source: mode "caffe" of keras/src/applications/imagenet_utils.py.
    """

    def call(self, inputs):
        """Turn (N, H, W, 3) RGB into BGR and subtract the mean of each channel."""
        mean = keras.ops.convert_to_tensor((103.939, 116.779, 123.68), self.compute_dtype)
        return keras.ops.cast(keras.ops.flip(inputs, axis=-1), self.compute_dtype) - mean


def require_channels_last() -> None:
    """Raise `UserError` unless Keras lays images out as (N, H, W, C), the only layout written here."""
    if keras.config.image_data_format() != "channels_last":
        raise UserError(
            "kerasqueeze lays images out as (N, H, W, C): call keras.config.set_image_data_format('channels_last'). "
            f"Received: image_data_format={keras.config.image_data_format()!r}"
        )


def full_precision() -> str:
    """Return the type of the weights: pixels are normalised and logits computed in it, also under mixed precision."""
    return keras.config.dtype_policy().variable_dtype


# XLA expands the CPU gradient of `reduce_window` into iota, select and scatter, which costs more than all convolutions.
# So the pool is the maximum of nine strided slices, and the backward pass needs the place of the maximum.


def max_pool_by_slices(x: jax.Array) -> jax.Array:
    """Max-pool (N, H, W, C) with a 3×3 window, stride 2 and no padding; differentiable in reverse mode."""
    return _max_pool(reverse_only(x))


@jax.custom_vjp
def _max_pool(x: jax.Array) -> jax.Array:
    slices = _slices(x)
    largest = slices[0]
    for values in slices[1:]:
        largest = jnp.maximum(largest, values)
    return largest


def _forward(x: jax.Array):
    """Return the pool, and for its gradient each maximum's place in its window (0–8) and the input's H and W."""
    slices = _slices(x)
    largest, place = slices[0], jnp.zeros(slices[0].shape, jnp.uint8)
    for k, values in enumerate(slices[1:], start=1):
        place = jnp.where(values > largest, jnp.uint8(k), place)  # strictly larger: the first maximum wins
        largest = jnp.maximum(largest, values)
    # An array of no elements carries the input's shape, since what is handed on must be arrays.
    return largest, (place, jnp.empty((*x.shape[1:3], 0), x.dtype))


def _backward(residuals, gradient: jax.Array):
    """Send each output's gradient to the pixel its maximum came from; overlapping windows add up."""
    place, empty = residuals
    height, width, _ = empty.shape
    zero = jnp.zeros((), gradient.dtype)
    parts = []
    for k in range(WINDOW * WINDOW):
        spread = tuple(
            (offset, side - offset - (STRIDE * (windows - 1) + 1), STRIDE - 1)  # before, after, between the elements
            for offset, side, windows in zip(divmod(k, WINDOW), (height, width), gradient.shape[1:3], strict=True)
        )
        parts.append(lax.pad(jnp.where(place == k, gradient, zero), zero, ((0, 0, 0), *spread, (0, 0, 0))))
    return (sum(parts[1:], start=parts[0]),)


_max_pool.defvjp(_forward, _backward)  # pyright: ignore[reportFunctionMemberAccess]


def _slices(x: jax.Array) -> list[jax.Array]:
    """Return the nine views of `x` that hold, for every window, its element at row k // 3 and column k % 3."""
    spans = [STRIDE * ((side - WINDOW) // STRIDE) + 1 for side in x.shape[1:3]]
    return [
        x[:, row : row + spans[0] : STRIDE, column : column + spans[1] : STRIDE]
        for row in range(WINDOW)
        for column in range(WINDOW)
    ]
