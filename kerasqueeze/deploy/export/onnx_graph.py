"""A network of Keras' layers as an ONNX graph, node by node: every SqueezeNet, and the peers from keras.applications.

The graph takes RGB uint8 pixels (N, S, S, 3) and lays them out as ONNX does, (N, C, H, W). A layer that is not in
`LAYERS` is refused by name.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from keras import layers
from onnx import TensorProto, helper, numpy_helper

from kerasqueeze.deploy.export.quantized import Quantized, stored
from kerasqueeze.errors import UserError
from kerasqueeze.models.layers import CaffePreprocessing, CeilMaxPooling2D

OPSET, IR_VERSION = 17, 8
"""Of 2022: read by ONNX Runtime 1.13 and later."""


class Graph:
    """An ONNX graph while it is built.

    Attributes:
        nodes: In the order of computation.
        initializers: The weights.
    """

    def __init__(self, quantize: str = "none", moments: Mapping[str, np.ndarray] | None = None):
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._quantize = quantize
        self._moments = moments or {}

    def add(self, operator: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """Add a node with one output, and return the output's name."""
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, values: Any, name: str, dtype: Any = np.float32) -> str:
        """Add an array as it is, and return its name."""
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values, dtype), name))
        return name

    def weights(self, values: Any, layer: str) -> str:
        """Add a layer's kernel, output channels first, stored as the quantisation says; return the name to use."""
        name = f"{layer}_kernel"
        kept = stored(np.asarray(values), self._quantize, self._moments.get(layer))
        if isinstance(kept, Quantized):
            parts = [
                self.constant(kept.values, f"{name}_int8", np.int8),
                self.constant(kept.scale, f"{name}_scale"),
                self.constant(np.zeros(len(kept.scale)), f"{name}_zero", np.int8),
            ]
            return self.add("DequantizeLinear", parts, name, axis=0)
        if kept.dtype == np.float16:
            return self.add("Cast", [self.constant(kept, f"{name}_float16", np.float16)], name, to=TensorProto.FLOAT)
        return self.constant(kept, name)


def convert(
    network: Any, quantize: str = "none", moments: Mapping[str, np.ndarray] | None = None
) -> tuple[Graph, dict[str, str]]:
    """Return the graph of a functional model, and the graph's names of the layers' outputs by layer.

    The graph's input is "pixels"; weights are stored as `quantize` says, rounded by the moments of the layers' inputs
    where these are given, see `quantized`.

    Raises:
        UserError: A layer has no counterpart here.
    """
    graph = Graph(quantize, moments)
    floats = graph.add("Cast", ["pixels"], "pixels_float", to=TensorProto.FLOAT)
    first = graph.add("Transpose", [floats], "pixels_nchw", perm=[0, 3, 1, 2])
    names: dict[int, str] = {id(tensor): first for tensor in network.inputs}
    outputs: dict[str, str] = {}
    for operation in network.operations:
        if isinstance(operation, layers.InputLayer):
            continue
        build = _builder(operation)
        node = operation._inbound_nodes[-1]
        inputs = [names[id(tensor)] for tensor in node.input_tensors]
        name = build(graph, operation, inputs)
        names[id(node.outputs[0])] = outputs[operation.name] = name
    return graph, outputs


def _builder(layer: Any) -> Callable[[Graph, Any, Sequence[str]], str]:
    for kind, build in LAYERS.items():
        if type(layer) is kind:
            return build
    raise UserError(
        f"layer {layer.name!r} is a {type(layer).__name__}, which has no ONNX form here; export it as saved_model, or "
        f"use one of {', '.join(sorted(kind.__name__ for kind in LAYERS))}"
    )


def _activated(graph: Graph, x: str, layer: Any, name: str) -> str:
    """Add a layer's own activation."""
    found = layer.activation.__name__
    if found == "linear":
        return x
    if found == "relu":
        return graph.add("Relu", [x], name)
    if found == "sigmoid":
        return graph.add("Sigmoid", [x], name)
    if found == "softmax":
        return graph.add("Softmax", [x], name, axis=1)
    if found == "silu":
        return graph.add("Mul", [x, graph.add("Sigmoid", [x], f"{name}_sigmoid")], name)
    raise UserError(f"layer {layer.name!r} has the activation {found}, which has no ONNX form here")


