import json
import os
import sys

import numpy as np
import pytest
from PIL import Image

from kerasqueeze.data import datasets
from kerasqueeze.data.progress import Progress
from kerasqueeze.data.sets import folder
from kerasqueeze.errors import UserError


def fill(place, count=6, suffix=".png", start=0):
    place.mkdir(parents=True, exist_ok=True)
    for number in range(start, start + count):
        Image.new("RGB", (12, 10), (number, len(place.name), 0)).save(place / f"{number}{suffix}")
    return place


def load(data_dir, tmp_path, **options):
    options = {"image_size": 8, "cache": tmp_path / "cache", "progress": Progress(), **options}
    return datasets.load("folder", data_dir=data_dir, **options)


def listed(data_dir):
    return folder.photos(data_dir, Progress())


def test_flat_tree_is_split_class_by_class(tmp_path):
    for name, count in (("b dog", 20), ("Cat", 10), ("ant", 3)):
        fill(tmp_path / "in" / name, count)
    data = load(tmp_path / "in", tmp_path, validation_fraction=0.25)
    assert data.class_names == ("Cat", "ant", "b dog")
    for split, counts in ((data.test, [2, 1, 4]), (data.validation, [2, 1, 4]), (data.train, [6, 1, 12])):
        np.testing.assert_array_equal(np.bincount(split.labels), counts)
    names = [*data.train.names, *data.validation.names, *data.test.names]
    assert len(set(names)) == 33 and "b dog/17.png" in names
    for split in (data.train, data.test):
        images, labels = split.batch(range(len(split)))
        np.testing.assert_array_equal(images[:, 0, 0, 0], [int(name.split("/")[1][:-4]) for name in split.names])
        assert [data.class_names[label] for label in labels] == [name.split("/")[0] for name in split.names]


def test_the_test_half_does_not_move_with_the_seed(tmp_path):
    for name in ("a", "b"):
        fill(tmp_path / "in" / name, 20)
    first, second = (load(tmp_path / "in", tmp_path, seed=seed) for seed in (0, 1))
    assert first.test.names == second.test.names and first.validation.names != second.validation.names


def test_given_parts_are_kept(tmp_path):
    for part, count in (("train", 8), ("val", 2), ("test", 3)):
        for name in ("a", "b"):
            fill(tmp_path / "in" / part / name, count)
    data = load(tmp_path / "in", tmp_path)
    assert (len(data.train), len(data.validation), len(data.test)) == (16, 4, 6)
    for split, part in ((data.train, "train"), (data.validation, "val"), (data.test, "test")):
        assert all(name.startswith(f"{part}/") for name in split.names)


@pytest.mark.parametrize(
    ("parts", "sizes"),
    [(("train",), (14, 2, 4)), (("train", "test"), (18, 2, 20)), (("train", "validation"), (16, 20, 4))],
)
def test_missing_parts_are_cut_from_train(tmp_path, parts, sizes):
    for part in parts:
        for name in ("a", "b"):
            fill(tmp_path / "in" / part / name, 10)
    data = load(tmp_path / "in", tmp_path)
    assert (len(data.train), len(data.validation), len(data.test)) == sizes


def test_a_class_may_be_called_train(tmp_path):
    for name in ("train", "bus"):
        fill(tmp_path / name)
    (part,) = listed(tmp_path)
    assert part.class_names == ("bus", "train")


def test_what_was_understood_is_said(tmp_path, heard):
    for part, count in (("Training", 9), ("Testing", 5)):
        for name in ("cat", "dog"):
            fill(tmp_path / "in" / part / name, count)
    load(tmp_path / "in", tmp_path, progress=heard)
    assert heard.notes == [
        f"{tmp_path}/in: 2 classes (cat, dog); test 10 photos (Testing), train 18 photos (Training); validation drawn "
        "from train",
        "folder: 2 classes; 16 photos to train on, 2 to validate, 10 to test",
    ]


def test_fingerprints_stay_as_they_were(tmp_path):
    for name in ("b dog", "Cat", "ä"):
        for number in range(6):
            path = tmp_path / "in" / name / ("deep" if number == 3 else "") / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            grey = Image.fromarray(np.arange(number, number + 120, dtype=np.uint8).reshape(10, 12))
            grey.convert("L" if number % 2 else "RGB").save(path)
    assert load(tmp_path / "in", tmp_path).fingerprint == "6a920e41060b81fd"  # at commit 07bc03a
    assert datasets.load("digits", image_size=8).fingerprint == "76c6565bbc4a8028"


