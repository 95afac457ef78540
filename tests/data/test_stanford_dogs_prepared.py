import shutil
import time
from pathlib import Path

import pytest
import tensorflow_datasets as tfds
import tiny_dogs

from kerasqueeze.data.progress import Progress
from kerasqueeze.data.sets.stanford_dogs import prepared
from kerasqueeze.errors import UserError

OFFICIAL = Path(__file__).parent / "official_copy"  # see make_official_copy.py


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(OFFICIAL, tmp_path / "tfds")
    found = prepared.find(tmp_path / "tfds")
    assert found is not None
    return found


@pytest.mark.parametrize("half", ["train", "test"])
def test_what_tensorflow_wrote_is_read_without_it(copy, half):
    names, _ = tiny_dogs.split().half(half)
    read = prepared.reader(copy, half, names)
    assert [read(position) for position in range(len(names))] == [tiny_dogs.photo(name) for name in names]


def test_labels_are_ours(copy):
    assert [name.decode() if isinstance(name, bytes) else name for name in _features(copy)["label"].names] == [
        breed.lower() for breed in tiny_dogs.split().class_names
    ]


def _features(copy):
    return tfds.builder_from_directory(copy).info.features


@pytest.mark.parametrize("cut", [1, 3000, 5000])
def test_copy_cut_short(copy, cut):
    shard = next(copy.glob("*test.tfrecord*"))
    shard.write_bytes(shard.read_bytes()[:-cut])
    with pytest.raises(
        UserError, match=r"cannot be read \(ValueError: .* is cut short\); delete it and prepare it again"
    ):
        prepared.reader(copy, "test", tiny_dogs.split().test)


@pytest.mark.parametrize(
    "damage",
    [
        lambda copy: (copy / "dataset_info.json").write_text("{"),
        lambda copy: (copy / "features.json").unlink(),
        lambda copy: next(copy.glob("*train.tfrecord*")).unlink(),
        lambda copy: next(copy.glob("*train.tfrecord*")).write_bytes(b"x" * 5000),
    ],
)
def test_damaged_copy(copy, damage):
    damage(copy)
    with pytest.raises(UserError, match=r"cannot be read .*; delete it and prepare it again"):
        prepared.reader(copy, "train", tiny_dogs.split().train)


def test_copy_of_other_photos(copy):
    with pytest.raises(UserError, match="differs from the official test list in 12 photos"):
        prepared.reader(copy, "test", tiny_dogs.split().train[:6])
    with pytest.raises(UserError, match="in 1 photos"):
        prepared.reader(copy, "test", tiny_dogs.split().test[:5])


def test_state_follows_the_files(copy):
    before = prepared.state(copy)
    assert prepared.state(copy) == before
    next(copy.glob("*train.tfrecord*")).write_bytes(b"")
    assert prepared.state(copy) != before


def test_tfds_own_folder_is_looked_into(copy, tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    assert prepared.official_copy(Progress()) == copy
    monkeypatch.delenv("TFDS_DATA_DIR")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "tfds").rename(tmp_path / "home" / "tensorflow_datasets")
    assert prepared.official_copy(Progress()) == prepared.find(tmp_path / "home" / "tensorflow_datasets")


def test_without_tensorflow_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(prepared.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError) as caught:
        prepared.official_copy(Progress())
    for word in (str(tmp_path), "images.tar", "Kaggle", "--data-dir", "pip install 'kerasqueeze[tensorflow]'"):
        assert word in str(caught.value)


def test_without_network_the_remedy_is_named_soon(tmp_path, monkeypatch, heard):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(prepared.importlib.util, "find_spec", lambda name: "found")
    monkeypatch.setattr(prepared, "DOWNLOAD_PAGE", "http://127.0.0.1:9/")  # the port that discards
    started = time.monotonic()
    with pytest.raises(UserError, match=r"cannot be downloaded into .* \(URLError.*refused.*\); download images\.tar"):
        prepared.official_copy(heard)
    assert time.monotonic() - started < 5 and "downloading" in heard.notes[0]


def test_download_through_the_official_builder(tmp_path, monkeypatch):
    """The real builder, TensorFlow and HTTP; only the address is ours."""
    pytest.importorskip("tensorflow", reason="the official builder needs it")
    import make_official_copy

    archives = tiny_dogs.write_archives(tmp_path / "archives")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    with make_official_copy.served(archives) as address:
        monkeypatch.setattr(prepared, "DOWNLOAD_PAGE", address)
        copy = prepared.official_copy(Progress())
    names = tiny_dogs.split().test
    read = prepared.reader(copy, "test", names)
    assert [read(position) for position in range(len(names))] == [tiny_dogs.photo(name) for name in names]