def _convolution(graph: Graph, layer: Any, inputs: Sequence[str]) -> str:
    depthwise = isinstance(layer, layers.DepthwiseConv2D)
    kernel = np.asarray(layer.kernel)
    if depthwise:  # (kh, kw, C, M) to (C * M, 1, kh, kw)
        kernel = kernel.transpose(2, 3, 0, 1)
        kernel = kernel.reshape(-1, 1, *kernel.shape[2:])
    else:  # (kh, kw, I, O) to (O, I, kh, kw)
        kernel = kernel.transpose(3, 2, 0, 1)
    parts = [inputs[0], graph.weights(kernel, layer.name)]
    if layer.use_bias:
        parts.append(graph.constant(np.asarray(layer.bias), f"{layer.name}_bias"))
    x = graph.add(
        "Conv",
        parts,
        f"{layer.name}_conv",
        group=kernel.shape[0] if depthwise else layer.groups,
        strides=list(layer.strides),
        dilations=list(layer.dilation_rate),
        **_padding(layer.padding, layer.kernel_size, layer.strides),
    )
    return _activated(graph, x, layer, layer.name)


def _padding(padding: str, size: Sequence[int], strides: Sequence[int]) -> dict[str, Any]:
    if padding == "valid":
        return {}
    if all(stride == 1 for stride in strides) and all(side % 2 for side in size):
        return {"pads": [side // 2 for side in size] * 2}
    return {"auto_pad": "SAME_UPPER"}  # as TensorFlow and Keras pad: what is odd goes to the right and below


def _pool(graph: Graph, layer: Any, inputs: Sequence[str]) -> str:
    if isinstance(layer, CeilMaxPooling2D):  # what is padded is never the maximum: the inputs are >= 0
        return graph.add("MaxPool", inputs, layer.name, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    padding = _padding(layer.padding, layer.pool_size, layer.strides)
    return graph.add(
        "MaxPool", inputs, layer.name, kernel_shape=list(layer.pool_size), strides=list(layer.strides), **padding
    )


def _affine(graph: Graph, x: str, name: str, scale: Any, offset: Any) -> str:
    """Add x * scale + offset, by channel."""
    shape = (1, -1, 1, 1)
    scaled = graph.add("Mul", [x, graph.constant(np.reshape(scale, shape), f"{name}_scale")], f"{name}_scaled")
    return graph.add("Add", [scaled, graph.constant(np.reshape(offset, shape), f"{name}_offset")], name)


def _rescaling(graph: Graph, layer: Any, inputs: Sequence[str]) -> str:
    return _affine(graph, inputs[0], layer.name, layer.scale, layer.offset)


def _normalization(graph: Graph, layer: Any, inputs: Sequence[str]) -> str:
    mean, variance = (np.asarray(values, np.float64).reshape(-1) for values in (layer.mean, layer.variance))
    deviation = np.maximum(np.sqrt(variance), 1e-7)
    return _affine(graph, inputs[0], layer.name, 1 / deviation, -mean / deviation)


def _caffe(graph: Graph, layer: Any, inputs: Sequence[str]) -> str:
    turned = graph.add(
        "Gather", [inputs[0], graph.constant([2, 1, 0], f"{layer.name}_order", np.int64)], f"{layer.name}_bgr", axis=1
    )
    return _affine(graph, turned, layer.name, np.ones(3), [-103.939, -116.779, -123.68])


def _batch_normalization(graph: Graph, layer: Any, inputs: Sequence[str]) -> str:
    count = layer.moving_mean.shape[0]
    values = {
        "scale": np.ones(count) if layer.gamma is None else np.asarray(layer.gamma),
        "offset": np.zeros(count) if layer.beta is None else np.asarray(layer.beta),
        "mean": np.asarray(layer.moving_mean),
        "variance": np.asarray(layer.moving_variance),
    }
    parts = [graph.constant(array, f"{layer.name}_{name}") for name, array in values.items()]
    return graph.add("BatchNormalization", [inputs[0], *parts], layer.name, epsilon=float(layer.epsilon))


def _relu(graph: Graph, layer: Any, inputs: Sequence[str]) -> str:
    if layer.negative_slope or layer.threshold:
        raise UserError(f"layer {layer.name!r} is a ReLU with a slope or threshold, which has no ONNX form here")
    if layer.max_value is None:
        return graph.add("Relu", inputs, layer.name)
    limits = [graph.constant(value, f"{layer.name}_{end}") for end, value in (("low", 0), ("high", layer.max_value))]
    return graph.add("Clip", [*inputs, *limits], layer.name)


def _zero_padding(graph: Graph, layer: Any, inputs: Sequence[str]) -> str:
    (top, bottom), (left, right) = layer.padding
    pads = graph.constant([0, 0, top, left, 0, 0, bottom, right], f"{layer.name}_pads", np.int64)
    return graph.add("Pad", [inputs[0], pads], layer.name)


def _average(graph: Graph, layer: Any, inputs: Sequence[str]) -> str:
    if layer.keepdims:
        return graph.add("GlobalAveragePool", inputs, layer.name)
    mean = graph.add("GlobalAveragePool", inputs, f"{layer.name}_mean")
    return graph.add("Flatten", [mean], layer.name, axis=1)


def _flatten(graph: Graph, layer: Any, inputs: Sequence[str]) -> str:
    moved = graph.add("Transpose", inputs, f"{layer.name}_nhwc", perm=[0, 2, 3, 1])
    return graph.add("Flatten", [moved], layer.name, axis=1)


def _reshape(graph: Graph, layer: Any, inputs: Sequence[str]) -> str:
    shape = layer.target_shape
    if len(shape) != 3 or tuple(shape[:2]) != (1, 1):
        raise UserError(f"layer {layer.name!r} reshapes to {shape}, which has no ONNX form here")
    target = graph.constant([-1, shape[2], 1, 1], f"{layer.name}_shape", np.int64)
    return graph.add("Reshape", [inputs[0], target], layer.name)


def _dense(graph: Graph, layer: Any, inputs: Sequence[str]) -> str:
    parts = [inputs[0], graph.weights(np.asarray(layer.kernel).T, layer.name)]
    if layer.use_bias:
        parts.append(graph.constant(np.asarray(layer.bias), f"{layer.name}_bias"))
    x = graph.add("Gemm", parts, f"{layer.name}_product", transB=1)
    return _activated(graph, x, layer, layer.name)


LAYERS: dict[type, Callable[[Graph, Any, Sequence[str]], str]] = {
    layers.Conv2D: _convolution,
    layers.DepthwiseConv2D: _convolution,
    layers.Dense: _dense,
    layers.BatchNormalization: _batch_normalization,
    layers.Normalization: _normalization,
    layers.Rescaling: _rescaling,
    CaffePreprocessing: _caffe,
    layers.ReLU: _relu,
    layers.Activation: lambda graph, layer, inputs: _activated(graph, inputs[0], layer, layer.name),
    CeilMaxPooling2D: _pool,
    layers.MaxPooling2D: _pool,
    layers.GlobalAveragePooling2D: _average,
    layers.ZeroPadding2D: _zero_padding,
    layers.Concatenate: lambda graph, layer, inputs: graph.add("Concat", inputs, layer.name, axis=1),
    layers.Add: lambda graph, layer, inputs: graph.add("Sum", inputs, layer.name),
    layers.Multiply: lambda graph, layer, inputs: graph.add("Mul", inputs, layer.name),
    layers.Dropout: lambda graph, layer, inputs: inputs[0],
    layers.Flatten: _flatten,
    layers.Reshape: _reshape,
}
"""What adds the nodes of each kind of layer and returns the name of its output."""
