"""The fire module as matrix products: squeeze and expansions, with or without the pool that follows.

Maps are held as rows (N·H·W, C); a concatenation is held as its parts, since a 1×1 convolution of it is the sum of the
products with each.
"""

import jax
import jax.numpy as jnp

from kerasqueeze.models.fast.pooled import KINDS, Grid, pool, unpool
from kerasqueeze.models.fast.products import column_sum, kernel_gradient, patches, patches_gradient, product

Shape = tuple[int, int, int]  # images, height, width


def convolve(parts: tuple[jax.Array, ...], kernel: jax.Array, bias: jax.Array, relu: bool = True) -> jax.Array:
    """Convolve 1×1, add the bias, apply ReLU.

    Args:
        parts: The input's channels in one or more pieces, each (M, C).
        kernel: (sum of the C, E).
        bias: (E,).
        relu: Whether to apply ReLU.

    Returns:
        (M, E).
    """
    return _convolve_forward(parts, kernel, bias, relu)[0]


def _convolve_forward(parts, kernel, bias, relu):
    y = sum(product(part, rows) for part, rows in _aligned(parts, kernel)) + bias
    y = jax.nn.relu(y) if relu else y
    return y, (parts, kernel, y)


def _aligned(parts, kernel):
    """Pair each part with the kernel's rows that it is multiplied with."""
    start = 0
    for part in parts:
        yield part, kernel[start : start + part.shape[1]]
        start += part.shape[1]


def _convolve_backward(relu, saved, gradient):
    parts, kernel, y = saved
    gradient = jnp.where(y > 0, gradient, 0) if relu else gradient
    of_parts = tuple(product(gradient, rows, 1, 1) for _, rows in _aligned(parts, kernel))
    of_kernel = jnp.concatenate([kernel_gradient(part, gradient) for part in parts])
    return of_parts, of_kernel, column_sum(gradient)


convolve = jax.custom_vjp(convolve, nondiff_argnums=(3,))
convolve.defvjp(_convolve_forward, _convolve_backward)


def expand(x, kernel1, bias1, kernel3, bias3, shape: Shape):
    """Convolve 1×1 and 3×3 side by side, each with its bias and a ReLU.

    Args:
        x: (M, C) with M = N·H·W.
        kernel1: (C, E).
        bias1: (E,).
        kernel3: (3, 3, C, E').
        bias3: (E',).
        shape: N, H and W.

    Returns:
        (M, E) and (M, E').
    """
    return _expand_forward(x, kernel1, bias1, kernel3, bias3, shape)[0]


def _expand_forward(x, kernel1, bias1, kernel3, bias3, shape):
    around = patches(x.reshape(*shape, -1))
    y1 = jax.nn.relu(product(x, kernel1) + bias1)
    y3 = jax.nn.relu(product(around, kernel3.reshape(-1, kernel3.shape[-1])) + bias3)
    return (y1, y3), (x, around, kernel1, kernel3, y1, y3)


def _expand_backward(shape, saved, gradients):
    x, around, kernel1, kernel3, y1, y3 = saved
    gradient1, gradient3 = (jnp.where(y > 0, g, 0) for y, g in zip((y1, y3), gradients, strict=True))
    of_kernel1 = product(x, gradient1, 0, 0)
    of_kernel3 = kernel_gradient(around, gradient3).reshape(kernel3.shape)
    matrix = kernel3.reshape(-1, kernel3.shape[-1])
    of_x = patches_gradient(product(gradient3, matrix, 1, 1), (*shape, x.shape[1])).reshape(x.shape)
    of_x = of_x + product(gradient1, kernel1, 1, 1)
    return of_x, of_kernel1, column_sum(gradient1), of_kernel3, column_sum(gradient3)


expand = jax.custom_vjp(expand, nondiff_argnums=(5,))
expand.defvjp(_expand_forward, _expand_backward)


def expand_pooled(x, kernel1, bias1, kernel3, bias3, shape: Shape):
    """Do what `expand` does, then pool 3×3 with stride 2 in ceil mode: two maps (N, H', W', channels)."""
    return _expand_pooled(x, kernel1, bias1, kernel3, bias3, shape, with_places=False)[0]


