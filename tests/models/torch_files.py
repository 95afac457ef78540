"""Writes `.pth` files by hand, instruction by instruction, so that a test can make any part of one wrong."""

import io
import struct
import zipfile

import numpy as np


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    data = value.to_bytes(max(1, value.bit_length() // 8 + 1), "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def sequence(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def numbers(values) -> bytes:
    return sequence(*map(number, values))


def named(name: str) -> bytes:
    """The class or function of that dotted name."""
    module, _, attribute = name.rpartition(".")
    return f"c{module}\n{attribute}\n".encode()


EMPTY = named("collections.OrderedDict") + b")R"


def tensor(key, shape, strides=None, offset=0, count=None, kind="torch.FloatStorage") -> bytes:
    count = int(np.prod(shape)) if count is None else count
    if strides is None:
        strides = [int(np.prod(shape[i + 1 :])) for i in range(len(shape))]
    storage = sequence(text("storage"), named(kind), text(key), text("cpu"), number(count)) + b"Q"
    arguments = sequence(storage, number(offset), numbers(shape), numbers(strides), b"\x89", EMPTY)
    return named("torch._utils._rebuild_tensor_v2") + arguments + b"R"


def pickled(value: bytes) -> bytes:
    return b"\x80\x02" + value + b"."


def state_dict(items: dict[str, bytes]) -> bytes:
    return pickled(EMPTY + b"(" + b"".join(text(name) + value for name, value in items.items()) + b"u")


def zipped(pickle: bytes, storages: dict[str, bytes] | None = None, compression=zipfile.ZIP_STORED, **members) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickle)
        for name, data in ({"byteorder": b"little"} | members).items():
            archive.writestr(f"archive/{name}", data)
        for key, data in (storages or {}).items():
            archive.writestr(f"archive/data/{key}", data)
    return file.getvalue()


def legacy(pickle: bytes, storages: dict[str, np.ndarray], little_endian=True) -> bytes:
    flag = b"\x88" if little_endian else b"\x89"
    system = pickled(b"}(" + text("little_endian") + flag + b"u")
    keys = pickled(b"](" + b"".join(map(text, storages)) + b"e")
    head = pickled(number(0x1950A86A20F9469CFC6C)) + pickled(number(1001)) + system + pickle + keys
    return head + b"".join(struct.pack("<q", array.size) + array.tobytes() for array in storages.values())


def network(tensors: dict[str, np.ndarray], layout=zipped) -> bytes:
    """A whole state dict of float32 arrays in either layout."""
    keys = {name: str(i) for i, name in enumerate(tensors)}
    pickle = state_dict({name: tensor(keys[name], array.shape) for name, array in tensors.items()})
    storages = {keys[name]: np.ascontiguousarray(array, "<f4") for name, array in tensors.items()}
    if layout is zipped:
        return zipped(pickle, {key: array.tobytes() for key, array in storages.items()})
    return legacy(pickle, storages)
