"""Rounding weights by what photos make of them, so that few bits lose little: GPTQ.

A layer's outputs are its weights times its inputs. How much a change of its weights changes them is the quadratic form
of the inputs' second moments. Weights are rounded one input after the other, and what each rounding does to the outputs
is made up for by the inputs that are still to come, as far as these go along with it.

Source: Frantar et al., "GPTQ" (arXiv 2210.17323), algorithm 1, with its order by the diagonal ("act-order").
"""

from typing import Any

import keras
import numpy as np
from keras import layers

PLACES = 64
"""Places of a map that are looked at in each photo."""
BATCH = 16
DAMPING = 0.01
"""Share of the mean second moment that is added to each, as in the paper."""


def moments(network: keras.Model, images: np.ndarray) -> dict[str, np.ndarray]:
    """Return the second moments of the inputs of each convolution, by the layer's name.

    Args:
        network: A functional model.
        images: uint8 (N, S, S, 3), photos of the network's kind.

    Returns:
        (I·kh·kw, I·kh·kw) for each convolution that is neither depthwise nor grouped, its inputs in the order of its
        kernel laid out as (O, I, kh, kw).
    """
    convolutions: list[Any] = [layer for layer in network.layers if type(layer) is layers.Conv2D and layer.groups == 1]
    if not convolutions:
        return {}
    front = keras.Model(network.inputs[0], [layer.input for layer in convolutions])
    random = np.random.default_rng(0)
    found: dict[str, np.ndarray] = {}
    for start in range(0, len(images), BATCH):
        inputs = front.predict_on_batch(images[start : start + BATCH])
        inputs = inputs if isinstance(inputs, list) else [inputs]
        for layer, maps in zip(convolutions, inputs, strict=True):
            seen = _windows(np.asarray(maps), layer, random)
            found[layer.name] = found.get(layer.name, 0) + seen.T @ seen
    return found


def _windows(maps: np.ndarray, layer: Any, random: np.random.Generator) -> np.ndarray:
    """Return what a convolution sees at some places of maps (N, H, W, I): float64 (N·places, I·kh·kw)."""
    pads = []
    for side, size, stride in zip(maps.shape[1:3], layer.kernel_size, layer.strides, strict=True):
        missing = max(0, (-(-side // stride) - 1) * stride + size - side) if layer.padding == "same" else 0
        pads.append((missing // 2, missing - missing // 2))
    maps = np.pad(maps, ((0, 0), *pads, (0, 0)))
    (high, wide), (down, right) = layer.kernel_size, layer.strides
    rows = random.integers(0, (maps.shape[1] - high) // down + 1, PLACES) * down
    columns = random.integers(0, (maps.shape[2] - wide) // right + 1, PLACES) * right
    seen = [maps[:, row : row + high, column : column + wide] for row, column in zip(rows, columns, strict=True)]
    return np.stack(seen).transpose(0, 1, 4, 2, 3).reshape(PLACES * len(maps), -1).astype(np.float64)


def rounded(weights: np.ndarray, scale: np.ndarray, most: int, moment: np.ndarray) -> np.ndarray:
    """Return the whole numbers q for which scale · q gives outputs close to those of the weights.

    Args:
        weights: float64 (O, I).
        scale: (O,).
        most: The numbers are from -most to most.
        moment: Second moments of the inputs (I, I).
    """
    moment = moment.astype(np.float64)
    diagonal = np.diag(moment)
    moment = moment + np.diag(np.where(diagonal == 0, 1.0, DAMPING * max(float(diagonal.mean()), 1e-12)))
    order = np.argsort(-np.diag(moment), kind="stable")
    left, found = weights[:, order].copy(), np.empty_like(weights)
    inverse = np.linalg.inv(moment[np.ix_(order, order)])
    factor = np.linalg.cholesky((inverse + inverse.T) / 2).T
    for number, place in enumerate(order):
        found[:, place] = np.clip(np.round(left[:, number] / scale), -most, most)
        error = (left[:, number] - scale * found[:, place]) / factor[number, number]
        left[:, number + 1 :] -= np.outer(error, factor[number, number + 1 :])
    return found
