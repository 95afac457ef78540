"""The process that turns StableHLO into a LiteRT flatbuffer: `python -m … MODULE CARD OUT QUANTIZE OUTPUTS`.

Neither JAX nor Keras is imported here. What the converter's Python names are is private to it, so the `litert` extra
pins its version. It ends with 3 where a package is missing.

Source: the calls that litert-torch makes (litert_torch/backend/lowerings and converter).
"""

import contextlib
import os
import sys
from pathlib import Path
from typing import Any

FLOAT16 = [
    {
        "regex": ".*",
        "operation": "*",
        "algorithm_key": "float_casting",
        "op_config": {
            "weight_tensor_config": {"num_bits": 16, "dtype": "FLOAT"},
            "compute_precision": "FLOAT",
            "explicit_dequantize": True,
        },
    }
]


def main(module: str, card: str, out: str, quantize: str, outputs: str) -> None:
    """Convert, quantise, add the model card, write."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
    with contextlib.redirect_stdout(sys.stderr):
        flat = _converted(Path(module).read_bytes(), outputs.split(","))
        flat = _finished(flat, {"model_card": Path(card).read_bytes()})
        if quantize != "none":
            flat = _quantized(flat, quantize)
    Path(out).write_bytes(flat)


def _converted(module: bytes, outputs: list[str]) -> bytes:
    from litert_converter.mlir import ir, passmanager
    from litert_converter.mlir._mlir_libs import converter_api_ext as converter

    context = ir.Context()
    converter.prepare_mlir_context(context)
    with context:
        parsed = ir.Module.parse(module)
        # Without the places in the source, whose names of layers would differ from one process to the next.
        passes = "vhlo-legalize-stablehlo,reconcile-unrealized-casts,strip-debuginfo"
        passmanager.PassManager.parse(f"builtin.module({passes})").run(parsed.operation)
        converter.set_signature(parsed.operation, "serving_default", ["pixels"], outputs)
        config = converter.ConvertToTFLConfig()
        converter.run_convert_to_tfl_passes(parsed, passmanager.PassManager(), config)
        return converter.export_flatbuffer_to_bytes(parsed.operation)


def _finished(flat: bytes, metadata: dict[str, bytes]) -> bytes:
    """Say that the first axis may have any length, and add metadata."""
    import flatbuffers
    import numpy as np
    from ai_edge_litert import schema_py_generated as schema

    model: Any = schema.ModelT.InitFromPackedBuf(flat, 0)
    for graph in model.subgraphs:
        for operator in graph.operators:
            if model.operatorCodes[operator.opcodeIndex].builtinCode == schema.BuiltinOperator.RESHAPE:
                _free_batch(model.buffers[graph.tensors[operator.inputs[1]].buffer], operator)
        for tensor in graph.tensors:
            data = model.buffers[tensor.buffer].data
            if (data is None or not len(data)) and len(tensor.shape) and tensor.shape[0] == 1:
                tensor.shapeSignature = np.array([-1, *tensor.shape[1:]], np.int32)
    for name, value in metadata.items():
        buffer, entry = schema.BufferT(), schema.MetadataT()
        buffer.data = np.frombuffer(value, np.uint8)
        model.buffers.append(buffer)
        entry.name, entry.buffer = name, len(model.buffers) - 1
        model.metadata = [*(model.metadata or []), entry]
    builder = flatbuffers.Builder(len(flat) + 1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _free_batch(buffer: Any, operator: Any) -> None:
    """Let a reshape to (1, …) take any number of images."""
    import numpy as np

    shape = np.frombuffer(bytes(buffer.data), np.int32).copy()
    if len(shape) and shape[0] == 1 and (shape != -1).all():
        shape[0] = -1
        buffer.data = np.frombuffer(shape.tobytes(), np.uint8)
        if operator.builtinOptions is not None:
            operator.builtinOptions.newShape = shape


def _quantized(flat: bytes, quantize: str) -> bytes:
    from litert_quantizer import quantizer, recipe

    # Weights of fewer than 1024 numbers stay: the first layers', which are few and fast as they are.
    chosen = FLOAT16 if quantize == "float16" else recipe.dynamic_legacy_wi8_afp32()
    return bytes(quantizer.Quantizer(bytearray(flat), chosen).quantize().quantized_model)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except ImportError as error:
        print(error, file=sys.stderr)
        sys.exit(3)
