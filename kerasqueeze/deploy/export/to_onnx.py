"""ONNX: one file for ONNX Runtime and whatever else reads the format.

Input "pixels": uint8 RGB (N, S, S, 3). Outputs: "probabilities" (N, C), calibrated; "logits" (N, C); and "maps"
(N, H, W, C), whose means over all places the logits are, where the network's head gives them. A runtime computes those
that are asked for. The metadata hold the model card and, for other programs, the class names, both as JSON.
"""

import importlib.metadata
import json
import lzma
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from kerasqueeze.deploy.export.onnx_graph import IR_VERSION, OPSET, convert
from kerasqueeze.deploy.export.quantized import BITS, FEW, NAMES
from kerasqueeze.deploy.export.rounding import moments as input_moments
from kerasqueeze.deploy.runtimes.keras_runtime import KerasClassifier, map_layer
from kerasqueeze.deploy.runtimes.onnx_runtime import OnnxClassifier, load

SUFFIX = ".onnx"
QUANTIZE = NAMES
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 0, "lp": 0, "pb": 0}]
"""For rounded weights, which are independent of their neighbours: bytes without context."""


def write(classifier: KerasClassifier, path: Path, quantize: str = "none", calibration: Any = None) -> None:
    """Write a network as ONNX, compressed if the path ends in `.xz`; the same network gives the same bytes.

    Raises:
        UserError: A layer has no ONNX form.
    """
    found = input_moments(classifier.network, calibration) if quantize in BITS and calibration is not None else None
    data = to_bytes(classifier, quantize, found)
    path.write_bytes(lzma.compress(data, check=lzma.CHECK_CRC64, filters=FILTERS) if path.suffix == ".xz" else data)


def suffix(quantize: str) -> str:
    """Return the suffix of files whose weights are stored so."""
    return f"{SUFFIX}.xz" if quantize in FEW else SUFFIX


def open_written(path: Path) -> OnnxClassifier:
    """Open a file that was written, with its own runtime."""
    return load(path)


def to_bytes(
    classifier: KerasClassifier, quantize: str = "none", moments: Mapping[str, np.ndarray] | None = None
) -> bytes:
    """Return a network as the content of an ONNX file; `moments` as `onnx_graph.convert` takes them."""
    network, card = classifier.network, classifier.card
    graph, names = convert(network, quantize, moments)
    last = names[network.output_names[0]] if network.output_names[0] in names else graph.nodes[-1].output[0]
    if card.activation == "probabilities":
        last = graph.add("Log", [last], "log_probabilities")
    graph.add("Identity", [last], "logits")
    scaled = graph.add("Div", [last, graph.constant(np.float32(card.temperature), "temperature")], "scaled")
    graph.add("Softmax", [scaled], "probabilities", axis=1)
    classes = len(card.class_names)
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", classes]) for name in ("probabilities", "logits")
    ]
    layer = map_layer(network)
    if layer is not None:
        graph.add("Transpose", [names[layer.name]], "maps", perm=[0, 2, 3, 1])
        outputs.append(helper.make_tensor_value_info("maps", TensorProto.FLOAT, ["N", "H", "W", classes]))
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["N", card.pixels, card.pixels, 3])
    built = helper.make_graph(graph.nodes, network.name, [pixels], outputs, graph.initializers)
    model = helper.make_model(
        built,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="kerasqueeze",
        producer_version=importlib.metadata.version("kerasqueeze"),
    )
    helper.set_model_props(model, {"class_names": json.dumps(list(card.class_names)), "model_card": card.to_json()})
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)