NAMES = {
    "$x^2$ \\frac": "$x^2$ \\frac",
    "caf\udce9": "caf\\xe9",
    "caf\\xe9": "caf\\\\xe9",
    "两只狗": "两只狗",
    "x" * 250: "x" * 250,
    "two\nlines": "two\nlines",
    "| **a** | <b>": "| **a** | <b>",
    "Caf\u00e9": "Caf\u00e9",
    "Cafe\u0301": "Cafe\\u0301",
    "Cafe\\u0301": "Cafe\\\\u0301",
}
"""Folders and the classes they are, each a valid text of its own."""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems forbid some of these names")
def test_a_class_may_have_any_name(tmp_path, heard):
    for folder_name in NAMES:
        fill(tmp_path / "in" / folder_name, 3)
    for again in range(2):  # from the photos, then from the cache
        data = load(tmp_path / "in", tmp_path, progress=heard)
        assert sorted(data.class_names) == sorted(NAMES.values()), again
    assert json.loads(json.dumps(data.class_names, ensure_ascii=False).encode()) == list(data.class_names)
    names = [*data.train.names, *data.validation.names, *data.test.names]
    assert len({*names}) == 3 * len(NAMES) and "".join(names).encode()
    assert all("\n" not in note for note in heard.notes)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems know one form alone")
def test_parts_with_a_class_in_two_unicode_forms(tmp_path):
    for part, name in (("train", "Caf\u00e9"), ("test", "Cafe\u0301")):
        fill(tmp_path / part / name)
        fill(tmp_path / part / "b")
    assert r"differ in classes: Cafe\u0301, Café" in error(tmp_path)


def test_a_changed_photo_is_decoded_again(tmp_path):
    for name in ("a", "b"):
        fill(tmp_path / "in" / name)
    first = load(tmp_path / "in", tmp_path)
    assert load(tmp_path / "in", tmp_path).fingerprint == first.fingerprint
    Image.new("RGB", (12, 10), (99, 0, 0)).save(tmp_path / "in" / "a" / "0.png")
    os.utime(tmp_path / "in" / "a" / "0.png", (1, 1))
    second = load(tmp_path / "in", tmp_path)
    assert second.fingerprint != first.fingerprint
    images = np.concatenate([split.images[split.indices] for split in (second.train, second.validation, second.test)])
    assert 99 in images


def test_broken_photos_are_left_out_of_the_right_place(tmp_path, heard):
    for name in ("a", "b"):
        fill(tmp_path / "in" / name, 10)
    (tmp_path / "in" / "a" / "4.png").write_bytes(b"x")
    data = load(tmp_path / "in", tmp_path, on_broken="skip", progress=heard)
    assert heard.notes[1].startswith("left out: a/4.png cannot be decoded")
    for split in (data.train, data.validation, data.test):
        images, labels = split.batch(range(len(split)))
        shown = [
            f"{data.class_names[label]}/{pixel}.png" for label, pixel in zip(labels, images[:, 0, 0, 0], strict=True)
        ]
        assert shown == list(split.names) and "a/4.png" not in shown


def test_a_class_whose_photos_are_all_broken(tmp_path):
    for part in ("train", "val", "test"):
        for name in ("a", "b"):
            fill(tmp_path / "in" / part / name, 4)
    for path in (tmp_path / "in" / "test" / "b").iterdir():
        path.write_bytes(b"x")
    with pytest.raises(UserError, match="class 'b' has no test photo that can be decoded"):
        load(tmp_path / "in", tmp_path, on_broken="skip")


def error(data_dir) -> str:
    with pytest.raises(UserError) as caught:
        listed(data_dir)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_errors_say_what_is_wrong(tmp_path):
    assert "holds 0 classes; expected a folder of photos for each of at least 2" in error(tmp_path)
    fill(tmp_path / "a")
    assert "holds 1 classes" in error(tmp_path)
    fill(tmp_path / "b", 2)
    assert "class 'b'" in error(tmp_path) and "has 2 photos" in error(tmp_path) and "at least 3" in error(tmp_path)
    (tmp_path / "c").mkdir()
    fill(tmp_path / "b", 5)
    assert "class 'c'" in error(tmp_path) and "has 0 photos; expected at least 3" in error(tmp_path)


def test_errors_of_parts(tmp_path):
    for part in ("train", "test"):
        for name in ("a", "b"):
            fill(tmp_path / part / name, 2)
    listed(tmp_path)
    fill(tmp_path / "test" / "c")
    assert "test" in error(tmp_path) and "differ in classes: c" in error(tmp_path)
    fill(tmp_path / "train" / "c", 1)
    assert "class 'c' of train" in error(tmp_path) and "at least 2" in error(tmp_path)
    fill(tmp_path / "train" / "c", 2)
    fill(tmp_path / "extra" / "a")
    assert "'extra' does not belong; expected train, val and test" in error(tmp_path)


def test_no_folder(tmp_path):
    with pytest.raises(UserError, match="needs data_dir"):
        load(None, tmp_path)
    with pytest.raises(UserError, match="is not a folder"):
        load(tmp_path / "absent", tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is unreadable to root")
def test_unreadable_folder(tmp_path):
    fill(tmp_path / "a")
    fill(tmp_path / "b").chmod(0)
    assert "cannot be read (Permission denied)" in error(tmp_path)
