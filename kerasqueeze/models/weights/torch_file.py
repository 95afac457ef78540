"""Reads the tensors of a torch state dict without torch and without unpickling.

Sources: torch/serialization.py, both layouts (`save` and `_legacy_save`).
"""

import functools
import io
import math
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kerasqueeze.errors import UserError
from kerasqueeze.models.weights.torch_pickle import Damaged, Storage, Tensor, run_pickle, short

MAX_FILE = 64 * 2**20  # bytes; SqueezeNet has 5 MB of weights, 10 MB in float64
MAX_PICKLE = 2**20  # bytes; a SqueezeNet's is 7 kB
MAX_MEMBERS = 10_000
LEGACY_MAGIC, LEGACY_VERSION = 0x1950A86A20F9469CFC6C, 1001


def read_state_dict(data: bytes, path: Path) -> dict[str, np.ndarray]:
    """Return the tensors of a flat state dict, by name, in the order of the file.

    Args:
        data: The bytes of the file: torch's zip layout, or the layout before torch 1.6.
        path: Where they come from, for the messages.

    Raises:
        UserError: The file is damaged, too large, or holds anything but tensors of plain numbers. Nothing in it is run.
    """
    try:
        read = _read_zip if data.startswith(b"PK") else _read_legacy
        tensors, storage_bytes = read(data)
        _checked(tensors)
        return {name: _array(name, tensor, storage_bytes) for name, tensor in tensors.items()}
    except Damaged as error:
        raise UserError(
            f"{path} cannot be loaded: {error}; expected a file as torch.save(model.state_dict()) writes it"
        ) from None


def _checked(value) -> dict[str, Tensor]:
    """Return `value` if it is a flat dict of tensors that are no larger together than a file may be."""
    if type(value) is not dict:
        raise Damaged("it holds no dict of tensors")
    for name, tensor in value.items():
        if type(tensor) is not Tensor:
            raise Damaged(f"its item {short(name)} is no tensor")
    # Tensors may share a storage, and strides may repeat its elements: a small file could ask for any memory.
    if sum(math.prod(tensor.shape) * tensor.storage.dtype.itemsize for tensor in value.values()) > MAX_FILE:
        raise Damaged(f"its tensors claim more than {MAX_FILE // 2**20} MB of memory")
    return value


def _array(name: str, tensor: Tensor, storage_bytes: Callable[[Storage], bytes]) -> np.ndarray:
    """Return the numbers of a tensor, which have to lie within its storage."""
    storage = tensor.storage
    count = math.prod(tensor.shape)
    last = tensor.offset + sum((n - 1) * stride for n, stride in zip(tensor.shape, tensor.strides, strict=True))
    if not 0 < count <= storage.count or last >= storage.count:
        raise Damaged(f"the tensor {short(name)} of shape {tensor.shape} does not fit in its storage")
    data = storage_bytes(storage)
    if len(data) != storage.count * storage.dtype.itemsize:
        raise Damaged(
            f"the tensor {short(name)} should have {storage.count} elements of {storage.dtype.itemsize} bytes stored, "
            f"but {len(data)} bytes are there"
        )
    flat = np.frombuffer(data, storage.dtype)[tensor.offset :]
    strides = [n * storage.dtype.itemsize for n in tensor.strides]
    return np.lib.stride_tricks.as_strided(flat, tensor.shape, strides, writeable=False).copy()


def _read_zip(data: bytes):
    """Read torch's zip layout: `<folder>/data.pkl`, and `<folder>/data/<key>` for each storage, none compressed."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = {member.filename: member for member in archive.infolist()}
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError):
        raise Damaged("it is a damaged zip file or only the beginning of one") from None
    if len(members) > MAX_MEMBERS or sum(member.file_size for member in members.values()) > len(data):
        raise Damaged("its zip directory lists more than the file has")
    pickles = [name for name in members if re.fullmatch(r"[^/]+/data\.pkl", name)]
    if len(pickles) != 1:
        raise Damaged(f"it has {len(pickles)} members named data.pkl in place of one")
    folder = pickles[0].removesuffix("data.pkl")

    def member(name: str) -> bytes:
        if folder + name not in members:
            raise Damaged(f"it lacks its member {short(name)}")
        try:
            if members[folder + name].compress_type != zipfile.ZIP_STORED:
                raise Damaged(f"its member {short(name)} is compressed, which torch never does")
            return archive.read(folder + name)
        except (zipfile.BadZipFile, ValueError, RuntimeError, NotImplementedError, EOFError, OSError):
            raise Damaged(f"its member {short(name)} is damaged") from None

    if folder + "byteorder" in members and member("byteorder") != b"little":
        raise Damaged("it was written on a big-endian machine")
    pickle = member("data.pkl")
    stored = functools.cache(lambda key: member(f"data/{key}"))
    if len(pickle) > MAX_PICKLE:
        raise Damaged(
            f"its pickle has {len(pickle)} bytes, more than the {MAX_PICKLE} a state dict of this size can need"
        )
    return run_pickle(io.BytesIO(pickle)), lambda storage: stored(storage.key)


def _read_legacy(data: bytes):
    """Read the layout before torch 1.6: five pickles, then for each storage its count of elements and its bytes."""
    file = io.BytesIO(data[:MAX_PICKLE])
    try:
        magic = run_pickle(file)
    except Damaged as error:
        raise Damaged(f"it is no torch file ({error})") from None
    if type(magic) is not int or magic != LEGACY_MAGIC:
        raise Damaged("it is no torch file")
    if run_pickle(file) != LEGACY_VERSION:
        raise Damaged("it has an unknown version of torch's old layout")
    system = run_pickle(file)
    if type(system) is not dict or system.get("little_endian") is not True:
        raise Damaged("it was not written on a little-endian machine")
    tensors = _checked(run_pickle(file))
    keys = run_pickle(file)
    if type(keys) is not list or any(type(key) is not str for key in keys):
        raise Damaged("its list of storages is malformed")
    names = {tensor.storage.key: name for name, tensor in reversed(tensors.items())}
    sizes = {tensor.storage.key: tensor.storage.dtype.itemsize for tensor in tensors.values()}
    found, position = {}, file.tell()
    for key in keys:
        if key not in sizes:
            raise Damaged("it has a storage that no tensor uses")
        count = int.from_bytes(data[position : position + 8], "little")
        end = position + 8 + count * sizes[key]
        if len(data) < position + 8 or end > len(data):
            raise Damaged(f"it ends within the tensor {short(names[key])}")
        found[key], position = data[position + 8 : end], end
    if position != len(data):
        raise Damaged(f"it has {len(data) - position} bytes after its last tensor")
    return tensors, lambda storage: found.get(storage.key, b"")
