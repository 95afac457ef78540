"""Convolution, bias, ReLU and 3×3 pooling of stride 2 in one, so that the large map before the pool is never laid out.

A pool of stride 2 reads four kinds of places: even or odd row, even or odd column. Each kind is laid out as a matrix of
its own, and the pool is then the maximum of nine *contiguous* pieces of these four, where a map would have to be read
with strides. Bias and ReLU follow the pool, on a quarter of the numbers: both are monotone, so the maximum commutes
with them. The gradient needs the place of each maximum in its window, 0 to 8; among equals it goes to the first, as in
XLA's own pool.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from kerasqueeze.models.fast.products import column_sum, product

KINDS = tuple((row, column) for row in (0, 1) for column in (0, 1))
WINDOW = tuple((row, column) for row in range(3) for column in range(3))


class Grid(NamedTuple):
    """The sizes of a map and of the four matrices it is laid out as, one place longer and wider than the pool's output.

    Place (a, b) of kind (p, q) is the map's (2a + p, 2b + q). The pool's window (a, b) then reads places (a, b) and
    their neighbours below and to the right, which lie a fixed number of matrix rows further on.
    """

    images: int
    height: int  # of the map
    width: int

    @property
    def rows(self) -> int:
        """Height of the pool's output."""
        return pooled(self.height)

    @property
    def columns(self) -> int:
        """Width of the pool's output."""
        return pooled(self.width)

    @property
    def places(self) -> int:
        """Rows of each of the four matrices."""
        return self.images * (self.rows + 1) * (self.columns + 1)

    def ahead(self, tap: tuple[int, int]) -> int:
        """Return how far on in its matrix a window finds the element at the given row and column of it."""
        return tap[0] // 2 * (self.columns + 1) + tap[1] // 2


