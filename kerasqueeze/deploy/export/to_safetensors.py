"""safetensors: the weights by name, and in the metadata all that is needed to build the network again.

Tensors are called as the layers' variables are, `conv1/kernel`; int8 weights have their scales, one a channel along the
last axis, beside them: `conv1/kernel_scale`. The metadata have one key, "kerasqueeze": JSON with "model_card" and
"config", Keras' own of the architecture. `open_model` reads the files, `safetensors` without this package as well.
"""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasqueeze.data.listing import one_line
from kerasqueeze.deploy.export.quantized import Quantized, stored
from kerasqueeze.deploy.runtimes.keras_runtime import KerasClassifier, check_config, check_shapes
from kerasqueeze.errors import UserError
from kerasqueeze.models.card import Card
from kerasqueeze.startup.compiled import keep_compiled

SUFFIX = ".safetensors"
QUANTIZE = ("none", "float16", "int8")
SCALE, KEY = "_scale", "kerasqueeze"


def suffix(quantize: str) -> str:
    """Return the suffix of files whose weights are stored so."""
    return SUFFIX


def write(classifier: KerasClassifier, path: Path, quantize: str = "none", calibration: Any = None) -> None:
    """Write a network's weights; the same network gives the same bytes.

    Raises:
        UserError: safetensors is not installed.
    """
    del calibration
    numpy_files = _package()
    tensors: dict[str, np.ndarray] = {}
    for name, variable in _variables(classifier.network).items():
        values = np.asarray(variable)
        kept = stored(np.moveaxis(values, -1, 0), quantize) if values.ndim > 1 else values
        if isinstance(kept, Quantized):
            tensors[name] = np.ascontiguousarray(np.moveaxis(kept.values, 0, -1))
            tensors[f"{name}{SCALE}"] = kept.scale
        else:
            tensors[name] = np.ascontiguousarray(np.moveaxis(kept, 0, -1) if values.ndim > 1 else kept)
    about = {"model_card": classifier.card.to_json(), "config": json.loads(classifier.network.to_json())}
    # One key, for the package writes several in an order of its own each time.
    numpy_files.save_file(tensors, path, {KEY: json.dumps(about, sort_keys=True)})


def open_written(path: Path) -> KerasClassifier:
    """Build the network again from a file, computed by Keras.

    Raises:
        UserError: safetensors is not installed, or the file is damaged or not one that this package wrote.
    """
    from safetensors import SafetensorError, safe_open

    _package()
    try:
        with safe_open(path, "numpy") as file:
            about = json.loads((file.metadata() or {})[KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        config = about["config"]
        card = Card.from_json(about["model_card"], path)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged, or no file that `kerasqueeze export` wrote ({error})") from None
    check_config(config, path)
    try:
        network: Any = keras.models.model_from_json(json.dumps(config))
    except Exception as error:  # Keras raises nearly anything on a configuration that it cannot build
        raise UserError(f"{path} cannot be built ({type(error).__name__}: {error})") from None
    variables = _variables(network)
    for name, variable in variables.items():
        values, scale = tensors.get(name), tensors.get(f"{name}{SCALE}")
        if values is None or values.shape != tuple(variable.shape):
            raise UserError(f"{path} has no tensor {name} of shape {tuple(variable.shape)}")
        variable.assign(values.astype(np.float32) * (1 if scale is None else scale))
    check_shapes(path, network, card)
    keep_compiled()
    found = KerasClassifier(network, card, path)
    try:
        found.warm()
    except Exception as error:  # a damaged configuration may leave a layer without what it computes with
        raise UserError(f"{path} is damaged ({type(error).__name__}: {one_line(error)})") from None
    return found


def _variables(network: Any) -> dict[str, Any]:
    return {f"{layer.name}/{v.name}": v for layer in network.layers for v in layer.weights}


def _package() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise UserError("this needs safetensors; install it: pip install 'kerasqueeze[safetensors]'") from None
    return safetensors.numpy
