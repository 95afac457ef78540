"""Is a layer set as the fast form computes it?

The forms here carry out some settings of some layers. A layer can have many others, and the next version of Keras more:
penalties on what it returns, quantization, LoRA, masks, rematerialization, a `call` of its own. So the question is not
which of them are known to be in the way: a layer is compared, attribute by attribute, with a new one of its class, and
whatever differs has to be in the list of what is carried out. All else is for Keras to compute.
"""

import functools
from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

ANY = object()
"""Stands for any value of a setting."""

GRAPH = {"name", "_path", "_parent_path", "_inbound_nodes", "_outbound_nodes"}
BUILT = {"_tracker", "_lock", "_auto_config", "_build_shapes_dict", "_input_spec", "built", "_called", "backend"}
WRAPPED = {"build", "quantize"}  # by Keras, in each layer
LOSSES = {"_losses", "_loss_ids", "_losses_override"}  # of the last call
VARIABLES = {"_trainable", "_trainable_variables", "_non_trainable_variables", "_kernel", "bias"}
SEEDS = {"_seed_generators", "seed_generator"}
OF_VARIABLES = {  # acts on these alone: at the start, in the sum of the losses, in the optimizer's step
    f"{variable}_{what}" for variable in ("kernel", "bias") for what in ("initializer", "regularizer", "constraint")
}
NOT_SETTINGS = GRAPH | BUILT | WRAPPED | LOSSES | VARIABLES | SEEDS | OF_VARIABLES | {"_dtype_policy"}
"""Attributes that do not change what a layer computes of its input and variables; the policy is looked at by itself."""

NEW = {
    layers.Add: {},
    layers.Concatenate: {"axis": -1},
    layers.Conv2D: {"filters": 1, "kernel_size": 1, "kernel_initializer": "zeros", "data_format": "channels_last"},
    layers.Dense: {"units": 1, "kernel_initializer": "zeros"},
    layers.Activation: {"activation": "linear"},
    layers.Dropout: {"rate": 0.0},
    layers.Flatten: {"data_format": "channels_last"},
    layers.GlobalAveragePooling2D: {"data_format": "channels_last"},
    layers.GlobalMaxPooling2D: {"data_format": "channels_last"},
    layers.MaxPooling2D: {"data_format": "channels_last"},
    layers.Rescaling: {"scale": 1.0},
}
"""What new layers are made with: what they need, and what keeps them from drawing a seed."""


def is_plain(layer: Any, kind: type, **settings: Any) -> bool:
    """Tell whether a layer is a new `kind` but for the settings given.

    Args:
        layer: A layer, or anything else.
        kind: The class that it has to be of; a subclass may compute anything.
        settings: Attributes that may differ from a new layer's, each with the value that it has to have, or `ANY`.
    """
    if type(layer) is not kind or type(layer.dtype_policy) is not keras.DTypePolicy:
        return False
    return not changed(vars(layer), {**_new(kind), **settings}) - NOT_SETTINGS


def changed(found: Mapping[str, Any], expected: Mapping[str, Any]) -> set[str]:
    """Return the names whose values are not as expected, or that are in one of the two alone."""
    return {name for name in found.keys() | expected.keys() if not _is_equal(name, found, expected)}


def _is_equal(name: str, found: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    if name not in found or name not in expected:
        return False
    one, other = found[name], expected[name]
    if one is other or other is ANY:
        return True
    try:
        return bool(one == other)
    except (TypeError, ValueError):  # arrays
        return False


@functools.cache
def _new(kind: type) -> dict[str, Any]:
    """Return the attributes of a new layer; none is to be rematerialized, whichever scope this runs in."""
    return {**vars(kind(name="new", **NEW.get(kind, {}))), "_remat_mode": None}
