"""Networks computed by Keras on JAX: `.keras` files, and SqueezeNet with ImageNet's own weights and classes."""

import json
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from kerasqueeze import history
from kerasqueeze.data.listing import one_line
from kerasqueeze.deploy.classifier import BATCH, Classifier
from kerasqueeze.errors import UserError, unknown
from kerasqueeze.models import backbones, card  # the backbones' module registers the classes that files name
from kerasqueeze.models.card import Card
from kerasqueeze.models.imagenet_classes import imagenet_classes
from kerasqueeze.models.squeezenet import DEFAULT_SIZE
from kerasqueeze.models.weights.keras_files import MAX_MEMBER
from kerasqueeze.startup.compiled import keep_compiled

TRUSTED = ("keras", "kerasqueeze")
"""Packages whose classes a model file may name."""
SIZES = (1, 4, 8, BATCH)
"""Batch sizes that are compiled."""
RUNS_CODE = ("Lambda", "TorchModuleWrapper", "FlaxLayer", "JaxLayer", "TFSMLayer")
"""Layers of Keras' that run code of the file's or of a file that it names."""


class KerasClassifier(Classifier):
    """A network that Keras computes.

    Attributes:
        network: The network: pixels to what `card.activation` says.
    """

    runtime = "keras"

    def __init__(self, network: keras.Model, card: Card, path: Path | None = None):
        super().__init__(card, path)
        self.network = network
        self.has_maps = map_layer(network) is not None
        self._with_maps: keras.Model | None = None

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return float32 logits (N, C) of uint8 RGB images (N, S, S, 3)."""
        return self._as_logits(_in_batches(self.network, images))

    def maps(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return logits (N, C) and the maps (N, H, W, C) whose means they are."""
        layer = map_layer(self.network)
        if layer is None:
            return super().maps(images)
        if self._with_maps is None:
            self._with_maps = keras.Model(self.network.inputs[0], layer.output)
        found = _in_batches(self._with_maps, images)
        return found.mean(axis=(1, 2), dtype=np.float64).astype(np.float32), found

    def _as_logits(self, outputs: np.ndarray) -> np.ndarray:
        if self.card.activation == "logits":
            return outputs
        return np.log(np.maximum(outputs, np.finfo(np.float32).tiny))


def load(path: Path) -> KerasClassifier:
    """Return the network in a `.keras` file.

    Files without a model card, as earlier versions wrote them, take their classes and sizes from the record beside
    them: `../CSV/<experiment>.json`.

    Raises:
        UserError: The file is damaged, names classes that are not Keras' or ours, is no image classifier, or has
            neither card nor record.
    """
    found = card.read(path)
    check_archive(path)
    try:
        network = keras.saving.load_model(path, compile=False)
    except Exception as error:  # Keras raises nearly anything on a file that it cannot build
        raise UserError(f"{path} cannot be loaded ({type(error).__name__}: {one_line(error)})") from None
    found = found or _of_record(path)
    check_shapes(path, network, found)
    keep_compiled()
    return KerasClassifier(network, found, path)


def imagenet(name: str, weights: str | None = None) -> KerasClassifier:
    """Return a SqueezeNet with ImageNet's weights, head and classes.

    Raises:
        UserError: There is no such SqueezeNet, or its weights cannot be had.
    """
    builders = {name: build for name, build in backbones.SQUEEZENETS.items() if "bypass" not in name}
    if name not in builders:
        raise unknown("ImageNet network", name, builders)
    network = builders[name](weights=weights or "imagenet", classifier_activation=None)
    classes = tuple(f"{wnid}-{label}" for wnid, label in imagenet_classes())
    about = Card(classes, DEFAULT_SIZE, origin={"name": name, "weights": {"file": Path(weights or "imagenet").name}})
    keep_compiled()
    return KerasClassifier(network, about)


def map_layer(network: keras.Model) -> Any:
    """Return the layer whose output's mean over all places is the logits, or None if the head is another one.

    It is what stands before a global average with nothing but a linear activation behind: SqueezeNet's ReLU after
    conv10, or conv10 itself.
    """
    names = [layer for layer in network.layers if not isinstance(layer, layers.Dropout)]
    while names and isinstance(names[-1], layers.Activation):
        if names[-1].activation is not keras.activations.linear:
            return None
        names.pop()
    if len(names) < 2 or not isinstance(names[-1], layers.GlobalAveragePooling2D):
        return None
    return names[-2] if isinstance(names[-2], layers.ReLU | layers.Conv2D) else None


