import io
import os
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import tiny_dogs
from scipy.io import loadmat

from kerasqueeze.data.sets.stanford_dogs import copies
from kerasqueeze.data.sets.stanford_dogs.copies import Archives, Tree, find_copy, official_split
from kerasqueeze.errors import UserError

FORMS = {"archives": tiny_dogs.write_archives, "tree": tiny_dogs.write_tree}


@pytest.fixture(params=sorted(FORMS))
def copy(request, tmp_path):
    found = find_copy(FORMS[request.param](tmp_path / "dogs"))
    assert isinstance(found, {"archives": Archives, "tree": Tree}[request.param])
    return found


def test_shipped_split_has_the_official_numbers():
    split = official_split()
    assert len(split.class_names) == 120 and split.class_names[0] == "n02085620-Chihuahua"
    assert list(split.class_names) == sorted(split.class_names)
    for half, count in (("train", 12_000), ("test", 8_580)):
        names, labels = split.half(half)
        assert len(set(names)) == len(names) == len(labels) == count and labels.dtype == np.int32
        assert [split.class_names[label] for label in labels] == [name.split("/")[0] for name in names]
    assert not set(split.train) & set(split.test)
    np.testing.assert_array_equal(np.bincount(split.half("train")[1]), np.full(120, 100))


@pytest.mark.real_data
def test_shipped_split_is_the_official_lists(real_data):
    split = official_split()
    for half in ("train", "test"):
        lists = loadmat(real_data / "stanford_dogs" / "lists" / f"{half}_list.mat")
        names, labels = split.half(half)
        assert names == tuple(str(name[0][0]) for name in lists["file_list"])
        np.testing.assert_array_equal(labels, lists["labels"].ravel().astype(int) - 1)


def test_contents(copy):
    copy.check(tiny_dogs.split())
    for name in (*tiny_dogs.split().train, *tiny_dogs.split().test):
        assert copy.photo(name) == tiny_dogs.photo(name)
        assert copy.annotation(name) == tiny_dogs.annotation(name)
    assert copy.official_list("test") == tiny_dogs.list_mat("test")


def test_other_places_of_a_tree(tmp_path):
    tiny_dogs.write_tree(tmp_path)
    for path in ("images/Images", "annotations/Annotation", "lists/test_list.mat"):
        (tmp_path / path).rename(tmp_path / Path(path).name)
    copy = find_copy(tmp_path)
    assert copy is not None
    copy.check(tiny_dogs.split())
    name = tiny_dogs.split().test[0]
    assert copy.photo(name) and copy.annotation(name) and copy.official_list("test")


def test_images_alone_will_do(tmp_path):
    tree = tiny_dogs.write_tree(tmp_path / "tree", lists=False, annotations=False)
    archives = tiny_dogs.write_archives(tmp_path / "archives")
    for name in ("annotation.tar", "lists.tar"):
        (archives / name).unlink()
    for folder in (tree, archives):
        copy = find_copy(folder)
        assert copy is not None
        copy.check(tiny_dogs.split())
        assert copy.annotation(tiny_dogs.split().train[0]) is None and copy.official_list("train") is None


def test_nothing_there(tmp_path):
    assert find_copy(tmp_path) is None
    assert find_copy(tmp_path / "absent") is None


def check_error(folder) -> str:
    copy = find_copy(folder)
    assert copy is not None
    with pytest.raises(UserError) as caught:
        copy.check(tiny_dogs.split())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_missing_and_extra_photos_are_named(tmp_path):
    folder = tiny_dogs.write_tree(tmp_path)
    shutil.rmtree(folder / "images" / "Images" / tiny_dogs.BREEDS[1])
    text = check_error(folder)
    assert "lacks 6 of 18 photos (n02085782-Japanese_spaniel/n02085782_1.jpg, " in text and "and 3 more)" in text
    tiny_dogs.write_tree(tmp_path)
    (folder / "images" / "Images" / tiny_dogs.BREEDS[0] / "mine.jpg").touch()
    (folder / "images" / "Images" / tiny_dogs.BREEDS[0] / ".hidden.jpg").touch()
    assert "beyond the official list, 1 of 18 photos (n02085620-Chihuahua/mine.jpg)" in check_error(folder)


def test_missing_and_extra_photos_of_archives_are_named(tmp_path):
    tiny_dogs.write_archives(tmp_path, {"Images/n02085620-Chihuahua/mine.jpg": b"", "Images/._n02085620_1.jpg": b""})
    assert "beyond the official list, 1 of 18 photos (n02085620-Chihuahua/mine.jpg)" in check_error(tmp_path)


def test_other_lists_are_refused(tmp_path):
    folder = tiny_dogs.write_tree(tmp_path)
    (folder / "lists" / "train_list.mat").write_bytes(tiny_dogs.list_mat("test"))
    assert "train_list.mat" in check_error(folder) and "is not the official list; remove it" in check_error(folder)
    (folder / "lists" / "train_list.mat").write_bytes(b"damaged")
    assert "is not the official list" in check_error(folder)


def test_archives_cut_short(tmp_path):
    path = tiny_dogs.write_archives(tmp_path) / "images.tar"
    content = path.read_bytes()
    for size in (0, 100, 700, 5000):
        path.write_bytes(content[:size])
        text = check_error(tmp_path)
        assert "is not a whole tar archive" in text or "lacks" in text
    path.write_bytes(os.urandom(5000))
    assert "images.tar is not a whole tar archive" in check_error(tmp_path)


def test_nothing_leaves_an_archive_by_its_name(tmp_path):
    """Members with evil names, links and devices give no access to other files, and are not written anywhere."""
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(b"secret")
    folder = tmp_path / "dogs"
    tiny_dogs.write_archives(folder)
    name = tiny_dogs.split().train[0]
    with tarfile.open(folder / "images.tar", "w") as tar:
        link = tarfile.TarInfo(f"Images/{name}")
        link.type, link.linkname = tarfile.SYMTYPE, str(secret)
        tar.addfile(link)
        hard = tarfile.TarInfo(f"Images/{tiny_dogs.split().train[1]}")
        hard.type, hard.linkname = tarfile.LNKTYPE, "../../secret.jpg"
        tar.addfile(hard)
        evil = tarfile.TarInfo("../../../evil.jpg")
        evil.size = 1
        tar.addfile(evil, io.BytesIO(b"x"))
    assert "lacks 18 of 18" in check_error(folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dogs", "secret.jpg"]


def test_large_members_are_refused(copy, monkeypatch):
    monkeypatch.setattr(copies, "MAX_BYTES", 100)
    with pytest.raises(UserError, match="is larger than 0 MiB"):
        copy.photo(tiny_dogs.split().train[0])


def test_state_follows_the_photos(copy, tmp_path):
    before = copy.state()
    assert find_copy(copy.folder).state() == before  # pyright: ignore[reportOptionalMemberAccess]
    path = next(path for path in sorted(copy.folder.rglob("*")) if path.suffix in (".jpg", ".tar"))
    os.utime(path, ns=(1, 1))
    assert copy.state() != before


def test_state_follows_names(tmp_path):
    copy = find_copy(tiny_dogs.write_tree(tmp_path))
    assert copy is not None
    before = copy.state()
    photo = tmp_path / "images" / "Images" / tiny_dogs.split().train[0]
    photo.rename(photo.with_name("other.jpg"))
    assert copy.state() != before
