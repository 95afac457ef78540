"""Stanford Cars, CIFAR-10 and any set of tfds, from tiny copies made here."""

import io

import numpy as np
import pytest
import scipy.io
import tensorflow_datasets as tfds
from PIL import Image

from kerasqueeze.data import datasets
from kerasqueeze.data.sets import any_prepared, cifar10, stanford_cars
from kerasqueeze.errors import UserError

COLOURS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200)}


def photo(colour, mode="RGB", side=40) -> bytes:
    file = io.BytesIO()
    image = Image.new("RGB", (side, side), colour).convert(mode)
    image.save(file, "PNG")
    return file.getvalue()


class Tiny(tfds.core.GeneratorBasedBuilder):
    """Three classes told by their colour; photos in several modes."""

    VERSION = tfds.core.Version("1.2.0")

    def _info(self):
        features = {
            "image": tfds.features.Image(),
            "label": tfds.features.ClassLabel(names=list(COLOURS)),
            "id": np.int64,
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._examples(12), "test": self._examples(3), "extra": self._examples(3)}

    def _generate_examples(self):
        return iter(())

    @staticmethod
    def _examples(count):
        for row in range(count):
            name = list(COLOURS)[row % 3]
            mode = "P" if row % 2 else "RGB"
            yield row, {"image": io.BytesIO(photo(COLOURS[name], mode)), "label": name, "id": row}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    tfds.disable_progress_bar()
    Tiny(data_dir=folder, file_format="array_record").download_and_prepare()
    return folder


def test_any_prepared_set_is_read(copy, tmp_path):
    data = datasets.load("tfds:tiny", image_size=8, data_dir=copy, cache=tmp_path)
    assert data.class_names == tuple(COLOURS)
    assert (len(data.train) + len(data.validation), len(data.test)) == (12, 3)
    for split in (data.train, data.validation, data.test):
        images, labels = split.batch(np.arange(len(split)))
        expected = np.array(list(COLOURS.values()))[labels]
        np.testing.assert_allclose(images[:, 4, 4], expected, atol=1)
    again = datasets.load("tfds:tiny:1.2.0", image_size=8, data_dir=copy, cache=tmp_path)
    assert again.fingerprint == data.fingerprint


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tfds:", "expected a name of tfds"),
        ("tfds:../tiny", "expected a name of tfds"),
        ("tfds:tiny/../../x", "expected a name of tfds"),
        ("tfds:no_such_set", "tfds has no prepared no_such_set"),
        ("tfds:tiny:9.9.9", "tfds has no prepared tiny:9.9.9"),
    ],
)
def test_sets_that_are_not_there(name, said, copy, tmp_path):
    with pytest.raises(UserError, match=said) as raised:
        datasets.load(name, image_size=8, data_dir=copy, cache=tmp_path)
    assert "\n" not in str(raised.value)


def test_a_damaged_copy_is_named(copy, tmp_path):
    import shutil

    shutil.copytree(copy, tmp_path / "tfds")
    folder = any_prepared.find("tiny", tmp_path / "tfds")
    assert folder is not None
    (folder / "features.json").write_text("{")
    with pytest.raises(UserError, match="cannot be read as tiny"):
        datasets.load("tfds:tiny", image_size=8, data_dir=tmp_path / "tfds", cache=tmp_path / "cache")


def write_tree(folder, classes, count):
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for row in range(count):
            (folder / name / f"{row}.png").write_bytes(photo((number, row, 0), side=12))


def test_cifar10_is_a_tree_of_its_ten_classes(tmp_path):
    for part in ("train", "test"):
        write_tree(tmp_path / "good" / part, cifar10.CLASS_NAMES, 3)
        write_tree(tmp_path / "other" / part, ("a", "b"), 3)
    data = datasets.load("cifar10", image_size=8, data_dir=tmp_path / "good", cache=tmp_path / "cache")
    assert (data.class_names, len(data.test)) == (cifar10.CLASS_NAMES, 30)
    with pytest.raises(UserError, match="no CIFAR-10 in"):
        datasets.load("cifar10", image_size=8, data_dir=tmp_path / "other", cache=tmp_path / "cache")


NAMES = [f"Model {number:03}" for number in range(stanford_cars.CLASSES)]


@pytest.fixture
def devkit(tmp_path):
    for part, count in (("train", 2), ("test", 1)):
        place = tmp_path / f"cars_{part}"
        place.mkdir()
        kind = [("bbox_x1", "O"), ("class", "O"), ("fname", "O")]
        rows = [(1, label + 1, f"{label:03}_{row}.jpg") for row in range(count) for label in range(len(NAMES))]
        for _, label, name in rows:
            (place / name).write_bytes(photo((label - 1, 0, 0), side=8))
        where = (
            tmp_path / "devkit" / "cars_train_annos.mat"
            if part == "train"
            else tmp_path / "cars_test_annos_withlabels.mat"
        )
        where.parent.mkdir(exist_ok=True)
        scipy.io.savemat(where, {"annotations": np.array(rows, dtype=kind)[None]})
    cells = np.empty((1, len(NAMES)), dtype=object)
    cells[0] = NAMES
    scipy.io.savemat(tmp_path / "devkit" / "cars_meta.mat", {"class_names": cells})
    return tmp_path


def test_cars_are_read_from_the_devkit(devkit, tmp_path):
    data = datasets.load("stanford_cars", image_size=8, data_dir=devkit, cache=tmp_path / "cache")
    assert data.class_names == tuple(NAMES)
    assert len(data.test) == len(NAMES) and len(data.train) == len(data.validation) == len(NAMES)
    images, labels = data.test.batch(np.arange(5))
    np.testing.assert_array_equal(images[:, 0, 0, 0], labels)


def test_cars_are_read_from_folders(tmp_path):
    write_tree(tmp_path / "cars", NAMES, 3)
    data = datasets.load("stanford_cars", image_size=8, data_dir=tmp_path / "cars", cache=tmp_path / "cache")
    assert data.class_names == tuple(NAMES)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: (path / "cars_train" / "000_0.jpg").unlink(), "lacks 1 of 392 photos"),
        (lambda path: (path / "devkit" / "cars_meta.mat").write_bytes(b"x"), "cannot be read"),
        (lambda path: (path / "devkit" / "cars_meta.mat").unlink(), "cannot be read"),
        (
            lambda path: scipy.io.savemat(path / "devkit" / "cars_meta.mat", {"class_names": np.array(["a", "b"])}),
            "names classes that there are not",
        ),
        (
            lambda path: scipy.io.savemat(
                path / "devkit" / "cars_train_annos.mat",
                {"annotations": np.array([(1, "../../x.jpg")], dtype=[("class", "O"), ("fname", "O")])},
            ),
            r"names \.\./\.\./x\.jpg",
        ),
    ],
)
def test_a_damaged_devkit_is_named(damage, said, devkit, tmp_path):
    damage(devkit)
    with pytest.raises(UserError, match=said) as raised:
        datasets.load("stanford_cars", image_size=8, data_dir=devkit, cache=tmp_path / "cache")
    assert "\n" not in str(raised.value)


def test_cars_without_a_folder_say_where_they_are_not(tmp_path):
    with pytest.raises(UserError, match="have been gone for years"):
        datasets.load("stanford_cars", image_size=8, cache=tmp_path)
