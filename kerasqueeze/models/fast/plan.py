"""Reading a functional graph: is it a SqueezeNet that can be lowered, and which layers play which part?

The graph is read anew at each trace, from its output backwards, by the kinds and settings of its layers; their names
mean nothing. What is not exactly known is not lowered: the stock layers then compute it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

from kerasqueeze.models.fast.settings import ANY, is_plain
from kerasqueeze.models.layers import CeilMaxPooling2D

FLOATS = ("float32", "float64")


@dataclass(frozen=True)
class Fire:
    """The layers of a fire module, its bypass, and the pool that follows it; those that it has not are None.

    Attributes:
        add: What adds the module's input to its output: a bypass.
        bypass: The 1×1 convolution that the input goes through on its way there; None if it is added as it is.
    """

    squeeze: layers.Conv2D
    expand1x1: layers.Conv2D
    expand3x3: layers.Conv2D
    concatenate: layers.Concatenate
    pool: CeilMaxPooling2D | None
    add: layers.Add | None
    bypass: layers.Conv2D | None

    @property
    def convolutions(self) -> tuple[layers.Conv2D, layers.Conv2D, layers.Conv2D]:
        """The layers with weights."""
        return self.squeeze, self.expand1x1, self.expand3x3


@dataclass(frozen=True)
class Head:
    """Dropout or None, the 1×1 convolution that scores each place, a ReLU or None, the average over all places."""

    dropout: layers.Dropout | None
    convolution: layers.Conv2D
    relu: layers.ReLU | None
    average: layers.GlobalAveragePooling2D


@dataclass(frozen=True)
class Plan:
    """The layers of a SqueezeNet by their parts, in the order of computation.

    Attributes:
        normalization: Rescales the pixels; None if they come normalised.
        stem: The first convolution.
        pool: The pool that follows it.
        fires: The fire modules.
        head: None if the network goes on in another way.
        rest: Layers after the average, or after the last fire module if there is no head. They are run as they are.
    """

    normalization: layers.Rescaling | None
    stem: layers.Conv2D
    pool: CeilMaxPooling2D
    fires: tuple[Fire, ...]
    head: Head | None
    rest: tuple[Any, ...]

    @property
    def pools(self) -> tuple[bool, ...]:
        """For each fire module whether a pool follows it."""
        return tuple(fire.pool is not None for fire in self.fires)

    @property
    def layers(self) -> Iterator[Any]:
        """All layers that are not run as they are."""
        for part in (self, *self.fires, *([self.head] if self.head else [])):
            yield from (value for value in vars(part).values() if isinstance(value, keras.layers.Layer))


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
    while not isinstance(_layer(tensor), layers.Concatenate | CeilMaxPooling2D | layers.Add):
        rest.append(_layer(tensor))
        tensor = _input(tensor)
    fires = []
    while not _is_convolution(_layer(_input_or_none(tensor)), None, 2, "valid", "relu"):
        fire, tensor = _fire(tensor)
        fires.append(fire)
    pool = _layer(tensor)
    if not is_plain(pool, CeilMaxPooling2D) or not fires:
        raise _Unknown
    tensor = _input(tensor)
    stem, tensor = _layer(tensor), _input(tensor)
    normalization = None
    if tensor is not first:
        normalization, tensor = _layer(tensor), _input(tensor)
        if not _is_rescaling(normalization, first.shape[-1]) or tensor is not first:
            raise _Unknown
    head, rest = _head(tuple(reversed(rest)))
    return Plan(normalization, stem, pool, tuple(reversed(fires)), head, rest)


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
    """Return the symbolic tensors that a tensor is computed from; refuse a layer called with more, and masks."""
    history = tensor._keras_history
    node = history.operation._inbound_nodes[history.node_index]
    arguments = node.arguments
    others = [value for value in arguments.kwargs.values() if value is not None and value is not False]  # of `training`
    if len(arguments.args) != 1 or len(node.outputs) != 1 or others:
        raise _Unknown
    if getattr(tensor, "_keras_mask", None) is not None:
        raise _Unknown
    return list(node.input_tensors)


def _input(tensor):
    found = _inputs(tensor)
    if len(found) != 1:
        raise _Unknown
    return found[0]


def _two(tensor) -> tuple[Any, Any]:
    """Return the two tensors that a bypass adds: the module's output first."""
    found = _inputs(tensor)
    if len(found) != 2:
        raise _Unknown
    return found[0], found[1]


def _input_or_none(tensor):
    found = _inputs(tensor)
    return found[0] if len(found) == 1 else None


def _fire(tensor) -> tuple[Fire, Any]:
    """Read a fire module, with its pool if it has one, and return it and the tensor that it reads."""
    pool = _layer(tensor) if is_plain(_layer(tensor), CeilMaxPooling2D) else None
    tensor = tensor if pool is None else _input(tensor)
    add: Any = _layer(tensor) if is_plain(_layer(tensor), layers.Add, _reshape_required=False) else None
    tensor, other = (tensor, None) if add is None else _two(tensor)
    concatenate: Any = _layer(tensor)
    if not is_plain(concatenate, layers.Concatenate, axis=ANY) or concatenate.axis not in (-1, 3):
        raise _Unknown
    expansions = _inputs(tensor)
    if len(expansions) != 2 or _input(expansions[0]) is not _input(expansions[1]):
        raise _Unknown
    squeezed = _input(expansions[0])
    bypass = None
    if add is not None and other is not _input(squeezed):
        bypass, other = _layer(other), _input(other)
        if not _is_convolution(bypass, 1, 1, "same", "relu") or other is not _input(squeezed):
            raise _Unknown
    fire = Fire(_layer(squeezed), _layer(expansions[0]), _layer(expansions[1]), concatenate, pool, add, bypass)
    for layer, size in zip(fire.convolutions, (1, 1, 3), strict=True):
        if not _is_convolution(layer, size, 1, "same", "relu"):
            raise _Unknown
    return fire, _input(squeezed)


def _head(rest: tuple[Any, ...]):
    """Split off dropout, 1×1 convolution, ReLU and average, if the layers begin with these."""
    dropout = rest[0] if rest and is_plain(rest[0], layers.Dropout, rate=ANY, seed=ANY) else None
    after = rest[1:] if dropout is not None else rest
    if not after or not _is_convolution(after[0], 1, 1, "valid", "linear"):
        return None, rest
    convolution, after = after[0], after[1:]
    relu = after[0] if after and is_plain(after[0], layers.ReLU) else None
    after = after[1:] if relu is not None else after
    if not after or not is_plain(after[0], layers.GlobalAveragePooling2D):
        return None, rest
    return Head(dropout, convolution, relu, after[0]), after[1:]


def _is_convolution(layer, size: int | None, stride: int, padding: str, activation: str) -> bool:
    """Tell whether a layer is a plain square convolution with a bias; `size` None allows any."""
    size = layer.kernel_size[0] if size is None and type(layer) is layers.Conv2D else size
    return is_plain(
        layer,
        layers.Conv2D,
        filters=ANY,
        kernel_size=(size, size),
        strides=(stride, stride),
        padding=padding if size != 1 else ANY,
        activation=getattr(keras.activations, activation),
    )


def _is_rescaling(layer, channels: int) -> bool:
    """Tell whether a layer scales and shifts each channel by constants."""
    shapes = ((), (1,), (channels,))
    return is_plain(layer, layers.Rescaling, scale=ANY, offset=ANY) and all(
        np.shape(constants) in shapes for constants in (layer.scale, layer.offset)
    )
