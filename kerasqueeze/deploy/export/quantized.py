"""Weights in fewer bits: what is stored in a file in place of float32, and what it stands for.

Only weights are quantised, and they are computed in float32 as before: files become small, and no photos are needed to
find ranges of activations. Kernels have a scale for each output channel, symmetric around 0, so that 0 stays 0.
"""

from dataclasses import dataclass

import numpy as np

from kerasqueeze.deploy.export.rounding import rounded

BITS = {"int8": 8, "int6": 6, "int5": 5}
NAMES = ("none", "float16", *BITS)
FEW = ("int6", "int5")
"""Those whose weights are worth rounding by photos, and whose files are worth compressing."""
SMALLEST = 512
"""Weights of fewer numbers than that stay float32: biases and normalisations, which are few and matter."""
_ENDS = np.linspace(0.4, 1.0, 31)
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


def stored(weights: np.ndarray, name: str, moment: np.ndarray | None = None) -> np.ndarray | Quantized:
    """Return weights as they are stored: themselves, float16, or `Quantized`.

    Args:
        weights: float32, output channels first.
        name: One of `NAMES`.
        moment: Second moments of the layer's inputs, see `rounding.moments`; None to round each weight by itself.
    """
    weights = np.ascontiguousarray(weights, np.float32)
    if name == "none" or weights.ndim < 2 or weights.size < SMALLEST:
        return weights
    if name == "float16":
        return weights.astype(np.float16)
    return quantized(weights, bits(weights.shape, BITS[name]), moment)


def bits(shape: tuple[int, ...], fewest: int) -> int:
    """Return how many bits the weights of a kernel (O, I, ...) get.

    All that a network knows of a photo passes the kernels that read pixels and those that narrow to fewer channels, a
    squeeze or the head, and they hold few of the weights: 8 bits for the one, one more for the others. Depthwise
    kernels, which have nine weights to make up for each other, get 8.
    """
    outputs, inputs = shape[:2]
    if inputs in (1, 3):
        return 8
    narrows = len(shape) == 4 and shape[2:] == (1, 1) and outputs < inputs
    return min(8, fewest + narrows)


def quantized(weights: np.ndarray, bits: int, moment: np.ndarray | None = None) -> Quantized:
    """Round weights to whole multiples of a scale, 2**bits - 1 of them around 0.

    With 8 bits each channel's greatest weight is the end of its scale. With fewer, cutting the few greatest off leaves
    finer steps for the many: of some ends the one with the least squared error, weighted by the inputs' moments, is
    taken, channel by channel.

    Args:
        weights: float32, output channels first.
        bits: 2 to 8.
        moment: As `stored` takes it.
    """
    flat = weights.reshape(len(weights), -1).astype(np.float64)
    most = 2 ** (bits - 1) - 1
    scale = _scale(flat, most, np.ones(flat.shape[1]) if moment is None else np.diag(moment), bits == 8)
    if moment is None:
        values = np.clip(np.round(flat / scale[:, None]), -most, most)
    else:
        values = rounded(flat, scale, most, moment)
    return Quantized(values.astype(np.int8).reshape(weights.shape), scale.astype(np.float32))


def _scale(flat: np.ndarray, most: int, importance: np.ndarray, whole: bool) -> np.ndarray:
    """Return the scale of each channel of (O, I) weights, exact in float32."""
    greatest = np.maximum(np.abs(flat).max(axis=1), 1e-30)
    error, scale = np.full(len(flat), np.inf), greatest / most
    for end in (1.0,) if whole else _ENDS:
        tried = (end * greatest / most).astype(np.float32).astype(np.float64)
        off = np.clip(np.round(flat / tried[:, None]), -most, most) * tried[:, None] - flat
        found = (off**2 * importance).sum(axis=1)
        scale, error = np.where(found < error, tried, scale), np.minimum(found, error)
    return scale
