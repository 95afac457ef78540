"""A faster form of single layers, for the networks that have none as a whole.

XLA's CPU convolutions are slow in the backward pass. Written as matrix products they reach the speed of the matrix
product, a 1×1 convolution directly and a larger one over its patches; the gradient of a pool needs the place of the
maximum alone. The Keras layers stay the definition: a model made as `ByLayerModel(inputs, outputs)` is the functional
model, with the same layers, variables and file, and computes layers that have a faster form in that form. Nothing
changes for other layers and precisions, and where `is_fast()` says no.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import keras
from jax import lax

from kerasqueeze.models.fast import products
from kerasqueeze.models.fast.derivatives import reverse_only
from kerasqueeze.models.fast.settings import ANY, is_plain
from kerasqueeze.models.fast.switch import is_fast
from kerasqueeze.models.layers import WINDOW, max_pool_by_slices
from kerasqueeze.models.registered import registered


@registered
class ByLayerModel(keras.Model):
    """A functional model whose convolutions and 3×3 max-pools of stride 2 take their faster form."""

    def call(self, inputs, training=None, mask=None, **kwargs):
        """Run the graph as `keras.Model` does, with each layer in its faster form where it has one."""
        if not is_fast() or mask is not None or isinstance(inputs, keras.KerasTensor):
            return super().call(inputs, training=training, mask=mask, **kwargs)

        def run(layer) -> Callable[..., Any]:
            if (compute := _faster_form(layer)) is not None:
                return lambda x: compute(layer, x) if x.dtype == layer.compute_dtype else layer(x)
            if training is not None and getattr(layer, "_call_has_training_arg", False):
                # Last, for the graph recorded a `training` of its own when it was built.
                return lambda *args, **kwargs: layer(*args, **{**kwargs, "training": training})
            return layer

        outputs = self._run_through_graph(self._standardize_inputs(inputs), operation_fn=run)
        return outputs[0] if isinstance(outputs, list) and len(outputs) == 1 else outputs


def convolve_3x3(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Convolve (N, H, W, C) with a kernel (3, 3, C, E), stride 1, zero-padded to (N, H, W, E).

    Differentiable in reverse mode: the patches of the forward pass are kept and give the kernel's gradient as a matrix
    product; XLA on its own would copy them from the padded input again.
    """
    return _convolve_3x3(*reverse_only((x, kernel)))


def _forward_3x3(x: jax.Array, kernel: jax.Array):
    # The barrier keeps XLA from recomputing the patches inside the matrix product, element by element.
    rows = lax.optimization_barrier(products.patches(x))
    y = products.product(rows, kernel.reshape(rows.shape[1], -1))
    return y.reshape(*x.shape[:3], -1), (rows, kernel)


def _backward_3x3(residuals, gradient: jax.Array):
    rows, kernel = residuals
    flat = gradient.reshape(-1, gradient.shape[-1])
    kernel_gradient = products.product(rows, flat, 0, 0).reshape(kernel.shape)
    turned = lax.optimization_barrier(kernel.reshape(rows.shape[1], -1).T)
    count, height, width, _ = gradient.shape
    shape = count, height, width, kernel.shape[2]
    return products.patches_gradient(products.product(flat, turned), shape), kernel_gradient


_convolve_3x3 = jax.custom_vjp(lambda x, kernel: _forward_3x3(x, kernel)[0])
_convolve_3x3.defvjp(_forward_3x3, _backward_3x3)


def patches(x: jax.Array, size: int, stride: int) -> jax.Array:
    """Return the `size` x `size` patches of (N, H, W, C), as (N, H', W', size * size * C), in the kernel's order."""
    height, width = ((side - size) // stride + 1 for side in x.shape[1:3])
    return jnp.concatenate(
        [
            x[:, i : i + stride * (height - 1) + 1 : stride, j : j + stride * (width - 1) + 1 : stride]
            for i in range(size)
            for j in range(size)
        ],
        axis=-1,
    )


def _faster_form(layer) -> Callable[[Any, Any], jax.Array] | None:
    """Return what computes a layer's output from the layer and its input, or None if that is the layer's own call."""
    if getattr(layer, "compute_dtype", None) != getattr(layer, "variable_dtype", None):  # mixed precision
        return None
    if _is_pool(layer):
        return _pool
    return _convolve if _is_convolution(layer) else None


def _is_pool(layer) -> bool:
    """Tell whether a layer is the pool that `max_pool_by_slices` computes: 3×3, stride 2, no padding."""
    return is_plain(layer, keras.layers.MaxPooling2D, pool_size=(3, 3), strides=(2, 2))


def _is_convolution(layer) -> bool:
    """Tell whether a layer is a convolution that `_convolve` computes: 1×1; 3×3 padded; or any size without padding."""
    free = ("filters", "kernel_size", "strides", "padding", "activation", "use_bias")
    if not is_plain(layer, keras.layers.Conv2D, **dict.fromkeys(free, ANY)) or not callable(layer.activation):
        return False
    size, stride = layer.kernel_size[0], layer.strides[0]
    if layer.kernel_size != (size, size) or layer.strides != (stride, stride):
        return False
    return layer.padding == "valid" or (layer.padding == "same" and (size == 1 or (size, stride) == (3, 1)))


def _pool(layer: keras.layers.MaxPooling2D, x) -> jax.Array:
    """Compute what a `MaxPooling2D` layer of `_is_pool` computes, where there is a window at all."""
    return max_pool_by_slices(jnp.asarray(x)) if min(x.shape[1:3]) >= WINDOW else layer(x)


def _convolve(layer: keras.layers.Conv2D, x) -> jax.Array:
    """Compute what a `Conv2D` layer computes: (N, H, W, C) to (N, H', W', E), bias and activation included."""
    x, kernel = jnp.asarray(x), jnp.asarray(layer.kernel)
    size, stride = layer.kernel_size[0], layer.strides[0]
    if size == 3 and layer.padding == "same":
        y = convolve_3x3(x, kernel)
    elif size == 1:
        y = _product(x[:, ::stride, ::stride], kernel)
    else:
        y = _product(lax.optimization_barrier(patches(x, size, stride)), kernel)
    if layer.use_bias:
        y = y + jnp.asarray(layer.bias)
    return lax.optimization_barrier(layer.activation(y))


def _product(rows: jax.Array, kernel: jax.Array) -> jax.Array:
    """Multiply (N, H, W, K) with a kernel of K rows once flattened: one matrix product over all places."""
    flat = rows.reshape(-1, rows.shape[-1]) @ kernel.reshape(-1, kernel.shape[-1])
    return flat.reshape(*rows.shape[:3], -1)