def pooled(side: int) -> int:
    """Return the side of a map after a 3×3 pool of stride 2 in ceil mode."""
    return -(-(side - 3) // 2) + 1


def convolved(side: int, kernel_size: int) -> int:
    """Return the side of a map after a convolution of stride 2 without padding."""
    return (side - kernel_size) // 2 + 1


def pool(maps: jax.Array, bias: jax.Array, grid: Grid, *, with_places: bool):
    """Pool a map given as its four kinds, add the bias, apply ReLU.

    Args:
        maps: (4 · grid.places, E): a matrix for each of `KINDS`, one below the other.
        bias: (E,).
        grid: The sizes.
        with_places: Whether to note where each maximum stood, which the gradient needs.

    Returns:
        (N, rows, columns, E), and the places (grid.places − columns − 2, E) or None.
    """
    windows = grid.places - grid.ahead((2, 2))
    largest = place = None
    for number, tap in enumerate(WINDOW):
        start = KINDS.index((tap[0] % 2, tap[1] % 2)) * grid.places + grid.ahead(tap)
        values = maps[start : start + windows]
        inside = _inside(grid, tap, windows)
        if inside is not None:
            values = jnp.where(inside, values, -jnp.inf)
        if largest is None or place is None:
            largest, place = values, jnp.zeros(values.shape, jnp.int32)
        else:
            place = jnp.where(values > largest, number, place)  # strictly larger: the first maximum wins
            largest = jnp.maximum(largest, values)
    assert largest is not None
    y = jnp.pad(jax.nn.relu(largest + bias), ((0, grid.ahead((2, 2))), (0, 0)))
    y = y.reshape(grid.images, grid.rows + 1, grid.columns + 1, -1)[:, : grid.rows, : grid.columns]
    return y, place if with_places else None


def _inside(grid: Grid, tap: tuple[int, int], windows: int) -> jax.Array | None:
    """Tell for each window whether its element at `tap` lies on the map; None if it does for all of them.

    In ceil mode the last window may reach beyond the map, at the bottom or on the right.
    """
    beyond_bottom = tap[0] == 2 and grid.height == 2 * grid.rows
    beyond_right = tap[1] == 2 and grid.width == 2 * grid.columns
    if not beyond_bottom and not beyond_right:
        return None
    window = jnp.arange(windows)[:, None]
    row, column = window // (grid.columns + 1) % (grid.rows + 1), window % (grid.columns + 1)
    return (2 * row + tap[0] < grid.height) & (2 * column + tap[1] < grid.width)


def unpool(gradient: jax.Array, y: jax.Array, place: jax.Array, grid: Grid) -> tuple[jax.Array, jax.Array]:
    """Send the gradient of a pool's outputs (N, rows, columns, E) to the places of the maxima, and sum it for the bias.

    Returns:
        The gradients of the map, (4 · grid.places, E), and of the bias, (E,).
    """
    channels = y.shape[-1]
    gradient = jnp.where(y > 0, gradient, 0)
    bias = column_sum(gradient.reshape(-1, channels))
    before = grid.ahead((2, 2))  # windows this far back can still have their maximum here
    gradient = jnp.pad(gradient, ((0, 0), (0, 1), (0, 1), (0, 0))).reshape(-1, channels)
    gradient = jnp.pad(gradient, ((before, 0), (0, 0)))
    place = jnp.pad(place, ((before, before), (0, 0)))
    parts = []
    for kind in KINDS:
        total = jnp.zeros((), gradient.dtype)
        for number, tap in enumerate(WINDOW):
            if (tap[0] % 2, tap[1] % 2) == kind:
                start = before - grid.ahead(tap)
                here = slice(start, start + grid.places)
                total = total + jnp.where(place[here] == number, gradient[here], 0)
        parts.append(total)
    return jnp.concatenate(parts), bias


# The first convolution: k×k, stride 2, no padding.


def stem_patches(x: jax.Array, kernel_size: int, grid: Grid) -> jax.Array:
    """Lay out what each place of the convolution's output reads: (N, H, W, C) to (4 · grid.places, k·k·C).

    Place (2a + p, 2b + q) reads the pixels from (4a + 2p, 4b + 2q) on. In blocks of four rows and columns these are,
    for one kind, the same pieces of the same neighbouring blocks everywhere.
    """
    images, _, _, channels = x.shape
    reach = 2 + kernel_size - 1  # the last row of a block that a kind needs, counted from the block's first
    rows, columns = grid.rows + 1 + reach // 4, grid.columns + 1 + reach // 4
    x = x[:, : 4 * rows, : 4 * columns]
    x = jnp.pad(x, ((0, 0), (0, 4 * rows - x.shape[1]), (0, 4 * columns - x.shape[2]), (0, 0)))
    x = x.reshape(images, rows, 4, columns, 4 * channels)
    kinds = []
    for p, q in KINDS:
        pieces = []
        for row in range(2 * p, 2 * p + kernel_size):
            line = x[:, row // 4 : row // 4 + grid.rows + 1, row % 4]
            for block in range(reach // 4 + 1):
                first, last = max(2 * q - 4 * block, 0), min(2 * q + kernel_size - 4 * block, 4)
                if first < last:
                    here = line[:, :, block : block + grid.columns + 1]
                    pieces.append(here[..., first * channels : last * channels])
        kinds.append(jnp.concatenate(pieces, -1))
    return jnp.stack(kinds).reshape(4 * grid.places, -1)


def stem(x: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    """Convolve with stride 2 and no padding, add the bias, apply ReLU, pool 3×3 with stride 2 in ceil mode.

    Args:
        x: (N, H, W, C).
        kernel: (k, k, C, E).
        bias: (E,).

    Returns:
        (N, H', W', E).
    """
    return _stem(x, kernel, bias, with_places=False)[0]


def _stem_grid(x: jax.Array, kernel: jax.Array) -> Grid:
    size = kernel.shape[0]
    return Grid(x.shape[0], convolved(x.shape[1], size), convolved(x.shape[2], size))


def _stem(x, kernel, bias, *, with_places):
    grid = _stem_grid(x, kernel)
    matrix = kernel.reshape(-1, kernel.shape[-1])
    inputs = stem_patches(x, kernel.shape[0], grid)
    y, place = pool(product(inputs, matrix), bias, grid, with_places=with_places)
    return y, (x, inputs, kernel, y, place)


def _stem_forward(x, kernel, bias):
    return _stem(x, kernel, bias, with_places=True)


def _stem_backward(saved, gradient):
    x, inputs, kernel, y, place = saved
    grid = _stem_grid(x, kernel)
    of_map, of_bias = unpool(gradient, y, place, grid)
    of_kernel = product(inputs, of_map, 0, 0).reshape(kernel.shape)
    # The pixels' gradient is rarely asked for (XLA drops it where it is not), so XLA may derive it.
    matrix = kernel.reshape(-1, kernel.shape[-1])
    transposed = jax.linear_transpose(lambda x: stem_patches(x, kernel.shape[0], grid), x)
    (of_x,) = transposed(product(of_map, matrix, 1, 1))
    return of_x, of_kernel, of_bias


stem = jax.custom_vjp(stem)
stem.defvjp(_stem_forward, _stem_backward)
