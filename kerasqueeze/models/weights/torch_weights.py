"""The port: torchvision's SqueezeNet weights as Keras'.

A table of names and one transpose: torch keeps a kernel as (out, in, height, width), Keras as (height, width, in, out).

Source: torchvision/models/squeezenet.py, where the numbers in `features.3.squeeze.weight` come from.
"""

import hashlib
import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kerasqueeze.errors import UserError
from kerasqueeze.files import cache_dir, whole_file
from kerasqueeze.models.weights.torch_file import MAX_FILE, read_state_dict

URLS = {
    "1.0": "https://download.pytorch.org/models/squeezenet1_0-b66bff10.pth",
    "1.1": "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
}
FIRE_INDEX = {  # where fire2 to fire9 stand among torchvision's `features`
    "1.0": (3, 4, 5, 7, 8, 9, 10, 12),
    "1.1": (3, 4, 6, 7, 9, 10, 11, 12),
}
TIMEOUT = 60  # seconds without a byte


def torch_names(version: str) -> dict[str, str]:
    """Return for each weight of the Keras model (`fire2_squeeze1x1/kernel`) the name torchvision has for it."""
    modules = {"conv1": "features.0"}
    for fire, index in enumerate(FIRE_INDEX[version], start=2):
        modules[f"fire{fire}_squeeze1x1"] = f"features.{index}.squeeze"
        modules[f"fire{fire}_expand1x1"] = f"features.{index}.expand1x1"
        modules[f"fire{fire}_expand3x3"] = f"features.{index}.expand3x3"
    modules["conv10"] = "classifier.1"
    return {
        f"{layer}/{ours}": f"{module}.{theirs}"
        for layer, module in modules.items()
        for ours, theirs in (("kernel", "weight"), ("bias", "bias"))
    }


def read_torch_weights(path: Path, version: str) -> dict[str, np.ndarray]:
    """Return the weights in a `.pth` state dict under the Keras model's names, kernels transposed.

    Raises:
        UserError: The file is not a readable state dict, its hash is not the one in its name, or a tensor is missing or
            not SqueezeNet's. The message names the tensor.
    """
    if path.stat().st_size > MAX_FILE:
        raise UserError(f"{path} has more than {MAX_FILE // 2**20} MB; SqueezeNet's weights have 5 MB")
    data = path.read_bytes()
    _check_hash(path.name, data, f"{path} is damaged", "delete it and fetch it again, or take the hash out of its name")
    return renamed(read_state_dict(data, path), version, path)


def renamed(tensors: Mapping[str, np.ndarray], version: str, path: Path) -> dict[str, np.ndarray]:
    """Return a state dict's tensors under the Keras model's names, kernels transposed; `path` is for the messages.

    Raises:
        UserError: A tensor is missing or one too many; the message names it.
    """
    names = torch_names(version)
    for name in names.values():
        if name not in tensors:
            raise UserError(
                f"{path} has no tensor {name!r}, which SqueezeNet {version} needs; is it another network's?"
            )
    for name in tensors:
        if name not in names.values():
            raise UserError(
                f"{path} has the tensor {name!r}, which SqueezeNet {version} has not; is it another network's?"
            )
    return {ours: _transposed(tensors[theirs]) for ours, theirs in names.items()}


def fetch(version: str) -> Path:
    """Return torchvision's ImageNet weights for a version, downloaded to `cache_dir()` unless they are there.

    Raises:
        UserError: They cannot be downloaded, or what was has the wrong hash; the cache is then as it was.
    """
    url = URLS[version]
    path = cache_dir() / "weights" / url.rpartition("/")[2]
    if path.exists():
        return path
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as source:
            data = source.read(MAX_FILE)
        _check_hash(path.name, data, f"what {url} returned is damaged", "try again")
        with whole_file(path) as part:
            part.write_bytes(data)
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        raise UserError(
            f"cannot fetch {url} ({error}); download it by hand to {path}, or pass the path of a copy as weights="
        ) from None
    return path


def _check_hash(name: str, data: bytes, what: str, remedy: str) -> None:
    """Raise unless the SHA-256 of `data` starts with the hex digits in the file's name, if it has any."""
    in_name = re.search(r"-([0-9a-f]{8,64})\.pth$", name)
    digest = hashlib.sha256(data).hexdigest()
    if in_name and not digest.startswith(in_name[1]):
        raise UserError(f"{what}: its SHA-256 starts with {digest[:8]}, its name says {in_name[1]}; {remedy}")


def _transposed(tensor: np.ndarray) -> np.ndarray:
    return tensor.transpose(2, 3, 1, 0) if tensor.ndim == 4 else tensor
