"""TensorFlow's SavedModel, as one zip file of its folder; needs TensorFlow.

Input "pixels": uint8 RGB (N, S, S, 3); outputs "probabilities" and "logits". The model card lies in the zip as
`saved_model/assets.extra/model_card.json`, where TensorFlow keeps what programs add.
"""

import importlib
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from kerasqueeze.deploy.classifier import BATCH, Classifier
from kerasqueeze.deploy.runtimes.keras_runtime import KerasClassifier
from kerasqueeze.errors import UserError
from kerasqueeze.models.card import Card
from kerasqueeze.models.fast import switch

SUFFIX = ".saved_model.zip"
QUANTIZE = ("none",)
_DRAWN = "fingerprint.pb"
_CARD = "saved_model/assets.extra/model_card.json"


class SavedModelClassifier(Classifier):
    """A network that TensorFlow computes."""

    runtime = "saved_model"

    def __init__(self, serve: Any, card: Card, path: Path):
        super().__init__(card, path)
        self._serve = serve

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return float32 logits (N, C) of uint8 RGB images (N, S, S, 3)."""
        parts = (images[start : start + BATCH] for start in range(0, len(images), BATCH))
        return np.concatenate([self._serve(part)["logits"].numpy() for part in parts])


def suffix(quantize: str) -> str:
    """Return the suffix of files whose weights are stored so."""
    return SUFFIX


def write(classifier: KerasClassifier, path: Path, quantize: str = "none", calibration: Any = None) -> None:
    """Write a network as a SavedModel in a zip.

    Raises:
        UserError: TensorFlow is not installed.
    """
    del quantize, calibration
    tf = _tensorflow()
    from jax import nn
    from jax import numpy as jnp
    from jax.experimental import jax2tf

    network, card = classifier.network, classifier.card
    weights = [[v.value for v in kind] for kind in (network.trainable_variables, network.non_trainable_variables)]

    def serve(pixels):
        found, _ = network.stateless_call(*weights, pixels.astype(jnp.float32), training=False)
        logits = found if card.activation == "logits" else jnp.log(found)
        return {"logits": logits, "probabilities": nn.softmax(logits / card.temperature)}

    with switch.stock():
        shape = f"(n, {card.pixels}, {card.pixels}, 3)"
        converted = jax2tf.convert(
            serve, polymorphic_shapes=[shape], native_serialization_platforms=["cpu"], with_gradient=False
        )
        module: Any = tf.Module()
        signature = tf.TensorSpec((None, card.pixels, card.pixels, 3), tf.uint8, name="pixels")
        module.serve = tf.function(converted, input_signature=[signature], autograph=False)
        with tempfile.TemporaryDirectory() as folder:
            tf.saved_model.save(module, f"{folder}/saved_model", signatures={"serving_default": module.serve})
            _zip(Path(folder), card, path)


def open_written(path: Path) -> SavedModelClassifier:
    """Open a file that was written, with TensorFlow."""
    tf = _tensorflow()
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(path) as archive:
            card = Card.from_json(archive.read(_CARD), path)
            archive.extractall(folder)
        loaded = tf.saved_model.load(f"{folder}/saved_model")
        return SavedModelClassifier(loaded.serve, card, path)


def _zip(folder: Path, card: Card, path: Path) -> None:
    """Put a folder into a zip, in the order of names, without times and without what is drawn anew each time."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(found for found in folder.rglob("*") if found.is_file() and found.name != _DRAWN):
            archive.writestr(zipfile.ZipInfo(str(file.relative_to(folder))), file.read_bytes(), zipfile.ZIP_DEFLATED)
        archive.writestr(zipfile.ZipInfo(_CARD), card.to_json(), zipfile.ZIP_DEFLATED)


def _tensorflow() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        return importlib.import_module("tensorflow")
    except ImportError:
        raise UserError("a SavedModel needs TensorFlow; install it: pip install 'kerasqueeze[tensorflow]'") from None
