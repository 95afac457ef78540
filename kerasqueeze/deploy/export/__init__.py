"""A trained network as a file for other runtimes, checked against Keras on photos before it gets its name.

Each format is a module with a `SUFFIX`, `QUANTIZE` (the ways to store weights that it knows), `write` and
`open_written`; `FORMATS` names them.
"""

FORMATS = {
    "onnx": "to_onnx",
    "litert": "to_litert",
    "safetensors": "to_safetensors",
    "saved_model": "to_saved_model",
}
"""By name the module of each format."""
