"""Networks computed by ONNX Runtime, without Keras and JAX: `.onnx` files that this package exported."""

import lzma
from pathlib import Path

import numpy as np

from kerasqueeze.data.ahead import cores
from kerasqueeze.data.listing import one_line
from kerasqueeze.deploy.classifier import BATCH, Classifier
from kerasqueeze.errors import UserError
from kerasqueeze.models.card import Card

MAX_BYTES = 1 << 30


class OnnxClassifier(Classifier):
    """A network that ONNX Runtime computes."""

    runtime = "onnx"

    def __init__(self, session, card: Card, path: Path):
        super().__init__(card, path)
        self._session = session
        self.has_maps = any(output.name == "maps" for output in session.get_outputs())

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return float32 logits (N, C) of uint8 RGB images (N, S, S, 3)."""
        parts = (images[start : start + BATCH] for start in range(0, len(images), BATCH))
        return np.concatenate([self._session.run(["logits"], {"pixels": part})[0] for part in parts])

    def maps(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return logits (N, C) and the maps (N, H, W, C) whose means they are."""
        if not self.has_maps:
            return super().maps(images)
        logits, maps = self._session.run(["logits", "maps"], {"pixels": images})
        return logits, maps


def load(path: Path, threads: int | None = None) -> OnnxClassifier:
    """Return the network in an `.onnx` or `.onnx.xz` file.

    Args:
        path: The file.
        threads: How many compute; default one a core.

    Raises:
        UserError: onnxruntime is not installed, or the file is damaged or not one that this package wrote.
    """
    try:
        import onnxruntime
    except ImportError:
        raise UserError("this needs onnxruntime; install it: pip install 'kerasqueeze[onnx]'") from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what is wrong with a file is said below, in a line
    # Rounded weights are restored once, as the file is loaded, not each time they are used.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    options.intra_op_num_threads = threads or cores()
    # Else its threads keep the cores busy while they wait for each other, and photos are decoded on the same ones.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(read(path), options, providers=["CPUExecutionProvider"])
        properties = session.get_modelmeta().custom_metadata_map
    except UserError:
        raise
    except Exception as error:  # its errors have no common class of their own
        raise UserError(f"{path} is damaged, or no ONNX file ({one_line(error)})") from None
    if "model_card" not in properties:
        raise UserError(f"{path} has no model card; expected a file that `kerasqueeze export` wrote")
    card = Card.from_json(properties["model_card"], path)
    _check(session, card, path)
    return OnnxClassifier(session, card, path)


def read(path: Path) -> bytes:
    """Return the content of a file, uncompressed if its name ends in `.xz`.

    Raises:
        UserError: It is larger than `MAX_BYTES`, or damaged.
    """
    too_large = UserError(f"{path} is larger than {MAX_BYTES >> 20} MiB")
    if path.stat().st_size > MAX_BYTES:
        raise too_large
    data = path.read_bytes()
    if path.suffix != ".xz":
        return data
    decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=256 << 20)
    try:
        found = decompressor.decompress(data, MAX_BYTES)
    except lzma.LZMAError as error:
        raise UserError(f"{path} is damaged, or no xz file ({one_line(error)})") from None
    if not decompressor.eof:
        raise too_large if len(found) >= MAX_BYTES else UserError(f"{path} is cut short")
    return found


def _check(session, card: Card, path: Path) -> None:
    taken = {entry.name: (entry.type, entry.shape[1:]) for entry in session.get_inputs()}
    given = {entry.name: (entry.type, entry.shape[1:]) for entry in session.get_outputs()}
    expected = ("tensor(float)", [len(card.class_names)])
    if taken != {"pixels": ("tensor(uint8)", [card.pixels, card.pixels, 3])} or given.get("logits") != expected:
        raise UserError(f"{path} does not take and give what its model card says; export it anew")