def _in_batches(network: keras.Model, images: np.ndarray) -> np.ndarray:
    """Compute images in batches of `SIZES`, for each size is compiled; what is added to fill one up is cut."""
    found, start = [], 0
    while start < len(images):
        size = _size(len(images) - start)
        part = images[start : start + size]
        filled = np.concatenate([part, np.zeros((size - len(part), *part.shape[1:]), part.dtype)])
        found.append(np.asarray(network.predict_on_batch(filled))[: len(part)])
        start += size
    return np.concatenate(found)


def _size(left: int) -> int:
    """Return the largest of `SIZES` that so many images fill, all but a fifth."""
    return max(size for size in SIZES if size == 1 or 5 * left >= 4 * size)


def _of_record(path: Path) -> Card:
    experiment, _, seed = path.stem.rpartition("_seed")
    record = path.absolute().parent.parent / "CSV" / f"{experiment}.json"
    if not experiment or not seed.isdecimal() or not record.is_file():
        raise UserError(
            f"{path} does not name its classes, and there is no record at {record}; keep the file where the run wrote "
            "it, in models/ beside CSV/"
        )
    found = history.read_json(record)
    settings, data = found["experiment"], found["data"]
    names = data.get("class_names") or [f"class {number}" for number in range(data["classes"])]
    run = found["runs"].get(seed, {})
    origin = {"experiment": settings, "seed": int(seed), "data": {**data, "class_names": None}, **run}
    return Card(
        class_names=tuple(names),
        image_size=settings["image_size"],
        resize=settings.get("resize", "crop"),
        network_size=settings.get("enlarge"),
        temperature=run.get("temperature", 1.0),
        origin=origin,
    )


def check_shapes(path: Path, network: Any, found: Card) -> None:
    """Refuse a network that does not take and give what its card says.

    Raises:
        UserError: It does not.
    """
    shapes = [getattr(network, name, None) for name in ("input_shape", "output_shape")]
    taken, given = (shape if isinstance(shape, tuple) else () for shape in shapes)
    sides = {side for side in taken[1:3] if side is not None} | {found.pixels}
    if len(taken) != 4 or taken[3] != 3 or len(sides) != 1 or len(given) != 2:
        raise UserError(
            f"{path} takes {taken} and gives {given}; expected a classifier of {found.pixels} x {found.pixels} RGB "
            "images"
        )
    if given[1] != len(found.class_names):
        raise UserError(f"{path} has {given[1]} outputs and names {len(found.class_names)} classes")


def check_archive(path: Path) -> None:
    """Refuse a `.keras` file that is larger than any of ours, or fails `check_config`, before it is built.

    Raises:
        UserError: It is, or it is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if member.file_size > MAX_MEMBER:
                    raise UserError(f"{path}: its {member.filename} is larger than {MAX_MEMBER >> 20} MiB")
            config = json.loads(archive.read("config.json"))
    except UserError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, RuntimeError, RecursionError) as error:
        raise UserError(f"{path} is damaged, or no .keras file that model.save() wrote ({one_line(error)})") from None
    check_config(config, path)


def check_config(config: Any, path: Path) -> None:
    """Refuse a configuration that names classes other than Keras' and ours, or layers that run code.

    Raises:
        UserError: It does.
    """
    for item in _classes(config):
        module, name = item.get("module"), item.get("class_name")
        registered = str(item.get("registered_name") or "")
        ours = module is None or str(module).split(".")[0] in TRUSTED or registered.startswith("kerasqueeze>")
        if not ours or name in RUNS_CODE or name == "__lambda__":
            raise UserError(f"{path} names {module}.{name}, which is neither a layer of Keras' nor of this package's")


def _classes(config: Any) -> Iterator[dict[str, Any]]:
    """Yield everything in a configuration that names a class."""
    pending = [config]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending.extend(item)
        elif isinstance(item, dict):
            if "class_name" in item:
                yield item
            pending.extend(item.values())
