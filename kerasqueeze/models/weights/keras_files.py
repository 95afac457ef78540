"""Reads weights out of Keras' `.weights.h5`, `.keras` and whole-model `.h5` files without building the model.

A `.keras` or `.h5` file can name any layer class and lambda. It is not deserialised here: its weights are read as
arrays, and its configuration is searched for the names of the layers. What HDF5 itself does with a file that is made to
harm it is HDF5's: from strangers, take a `.pth`.

Source: keras/src/saving/saving_lib.py (a zip of config.json and model.weights.h5; a layer's variables are the datasets
0, 1, … of a group `vars`, whose attribute `name` is the layer's name); legacy/saving/legacy_h5_format.py (the datasets
`model_weights/…/<layer>/kernel` and `bias`, and the configuration as an attribute).
"""

import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from kerasqueeze.errors import UserError

MAX_MEMBER = 256 * 2**20  # bytes; with an optimizer's two moments a SqueezeNet has 15 MB
MAX_OBJECTS, MAX_DEPTH = 100_000, 32
OPTIMIZERS = ((0, "optimizer"), (0, "optimizer_weights"))  # depth and name of the groups with their state


def open_keras(path: Path) -> tuple[io.BytesIO, set[str]]:
    """Return the HDF5 file inside a `.keras` file and the names of all layers in its configuration.

    Raises:
        UserError: The file is damaged or too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for member in ("config.json", "model.weights.h5"):
                if archive.getinfo(member).file_size > MAX_MEMBER:
                    raise UserError(f"{path}: its {member} is larger than {MAX_MEMBER // 2**20} MB; no SqueezeNet is")
            config = json.loads(archive.read("config.json"))
            return io.BytesIO(archive.read("model.weights.h5")), set(_layer_names(config))
    except UserError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, RuntimeError, OSError) as error:
        raise UserError(f"{path} is damaged, or no .keras file that model.save() wrote ({_one_line(error)})") from None


def read_h5(file: Path | io.BytesIO, path: Path, names: dict[str, str]) -> dict[str, np.ndarray]:
    """Return the kernels and biases in a weights file by `<layer>/kernel` and `<layer>/bias`.

    The optimizer's state and the seeds of random layers are passed over. The model may lie within another one.

    Args:
        file: The HDF5 file.
        path: Its name, for the messages.
        names: The names to expect.

    Raises:
        UserError: The file is damaged, refers to other files, or has variables of other layers.
    """
    tensors: dict[str, np.ndarray] = {}
    try:
        with h5py.File(file, "r") as root:
            for name, dataset in _variables(root, path):
                if name not in names or name in tensors:
                    layer = name.rpartition("/")[0]
                    raise UserError(
                        f"{path} has the tensor {dataset.name!r} of layer {layer!r}, which SqueezeNet has not"
                    )
                if dataset.dtype.kind != "f" or dataset.nbytes > MAX_MEMBER:
                    raise UserError(
                        f"{path}: the tensor {dataset.name!r} is {dataset.dtype} {dataset.shape}, no weights"
                    )
                tensors[name] = dataset[()]
    except UserError:
        raise
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path} is damaged, or no file that model.save_weights() wrote ({_one_line(error)})") from None
    return tensors


def h5_layers(path: Path) -> set[str]:
    """Return the names of all layers in the configuration of a whole model's `.h5` file.

    Raises:
        UserError: The file is damaged, or has no configuration.
    """
    try:
        with h5py.File(path, "r") as root:
            return set(_layer_names(json.loads(root.attrs["model_config"])))
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is damaged, or no .h5 file that model.save() wrote ({_one_line(error)})") from None


def _variables(root: h5py.File, path: Path) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yield (`<layer>/kernel`, dataset) and the like for all layers' variables, following no link out of the file."""
    groups, seen = [(root, 0)], 0
    while groups:
        group, depth = groups.pop()
        for key in group:
            seen += 1
            # Hard links can make a loop, and the other kinds can name any file on this machine.
            if seen > MAX_OBJECTS or depth > MAX_DEPTH or not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise UserError(f"{path} has a link at {group.name}/{key} that no weights file needs")
            item = group[key]
            if isinstance(item, h5py.Group):
                if key != "seed_generator" and (depth, key) not in OPTIMIZERS:
                    groups.append((item, depth + 1))
            elif isinstance(item, h5py.Dataset):
                if item.is_virtual or item.external is not None:
                    raise UserError(f"{path}: the data of {item.name} lie in another file; expected one whole file")
                parent = group.name.rpartition("/")[2]
                if parent == "vars" and key.isdecimal():
                    kind = {"0": "kernel", "1": "bias"}.get(key, key)
                    yield f"{group.attrs.get('name', '')}/{kind}", item
                elif group.name.startswith("/model_weights/"):
                    yield f"{parent}/{key}", item


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _layer_names(config) -> Iterator[str]:
    """Yield the names of the layers in a model's configuration, at any depth."""
    pending = [config]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending.extend(item)
        elif isinstance(item, dict):
            inner = item.get("config")
            if isinstance(inner, dict) and isinstance(inner.get("name"), str):
                yield inner["name"]
            pending.extend(item.values())
