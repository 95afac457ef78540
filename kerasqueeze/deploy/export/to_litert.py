"""LiteRT (TensorFlow Lite): one `.tflite` file for phones and small boards.

The stock form's StableHLO is turned into a flatbuffer by `litert-converter`, without TensorFlow, in a process of its
own: the converter is native code with private names, and loud. Input "pixels": uint8 RGB (N, S, S, 3), one image unless
it is resized; outputs "logits" and "probabilities", and "maps" where the network's head gives them. The file's metadata
hold the model card as "model_card".
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import jax
from jax import export as jax_export
from jax import numpy as jnp

from kerasqueeze.deploy.runtimes.keras_runtime import KerasClassifier, map_layer
from kerasqueeze.deploy.runtimes.litert_runtime import LitertClassifier, load
from kerasqueeze.errors import UserError
from kerasqueeze.models.fast import switch

SUFFIX = ".tflite"
QUANTIZE = ("none", "float16", "int8")
_SECONDS = 600


def write(classifier: KerasClassifier, path: Path, quantize: str = "none", calibration: Any = None) -> None:
    """Write a network for LiteRT.

    Raises:
        UserError: The converter is not installed or cannot convert this network.
    """
    del calibration  # int8 rounds weights alone
    with tempfile.TemporaryDirectory() as folder:
        module, card = Path(folder, "module"), Path(folder, "card.json")
        module.write_bytes(_lowered(classifier))
        card.write_text(classifier.card.to_json(), encoding="utf-8")
        _convert(module, card, path, quantize, _names(classifier))


def suffix(quantize: str) -> str:
    """Return the suffix of files whose weights are stored so."""
    return SUFFIX


def open_written(path: Path) -> LitertClassifier:
    """Open a file that was written, with its own runtime."""
    return load(path)


def _names(classifier: KerasClassifier) -> list[str]:
    return ["logits", "probabilities", *(["maps"] if map_layer(classifier.network) is not None else [])]


def _lowered(classifier: KerasClassifier) -> bytes:
    """Return the network in Keras' own form as portable StableHLO, its weights inside."""
    import keras

    network, card = classifier.network, classifier.card
    layer = map_layer(network)
    outputs = [network.outputs[0], *([layer.output] if layer is not None else [])]
    whole = keras.Model(network.inputs[0], outputs)
    weights = [[v.value for v in kind] for kind in (whole.trainable_variables, whole.non_trainable_variables)]

    def serve(pixels):
        found, _ = whole.stateless_call(*weights, pixels.astype(jnp.float32), training=False)
        logits = found[0] if card.activation == "logits" else jnp.log(found[0])
        return logits, jax.nn.softmax(logits / card.temperature), *found[1:]

    images = jax.ShapeDtypeStruct((1, card.pixels, card.pixels, 3), jnp.uint8)
    with switch.stock():  # LiteRT refuses what the fast form becomes
        return jax_export.export(jax.jit(serve), platforms=["cpu"])(images).mlir_module_serialized


def _convert(module: Path, card: Path, path: Path, quantize: str, outputs: list[str]) -> None:
    command = [sys.executable, "-m", "kerasqueeze.deploy.export.litert_process"]
    arguments = [str(module), str(card), str(path), quantize, ",".join(outputs)]
    try:
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        raise UserError(f"litert-converter was not done after {_SECONDS} s, so it was stopped") from None
    if done.returncode == 3:
        raise UserError(
            "this needs litert-converter, litert-quantizer and ai-edge-litert; install them: "
            "pip install 'kerasqueeze[litert]'"
        )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        raise UserError(f"litert-converter cannot convert this network ({lines[-1][:300]})")
