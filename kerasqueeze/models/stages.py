"""Which layers of a backbone form its stages, and so its head."""

import re

import keras
from keras import layers

STAGE = re.compile(r"(?:bn_)?(fire\d+|conv\d+_block\d+|block_?\d+[a-z]?|expanded_conv|[Cc]onv_?\d+|stem|top)")
"""The name of a stage, at the beginning of the names of its layers."""


def stages(model: keras.Model) -> tuple[tuple[str, ...], ...]:
    """Return the names of a backbone's layers that have weights, by stage, front to back; the head is the last stage.

    A stage is a fire module, a residual or inverted bottleneck block, or a single convolution with its normalisation.
    """
    found: dict[str, list[str]] = {}
    for layer in model.layers:
        if layer.weights and not isinstance(layer, layers.Normalization):  # whose weights are no training's business
            match = STAGE.match(layer.name)
            found.setdefault(match[1] if match else layer.name, []).append(layer.name)
    return tuple(tuple(names) for names in found.values())
