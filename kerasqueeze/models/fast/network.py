"""The whole network as a function of its weights, and the Keras model that computes itself by it."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import keras
from jax import lax

from kerasqueeze.models.fast.derivatives import reverse_only
from kerasqueeze.models.fast.fire import convolve, expand, expand_pooled
from kerasqueeze.models.fast.microbatch import MicroBatchModel, is_per_image, is_plain_model, run
from kerasqueeze.models.fast.plan import Plan, read
from kerasqueeze.models.fast.pooled import convolved, pooled, stem
from kerasqueeze.models.fast.switch import is_fast
from kerasqueeze.models.layers import max_pool_by_slices
from kerasqueeze.models.registered import registered

CACHE = 14 << 20
"""Bytes that the first convolution's maps of a micro-batch may take."""


@registered
class LoweredModel(MicroBatchModel):
    """A functional model, SqueezeNet's, that computes itself in a faster form where it has one.

    The layers, their variables, the file and the summary are those of the functional model, and so is the result. Only
    this model's own call is fast: single layers and models made of inner tensors are run as Keras runs them.
    """

    def call(self, inputs, training=None, mask=None, **kwargs):
        """Compute the network: in the fast form if `is_fast()` and the graph is known, else layer by layer."""
        arrays = keras.tree.flatten(inputs)
        masked = any(one is not None for one in keras.tree.flatten(mask))
        if len(arrays) == 1 and not masked and not kwargs:
            plan = self._plan(getattr(arrays[0], "shape", ()))
            if plan is not None:
                return self._call_fast(plan, arrays[0], bool(training))
        return super().call(inputs, training=training, mask=mask, **kwargs)

    def micro_batch(self, shape: Sequence[Any]) -> int | None:
        """Return how many images of a batch (N, H, W, C) are best computed at a time; None if not in the fast form."""
        plan = self._plan(shape)
        if plan is None or not is_plain_model(self, LoweredModel) or not all(map(is_per_image, plan.rest)):
            return None
        return _micro_batch(plan, shape)

    def has_fast_form(self) -> bool:
        """Tell whether the graph is one that the fast form is for, whatever the images' size."""
        return read(self) is not None

    def _parts(self):
        return [], self, []

    def _plan(self, shape) -> Plan | None:
        """Return the plan for images of this shape, or None if the layers have to compute them."""
        if not is_fast() or len(shape) != 4 or not all(isinstance(side, int) and side for side in shape):
            return None
        plan = read(self)
        if plan is None or shape[3] != self.inputs[0].shape[3]:
            return None
        sides = [convolved(side, plan.stem.kernel_size[0]) for side in shape[1:3]]
        for is_pooled in (True, *plan.pools):
            if is_pooled and min(sides) < 3:  # the pool's layer says so in words
                return None
            sides = [pooled(side) if is_pooled else side for side in sides]
        return plan

    def _call_fast(self, plan: Plan, images, training: bool):
        images = keras.ops.convert_to_tensor(images, dtype=self.inputs[0].dtype)
        images = jnp.asarray(images, plan.stem.compute_dtype)
        images, weights = reverse_only((images, _weights(plan)))
        relu = plan.head is not None and plan.head.relu is not None
        if training:
            parts = features(images, weights, plan.pools)
            if plan.head is not None and plan.head.dropout is not None:
                parts = (plan.head.dropout(jnp.concatenate(parts, -1), training=True),)
            x = score(parts, weights, relu)
        else:
            x = infer(images, weights, plan.pools, relu, _micro_batch(plan, images.shape))
        for layer in plan.rest:
            x = run(layer, x, training)
        return x


