"""The benchmark's contestants from elsewhere, each in a process of its own: torch and onnxruntime.

    python -P kerasqueeze/bench/peers.py torch|torch-bf16|onnxruntime SIZE BATCH

Runs as a file, by an interpreter that need not have this package or Keras. The network is this package's: SqueezeNet
1.1, 120 classes, no ReLU behind the last convolution, pools in ceil mode.
"""

# pyright: reportMissingImports=false
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

CLASSES = 120
PLAN = (  # pools, and squeeze and expand filters of the fires, in torchvision's order
    None,
    (16, 64),
    (16, 64),
    None,
    (32, 128),
    (32, 128),
    None,
    (48, 192),
    (48, 192),
    (64, 256),
    (64, 256),
)
Tasks = dict[str, Callable[[], Callable[[], object]]]


def _own_torch_network() -> Any:
    """Return SqueezeNet 1.1 as a torch module, for want of torchvision; layers are initialised as torch does it."""
    import torch
    from torch import nn

    class Fire(nn.Module):
        def __init__(self, inputs: int, squeeze: int, expand: int):
            super().__init__()
            self.squeeze, self.relu = nn.Conv2d(inputs, squeeze, 1), nn.ReLU(inplace=True)
            self.left, self.right = nn.Conv2d(squeeze, expand, 1), nn.Conv2d(squeeze, expand, 3, padding=1)

        def forward(self, x: Any) -> Any:
            x = self.relu(self.squeeze(x))
            return torch.cat([self.relu(self.left(x)), self.relu(self.right(x))], 1)

    parts: list[Any] = [nn.Conv2d(3, 64, 3, stride=2), nn.ReLU(inplace=True)]
    channels = 64
    for filters in PLAN:
        if filters is None:
            parts.append(nn.MaxPool2d(3, 2, ceil_mode=True))
        else:
            parts.append(Fire(channels, *filters))
            channels = 2 * filters[1]
    head = [nn.Dropout(0.5), nn.Conv2d(channels, CLASSES, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*parts, *head)


def _torch_network() -> tuple[Any, dict[str, str]]:
    """Return the network, torchvision's own where that is installed, and the versions in use."""
    import torch

    versions = {"torch": torch.__version__}
    try:
        import torchvision
    except ModuleNotFoundError:
        return _own_torch_network(), versions
    network = torchvision.models.squeezenet1_1(num_classes=CLASSES)
    network.classifier[2] = torch.nn.Identity()  # a new head goes without the ReLU, as in this package
    return network, {**versions, "torchvision": torchvision.__version__}


def torch_tasks(size: int, batch: int, cores: int, bfloat16: bool) -> tuple[dict[str, Any], Tasks]:
    """Return what is measured and the steps: channels last, Adam; with `bfloat16`, autocast to it."""
    import torch

    torch.set_num_threads(cores)
    torch.manual_seed(0)
    network, versions = _torch_network()
    network = network.to(memory_format=torch.channels_last)
    images = torch.randn(batch, 3, size, size).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(batch) % CLASSES

    def forward() -> Any:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
            return network(images)

    def inference() -> Callable[[], object]:
        def step() -> None:
            network.eval()
            with torch.inference_mode():
                forward()

        return step

    def training() -> Callable[[], object]:
        optimizer, loss = torch.optim.Adam(network.parameters(), 1e-4), torch.nn.CrossEntropyLoss()

        def step() -> None:
            network.train()
            optimizer.zero_grad(set_to_none=True)
            value = loss(forward().float(), labels)
            value.backward()
            optimizer.step()
            value.item()

        return step

    return {"versions": versions}, {"inference": inference, "training": training}


def onnx_model(size: int, batch: int) -> Any:
    """Return SqueezeNet 1.1 as an ONNX model, (N, 3, S, S) to (N, 120), with random weights."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    draw = np.random.default_rng(0)
    nodes: list[Any] = []
    weights: list[Any] = []

    def node(kind: str, inputs: list[str], **attributes: Any) -> str:
        name = f"{kind}{len(nodes)}"
        nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def conv(x: str, inputs: int, filters: int, kernel: int, relu: bool = True, **attributes: Any) -> str:
        deviation = (2 / (inputs * kernel * kernel)) ** 0.5
        values = deviation * draw.standard_normal((filters, inputs, kernel, kernel))
        pair = {f"w{len(nodes)}": values, f"b{len(nodes)}": np.zeros(filters)}
        weights.extend(numpy_helper.from_array(value.astype("float32"), name) for name, value in pair.items())
        x = node("Conv", [x, *pair], kernel_shape=[kernel, kernel], **attributes)
        return node("Relu", [x]) if relu else x

    x, channels = conv("pixels", 3, 64, 3, strides=[2, 2]), 64
    for filters in PLAN:
        if filters is None:
            x = node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
        else:
            squeezed = conv(x, channels, filters[0], 1)
            left = conv(squeezed, filters[0], filters[1], 1)
            right = conv(squeezed, filters[0], filters[1], 3, pads=[1, 1, 1, 1])
            x, channels = node("Concat", [left, right], axis=1), 2 * filters[1]
    x = node("Flatten", [node("GlobalAveragePool", [conv(x, channels, CLASSES, 1, relu=False)])])
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("pixels", [batch, 3, size, size]), (x, [batch, CLASSES]))
    ]
    graph = helper.make_graph(nodes, "squeezenet1_1", ends[:1], ends[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def onnxruntime_tasks(size: int, batch: int, cores: int) -> tuple[dict[str, Any], Tasks]:
    """Return what is measured and the step: inference alone, on the CPU, all graph optimisations."""
    import numpy as np
    import onnx
    import onnxruntime

    def inference() -> Callable[[], object]:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = cores
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        images = np.random.default_rng(0).standard_normal((batch, 3, size, size)).astype("float32")
        held: list[Any] = []

        def step() -> None:
            if not held:  # the first call, which counts as compilation
                model = onnx_model(size, batch).SerializeToString()
                held.append(onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"]))
            held[0].run(None, {"pixels": images})

        return step

    versions = {"onnxruntime": onnxruntime.__version__, "onnx": onnx.__version__}
    return {"versions": versions}, {"inference": inference}


if __name__ == "__main__":
    name, size, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    # By its path: the interpreter may not have the package.
    shared = runpy.run_path(str(Path(__file__).with_name("protocol.py")))
    if name == "onnxruntime":
        shared["serve"](lambda: onnxruntime_tasks(size, batch, shared["cores"]()), batch)
    else:
        shared["serve"](lambda: torch_tasks(size, batch, shared["cores"](), name == "torch-bf16"), batch)
