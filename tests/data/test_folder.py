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
    return folder.photos(data_dir, data_dir, Progress())


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


def test_suffixes_depth_and_what_is_passed_over(tmp_path):
    for number, suffix in enumerate((".jpg", ".JPEG", ".png", ".webp", ".bmp")):
        fill(tmp_path / "a", 1, suffix, number)
    fill(tmp_path / "b" / "deep" / "deeper", 4)
    fill(tmp_path / ".hidden", 4)
    fill(tmp_path / "a" / ".thumbnails", 4)
    for name in ("a/notes.txt", "a/.DS_Store", "a/._1.jpg", "readme.md"):
        (tmp_path / name).write_text("x")
    (tmp_path / "a" / "folder.jpg").mkdir()
    (part,) = listed(tmp_path)
    deep = [f"b/deep/deeper/{number}.png" for number in range(4)]
    assert part.names == ("a/0.jpg", "a/1.JPEG", "a/2.png", "a/3.webp", "a/4.bmp", *deep)


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_links_to_classes_and_photos_are_followed_and_loops_are_not(tmp_path):
    fill(tmp_path / "elsewhere")
    fill(tmp_path / "in" / "a", 3)
    (tmp_path / "in" / "b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / "a" / "more.png").symlink_to(tmp_path / "elsewhere" / "0.png")
    (tmp_path / "in" / "a" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "a" / "gone.png").symlink_to(tmp_path / "nowhere")
    (part,) = listed(tmp_path / "in")
    linked = [f"b/{number}.png" for number in range(6)]
    assert part.names == ("a/0.png", "a/1.png", "a/2.png", "a/gone.png", "a/more.png", *linked)
    with pytest.raises(UserError, match=r"a/gone\.png cannot be decoded \(FileNotFoundError"):
        load(tmp_path / "in", tmp_path)


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
    assert len(heard.notes) == 1 and "a/4.png" in heard.notes[0]
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
    assert "class 'c'" in error(tmp_path) and "has 0 photos (.jpg," in error(tmp_path)


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
    assert "'extra' does not belong there; expected train, val and test" in error(tmp_path)


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
