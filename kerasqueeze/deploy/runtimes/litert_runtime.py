"""Networks computed by LiteRT, without Keras and JAX: `.tflite` files that this package exported."""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kerasqueeze.data.ahead import cores
from kerasqueeze.data.listing import one_line
from kerasqueeze.deploy.classifier import BATCH, Classifier
from kerasqueeze.errors import UserError
from kerasqueeze.models.card import Card

MAX_BYTES = 1 << 30


class LitertClassifier(Classifier):
    """A network that LiteRT computes; one call at a time, others wait."""

    runtime = "litert"

    def __init__(self, interpreter: Any, card: Card, path: Path):
        super().__init__(card, path)
        self._interpreter = interpreter
        self._lock = threading.Lock()
        self._images = 0
        signature = interpreter.get_signature_runner("serving_default")
        self._input = signature.get_input_details()["pixels"]["index"]
        self._outputs = {name: found["index"] for name, found in signature.get_output_details().items()}
        self.has_maps = "maps" in self._outputs

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return float32 logits (N, C) of uint8 RGB images (N, S, S, 3)."""
        parts = (images[start : start + BATCH] for start in range(0, len(images), BATCH))
        return np.concatenate([self._run(part, "logits")[0] for part in parts])

    def maps(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return logits (N, C) and the maps (N, H, W, C) whose means they are."""
        if not self.has_maps:
            return super().maps(images)
        logits, maps = self._run(images, "logits", "maps")
        return logits, maps

    def _run(self, images: np.ndarray, *outputs: str) -> list[np.ndarray]:
        with self._lock:
            if len(images) != self._images:
                self._interpreter.resize_tensor_input(self._input, images.shape)
                self._interpreter.allocate_tensors()
                self._images = len(images)
            self._interpreter.set_tensor(self._input, np.ascontiguousarray(images))
            self._interpreter.invoke()
            return [self._interpreter.get_tensor(self._outputs[name]) for name in outputs]


def load(path: Path, threads: int | None = None) -> LitertClassifier:
    """Return the network in a `.tflite` file.

    Args:
        path: The file.
        threads: How many compute; default one a core.

    Raises:
        UserError: ai-edge-litert is not installed, or the file is damaged or not one that this package wrote.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise UserError("this needs ai-edge-litert; install it: pip install 'kerasqueeze[litert]'") from None
    if path.stat().st_size > MAX_BYTES:
        raise UserError(f"{path} is larger than {MAX_BYTES >> 20} MiB")
    data = path.read_bytes()
    try:
        card = _card(data, path)
        with _without_a_word():
            interpreter = Interpreter(model_content=data, num_threads=threads or cores())
            interpreter.allocate_tensors()
        found = LitertClassifier(interpreter, card, path)
    except UserError:
        raise
    except Exception as error:  # the flatbuffer's readers raise nearly anything on damaged input
        raise UserError(f"{path} is damaged, or no LiteRT file ({one_line(error)})") from None
    details = interpreter.get_input_details()[0]
    if details["dtype"] is not np.uint8 or list(details["shape"][1:]) != [card.pixels, card.pixels, 3]:
        raise UserError(f"{path} does not take what its model card says; export it anew")
    return found


@contextlib.contextmanager
def _without_a_word() -> Iterator[None]:
    """Keep what LiteRT's native code says of its own start off standard error."""
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


def _card(data: bytes, path: Path) -> Card:
    """Read the model card in the file's metadata."""
    from ai_edge_litert import schema_py_generated as schema

    if data[4:8] != b"TFL3":
        raise UserError(f"{path} is damaged, or no LiteRT file")
    model: Any = schema.Model.GetRootAs(data, 0)
    for number in range(model.MetadataLength()):
        entry = model.Metadata(number)
        if entry.Name() == b"model_card":
            buffer = model.Buffers(entry.Buffer())
            within = buffer.DataLength() > 0  # else it lies behind the flatbuffer, where the quantiser moves it
            text = buffer.DataAsNumpy().tobytes() if within else data[buffer.Offset() : buffer.Offset() + buffer.Size()]
            return Card.from_json(text, path)
    raise UserError(f"{path} has no model card; expected a file that `kerasqueeze export` wrote")
