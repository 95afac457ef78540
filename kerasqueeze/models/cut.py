"""A network in two: a front that nothing changes, and the rest, which trains."""

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from kerasqueeze.models.fast.by_layer import ByLayerModel
from kerasqueeze.models.fast.plan import chain


@dataclass(frozen=True)
class Cut:
    """The two parts of a network; they share their layers and so their weights with it.

    Attributes:
        layer: The layer whose output is handed on.
        front: Pixels (N, S, S, 3) to features.
        back: Features to the network's output.
        pooled: Whether the features are averaged over all places, which the back would otherwise do behind a 1×1
            convolution; the two may be exchanged, as both are linear.
    """

    layer: str
    front: keras.Model
    back: keras.Model
    pooled: bool


def cut(network: keras.Model) -> Cut | None:
    """Cut a network behind its last frozen layers, as far back as one tensor carries all.

    Everything in front computes the same in training as in use: its weights are frozen, and it draws nothing.

    Returns:
        The parts; None where nothing with weights lies in front.
    """
    tensor = _last(network)
    if tensor is None:
        return None
    front = type(network)(network.inputs, tensor, name=f"{network.name}_front")
    if not front.weights:
        return None
    behind = type(network)(tensor, network.outputs[0])  # for its graph alone
    after = chain(behind)
    layer = tensor._keras_history.operation.name
    if after is not None and _may_pool(after):
        average = layers.GlobalAveragePooling2D(keepdims=True, dtype=after[1].dtype_policy, name=f"{layer}_average")
        front = type(network)(network.inputs, average(tensor), name=f"{network.name}_front")
        x = features = keras.Input((1, 1, tensor.shape[-1]), dtype=tensor.dtype)
        for one in after:
            x = one(x)
        return Cut(layer, front, ByLayerModel(features, x, name=f"{network.name}_back"), True)
    return Cut(layer, front, ByLayerModel(tensor, network.outputs[0], name=f"{network.name}_back"), False)


def _may_pool(after: list[Any]) -> bool:
    """Tell whether layers begin with a linear 1×1 convolution and the average over all places."""
    if len(after) < 2 or type(after[0]) is not layers.Conv2D or type(after[1]) is not layers.GlobalAveragePooling2D:
        return False
    first = after[0]
    plain = first.kernel_size == (1, 1) and first.strides == (1, 1) and first.groups == 1
    return plain and first.activation is keras.activations.linear and not after[1].keepdims


def _last(network: keras.Model) -> Any:
    """Return the last tensor that alone carries all that is known, before anything that trains or draws."""
    nodes = _nodes(network)
    used: dict[int, int] = {id(network.outputs[0]): len(nodes)}
    for place, node in enumerate(nodes):
        for tensor in node.input_tensors:
            used[id(tensor)] = max(place, used.get(id(tensor), 0))
    found, alive = None, set()
    for place, node in enumerate(nodes):
        operation = node.operation
        if getattr(operation, "trainable_variables", None) or _draws(operation):
            break
        alive |= {id(tensor) for tensor in node.outputs}
        alive = {tensor for tensor in alive if used.get(tensor, -1) > place}
        if len(node.outputs) == 1 and alive == {id(node.outputs[0])} and place + 1 < len(nodes):
            found = node.outputs[0]
    return None if found is None or found is network.inputs[0] else found


def _nodes(network: keras.Model) -> list[Any]:
    """Return the nodes of a functional graph, each behind those that it reads."""
    found: dict[int, Any] = {}

    def visit(tensor: Any) -> None:
        history = tensor._keras_history
        node = history.operation._inbound_nodes[history.node_index]
        if id(node) in found:
            return
        for one in node.input_tensors:
            visit(one)
        found[id(node)] = node

    visit(network.outputs[0])
    return list(found.values())


def _draws(operation: Any) -> bool:
    """Tell whether a layer draws random numbers while it trains."""
    if getattr(operation, "rate", 1) == 0:
        return False
    return bool(getattr(operation, "_seed_generators", None) or getattr(operation, "seed_generator", None))
