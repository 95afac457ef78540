"""Reading a functional graph: is it a SqueezeNet that can be lowered, and which layers play which part?

The graph is read anew at each trace, from its output backwards, by the kinds and settings of its layers; their names
mean nothing. What is not exactly known is not lowered: the stock layers then compute it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from kerasqueeze.models.layers import CeilMaxPooling2D

FLOATS = ("float32", "float64")


@dataclass(frozen=True)
class Fire:
    """The convolutions of a fire module, and whether a pool follows it."""

    squeeze: layers.Conv2D
    expand1x1: layers.Conv2D
    expand3x3: layers.Conv2D
    pooled: bool


@dataclass(frozen=True)
class Plan:
    """The layers of a SqueezeNet by their parts, in the order of computation.

    Attributes:
        normalization: Rescales the pixels; None if they come normalised.
        stem: The first convolution, which a pool follows.
        fires: The fire modules.
        head: Dropout (or None), the 1×1 convolution that scores each place, whether a ReLU follows it; then comes the
            average over all places. None if the network goes on in another way.
        rest: Layers after the average, or after the last fire module if there is no head. They are run as they are.
    """

    normalization: layers.Rescaling | None
    stem: layers.Conv2D
    fires: tuple[Fire, ...]
    head: tuple[layers.Dropout | None, layers.Conv2D, bool] | None
    rest: tuple[Any, ...]

    @property
    def layers(self) -> Iterator[Any]:
        """All layers that are not run as they are, but Dropout."""
        yield self.stem
        for fire in self.fires:
            yield from (fire.squeeze, fire.expand1x1, fire.expand3x3)
        if self.normalization is not None:
            yield self.normalization
        if self.head is not None:
            yield self.head[1]


class _Unknown(Exception):
    """The graph is none that can be lowered."""


def read(model: keras.Model) -> Plan | None:
    """Return the plan of a functional model with one input and one output; None if it cannot be lowered."""
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        return None
    try:
        plan = _read(model.inputs[0], model.outputs[0])
    except _Unknown:
        return None
    dtypes = {layer.compute_dtype for layer in plan.layers} | {layer.variable_dtype for layer in plan.layers}
    return plan if len(dtypes) == 1 and dtypes <= set(FLOATS) else None


def _read(first, last) -> Plan:
    rest, tensor = [], last
    while not isinstance(_layer(tensor), layers.Concatenate | CeilMaxPooling2D):
        rest.append(_layer(tensor))
        tensor = _input(tensor)
    fires = []
    while not _is_convolution(_layer(_input_or_none(tensor)), None, 2, "valid", "relu"):
        fire, tensor = _fire(tensor)
        fires.append(fire)
    if type(_layer(tensor)) is not CeilMaxPooling2D or not fires:
        raise _Unknown
    tensor = _input(tensor)
    stem, tensor = _layer(tensor), _input(tensor)
    normalization = None
    if tensor is not first:
        normalization, tensor = _layer(tensor), _input(tensor)
        if type(normalization) is not layers.Rescaling or tensor is not first:
            raise _Unknown
    head, rest = _head(tuple(reversed(rest)))
    return Plan(normalization, stem, tuple(reversed(fires)), head, rest)


def chain(model: keras.Model) -> list[Any] | None:
    """Return a functional model's layers from input to output if each reads the one before it, else None."""
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        return None
    found, tensor = [], model.outputs[0]
    try:
        while tensor is not model.inputs[0]:
            found.append(_layer(tensor))
            tensor = _input(tensor)
    except _Unknown:
        return None
    return found[::-1]


def _layer(tensor) -> Any:
    """Return the layer that computes a symbolic tensor."""
    return None if tensor is None else tensor._keras_history.operation


def _inputs(tensor) -> list[Any]:
    """Return the symbolic tensors that a tensor is computed from; refuse a layer called with more than these."""
    history = tensor._keras_history
    node = history.operation._inbound_nodes[history.node_index]
    arguments = node.arguments
    if len(arguments.args) != 1 or len(node.outputs) != 1 or any(arguments.kwargs.values()):  # training=False is let by
        raise _Unknown
    return list(node.input_tensors)


def _input(tensor):
    found = _inputs(tensor)
    if len(found) != 1:
        raise _Unknown
    return found[0]


def _input_or_none(tensor):
    found = _inputs(tensor)
    return found[0] if len(found) == 1 else None


def _fire(tensor) -> tuple[Fire, Any]:
    """Read a fire module, with its pool if it has one, and return it and the tensor that it reads."""
    pooled = type(_layer(tensor)) is CeilMaxPooling2D
    tensor = _input(tensor) if pooled else tensor
    concatenate: Any = _layer(tensor)
    if type(concatenate) is not layers.Concatenate or concatenate.axis not in (-1, 3):
        raise _Unknown
    expansions = _inputs(tensor)
    if len(expansions) != 2 or _input(expansions[0]) is not _input(expansions[1]):
        raise _Unknown
    squeezed = _input(expansions[0])
    fire = Fire(_layer(squeezed), _layer(expansions[0]), _layer(expansions[1]), pooled)
    for layer, size in ((fire.squeeze, 1), (fire.expand1x1, 1), (fire.expand3x3, 3)):
        if not _is_convolution(layer, size, 1, "same" if size == 3 else None, "relu"):
            raise _Unknown
    return fire, _input(squeezed)


def _head(rest: tuple[Any, ...]):
    """Split off dropout, 1×1 convolution, ReLU and average, if the layers begin with these."""
    dropout = rest[0] if rest and type(rest[0]) is layers.Dropout else None
    after = rest[1:] if dropout is not None else rest
    if not after or not _is_convolution(after[0], 1, 1, None, "linear"):
        return None, rest
    convolution, after = after[0], after[1:]
    relu = bool(after) and _is_plain_relu(after[0])
    after = after[1:] if relu else after
    if not after or type(after[0]) is not layers.GlobalAveragePooling2D or after[0].keepdims:
        return None, rest
    if after[0].compute_dtype != convolution.compute_dtype or after[0].data_format != "channels_last":
        return None, rest
    return (dropout, convolution, relu), after[1:]


def _is_plain_relu(layer) -> bool:
    return type(layer) is layers.ReLU and layer.max_value is None and not layer.negative_slope and not layer.threshold


def _is_convolution(layer, size: int | None, stride: int, padding: str | None, activation: str) -> bool:
    """Tell whether a layer is a plain square convolution with a bias; `size` or `padding` None allows any."""
    if type(layer) is not layers.Conv2D:
        return False
    return (
        layer.kernel_size == ((size or layer.kernel_size[0]),) * 2
        and tuple(layer.strides) == (stride, stride)
        and (padding is None or layer.padding == padding)
        and tuple(layer.dilation_rate) == (1, 1)
        and layer.groups == 1
        and layer.use_bias
        and layer.data_format == "channels_last"
        and layer.activation is getattr(keras.activations, activation)
        and layer.activity_regularizer is None
        and layer.dtype_policy.quantization_mode is None
        and not layer.lora_enabled
    )