def _micro_batch(plan: Plan, shape) -> int:
    """Return as many images as keep the largest map, the first convolution's, within `CACHE`.

    A power of two, so that usual batches are multiples of it.
    """
    size, item = plan.stem.kernel_size[0], jnp.dtype(plan.stem.compute_dtype).itemsize
    bytes_each = convolved(shape[1], size) * convolved(shape[2], size) * plan.stem.filters * item
    return 1 << (max(CACHE // bytes_each, 1).bit_length() - 1)


def _weights(plan: Plan) -> dict[str, Any]:
    """Collect the variables' values; the normalisation is part of the first convolution's.

    conv(x · scale + offset, kernel) + bias = conv(x, scale · kernel) + (sum of offset · kernel) + bias, which is exact
    since that convolution has no padding: the pixels are read once, as they are.
    """

    def values(layer):
        return jnp.asarray(layer.kernel), jnp.asarray(layer.bias)

    kernel, bias = values(plan.stem)
    if plan.normalization is not None:
        offset, scale = (jnp.asarray(getattr(plan.normalization, name), kernel.dtype) for name in ("offset", "scale"))
        bias = bias + jnp.sum(jnp.broadcast_to(offset, kernel.shape[2:3])[:, None] * kernel, (0, 1, 2))
        kernel = kernel * jnp.broadcast_to(scale, kernel.shape[2:3])[:, None]
    return {
        "stem": (kernel, bias),
        "fires": [tuple(values(layer) for layer in fire.convolutions) for fire in plan.fires],
        "bypasses": [
            None if fire.add is None else () if fire.bypass is None else values(fire.bypass) for fire in plan.fires
        ],
        "head": None if plan.head is None else values(plan.head.convolution),
    }


@partial(jax.jit, static_argnames="pools")
def features(images: jax.Array, weights: dict[str, Any], pools: tuple[bool, ...]) -> tuple[jax.Array, ...]:
    """Compute everything up to the last fire module.

    Args:
        images: (N, H, W, C).
        weights: As `_weights` collects them.
        pools: For each fire module whether a pool follows.

    Returns:
        The two parts of the last module's map, each (N, H', W', channels).
    """
    x = stem(images, *weights["stem"])
    (count, height, width, _), parts = x.shape, (x,)
    for is_pooled, fire, bypass in zip(pools, weights["fires"], weights["bypasses"], strict=True):
        (kernel, bias), (kernel1, bias1), (kernel3, bias3) = fire
        rows = tuple(part.reshape(-1, part.shape[-1]) for part in parts)
        x = convolve(rows, kernel[0, 0], bias)
        shape = count, height, width
        if bypass is not None:
            parts = _bypassed(rows, expand(x, kernel1[0, 0], bias1, kernel3, bias3, shape), bypass)
            parts = tuple(_pooled(part, shape) for part in parts) if is_pooled else parts
        else:
            parts = (expand_pooled if is_pooled else expand)(x, kernel1[0, 0], bias1, kernel3, bias3, shape)
        if is_pooled:
            height, width = parts[0].shape[1:3]
    return tuple(part.reshape(count, height, width, -1) for part in parts)


def _bypassed(rows: tuple[jax.Array, ...], parts: tuple[jax.Array, ...], bypass: tuple[jax.Array, ...]):
    """Add a fire module's input, or its 1×1 convolution, to the module's output, part by part."""
    others = (convolve(rows, bypass[0][0, 0], bypass[1]),) if bypass else rows
    if [other.shape for other in others] != [part.shape for part in parts]:
        whole = others[0] if len(others) == 1 else jnp.concatenate(others, -1)
        others = jnp.split(whole, [parts[0].shape[-1]], -1)
    return tuple(part + other for part, other in zip(parts, others, strict=True))


def _pooled(part: jax.Array, shape: tuple[int, int, int]) -> jax.Array:
    """Pool a part (M, C) of a map 3×3 with stride 2 in ceil mode; what is pooled is 0 at least."""
    x = part.reshape(*shape, -1)
    return max_pool_by_slices(jnp.pad(x, ((0, 0), (0, (shape[1] - 3) % 2), (0, (shape[2] - 3) % 2), (0, 0))))


def score(parts: tuple[jax.Array, ...], weights: dict[str, Any], relu: bool) -> jax.Array:
    """Convolve 1×1, apply ReLU if there is one, average over all places: (N, classes); without head join the parts.

    Without ReLU the average comes first, which is the same and leaves one place to convolve. (Not in float64, which
    Keras averages in float32: the rounding would be elsewhere.)
    """
    if weights["head"] is None:
        return jnp.concatenate(parts, -1)
    kernel, bias = weights["head"]
    if not relu and kernel.dtype == jnp.float32:
        return jnp.concatenate([part.mean((1, 2)) for part in parts], -1) @ kernel[0, 0] + bias
    rows = tuple(part.reshape(-1, part.shape[-1]) for part in parts)
    scores = convolve(rows, kernel[0, 0], bias, relu)
    return keras.ops.mean(scores.reshape(*parts[0].shape[:3], -1), (1, 2))


@partial(jax.jit, static_argnames=("pools", "relu", "micro_batch"))
def infer(images, weights: dict[str, Any], pools: tuple[bool, ...], relu: bool, micro_batch: int) -> jax.Array:
    """Compute features and head, at most `micro_batch` images at a time, so that their maps stay in the cache."""

    def compute(images):
        return score(features(images, weights, pools), weights, relu)

    count = images.shape[0]
    pieces = -(-count // micro_batch)
    if pieces == 1:
        return compute(images)
    each = -(-count // pieces)
    images = jnp.pad(images, ((0, pieces * each - count), (0, 0), (0, 0), (0, 0)))
    y = lax.map(compute, images.reshape(pieces, each, *images.shape[1:]))
    return y.reshape(pieces * each, *y.shape[2:])[:count]
