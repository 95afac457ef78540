import io
import os
import pickle
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch_files as write

from kerasqueeze.errors import UserError
from kerasqueeze.models.weights.torch_file import read_state_dict

TINY = Path(__file__).parents[1] / "references"
FLOATS = np.arange(6, dtype="<f4")


def read(data):
    return read_state_dict(data, Path("weights.pth"))


def refusal(data) -> str:
    with pytest.raises(UserError) as error:
        read(data)
    message = str(error.value)
    assert message.startswith("weights.pth cannot be loaded: ")
    assert "\n" not in message
    return message


def one(value: bytes, storage: bytes | None = None, **options) -> bytes:
    """A file whose only tensor is called `w`."""
    return write.zipped(
        write.state_dict({"w": value}), {"0": FLOATS.tobytes() if storage is None else storage}, **options
    )


@pytest.mark.parametrize("name", ["tiny_zip.pth", "tiny_legacy.pth"])
def test_files_that_torch_wrote(name):
    """The arrays of tests/references/make_references.py, saved by torch: all types, views, parameters, `_metadata`."""
    tensors = read((TINY / name).read_bytes())
    np.testing.assert_array_equal(tensors.pop("float32"), [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(tensors.pop("transposed"), [[0, 2, 4], [1, 3, 5]])
    np.testing.assert_array_equal(tensors.pop("part"), [2, 3, 4])
    assert tensors.pop("scalar") == 7
    np.testing.assert_array_equal(tensors.pop("bool"), [False, True, True, True, True, True])
    assert set(tensors) == {"parameter", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8"}
    for kind, values in tensors.items():
        assert values.dtype.name == kind.replace("parameter", "float32")
        np.testing.assert_array_equal(values.astype(float), FLOATS)


@pytest.mark.parametrize("layout", [write.zipped, write.legacy])
def test_files_written_by_hand(layout):
    tensors = {"a": FLOATS.reshape(2, 3), "b": -FLOATS}
    found = read(write.network(tensors, layout))
    assert list(found) == ["a", "b"]
    for name, values in tensors.items():
        np.testing.assert_array_equal(found[name], values)


class Evil:
    """Unpickling it would make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("wrap", ["bare", "zip", "legacy", "within a dict"])
def test_code_is_refused_by_name_and_not_run(tmp_path, protocol, wrap):
    evil = Evil(tmp_path / "evil")
    data = pickle.dumps({"w": evil} if wrap == "within a dict" else evil, protocol)
    if wrap == "legacy":
        data = write.legacy(data, {})
    elif wrap != "bare":
        data = write.zipped(data)
    message = refusal(data)
    # Protocol 0 builds dicts by an instruction of its own, and is refused at that.
    assert f"{os.system.__module__}.system" in message or (protocol == 0 and wrap == "within a dict")
    assert "not run" in message
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    "value, named",
    [
        (np.array([{}], dtype=object), "numpy"),
        (np.arange(3), "numpy"),
        (eval, "builtins.eval"),
        (pickle.Unpickler, "_pickle.Unpickler"),
        ({1, 2}, "EMPTY_SET"),
        (b"bytes", "SHORT_BINBYTES"),
        ([1.5], "item 'w' is no tensor"),
        ({"w": 2}, "item 'w' is no tensor"),
        ("text", "item 'w' is no tensor"),
        (3, "item 'w' is no tensor"),
    ],
    ids=str,
)
def test_anything_but_tensors_is_refused_by_name(value, named):
    assert named in refusal(write.zipped(pickle.dumps({"w": value})))


@pytest.mark.parametrize("value", [None, [], 3, "x", ()], ids=str)
def test_what_is_no_dict_is_refused(value):
    assert "no dict of tensors" in refusal(write.zipped(pickle.dumps(value)))


@pytest.mark.parametrize(
    "value, reason",
    [
        (write.tensor("0", (7,)), "'w' should have 7 elements of 4 bytes stored, but 24 bytes are there"),
        (write.tensor("0", (6,), count=2**40), "'w' should have 1099511627776 elements"),
        (write.tensor("0", (2**20, 2**20)), "claim more than 64 MB"),
        (write.tensor("0", (1000,), strides=(0,), count=6), "'w' of shape (1000,) does not fit"),
        (write.tensor("0", (3,), offset=4, count=6), "'w' of shape (3,) does not fit"),
        (write.tensor("0", (2, 3), strides=(5, 1), count=6), "'w' of shape (2, 3) does not fit"),
        (write.tensor("0", (0, 2**31 - 1, 2**31 - 1), strides=(1, 1, 1), count=6), "does not fit"),
        (write.tensor("0", (-1,), count=6), "not possible"),
        (write.tensor("0", (6,), strides=(-1,), count=6), "not possible"),
        (write.tensor("0", (2**63,), count=6), "not possible"),
        (write.tensor("0", (1,) * 9, count=6), "not described as torch does"),
        (write.tensor("0", (2, 3), strides=(1,), count=6), "not described as torch does"),
        (write.tensor("9", (6,)), "lacks its member 'data/9'"),
        (write.tensor("../0", (6,)), "lacks its member"),
        (write.tensor("0", (6,), kind="torch.ComplexFloatStorage"), "torch.ComplexFloatStorage"),
        (write.tensor("0", (6,), kind="collections.OrderedDict"), "no storage of plain numbers"),
        (write.named("torch._utils._rebuild_tensor_v2") + b")R", "malformed"),
        (write.named("collections.OrderedDict") + write.sequence(write.number(1)) + b"R", "collections.OrderedDict"),
        (write.text("storage") + b"Q", "storage"),
        (b"h\x07", "malformed"),
    ],
)
def test_tensors_that_cannot_be_are_refused(value, reason):
    assert reason in refusal(one(value))


def test_many_tensors_of_one_storage_cannot_fill_the_memory():
    million = np.zeros(10**6, "<f4").tobytes()
    first = write.tensor("0", (10**6,)) + b"q\x01"
    items = {f"w{i}": first if i == 0 else b"h\x01" for i in range(100)}
    assert "claim more than 64 MB" in refusal(write.zipped(write.state_dict(items), {"0": million}))


def test_compressed_members_are_refused():
    bomb = one(write.tensor("0", (10**6,)), bytes(4 * 10**6), compression=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 10_000
    assert "lists more than the file has" in refusal(bomb)
    stored = one(write.tensor("0", (6,)), compression=zipfile.ZIP_DEFLATED)
    assert "is compressed" in refusal(stored)


def test_foreign_byte_orders_are_refused():
    assert "big-endian" in refusal(one(write.tensor("0", (6,)), byteorder=b"big"))
    pickle_ = write.state_dict({"w": write.tensor("0", (6,))})
    assert "little-endian" in refusal(write.legacy(pickle_, {"0": FLOATS}, little_endian=False))


def test_a_huge_pickle_is_refused():
    assert "more than the 1048576" in refusal(write.zipped(write.pickled(write.text("x" * 2**20))))


@pytest.mark.parametrize("data", [b"", b"PK", b"<html>404</html>", b"\x80\x02}.", bytes(100)], ids=repr)
def test_other_files_are_refused(data):
    refusal(data)


def test_a_zip_without_a_pickle_is_refused():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("word/document.xml", "")
    assert "0 members named data.pkl" in refusal(file.getvalue())


@pytest.mark.parametrize("layout", [write.zipped, write.legacy])
def test_cut_files_are_refused(layout):
    data = write.network({"first": FLOATS, "second": FLOATS}, layout)
    for length in range(len(data)):
        refusal(data[:length])
    if layout is write.legacy:
        assert "ends within the tensor 'second'" in refusal(data[:-5])
        assert "1 bytes after its last tensor" in refusal(data + b"x")


@pytest.mark.parametrize("name", ["tiny_zip.pth", "tiny_legacy.pth"])
def test_damaged_files_are_read_or_refused_but_never_crash(name):
    whole, generator = (TINY / name).read_bytes(), random.Random(0)
    for _ in range(1500):
        data = bytearray(whole)
        for _ in range(generator.randint(1, 3)):
            data[generator.randrange(len(data))] = generator.randrange(256)
        try:
            read(bytes(data))
        except UserError as error:
            assert "\n" not in str(error)