def kinds_patches(x: jax.Array, grid: Grid) -> tuple[jax.Array, jax.Array]:
    """Lay out a map (N, H, W, C) by `KINDS`: its places (4 · grid.places, C) and their 3×3 neighbourhoods (…, 9·C)."""
    height, width, channels = x.shape[1:]
    rows, columns = grid.rows + 1, grid.columns + 1
    x = jnp.pad(x, ((0, 0), (1, 2 * rows + 1 - height), (1, 2 * columns + 1 - width), (0, 0)))
    x = x.reshape(-1, rows + 1, 2, columns + 1, 2, channels)

    def at(row: int, column: int) -> jax.Array:
        return x[:, row // 2 : row // 2 + rows, row % 2, column // 2 : column // 2 + columns, column % 2]

    centres = jnp.stack([at(p + 1, q + 1) for p, q in KINDS])
    around = jnp.stack(
        [jnp.stack([jnp.stack([at(p + i, q + j) for j in range(3)], 3) for i in range(3)], 3) for p, q in KINDS]
    )
    return centres.reshape(-1, channels), around.reshape(-1, 9 * channels)


def _expand_pooled(x, kernel1, bias1, kernel3, bias3, shape, *, with_places):
    grid = Grid(*shape)
    centres, around = kinds_patches(x.reshape(*shape, -1), grid)
    matrix = kernel3.reshape(-1, kernel3.shape[-1])
    y1, place1 = pool(product(centres, kernel1), bias1, grid, with_places=with_places)
    y3, place3 = pool(product(around, matrix), bias3, grid, with_places=with_places)
    return (y1, y3), (x, centres, around, kernel1, kernel3, y1, y3, place1, place3)


def _expand_pooled_forward(x, kernel1, bias1, kernel3, bias3, shape):
    return _expand_pooled(x, kernel1, bias1, kernel3, bias3, shape, with_places=True)


def _expand_pooled_backward(shape, saved, gradients):
    x, centres, around, kernel1, kernel3, y1, y3, place1, place3 = saved
    grid, matrix = Grid(*shape), kernel3.reshape(-1, kernel3.shape[-1])
    of_map1, of_bias1 = unpool(gradients[0], y1, place1, grid)
    of_map3, of_bias3 = unpool(gradients[1], y3, place3, grid)
    of_kernel1 = product(centres, of_map1, 0, 0)
    of_kernel3 = kernel_gradient(around, of_map3).reshape(kernel3.shape)
    of_x = kinds_patches_gradient(product(of_map1, kernel1, 1, 1), product(of_map3, matrix, 1, 1), grid)
    return of_x.reshape(x.shape), of_kernel1, of_bias1, of_kernel3, of_bias3


def kinds_patches_gradient(centres: jax.Array, around: jax.Array, grid: Grid) -> jax.Array:
    """Add the gradients of what `kinds_patches` laid out: a map (N, H, W, C)."""
    rows, columns, channels = grid.rows + 1, grid.columns + 1, centres.shape[-1]
    centres, around = (array.reshape(4, -1, rows, columns, array.shape[-1]) for array in (centres, around))
    quarters: dict[tuple[int, int], jax.Array] = {}
    for (p, q), centre, whole in zip(KINDS, centres, around, strict=True):
        for tap in range(9):
            row, column = p + tap // 3, q + tap % 3
            part = whole[..., tap * channels : (tap + 1) * channels]
            part = part + centre if tap == 4 else part
            margins = ((0, 0), (row // 2, 1 - row // 2), (column // 2, 1 - column // 2), (0, 0))
            quarter = (row % 2, column % 2)
            quarters[quarter] = quarters.get(quarter, jnp.zeros((), part.dtype)) + jnp.pad(part, margins)
    lines = [jnp.stack([quarters[u, 0], quarters[u, 1]], 3) for u in (0, 1)]
    x = jnp.stack(lines, 2).reshape(-1, 2 * rows + 2, 2 * columns + 2, channels)
    return x[:, 1 : 1 + grid.height, 1 : 1 + grid.width]


expand_pooled = jax.custom_vjp(expand_pooled, nondiff_argnums=(5,))
expand_pooled.defvjp(_expand_pooled_forward, _expand_pooled_backward)
