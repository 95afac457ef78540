"""Weights in fewer bits: what is stored in a file in place of float32, and what it stands for.

Only weights are quantised, and they are computed in float32 as before: files become small, and no photos are needed to
find ranges of activations. Kernels have a scale for each output channel, symmetric around 0, so that 0 stays 0.
"""

from dataclasses import dataclass

import numpy as np

from kerasqueeze.errors import unknown

BITS = {"int8": 8, "int6": 6}
NAMES = ("none", "float16", *BITS)
SMALLEST = 512
"""Weights of fewer numbers than that stay float32: biases and normalisations, which are few and matter."""
_STEPS = np.linspace(0.5, 1.0, 26)
"""Shares of the greatest weight of a channel that are tried as the end of the scale."""


@dataclass(frozen=True)
class Quantized:
    """Weights as they are stored: `values * scale`, the scale along the first axis.

    Attributes:
        values: int8, the weights' shape, output channels first.
        scale: float32 (O,).
    """

    values: np.ndarray
    scale: np.ndarray

    def restored(self) -> np.ndarray:
        """Return the float32 weights that it stands for."""
        return self.values.astype(np.float32) * self.scale.reshape(-1, *[1] * (self.values.ndim - 1))


def check(name: str) -> str:
    """Return the name of a way to store weights.

    Raises:
        UserError: It is none of `NAMES`.
    """
    if name not in NAMES:
        raise unknown("quantization", name, NAMES)
    return name


def stored(weights: np.ndarray, name: str) -> np.ndarray | Quantized:
    """Return float32 weights, output channels first, as they are stored: themselves, float16, or `Quantized`."""
    weights = np.ascontiguousarray(weights, np.float32)
    if name == "none" or weights.ndim < 2 or weights.size < SMALLEST:
        return weights
    if name == "float16":
        return weights.astype(np.float16)
    return quantized(weights, BITS[name])


def quantized(weights: np.ndarray, bits: int) -> Quantized:
    """Round weights to whole multiples of a scale, 2**bits - 1 of them around 0.

    With 8 bits each channel's greatest weight is the end of its scale. With fewer, cutting the few greatest off leaves
    finer steps for the many: of some ends the one with the least squared error is taken, channel by channel.

    Args:
        weights: float32, output channels first.
        bits: 2 to 8.
    """
    flat = weights.reshape(len(weights), -1).astype(np.float64)
    most = 2 ** (bits - 1) - 1
    greatest = np.maximum(np.abs(flat).max(axis=1), np.finfo(np.float32).tiny * 2**20)
    best_error, best_scale = np.full(len(flat), np.inf), greatest / most
    for share in (1.0,) if bits == 8 else _STEPS:
        scale = share * greatest / most
        rounded = np.clip(np.round(flat / scale[:, None]), -most, most) * scale[:, None]
        error = ((rounded - flat) ** 2).sum(axis=1)
        better = error < best_error
        best_error, best_scale = np.where(better, error, best_error), np.where(better, scale, best_scale)
    scale = best_scale.astype(np.float32)
    values = np.clip(np.round(flat / scale[:, None].astype(np.float64)), -most, most).astype(np.int8)
    return Quantized(values.reshape(weights.shape), scale)
